import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError, ShapeError } from "../../src/graph/errors.ts";
import {
  hashRandom,
  type MaskingOptions,
  maskBatch,
  maskExample,
  permutation,
  predictionCount,
} from "../../src/text/index.ts";

const specialTokenIds = [0, 1, 2, 3, 4];
const options: MaskingOptions = {
  vocabSize: 100,
  maskTokenId: 4,
  specialTokenIds,
  seed: 1,
  maxPredictions: 20,
};
/** Examples as they come: mostly ordinary ids, some special ones among them. */
const exampleIds = fc.array(fc.integer({ min: 0, max: 99 }), { minLength: 1, maxLength: 200 });
const keys = fc.record({ example: fc.nat(), visit: fc.nat() });
const isContinuation = (id: number): boolean => id % 3 === 0;

describe("maskExample", () => {
  it("selects the exact number, only candidates, and touches nothing else", () => {
    fc.assert(
      fc.property(exampleIds, keys, fc.integer({ min: 1, max: 40 }), (ids, key, maxPredictions) => {
        const { inputIds, positions, labels } = maskExample(ids, key, { ...options, maxPredictions });
        const candidates = ids.filter((id) => !specialTokenIds.includes(id)).length;
        const asked = Math.min(maxPredictions, Math.max(1, Math.round(ids.length * 0.15)));
        expect(positions).toHaveLength(Math.min(asked, candidates));
        expect([...new Set(positions)].sort((a, b) => a - b)).toEqual(positions);
        expect(labels).toEqual(positions.map((position) => ids[position]));
        for (const label of labels) expect(specialTokenIds).not.toContain(label);
        for (const [i, id] of ids.entries()) if (!positions.includes(i)) expect(inputIds[i]).toBe(id);
      }),
    );
  });

  it("selects whole words within the quota", () => {
    fc.assert(
      fc.property(exampleIds, keys, (ids, key) => {
        const { positions } = maskExample(ids, key, { ...options, isContinuation });
        expect(positions.length).toBeLessThanOrEqual(predictionCount(ids.length, 20));
        const chosen = new Set(positions);
        for (let i = 1; i < ids.length; i++) {
          const joined = isContinuation(ids[i]) && ![ids[i - 1], ids[i]].some((id) => id <= 4);
          if (joined) expect(chosen.has(i)).toBe(chosen.has(i - 1));
        }
      }),
    );
  });

  it("fills the quota with the words that fit", () => {
    const ids = Array.from({ length: 40 }, (_, i) => (i % 4 === 0 ? 7 : 9)); // Words of four pieces; quota 6.
    for (let visit = 0; visit < 20; visit++) {
      expect(maskExample(ids, { example: 0, visit }, { ...options, isContinuation }).positions).toHaveLength(
        4,
      );
    }
  });

  it("is a pure function of seed, example and visit", () => {
    fc.assert(
      fc.property(exampleIds, keys, (ids, key) => {
        expect(maskExample(ids, key, options)).toEqual(
          maskExample(Int32Array.from(ids), { ...key }, { ...options }),
        );
      }),
    );
    const ids = Array.from({ length: 128 }, (_, i) => 5 + (i % 90));
    const masks = (example: number, visit: number, seed: number): string =>
      maskExample(ids, { example, visit }, { ...options, seed }).positions.join();
    const all = [masks(0, 0, 1), masks(1, 0, 1), masks(0, 1, 1), masks(0, 0, 2), masks(1, 1, 1)];
    expect(new Set(all).size).toBe(all.length);
  });

  it("repeats the masks after k visits where masking is static", () => {
    const ids = Array.from({ length: 64 }, (_, i) => 5 + i);
    const at = (visit: number): string =>
      maskExample(ids, { example: 3, visit }, { ...options, staticMasks: 4 }).positions.join();
    const first = [0, 1, 2, 3].map(at);
    expect(new Set(first).size).toBe(4);
    expect([4, 5, 6, 7].map(at)).toEqual(first);
  });

  it("masks 80 %, keeps 10 % and replaces 10 % by any token", () => {
    const ids = Array.from({ length: 128 }, (_, i) => 5 + (i % 95));
    let [total, masked, kept] = [0, 0, 0];
    const replacements = new Set<number>();
    const perPosition = new Array<number>(128).fill(0);
    for (let example = 0; example < 2_000; example++) {
      const { inputIds, positions, labels } = maskExample(ids, { example, visit: 0 }, options);
      for (const [i, position] of positions.entries()) {
        total++;
        perPosition[position]++;
        if (inputIds[position] === 4) masked++;
        else if (inputIds[position] === labels[i]) kept++;
        else replacements.add(inputIds[position]);
      }
    }
    expect(total).toBe(38_000);
    // A random token is the mask or the original one in a hundred; bounds of five standard deviations.
    const within = (count: number, share: number): void => {
      const deviation = Math.sqrt(total * share * (1 - share));
      expect(Math.abs(count - total * share)).toBeLessThan(5 * deviation);
    };
    within(masked, 0.8 + 0.1 / 100);
    within(kept, 0.1 + 0.1 / 100);
    expect(replacements.size).toBe(99); // All but the mask itself, special tokens included.
    for (const count of perPosition)
      expect(Math.abs(count - 38_000 / 128)).toBeLessThan(5 * Math.sqrt(38_000 / 128));
  });

  it("obeys other shares", () => {
    const ids = Array.from({ length: 50 }, (_, i) => 5 + i);
    const kept = maskExample(ids, { example: 0, visit: 0 }, { ...options, maskedShare: 0, keptShare: 1 });
    expect([...kept.inputIds]).toEqual(ids);
    const half = { ...options, maxPredictions: 50, selectedShare: 0.5, maskedShare: 1, keptShare: 0 };
    expect(maskExample(ids, { example: 0, visit: 0 }, half).inputIds.filter((id) => id === 4)).toHaveLength(
      25,
    );
    expect(() => maskExample(ids, { example: 0, visit: 0 }, { ...options, maskedShare: 0.95 })).toThrow(
      ArgumentError,
    );
    expect(() => maskExample(ids, { example: 0.5, visit: 0 }, options)).toThrow(ArgumentError);
    expect(() => maskExample(ids, { example: 0, visit: 0 }, { ...options, maskTokenId: 100 })).toThrow(
      ArgumentError,
    );
  });
});

describe("maskBatch", () => {
  const [rowCount, sequenceLength] = [3, 16];
  const lengths = [16, 5, 2];
  const ids = Int32Array.from({ length: rowCount * sequenceLength }, (_, i) => {
    const [row, column] = [Math.floor(i / sequenceLength), i % sequenceLength];
    if (column >= lengths[row]) return 0;
    return column === 0 ? 2 : column === lengths[row] - 1 ? 3 : 10 + column;
  });

  it("gives inputs, attention mask, gathered and dense labels that agree", () => {
    const batch = maskBatch({ ids, sequenceLength, lengths }, [4, 9, 2], [0, 1, 2], {
      ...options,
      maxPredictions: 3,
    });
    expect([...batch.attentionMask]).toEqual([...ids].map((id) => (id === 0 ? 0 : 1)));
    const dense = new Int32Array(ids.length).fill(-100);
    const counts = [0, 0, 0];
    for (let slot = 0; slot < 9; slot++) {
      const row = Math.floor(slot / 3);
      if (batch.labels[slot] === -100) expect(batch.positions[slot]).toBe(0);
      else {
        counts[row]++;
        dense[row * sequenceLength + batch.positions[slot]] = batch.labels[slot];
        expect(batch.labels[slot]).toBe(ids[row * sequenceLength + batch.positions[slot]]);
      }
    }
    expect(counts).toEqual([2, 1, 0]); // The last row holds [CLS] [SEP] alone.
    expect(batch.denseLabels).toEqual(dense);
    for (const [i, id] of ids.entries()) if (dense[i] === -100) expect(batch.inputIds[i]).toBe(id);
  });

  it("masks a row alike in any batch", () => {
    const row = ids.subarray(0, sequenceLength);
    const alone = maskBatch({ ids: row, sequenceLength }, [4], [7], options);
    const other = Int32Array.from([...ids.subarray(0, 2 * sequenceLength), ...row]);
    const among = maskBatch({ ids: other, sequenceLength }, [1, 2, 4], [0, 0, 7], options);
    expect(among.inputIds.subarray(2 * sequenceLength)).toEqual(alone.inputIds);
  });

  it("refuses sizes that do not fit", () => {
    expect(() => maskBatch({ ids, sequenceLength }, [1, 2], [0, 0], options)).toThrow(ShapeError);
    expect(() => maskBatch({ ids, sequenceLength }, [1, 2, 3], [0, 0], options)).toThrow(ShapeError);
    expect(() =>
      maskBatch({ ids, sequenceLength, lengths: [17, 1, 1] }, [1, 2, 3], [0, 0, 0], options),
    ).toThrow(ShapeError);
  });
});

describe("hashRandom", () => {
  it("is uniform along a stream and across keys", () => {
    for (const across of [false, true]) {
      const stream = hashRandom(5);
      const bins = new Array<number>(64).fill(0);
      const pairs = new Array<number>(64).fill(0);
      let before = 0;
      for (let i = 0; i < 64_000; i++) {
        const value = across ? hashRandom(5, i).uniform() : stream.uniform();
        bins[Math.floor(value * 64)]++;
        pairs[Math.floor(value * 8) * 8 + Math.floor(before * 8)]++;
        before = value;
      }
      // Chi-square of 63 degrees of freedom: mean 63, standard deviation 11.2.
      const chiSquare = (counts: number[]): number =>
        counts.reduce((sum, n) => sum + (n - 1_000) ** 2 / 1_000, 0);
      expect(chiSquare(bins)).toBeLessThan(120);
      expect(chiSquare(pairs)).toBeLessThan(120);
    }
  });

  it("tells keys apart by every part, its sign, its order and its high bits", () => {
    const parts = [
      [],
      [0],
      [0, 0],
      [1],
      [-1],
      [1, 2],
      [2, 1],
      [2 ** 32],
      [2 ** 32 + 1],
      [2 ** 40],
      [-(2 ** 32)],
    ];
    expect(new Set(parts.map((key) => hashRandom(...key).uint32())).size).toBe(parts.length);
    expect(() => hashRandom(0.5)).toThrow(ArgumentError);
    expect(() => hashRandom(Number.NaN)).toThrow(ArgumentError);
  });

  it("permutes", () => {
    fc.assert(
      fc.property(fc.nat(200), fc.integer(), (length, seed) => {
        const order = permutation(length, seed);
        expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length }, (_, i) => i));
        expect(permutation(length, seed)).toEqual(order);
      }),
    );
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 6_000; seed++) {
      const order = permutation(3, seed).join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  });
});

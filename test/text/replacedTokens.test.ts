import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError, IndexOutOfRangeError, ShapeError } from "../../src/graph/errors.ts";
import {
  electraMasking,
  hashRandom,
  type MaskedBatch,
  maskBatch,
  replaceTokens,
  sampleReplacements,
} from "../../src/text/index.ts";

const [vocabSize, sequenceLength, batchSize] = [20, 24, 3];
const lengths = [24, 10, 3];
const examples = [4, 9, 2];
const visits = [0, 1, 2];
const options = electraMasking(
  { vocabSize, maskTokenId: 4, specialTokenIds: [0, 1, 2, 3, 4], seed: 1 },
  sequenceLength,
  0.25,
);
const original = Int32Array.from({ length: batchSize * sequenceLength }, (_, i) => {
  const [row, column] = [Math.floor(i / sequenceLength), i % sequenceLength];
  if (column >= lengths[row]) return 0;
  return column === 0 ? 2 : column === lengths[row] - 1 ? 3 : 5 + ((i * 7) % 15);
});
const batch = maskBatch({ ids: original, sequenceLength, lengths }, examples, visits, options);
const keys = { seed: 1, examples, visits };
const slots = batchSize * batch.maxPredictions;

/** Logits that put all weight on `id` in every slot. */
const certain = (id: number): Float32Array =>
  new Float32Array(slots * vocabSize).map((_, i) => (i % vocabSize === id ? 0 : Number.NEGATIVE_INFINITY));

/** A batch of one row whose first slots are used. */
const slotsOnly = (used: number, of: number): MaskedBatch => ({
  ...{ batchSize: 1, sequenceLength: of, maxPredictions: of },
  inputIds: new Int32Array(of),
  attentionMask: new Int32Array(of).fill(1),
  positions: Int32Array.from({ length: of }, (_, i) => i),
  labels: Int32Array.from({ length: of }, (_, i) => (i < used ? 1 : -100)),
  denseLabels: Int32Array.from({ length: of }, (_, i) => (i < used ? 1 : -100)),
});

describe("electraMasking", () => {
  it("masks 85 %, keeps 15 % and replaces none, at different positions", () => {
    const settings = electraMasking({ vocabSize: 100, maskTokenId: 4, specialTokenIds: [0], seed: 2 }, 128);
    expect(settings.maxPredictions).toBe(19);
    const ids = Int32Array.from({ length: 128 }, (_, i) => 5 + (i % 90));
    let [masked, total] = [0, 0];
    for (let example = 0; example < 300; example++) {
      const one = maskBatch({ ids, sequenceLength: 128 }, [example], [0], settings);
      for (const [slot, position] of one.positions.entries()) {
        expect(one.labels[slot]).toBe(ids[position]);
        expect([4, ids[position]]).toContain(one.inputIds[position]);
        total++;
        if (one.inputIds[position] === 4) masked++;
      }
      expect(new Set(one.positions).size).toBe(19);
    }
    expect(Math.abs(masked - 0.85 * total)).toBeLessThan(5 * Math.sqrt(total * 0.85 * 0.15));
  });
});

describe("sampleReplacements", () => {
  it("draws from the softmax of the logits, at any temperature", () => {
    const logits = [0, 1, -1, 2.5, Number.NEGATIVE_INFINITY];
    for (const temperature of [1, 0.5, 3]) {
      const weights = logits.map((logit) => Math.exp(logit / temperature));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const counts = new Array<number>(5).fill(0);
      const one = slotsOnly(4, 4);
      const all = [...logits, ...logits, ...logits, ...logits];
      for (let visit = 0; visit < 2_500; visit++) {
        const drawn = sampleReplacements(all, one, { seed: 3, examples: [1], visits: [visit], temperature });
        for (const id of drawn) counts[id]++;
      }
      for (const [id, weight] of weights.entries()) {
        const share = weight / total;
        const bound = 5 * Math.sqrt(10_000 * share * (1 - share));
        expect(Math.abs(counts[id] - 10_000 * share)).toBeLessThanOrEqual(bound);
      }
    }
  });

  it("is a pure function of seed, example and visit, whatever the batch", () => {
    const random = hashRandom(8);
    const logits = Float32Array.from({ length: slots * vocabSize }, () => 4 * random.uniform());
    const sampled = sampleReplacements(logits, batch, keys);
    expect(sampleReplacements(logits, batch, { ...keys })).toEqual(sampled);
    expect(sampleReplacements(logits, batch, { ...keys, seed: 2 })).not.toEqual(sampled);
    expect(sampleReplacements(logits, batch, { ...keys, visits: [1, 1, 2] })).not.toEqual(sampled);
    expect([...sampled].map((id) => id === -100)).toEqual([...batch.labels].map((id) => id === -100));
    const P = batch.maxPredictions;
    const row = { ids: original.slice(sequenceLength, 2 * sequenceLength), sequenceLength, lengths: [10] };
    const alone = maskBatch(row, [9], [1], options);
    const own = logits.slice(P * vocabSize, 2 * P * vocabSize);
    expect(sampleReplacements(own, alone, { seed: 1, examples: [9], visits: [1] })).toEqual(
      sampled.slice(P, 2 * P),
    );
  });

  it("refuses logits that make no distribution, and sizes that do not fit", () => {
    expect(() => sampleReplacements(new Float32Array(7), batch, keys)).toThrow(ShapeError);
    expect(() => sampleReplacements([], batch, keys)).toThrow(ShapeError);
    expect(() => sampleReplacements(certain(7), batch, { ...keys, examples: [1] })).toThrow(ShapeError);
    expect(() => sampleReplacements(certain(vocabSize), batch, keys)).toThrow(/minus infinity/);
    expect(() => sampleReplacements(certain(7).fill(Number.NaN), batch, keys)).toThrow(/is NaN/);
    for (const temperature of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => sampleReplacements(certain(7), batch, { ...keys, temperature })).toThrow(ArgumentError);
    }
  });
});

describe("replaceTokens", () => {
  it("labels what differs from the original, in every token and no padding", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: vocabSize - 1 }), { minLength: slots, maxLength: slots }), (ids) => {
        const sampled = ids.map((id, slot) => (batch.labels[slot] === -100 ? -100 : id));
        const replaced = replaceTokens(batch, sampled);
        expect(replaced.attentionMask).toEqual(batch.attentionMask);
        for (const [i, id] of replaced.inputIds.entries()) {
          if (batch.attentionMask[i] === 0) expect([id, replaced.labels[i]]).toEqual([0, -100]);
          else expect(replaced.labels[i]).toBe(id === original[i] ? 0 : 1);
          if (batch.denseLabels[i] === -100) expect(id).toBe(original[i]);
        }
        for (let slot = 0; slot < slots; slot++) {
          if (batch.labels[slot] === -100) continue;
          const at = Math.floor(slot / batch.maxPredictions) * sequenceLength + batch.positions[slot];
          expect(replaced.inputIds[at]).toBe(sampled[slot]);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("counts a right guess as original, and special tokens too", () => {
    const right = replaceTokens(batch, batch.labels);
    expect(right.inputIds).toEqual(original);
    expect([...right.labels]).toEqual([...batch.attentionMask].map((isToken) => (isToken ? 0 : -100)));
    const wrong = replaceTokens(batch, sampleReplacements(certain(19), batch, keys));
    const selected = [...batch.labels].filter((label) => label !== -100 && label !== 19).length;
    expect([...wrong.labels].filter((label) => label === 1)).toHaveLength(selected);
  });

  it("refuses what does not fit", () => {
    expect(() => replaceTokens(batch, [1])).toThrow(ShapeError);
    expect(() => replaceTokens(batch, new Int32Array(slots).fill(-100))).toThrow(IndexOutOfRangeError);
  });
});

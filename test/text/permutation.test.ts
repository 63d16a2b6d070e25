import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/graph/errors.ts";
import {
  hashRandom,
  joinPermutationMasks,
  permutationMask,
  permutationOrder,
  sampleSpans,
} from "../../src/text/index.ts";

/** Runs of 1 as [start, length]. */
function runsOf(chosen: ArrayLike<number>): [number, number][] {
  const runs: [number, number][] = [];
  for (let i = 0; i < chosen.length; i++) {
    const last = runs.at(-1);
    if (!chosen[i]) continue;
    if (last && last[0] + last[1] === i) last[1]++;
    else runs.push([i, 1]);
  }
  return runs;
}

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0);

describe("sampleSpans", () => {
  it("chooses exactly as many tokens as are asked for, and the same ones for one key", () => {
    const cases = fc.record({
      length: fc.integer({ min: 1, max: 80 }),
      count: fc.integer({ min: 0, max: 90 }),
      seed: fc.nat(),
      reverse: fc.boolean(),
      unit: fc.constantFrom("tokens", "words"),
      every: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(cases, ({ length, count, seed, reverse, unit, every }) => {
        const ids = Array.from({ length }, (_, i) => i);
        const options = { reverse, unit, isWordStart: (id: number) => id % every === 0 };
        const chosen = sampleSpans(ids, count, hashRandom(seed), options);
        expect(chosen.length).toBe(length);
        expect(sum(chosen)).toBe(Math.min(count, length));
        expect(sampleSpans(ids, count, hashRandom(seed), options)).toEqual(chosen);
      }),
    );
  });

  it("takes spans of 1 to 5 tokens as often as their inverse says, with context around", () => {
    const ids = new Int32Array(100_000);
    // Too few for the spans to reach the end, from where on single tokens would be taken.
    const lengths = runsOf(sampleSpans(ids, 10_000, hashRandom(1))).map(([, length]) => length);
    const total = 1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5;
    // Two spans can touch, when one has its context left and the next has it right; few do.
    for (const n of [1, 2, 3, 4, 5]) {
      const share = lengths.filter((length) => length === n).length / lengths.length;
      expect(share).toBeCloseTo(1 / n / total, 1);
    }
  });

  it("begins spans where words begin, and counts words where it is told to", () => {
    const ids = Int32Array.from({ length: 3_000 }, (_, i) => i);
    const isWordStart = (id: number): boolean => id % 3 === 0;
    const tokens = runsOf(sampleSpans(ids, 200, hashRandom(2), { isWordStart, maxLength: 2 }));
    expect(tokens.every(([start]) => start % 3 === 0)).toBe(true);
    expect(new Set(tokens.map(([, length]) => length))).toEqual(new Set([1, 2]));
    const words = runsOf(sampleSpans(ids, 198, hashRandom(2), { isWordStart, maxLength: 2, unit: "words" }));
    const whole = words.filter(([start, length]) => start % 3 === 0 && length % 3 === 0);
    expect(whole.length).toBeGreaterThan(0.9 * words.length);
    const backwards = sampleSpans(ids, 100, hashRandom(3), { isWordStart, maxLength: 1, reverse: true });
    expect(runsOf(backwards).every(([start]) => start % 3 === 0)).toBe(true);
  });

  it("refuses options that mean nothing", () => {
    expect(() => sampleSpans([1, 2], 1, hashRandom(0), { maxLength: 0 })).toThrow(ArgumentError);
    expect(() => sampleSpans([1, 2], 1, hashRandom(0), { contextRatio: 0.5 })).toThrow(ArgumentError);
  });
});

describe("permutationOrder", () => {
  it("shuffles all blocks alike, one behind the other", () => {
    const order = Array.from(permutationOrder(12, 4, hashRandom(5)));
    expect([...order].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(order.map((place, i) => place - 4 * Math.floor(i / 4))).toEqual([
      ...order.slice(0, 4),
      ...order.slice(0, 4),
      ...order.slice(0, 4),
    ]);
    expect(() => permutationOrder(10, 4, hashRandom(5))).toThrow(ArgumentError);
  });
});

describe("permutationMask", () => {
  it("is what it is by hand", () => {
    // Tokens: target, context, target, separator. Order of prediction: the separator, token 2, token 0.
    const mask = permutationMask({ order: [3, 1, 2, 0], isTarget: [1, 0, 1, 0], isSpecial: [0, 0, 0, 1] });
    expect(Array.from(mask)).toEqual([
      ...[1, 0, 0, 0], // sees context, token 2 and the separator, not itself
      ...[1, 0, 1, 1], // context sees context alone
      ...[1, 0, 1, 0], // does not see token 0, which comes later, nor itself
      ...[1, 0, 1, 0], // the separator sees context and itself
    ]);
  });

  it("lets targets see context and earlier targets, and nobody what comes later", () => {
    const positions = fc.integer({ min: 1, max: 12 }).chain((length) =>
      fc.record({
        order: fc.shuffledSubarray(
          Array.from({ length }, (_, i) => i),
          { minLength: length },
        ),
        kinds: fc.array(fc.constantFrom("context", "target", "special"), {
          minLength: length,
          maxLength: length,
        }),
      }),
    );
    fc.assert(
      fc.property(positions, ({ order, kinds }) => {
        const length = order.length;
        const flags = (wanted: string): number[] => kinds.map((kind) => Number(kind === wanted));
        const mask = permutationMask({ order, isTarget: flags("target"), isSpecial: flags("special") });
        for (let i = 0; i < length; i++) {
          for (let j = 0; j < length; j++) {
            const sees = mask[i * length + j] === 0;
            if (kinds[j] === "context") expect(sees).toBe(true);
            else if (kinds[i] === "context") expect(sees).toBe(false);
            else if (i === j) expect(sees).toBe(kinds[i] === "special");
            else expect(sees).toBe(order[j] < order[i]);
          }
        }
      }),
    );
  });

  it("joins two parts so that only the second sees the first", () => {
    const joined = joinPermutationMasks(Uint8Array.of(0), Uint8Array.of(0, 1, 0, 0));
    expect(Array.from(joined)).toEqual([...[0, 1, 1], ...[0, 0, 1], ...[0, 0, 0]]);
  });
});

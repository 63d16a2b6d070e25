import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/graph/errors.ts";
import {
  hashRandom,
  type MaskingOptions,
  type MaskSelection,
  maskExample,
  predictionCount,
} from "../../src/text/index.ts";
import { runLengthWeights, selectGroups } from "../../src/text/maskSelection.ts";

const selections: readonly MaskSelection[] = [
  { kind: "units" },
  { kind: "ngrams" },
  { kind: "ngrams", maxLength: 5, favorShorter: false },
  { kind: "spans" },
  { kind: "spans", maxLength: 4, stop: 0.5 },
];
const specialTokenIds = [0, 1, 2, 3, 4];
const options: MaskingOptions = {
  ...{ vocabSize: 100, maskTokenId: 4, specialTokenIds, seed: 1, maxPredictions: 20 },
};
/** Positions with gaps, in units of one to three. */
const unitLists = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.boolean()), { maxLength: 40 })
  .map((draws) => {
    let at = 0;
    return draws.map(([length, gap]) => {
      if (gap) at++;
      return Array.from({ length }, () => at++);
    });
  });

describe("selectGroups", () => {
  for (const selection of selections) {
    it(`selects disjoint runs of whole units within the quota: ${JSON.stringify(selection)}`, () => {
      fc.assert(
        fc.property(unitLists, fc.nat({ max: 30 }), fc.nat(), (units, quota, key) => {
          const groups = selectGroups(units, quota, selection, hashRandom(key));
          const positions = groups.flat();
          expect(positions.length).toBeLessThanOrEqual(quota);
          expect(new Set(positions).size).toBe(positions.length);
          const longest = selection.kind === "units" ? 1 : runLengthWeights(selection).length;
          for (const group of groups) {
            const first = units.findIndex((unit) => unit[0] === group[0]);
            const count = units.slice(first).findIndex((unit) => unit.at(-1) === group.at(-1)) + 1;
            expect(count).toBeLessThanOrEqual(longest);
            expect(units.slice(first, first + count).flat()).toEqual(group);
            // No gap: a run does not cross a special token.
            expect((group.at(-1) ?? 0) - group[0]).toBe(group.length - 1);
          }
          // Nothing is left that would still fit by itself.
          const chosen = new Set(positions);
          const rest = units.filter((unit) => !chosen.has(unit[0]));
          if (selection.kind !== "units") return;
          for (const unit of rest) expect(positions.length + unit.length).toBeGreaterThan(quota);
        }),
      );
    });
  }

  it("fills the quota exactly where units are single tokens", () => {
    const units = Array.from({ length: 60 }, (_, i) => [i]);
    for (const selection of selections) {
      for (let key = 0; key < 50; key++) {
        expect(selectGroups(units, 9, selection, hashRandom(key)).flat()).toHaveLength(9);
      }
    }
  });

  it("draws lengths as ALBERT and SpanBERT do", () => {
    const units = Array.from({ length: 700 }, (_, i) => [i]);
    const shares = (selection: MaskSelection, quota: number): number[] => {
      const counts = new Array<number>(quota).fill(0);
      // The first run meets no other, and no quota.
      for (let key = 0; key < 4_000; key++) {
        counts[selectGroups(units, quota, selection, hashRandom(9, key))[0].length - 1]++;
      }
      return counts.map((count) => count / 4_000);
    };
    const near = (actual: number[], expected: number[]): void => {
      for (const [i, share] of expected.entries()) {
        expect(Math.abs(actual[i] - share)).toBeLessThan(5 * Math.sqrt((share * (1 - share)) / 4_000));
      }
    };
    near(shares({ kind: "ngrams" }, 3), [6 / 11, 3 / 11, 2 / 11]);
    near(shares({ kind: "ngrams", favorShorter: false }, 3), [2 / 11, 3 / 11, 6 / 11]);
    const geometric = Array.from({ length: 10 }, (_, i) => 0.2 * 0.8 ** i);
    const total = geometric.reduce((sum, share) => sum + share, 0);
    near(
      shares({ kind: "spans" }, 10),
      geometric.map((share) => share / total),
    );
    // SpanBERT's mean length of 3.8.
    expect(geometric.reduce((sum, share, i) => sum + (share / total) * (i + 1), 0)).toBeCloseTo(3.8, 1);
  });
});

describe("maskExample with a selection", () => {
  const ids = Array.from({ length: 128 }, (_, i) => 5 + (i % 90));

  it("keeps to quota and candidates, and is a pure function of the key", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 99 }), { minLength: 1, maxLength: 90 }), fc.nat(), (row, visit) => {
        for (const selection of selections) {
          const key = { example: 3, visit };
          const masked = maskExample(row, key, { ...options, selection });
          expect(masked.positions.length).toBeLessThanOrEqual(predictionCount(row.length, 20));
          expect([...masked.positions].sort((a, b) => a - b)).toEqual(masked.positions);
          expect(masked.labels).toEqual(masked.positions.map((position) => row[position]));
          for (const label of masked.labels) expect(specialTokenIds).not.toContain(label);
          for (const [i, id] of row.entries()) {
            if (!masked.positions.includes(i)) expect(masked.inputIds[i]).toBe(id);
          }
          expect(maskExample(row, key, { ...options, selection })).toEqual(masked);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("masks, keeps or replaces a span as a whole, and the tokens of an n-gram each for itself", () => {
    /** Neighbouring selected positions of which one is masked and the other not. */
    const mixed = (selection: MaskSelection): number => {
      let count = 0;
      for (let visit = 0; visit < 300; visit++) {
        // A single span: there is no other whose tokens could be its neighbours.
        const { inputIds, positions } = maskExample(
          ids,
          { example: 0, visit },
          {
            ...{ ...options, maxPredictions: 3, selection },
          },
        );
        for (let i = 1; i < positions.length; i++) {
          if (positions[i] !== positions[i - 1] + 1 || positions.length > 3) continue;
          if ((inputIds[positions[i]] === 4) !== (inputIds[positions[i - 1]] === 4)) count++;
        }
      }
      return count;
    };
    expect(mixed({ kind: "spans", maxLength: 3, stop: 1e-9 })).toBeLessThan(20);
    expect(mixed({ kind: "ngrams", favorShorter: false })).toBeGreaterThan(50);
  });

  it("refuses malformed selections", () => {
    const bad: readonly MaskSelection[] = [
      { kind: "ngrams", maxLength: 0 },
      { kind: "ngrams", maxLength: 1.5 },
      { kind: "spans", stop: 0 },
      { kind: "spans", stop: 1.1 },
      { kind: "spans", maxLength: Number.POSITIVE_INFINITY },
    ];
    for (const selection of bad) {
      expect(() => maskExample(ids, { example: 0, visit: 0 }, { ...options, selection })).toThrow(
        ArgumentError,
      );
    }
  });
});

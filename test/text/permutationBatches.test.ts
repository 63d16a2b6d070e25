import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/graph/errors.ts";
import { IGNORED_LABEL, PermutationBatches, tokenStreams } from "../../src/text/index.ts";

const [sep, cls] = [1, 2];
const sentences = Array.from({ length: 60 }, (_, s) =>
  Array.from({ length: 1 + ((7 * s) % 9) }, (_, i) => 3 + s * 10 + i),
);
const options = {
  sequenceLength: 24,
  reuseLength: 8,
  permutationLength: 4,
  predictions: 5,
  sepTokenId: sep,
  clsTokenId: cls,
  seed: 7,
};
const forwards = tokenStreams(sentences, { batchSize: 2 });
const batches = new PermutationBatches(forwards, options);

const rowOf = (values: Int32Array, row: number, length: number): number[] =>
  Array.from(values.subarray(row * length, (row + 1) * length));

describe("PermutationBatches", () => {
  it("lays out [remembered | A SEP B SEP CLS] with types 0, 1 and 2", () => {
    fc.assert(
      fc.property(fc.nat({ max: 200 }), fc.integer({ min: 0, max: 1 }), (step, row) => {
        const batch = batches.batchAt(step);
        const ids = rowOf(batch.inputIds, row, 24);
        const start = (step % batches.stepsPerEpoch) * 8;
        const stream = rowOf(forwards.ids, row, forwards.length);
        expect(ids.slice(0, 8)).toEqual(stream.slice(start, start + 8));
        const border = ids.indexOf(sep);
        expect(ids.lastIndexOf(sep)).toBe(22);
        expect(ids[23]).toBe(cls);
        expect(ids.filter((id) => id === sep || id === cls).length).toBe(3);
        const [a, b] = [ids.slice(8, border), ids.slice(border + 1, 22)];
        expect(a).toEqual(stream.slice(start + 8, start + 8 + a.length));
        expect(a.length).toBeGreaterThan(0);
        // B stands somewhere in the row as it is; right behind A where the label says so.
        const at = stream.indexOf(b[0]);
        expect(b).toEqual(stream.slice(at, at + b.length));
        expect(b.length).toBeGreaterThan(0);
        if (batch.continues[row] === 1) expect(at).toBeGreaterThanOrEqual(start + 8 + a.length);
        const types = ids.map((_, i) => (i <= border ? 0 : i <= 22 ? 1 : 2));
        expect(rowOf(batch.typeIds, row, 24)).toEqual(types);
      }),
    );
  });

  it("predicts tokens as they are, none of them special, and most of what is asked for", () => {
    let [predicted, asked] = [0, 0];
    for (let step = 0; step < 2 * batches.stepsPerEpoch; step++) {
      const { inputIds, targetMapping, labels } = batches.batchAt(step);
      for (let p = 0; p < 10; p++) {
        const hits = Array.from(targetMapping.subarray(p * 24, (p + 1) * 24)).flatMap((is, i) =>
          is ? [i] : [],
        );
        asked++;
        if (hits.length === 0) {
          expect(labels[p]).toBe(IGNORED_LABEL);
          continue;
        }
        predicted++;
        expect(hits.length).toBe(1);
        expect(labels[p]).toBe(inputIds[Math.floor(p / 5) * 24 + hits[0]]);
        expect(labels[p]).toBeGreaterThan(cls);
      }
    }
    expect(predicted / asked).toBeGreaterThan(0.8);
  });

  it("hides the second part from the first, and each target from itself", () => {
    const { permMask, targetMapping } = batches.batchAt(3);
    for (let row = 0; row < 2; row++) {
      const mask = permMask.subarray(row * 576, (row + 1) * 576);
      for (let i = 0; i < 8; i++) expect(mask.subarray(i * 24 + 8, (i + 1) * 24).includes(0)).toBe(false);
      for (let p = row * 5; p < row * 5 + 5; p++) {
        const at = targetMapping.subarray(p * 24, (p + 1) * 24).indexOf(1);
        if (at >= 0) expect(mask[at * 24 + at]).toBe(1);
      }
    }
  });

  it("is a function of its number, and says where streams begin", () => {
    expect(batches.batchAt(5)).toEqual(batches.batchAt(5));
    expect(batches.batchAt(0).isFirst).toBe(true);
    expect(batches.batchAt(1).isFirst).toBe(false);
    expect(batches.batchAt(batches.stepsPerEpoch).isFirst).toBe(true);
    expect(batches.batchAt(batches.stepsPerEpoch).inputIds.slice(0, 8)).toEqual(
      batches.batchAt(0).inputIds.slice(0, 8),
    );
    expect(batches.batchAt(batches.stepsPerEpoch)).not.toEqual(batches.batchAt(0));
  });

  it("refuses lengths that do not fit", () => {
    const wrong = (change: Partial<typeof options>): (() => PermutationBatches) => {
      return () => new PermutationBatches(forwards, { ...options, ...change });
    };
    expect(wrong({ permutationLength: 5 })).toThrow(ArgumentError);
    expect(wrong({ reuseLength: 20 })).toThrow(ArgumentError);
    expect(wrong({ predictions: 22 })).toThrow(ArgumentError);
    expect(wrong({ sequenceLength: 1_000, permutationLength: 8 })).toThrow(ArgumentError);
    expect(() => batches.batchAt(-1)).toThrow(ArgumentError);
  });
});

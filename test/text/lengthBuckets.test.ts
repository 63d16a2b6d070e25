import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/graph/errors.ts";
import {
  type BucketBatch,
  buildSentencePairs,
  type Examples,
  LengthBuckets,
  type LengthBucketsOptions,
  maskBatch,
} from "../../src/text/index.ts";

const sequenceLength = 16;

/** Examples of the given lengths; every token of example n is 100 + n. */
function examplesOf(lengths: readonly number[]): Examples {
  const ids = new Int32Array(lengths.length * sequenceLength);
  for (const [n, length] of lengths.entries()) {
    ids.fill(100 + n, n * sequenceLength, n * sequenceLength + length);
  }
  return { count: lengths.length, sequenceLength, ids, lengths: Int32Array.from(lengths) };
}

const buckets = [4, 9, 16];
const exampleLengths = fc.array(fc.integer({ min: 1, max: 16 }), { minLength: 1, maxLength: 40 });
const sizes = fc.oneof(
  fc.record({ kind: fc.constant("rows" as const), rows: fc.integer({ min: 1, max: 7 }) }),
  fc.record({ kind: fc.constant("tokens" as const), tokens: fc.integer({ min: 1, max: 60 }) }),
);

/** All batches of the run from `position` on, up to `end`. */
function walk(source: LengthBuckets, position: number, end: number): BucketBatch[] {
  const batches: BucketBatch[] = [];
  for (let at = position; at < end; ) {
    const { batch, nextPosition } = source.batchFrom(at);
    expect(nextPosition - at).toBe(batch.batchSize);
    batches.push(batch);
    at = nextPosition;
  }
  return batches;
}

const indicesOf = (batches: readonly BucketBatch[]): number[] =>
  batches.flatMap(({ indices }) => [...indices]);

describe("LengthBuckets", () => {
  it("gives every example once an epoch, in rows of its bucket's length", () => {
    fc.assert(
      fc.property(exampleLengths, sizes, fc.nat(), fc.boolean(), (lengths, size, seed, shuffle) => {
        const examples = examplesOf(lengths);
        const source = new LengthBuckets(examples, { lengths: buckets, size, seed, shuffle });
        expect(source.examplesPerEpoch).toBe(lengths.length);
        for (const epoch of [0, 3]) {
          const batches = Array.from({ length: source.stepsPerEpoch }, (_, i) =>
            source.batchAt(epoch * source.stepsPerEpoch + i),
          );
          expect(indicesOf(batches).sort((a, b) => a - b)).toEqual([...lengths.keys()]);
          for (const batch of batches) {
            expect(batch.batchSize).toBe(batch.indices.length);
            expect([...batch.visits]).toEqual(new Array(batch.batchSize).fill(epoch));
            const full =
              size.kind === "rows" ? size.rows : Math.max(1, Math.floor(size.tokens / batch.sequenceLength));
            expect(batch.batchSize).toBeLessThanOrEqual(full);
            for (const [row, index] of batch.indices.entries()) {
              const T = batch.sequenceLength;
              expect(T).toBe(buckets.find((length) => lengths[index] <= length));
              expect(batch.lengths[row]).toBe(lengths[index]);
              expect([...batch.ids.subarray(row * T, (row + 1) * T)]).toEqual(
                Array.from({ length: T }, (_, i) => (i < lengths[index] ? 100 + index : 0)),
              );
            }
          }
          // All but one batch of each bucket is full.
          const short = batches.filter((batch) => {
            const rows =
              size.kind === "rows" ? size.rows : Math.max(1, Math.floor(size.tokens / batch.sequenceLength));
            return batch.batchSize < rows;
          });
          expect(new Set(short.map((batch) => batch.sequenceLength)).size).toBe(short.length);
        }
      }),
      { numRuns: 100 },
    );
  });

  it("resumes to the example from any position", () => {
    fc.assert(
      fc.property(exampleLengths, sizes, fc.nat(), fc.nat(), (lengths, size, seed, at) => {
        const examples = examplesOf(lengths);
        const options: LengthBucketsOptions = { lengths: buckets, size, seed };
        const end = 3 * lengths.length;
        const position = at % end;
        const straight = walk(new LengthBuckets(examples, options), 0, end);
        const source = new LengthBuckets(examples, options);
        const resumed = walk(source, position, end);
        expect(indicesOf(resumed)).toEqual(indicesOf(straight).slice(position));
        // From the border of a batch on, the batches are the same; they are those of batchAt.
        for (let step = 0; step < straight.length; step++)
          expect(source.batchAt(step)).toEqual(straight[step]);
        const tail = resumed.slice(1);
        expect(tail).toEqual(straight.slice(straight.length - tail.length));
        const visits = (batches: readonly BucketBatch[]): number[] =>
          batches.flatMap((one) => [...one.visits]);
        expect(visits(resumed)).toEqual(visits(straight).slice(position));
      }),
      { numRuns: 100 },
    );
  });

  it("has a new order each epoch and seed, or the given one", () => {
    const examples = examplesOf(Array.from({ length: 60 }, (_, i) => 1 + (i % 16)));
    const size = { kind: "rows", rows: 4 } as const;
    const order = (seed: number, epoch: number, shuffle = true): string => {
      const source = new LengthBuckets(examples, { lengths: buckets, size, seed, shuffle });
      return indicesOf(walk(source, 60 * epoch, 60 * (epoch + 1))).join();
    };
    expect(new Set([order(1, 0), order(1, 1), order(2, 0), order(2, 1)]).size).toBe(4);
    expect(order(1, 5)).toBe(order(1, 5));
    expect(order(1, 0, false)).toBe(order(2, 7, false));
    // Within a bucket too, where the order of the batches has no say.
    const whole = new LengthBuckets(examples, { lengths: [16], size: { kind: "rows", rows: 60 }, seed: 1 });
    expect(whole.batchAt(0).indices).not.toEqual(whole.batchAt(1).indices);
    // Buckets are mixed over the epoch.
    const source = new LengthBuckets(examples, { lengths: buckets, size, seed: 1 });
    const columns = Array.from(
      { length: source.stepsPerEpoch },
      (_, step) => source.batchAt(step).sequenceLength,
    );
    expect(columns).not.toEqual([...columns].sort((a, b) => a - b));
    const chosen = Int32Array.of(7, 3, 40);
    const few = new LengthBuckets(examples, {
      lengths: [16],
      size,
      seed: 1,
      indices: chosen,
      shuffle: false,
    });
    expect([...few.batchAt(2).indices]).toEqual([7, 3, 40]);
  });

  it("goes from sentence pairs to masked batches", () => {
    const documents = Array.from({ length: 30 }, (_, d) =>
      Array.from({ length: 1 + (d % 5) }, (_, s) =>
        Int32Array.from({ length: 1 + ((d + s) % 4) }, () => 10 + d),
      ),
    );
    const pairs = buildSentencePairs(documents, {
      ...{ sequenceLength, clsTokenId: 2, sepTokenId: 3, padTokenId: 0, seed: 1, objective: "nextSentence" },
    });
    const source = new LengthBuckets(pairs, {
      lengths: [8, 16],
      size: { kind: "tokens", tokens: 64 },
      seed: 1,
    });
    const masking = {
      vocabSize: 50,
      maskTokenId: 4,
      specialTokenIds: [0, 1, 2, 3, 4],
      seed: 1,
      maxPredictions: 2,
    };
    for (let step = 0; step < source.stepsPerEpoch; step++) {
      const batch = source.batchAt(step);
      const masked = maskBatch(batch, batch.indices, batch.visits, masking);
      expect(masked.sequenceLength).toBe(batch.sequenceLength);
      for (const [row, index] of batch.indices.entries()) {
        const T = batch.sequenceLength;
        const types = pairs.typeIds.subarray(index * sequenceLength, index * sequenceLength + T);
        expect(batch.typeIds.subarray(row * T, (row + 1) * T)).toEqual(types);
      }
    }
  });

  it("refuses what makes no batches", () => {
    const examples = examplesOf([3, 12]);
    const good: LengthBucketsOptions = { lengths: buckets, size: { kind: "rows", rows: 2 }, seed: 1 };
    const build = (more: object) => () => new LengthBuckets(examples, { ...good, ...more });
    for (const lengths of [[], [4, 4, 16], [9, 4], [0, 16], [4.5, 16], [4, 9], [4, 17]]) {
      expect(build({ lengths }), `[${lengths}]`).toThrow(ArgumentError);
    }
    expect(build({ lengths: [4, 9] })).toThrow(/example 1 has 12 tokens and fits no bucket/);
    expect(build({ size: { kind: "rows", rows: 0 } })).toThrow(/rows must be a positive integer/);
    expect(build({ size: { kind: "tokens", tokens: 1.5 } })).toThrow(/tokens must be a positive integer/);
    expect(build({ indices: Int32Array.of(2) })).toThrow(/index 2 is none/);
    expect(build({ indices: new Int32Array() })).toThrow(/no examples/);
    const source = build({})();
    for (const at of [-1, 0.5, Number.NaN]) {
      expect(() => source.batchAt(at)).toThrow(ArgumentError);
      expect(() => source.batchFrom(at)).toThrow(ArgumentError);
    }
  });
});

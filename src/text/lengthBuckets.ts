import { ArgumentError } from "../graph/errors.ts";
import type { Examples } from "./batches.ts";
import { permutation } from "./hashRandom.ts";
import type { ExampleRows } from "./masking.ts";

/** Settings of {@link LengthBuckets}. */
export interface LengthBucketsOptions {
  /** The padded length of each bucket, ascending; the last one must hold the longest example. */
  readonly lengths: readonly number[];
  /**
   * Rows of a batch: so many in each bucket, or as many as make so many tokens, padding included (at least
   * one).
   */
  readonly size:
    | { readonly kind: "rows"; readonly rows: number }
    | { readonly kind: "tokens"; readonly tokens: number };
  readonly seed: number;
  /** Which examples take part; left out: all. */
  readonly indices?: Int32Array;
  /** A new order each epoch. Default true; without it, buckets come by length and examples in their order. */
  readonly shuffle?: boolean;
}

/** Examples of one bucket, as rows: B rows, T columns, T being the bucket's length. */
export interface BucketBatch extends ExampleRows {
  readonly batchSize: number;
  readonly lengths: Int32Array;
  /** [B, T] as in the examples; all 0 where these have none. */
  readonly typeIds: Int32Array;
  /** [B] the number of each row's example. */
  readonly indices: Int32Array;
  /** [B] how often each was seen before: the epoch. With `indices`, what `maskBatch` asks for. */
  readonly visits: Float64Array;
}

/** A batch, and the position to go on from. */
export interface PositionedBatch {
  readonly batch: BucketBatch;
  readonly nextPosition: number;
}

/** The batches of an epoch: the examples of batch i are `order[starts[i]]` to `order[starts[i + 1] - 1]`. */
interface Plan {
  readonly epoch: number;
  readonly order: Int32Array;
  readonly starts: Int32Array;
  /** The bucket of each batch. */
  readonly buckets: Int32Array;
}

/** Set the orders within buckets and of the batches apart, and both from other draws. */
const BUCKET_KEY = 0x6275636b;
const BATCHES_KEY = 0x62617463;

/**
 * Batches of examples of similar length, each padded to the length of its bucket only. An epoch sees every
 * example once, in an order that depends on (seed, epoch): within each bucket, and of the batches.
 *
 * Everything is a pure function of an integer: `batchAt(step)`, or `batchFrom(position)`, where the position
 * counts the examples consumed since the start, so that training resumes to the example.
 *
 * ```ts
 * const size = { kind: "tokens", tokens: 4096 } as const;
 * const buckets = new LengthBuckets(examples, { lengths: [32, 64, 128], size, seed });
 * const { batch, nextPosition } = buckets.batchFrom(position);
 * const masked = maskBatch(batch, batch.indices, batch.visits, masking);
 * ```
 */
export class LengthBuckets {
  readonly examplesPerEpoch: number;
  readonly stepsPerEpoch: number;
  readonly #examples: Examples;
  readonly #options: LengthBucketsOptions;
  /** The examples of each bucket. */
  readonly #members: readonly Int32Array[];
  /** Rows of a full batch of each bucket. */
  readonly #rows: readonly number[];
  /** The plan of the epoch asked for last: recomputed, never read, when another is asked for. */
  #plan: Plan | null = null;

  /**
   * @throws ArgumentError for no examples, an index that is not an example's, lengths that do not ascend or
   * exceed the examples' columns, an example that fits no bucket, or a malformed size.
   */
  constructor(examples: Examples, options: LengthBucketsOptions) {
    const { lengths, size } = options;
    if (
      lengths.length === 0 ||
      !lengths.every((length, i) => Number.isInteger(length) && length > (lengths[i - 1] ?? 0))
    )
      throw new ArgumentError(`LengthBuckets: lengths must be ascending positive integers, got [${lengths}]`);
    if (lengths[lengths.length - 1] > examples.sequenceLength) {
      throw new ArgumentError(
        `LengthBuckets: length ${lengths.at(-1)} exceeds the examples' ${examples.sequenceLength} columns`,
      );
    }
    const amount = size.kind === "rows" ? size.rows : size.tokens;
    if (!(Number.isSafeInteger(amount) && amount >= 1)) {
      throw new ArgumentError(`LengthBuckets: ${size.kind} must be a positive integer, got ${amount}`);
    }
    const indices = options.indices ?? Int32Array.from({ length: examples.count }, (_, i) => i);
    if (indices.length === 0) throw new ArgumentError("LengthBuckets: there are no examples");
    const members: number[][] = lengths.map(() => []);
    for (const index of indices) {
      if (index < 0 || index >= examples.count) {
        throw new ArgumentError(`LengthBuckets: index ${index} is none of the ${examples.count} examples`);
      }
      const bucket = lengths.findIndex((length) => examples.lengths[index] <= length);
      if (bucket === -1) {
        throw new ArgumentError(
          `LengthBuckets: example ${index} has ${examples.lengths[index]} tokens and fits no bucket ` +
            `of [${lengths}]`,
        );
      }
      members[bucket].push(index);
    }
    this.#examples = examples;
    this.#options = options;
    this.#members = members.map((list) => Int32Array.from(list));
    this.#rows = lengths.map((length) =>
      size.kind === "rows" ? size.rows : Math.max(1, Math.floor(size.tokens / length)),
    );
    this.examplesPerEpoch = indices.length;
    this.stepsPerEpoch = this.#members.reduce(
      (sum, list, bucket) => sum + Math.ceil(list.length / this.#rows[bucket]),
      0,
    );
  }

  /**
   * Batch number `step`, of epoch floor(step / stepsPerEpoch). @throws ArgumentError for a step that is no
   * index.
   */
  batchAt(step: number): BucketBatch {
    if (!Number.isSafeInteger(step) || step < 0) {
      throw new ArgumentError(`LengthBuckets.batchAt: step must be an integer of at least 0, got ${step}`);
    }
    const plan = this.#planOf(Math.floor(step / this.stepsPerEpoch));
    const place = step % this.stepsPerEpoch;
    return this.#batch(plan, place, plan.starts[place]);
  }

  /**
   * The batch that holds example number `position` of the run, without the rows before it, and the position
   * after it. Position 0 is the start; an epoch has `examplesPerEpoch` positions.
   * @throws ArgumentError for a position that is no index.
   */
  batchFrom(position: number): PositionedBatch {
    if (!Number.isSafeInteger(position) || position < 0) {
      throw new ArgumentError(
        `LengthBuckets.batchFrom: position must be an integer of at least 0, got ${position}`,
      );
    }
    const epoch = Math.floor(position / this.examplesPerEpoch);
    const offset = position % this.examplesPerEpoch;
    const plan = this.#planOf(epoch);
    let place = 0;
    while (plan.starts[place + 1] <= offset) place++;
    const nextPosition = epoch * this.examplesPerEpoch + plan.starts[place + 1];
    return { batch: this.#batch(plan, place, offset), nextPosition };
  }

  #batch(plan: Plan, place: number, first: number): BucketBatch {
    const sequenceLength = this.#options.lengths[plan.buckets[place]];
    const indices = plan.order.slice(first, plan.starts[place + 1]);
    const { ids: allIds, typeIds: allTypeIds, sequenceLength: columns } = this.#examples;
    const ids = new Int32Array(indices.length * sequenceLength);
    const typeIds = new Int32Array(ids.length);
    for (const [row, index] of indices.entries()) {
      const from = index * columns;
      ids.set(allIds.subarray(from, from + sequenceLength), row * sequenceLength);
      if (allTypeIds !== undefined)
        typeIds.set(allTypeIds.subarray(from, from + sequenceLength), row * sequenceLength);
    }
    return {
      batchSize: indices.length,
      sequenceLength,
      ids,
      lengths: indices.map((index) => this.#examples.lengths[index]),
      typeIds,
      indices,
      visits: new Float64Array(indices.length).fill(plan.epoch),
    };
  }

  #planOf(epoch: number): Plan {
    if (this.#plan?.epoch === epoch) return this.#plan;
    const { seed, shuffle = true } = this.#options;
    const batches = this.#members.flatMap((members, bucket) => {
      const order = shuffle
        ? permutation(members.length, BUCKET_KEY, seed, epoch, bucket).map((place) => members[place])
        : members;
      const rows = this.#rows[bucket];
      return Array.from({ length: Math.ceil(members.length / rows) }, (_, i) => ({
        bucket,
        examples: order.subarray(i * rows, (i + 1) * rows),
      }));
    });
    const ordered = shuffle
      ? Array.from(permutation(batches.length, BATCHES_KEY, seed, epoch), (place) => batches[place])
      : batches;
    const order = new Int32Array(this.examplesPerEpoch);
    const starts = new Int32Array(ordered.length + 1);
    for (const [place, { examples }] of ordered.entries()) {
      order.set(examples, starts[place]);
      starts[place + 1] = starts[place] + examples.length;
    }
    const buckets = Int32Array.from(ordered, ({ bucket }) => bucket);
    this.#plan = { epoch, order, starts, buckets };
    return this.#plan;
  }
}

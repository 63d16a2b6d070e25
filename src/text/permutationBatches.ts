import { ArgumentError } from "../graph/errors.ts";
import { hashRandom, type RandomStream } from "./hashRandom.ts";
import { IGNORED_LABEL } from "./masking.ts";
import {
  joinPermutationMasks,
  permutationMask,
  permutationOrder,
  type SpanOptions,
  sampleSpans,
} from "./permutation.ts";
import type { TokenStreams } from "./streams.ts";

// The permutation language model's batches, as XLNet's release lays them out: each row is
// [tokens to remember | A, separator, B, separator, classifier], and its first part goes on where the last batch's ended.

/** Settings of {@link PermutationBatches}. */
export interface PermutationBatchesOptions {
  /** T, the three special tokens included. */
  readonly sequenceLength: number;
  /** How many tokens, from the start of a sequence, go into the memory, and how far the next one is on. */
  readonly reuseLength: number;
  /** Tokens in one permutation: divides `reuseLength` and what is left of T. */
  readonly permutationLength: number;
  /** P, the tokens to predict, half of them in each part. */
  readonly predictions: number;
  readonly sepTokenId: number;
  readonly clsTokenId: number;
  readonly seed: number;
  readonly spans?: Omit<SpanOptions, "reverse">;
}

/** B rows, T columns, P predictions. */
export interface PermutationBatch {
  /** [B, T] */
  readonly inputIds: Int32Array;
  /** [B, T]: 0 up to the first separator, 1 up to the second, 2 for the classifier token. */
  readonly typeIds: Int32Array;
  /** [B, T, T]: 1 where token i may not attend token j. */
  readonly permMask: Uint8Array;
  /** [B, P, T]: 1 where prediction p is of token i; empty rows where there are fewer. */
  readonly targetMapping: Uint8Array;
  /** [B, P]: the ids of those tokens; -100 where there are fewer. */
  readonly labels: Int32Array;
  /** [B]: 1 where B goes on with A's text, 0 where it is from elsewhere in its row. */
  readonly continues: Int32Array;
  /** Whether the streams begin here, so that there is nothing to remember. */
  readonly isFirst: boolean;
}

/** Sets these draws apart from others of the same seed. */
const PERMUTATION_KEY = 0x786c6e;

/** Two pieces of a row, and whether the second follows the first. */
interface Pieces {
  readonly a: Int32Array;
  readonly b: Int32Array;
  readonly continues: boolean;
}

/** Batches over contiguous streams; each is a pure function of its number, and continues the one before it in its epoch. */
export class PermutationBatches {
  readonly stepsPerEpoch: number;
  readonly #streams: TokenStreams;
  readonly #options: PermutationBatchesOptions;
  readonly #reversedFrom: number;

  /**
   * `reversed` says that the second half of the rows runs backwards (see `tokenStreams`).
   * @throws ArgumentError for lengths that do not fit together, or streams that are too short for one batch.
   */
  constructor(
    streams: TokenStreams,
    options: PermutationBatchesOptions,
    { reversed = false }: { readonly reversed?: boolean } = {},
  ) {
    const { sequenceLength, reuseLength, permutationLength, predictions } = options;
    const rest = sequenceLength - reuseLength;
    if (!(reuseLength >= 1 && rest >= 5)) {
      throw new ArgumentError(
        `PermutationBatches: of ${sequenceLength} tokens ${reuseLength} are remembered, which leaves ${rest} for two pieces ` +
          "and three special tokens; wanted at least 1 and 5",
      );
    }
    if (reuseLength % permutationLength !== 0 || rest % permutationLength !== 0) {
      throw new ArgumentError(
        `PermutationBatches: permutations of ${permutationLength} tokens do not divide parts of ${reuseLength} and ${rest}`,
      );
    }
    if (!Number.isInteger(predictions) || predictions < 1 || predictions > sequenceLength - 3) {
      throw new ArgumentError(
        `PermutationBatches: ${predictions} predictions in ${sequenceLength} tokens; wanted 1 to ${sequenceLength - 3}`,
      );
    }
    // Behind the pieces there is at least one more token.
    const steps = Math.floor((streams.length - 1 - (rest - 3) - reuseLength) / reuseLength) + 1;
    if (steps < 1) {
      throw new ArgumentError(
        `PermutationBatches: streams of ${streams.length} tokens are too short for a sequence of ${sequenceLength}`,
      );
    }
    this.stepsPerEpoch = steps;
    this.#streams = streams;
    this.#options = options;
    this.#reversedFrom = reversed ? streams.batchSize / 2 : streams.batchSize;
  }

  /** Batch number `step`, of epoch floor(step / stepsPerEpoch). @throws ArgumentError for a step that is no index. */
  batchAt(step: number): PermutationBatch {
    if (!Number.isSafeInteger(step) || step < 0) {
      throw new ArgumentError(
        `PermutationBatches.batchAt: step must be an integer of at least 0, got ${step}`,
      );
    }
    const { batchSize } = this.#streams;
    const { sequenceLength: length, predictions } = this.#options;
    const batch: PermutationBatch = {
      inputIds: new Int32Array(batchSize * length),
      typeIds: new Int32Array(batchSize * length),
      permMask: new Uint8Array(batchSize * length * length),
      targetMapping: new Uint8Array(batchSize * predictions * length),
      labels: new Int32Array(batchSize * predictions).fill(IGNORED_LABEL),
      continues: new Int32Array(batchSize),
      isFirst: step % this.stepsPerEpoch === 0,
    };
    for (let row = 0; row < batchSize; row++) this.#fill(batch, row, step);
    return batch;
  }

  #fill(batch: PermutationBatch, row: number, step: number): void {
    const { sequenceLength: length, reuseLength, predictions } = this.#options;
    const random = hashRandom(PERMUTATION_KEY, this.#options.seed, step, row);
    const { ids } = this.#streams;
    const start = row * this.#streams.length + (step % this.stepsPerEpoch) * reuseLength;
    const remembered = ids.subarray(start, start + reuseLength);
    const { a, b, continues } = this.#pieces(row, start + reuseLength, random);
    const { sepTokenId: sep, clsTokenId: cls } = this.#options;
    const rest = Int32Array.from([...a, sep, ...b, sep, cls]);
    batch.inputIds.set(remembered, row * length);
    batch.inputIds.set(rest, row * length + reuseLength);
    const types = batch.typeIds.subarray(row * length + reuseLength, (row + 1) * length);
    types.fill(1, a.length + 1).fill(2, length - reuseLength - 1);
    batch.continues[row] = Number(continues);
    // The release gives the larger half to the part that is remembered.
    const inRest = Math.floor(predictions / 2);
    const parts = [
      this.#permute(remembered, predictions - inRest, row, random),
      this.#permute(rest, inRest, row, random),
    ];
    batch.permMask.set(joinPermutationMasks(parts[0].mask, parts[1].mask), row * length * length);
    const targets = [...parts[0].isTarget, ...parts[1].isTarget].flatMap((is, i) => (is ? [i] : []));
    for (const [p, at] of targets.entries()) {
      batch.targetMapping[(row * predictions + p) * length + at] = 1;
      batch.labels[row * predictions + p] = batch.inputIds[row * length + at];
    }
  }

  /** Which of a part's tokens are predicted, and who sees whom. */
  #permute(ids: Int32Array, count: number, row: number, random: RandomStream) {
    const { sepTokenId, clsTokenId, permutationLength, spans } = this.#options;
    const isSpecial = Uint8Array.from(ids, (id) => Number(id === sepTokenId || id === clsTokenId));
    const reverse = row >= this.#reversedFrom;
    const sampled = sampleSpans(ids, count, random, { ...spans, reverse });
    // Special tokens that were sampled are not predicted after all, so that there can be fewer.
    const isTarget = sampled.map((is, i) => is & (1 - isSpecial[i]));
    const order = permutationOrder(ids.length, permutationLength, random);
    return { isTarget, mask: permutationMask({ order, isTarget, isSpecial }) };
  }

  /** A from `start` on, up to the end of a sentence, and B behind it, or, half of the time, from elsewhere in the row. */
  #pieces(row: number, start: number, random: RandomStream): Pieces {
    const { length, ids, sentences } = this.#streams;
    const { sequenceLength, reuseLength } = this.#options;
    const room = sequenceLength - reuseLength - 3;
    const [rowStart, rowEnd] = [row * length, (row + 1) * length];
    const ends: number[] = [];
    let end = start + 1;
    for (; end < rowEnd; end++) {
      if (sentences[end] === sentences[end - 1]) continue;
      if (end - start >= room) break;
      ends.push(end);
    }
    const continues = ends.length > 0 && random.below(2) === 1;
    const border = ends.length > 0 ? ends[random.below(ends.length)] : end;
    const b = continues
      ? { start: border, end }
      : elsewhere(sentences.subarray(rowStart, rowEnd), Math.max(1, room - (border - start)), random);
    const offset = continues ? 0 : rowStart;
    const [aLength, bLength] = trimmed(border - start, b.end - b.start, room);
    return {
      a: ids.slice(start, start + aLength),
      b: ids.slice(offset + b.start, offset + b.start + bLength),
      continues,
    };
  }
}

/** Whole sentences around `length` tokens at a random place. */
function elsewhere(sentences: Int32Array, length: number, random: RandomStream) {
  const last = sentences.length - 1;
  let start = random.below(Math.max(1, last - length + 1));
  let end = Math.min(start + length, last);
  while (start > 0 && sentences[start - 1] === sentences[start]) start--;
  while (end < last && sentences[end - 1] === sentences[end]) end++;
  return { start, end };
}

/** Lengths of both pieces, the longer one cut at its end until they fit. */
function trimmed(a: number, b: number, room: number): [number, number] {
  let [first, second] = [a, b];
  while (first + second > room) {
    if (first > second) first--;
    else second--;
  }
  return [first, second];
}

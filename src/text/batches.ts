import { ArgumentError } from "../graph/errors.ts";
import { permutation } from "./hashRandom.ts";
import { type MaskedBatch, type MaskingOptions, maskBatch } from "./masking.ts";

/** N examples of one length T. */
export interface Examples {
  readonly count: number;
  readonly sequenceLength: number;
  /** [N, T], row-major. */
  readonly ids: Int32Array;
  /** [N] tokens of each example before its padding. */
  readonly lengths: Int32Array;
  /** [N, T] 0 for the first segment, 1 for the second; left out: all 0. */
  readonly typeIds?: Int32Array;
}

/** The lines of a text that hold anything but white space, without the white space around them. */
export function splitLines(text: string): string[] {
  return text
    .split(/\r\n|[\n\r\u2028\u2029]/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

const SENTENCE_END = ".!?…。！？";
const CLOSING = "\"'”’)]»";

/**
 * The sentences of a text: each line is cut where full stops, question or exclamation marks, with the
 * quotation marks and brackets that close after them, are followed by white space. A rule of thumb: "Mr.
 * Smith" is cut too.
 */
export function splitSentences(text: string): string[] {
  const sentences: string[] = [];
  for (const line of splitLines(text)) {
    let start = 0;
    let ended = false;
    for (let i = 0; i < line.length; i++) {
      const character = line.charAt(i);
      if (SENTENCE_END.includes(character)) ended = true;
      else if (ended && /\s/.test(character)) {
        sentences.push(line.slice(start, i).trim());
        start = i;
        ended = false;
      } else if (!CLOSING.includes(character)) ended = false;
    }
    sentences.push(line.slice(start).trim());
  }
  return sentences;
}

/** Settings of {@link packExamples}. */
export interface PackOptions {
  /** T, [CLS] and [SEP] included. */
  readonly sequenceLength: number;
  readonly clsTokenId: number;
  readonly sepTokenId: number;
  /** Needed to pad. */
  readonly padTokenId?: number;
  /** What becomes of the tokens that do not fill a last example. Default "drop". */
  readonly remainder?: "drop" | "pad";
}

/**
 * Packs token ids (of sentences, lines or whole texts, without special tokens) as one contiguous stream into
 * examples `[CLS] ... [SEP]` of T tokens, crossing the borders between them (RoBERTa's FULL-SENTENCES in one
 * segment).
 *
 * @throws ArgumentError when T has no room, padding lacks its token, or the stream is too short for one
 * example.
 */
export function packExamples(stream: Iterable<ArrayLike<number>>, options: PackOptions): Examples {
  const { sequenceLength, clsTokenId, sepTokenId, padTokenId, remainder = "drop" } = options;
  if (!Number.isInteger(sequenceLength) || sequenceLength < 3) {
    throw new ArgumentError(
      `packExamples: sequenceLength must be an integer of at least 3, got ${sequenceLength}`,
    );
  }
  if (remainder === "pad" && padTokenId === undefined) {
    throw new ArgumentError('packExamples: remainder "pad" needs padTokenId');
  }
  const room = sequenceLength - 2;
  const tokens: number[] = [];
  for (const part of stream) for (let i = 0; i < part.length; i++) tokens.push(part[i]);
  const count = remainder === "pad" ? Math.ceil(tokens.length / room) : Math.floor(tokens.length / room);
  if (count === 0) {
    throw new ArgumentError(
      `packExamples: ${tokens.length} tokens do not fill one example of ${room} and two special`,
    );
  }
  const ids = new Int32Array(count * sequenceLength).fill(padTokenId ?? 0);
  const lengths = new Int32Array(count);
  for (let n = 0; n < count; n++) {
    const body = tokens.slice(n * room, (n + 1) * room);
    ids.set([clsTokenId, ...body, sepTokenId], n * sequenceLength);
    lengths[n] = body.length + 2;
  }
  return { count, sequenceLength, ids, lengths };
}

/** Which examples are held out: the last ones, or every k-th. */
export type HeldOutRule =
  | { readonly kind: "last"; readonly share: number }
  | { readonly kind: "every"; readonly interval: number };

/** Indices of examples, ascending; together all of them. */
export interface HeldOutSplit {
  readonly train: Int32Array;
  readonly heldOut: Int32Array;
}

/**
 * Splits `count` examples, always in the same way. `{ kind: "last", share: 0.05 }` (the default) holds out
 * the last 5 %, rounded up, which keeps the two apart in the text; `{ kind: "every", interval: k }` every
 * k-th (k - 1, 2k - 1, ...).
 *
 * @throws ArgumentError when either part would be empty, or the rule is malformed.
 */
export function splitHeldOut(count: number, rule: HeldOutRule = { kind: "last", share: 0.05 }): HeldOutSplit {
  const all = Int32Array.from({ length: count }, (_, i) => i);
  let isHeldOut: (index: number) => boolean;
  switch (rule.kind) {
    case "last": {
      if (!(rule.share > 0 && rule.share < 1)) {
        throw new ArgumentError(`splitHeldOut: share must lie between 0 and 1, got ${rule.share}`);
      }
      const first = count - Math.ceil(count * rule.share);
      isHeldOut = (index) => index >= first;
      break;
    }
    case "every":
      if (!Number.isInteger(rule.interval) || rule.interval < 2) {
        throw new ArgumentError(
          `splitHeldOut: interval must be an integer of at least 2, got ${rule.interval}`,
        );
      }
      isHeldOut = (index) => index % rule.interval === rule.interval - 1;
      break;
  }
  const train = all.filter((index) => !isHeldOut(index));
  const heldOut = all.filter((index) => isHeldOut(index));
  if (train.length === 0 || heldOut.length === 0) {
    throw new ArgumentError(
      `splitHeldOut: ${count} examples are too few to hold some out and train on the others`,
    );
  }
  return { train, heldOut };
}

/** Settings of {@link MaskedBatches}. */
export interface MaskedBatchesOptions {
  readonly batchSize: number;
  /** Its seed also orders the epochs. */
  readonly masking: MaskingOptions;
  /** Which examples take part; left out: all. */
  readonly indices?: Int32Array;
  /** A new order each epoch. Default true; without it, examples come in the order of `indices`. */
  readonly shuffle?: boolean;
  /** Leave out the last batch of an epoch when it is not full. Default true; otherwise it has fewer rows. */
  readonly dropLast?: boolean;
}

/** Sets the order of the epochs apart from masks, which are keyed by (seed, example, visit). */
const ORDER_KEY = 0x6f72646572;

/**
 * Batches of masked examples, numbered from 0 without end: an epoch sees every example once, in an order that
 * depends on (seed, epoch), and masks each by (seed, example, epoch). `batchAt(step)` is a pure function of
 * `step`, so a training run resumes at any step by asking for it.
 */
export class MaskedBatches {
  readonly stepsPerEpoch: number;
  readonly #examples: Examples;
  readonly #options: MaskedBatchesOptions;
  readonly #indices: Int32Array;
  /** The order of the epoch asked for last: recomputed, never read, when another is asked for. */
  #order: { readonly epoch: number; readonly indices: Int32Array } | null = null;

  /**
   * @throws ArgumentError when there are fewer examples than a batch needs, or an index is not an example's.
   */
  constructor(examples: Examples, options: MaskedBatchesOptions) {
    const { batchSize, dropLast = true } = options;
    if (!Number.isInteger(batchSize) || batchSize < 1) {
      throw new ArgumentError(`MaskedBatches: batchSize must be a positive integer, got ${batchSize}`);
    }
    this.#examples = examples;
    this.#options = options;
    this.#indices = options.indices?.slice() ?? Int32Array.from({ length: examples.count }, (_, i) => i);
    const wrong = this.#indices.find((index) => index < 0 || index >= examples.count);
    if (wrong !== undefined) {
      throw new ArgumentError(`MaskedBatches: index ${wrong} is none of the ${examples.count} examples`);
    }
    const batches = this.#indices.length / batchSize;
    this.stepsPerEpoch = dropLast ? Math.floor(batches) : Math.ceil(batches);
    if (this.stepsPerEpoch === 0) {
      throw new ArgumentError(
        `MaskedBatches: ${this.#indices.length} examples do not fill a batch of ${batchSize}; ` +
          "lower batchSize or set dropLast to false",
      );
    }
  }

  /**
   * Batch number `step`, of epoch floor(step / stepsPerEpoch). @throws ArgumentError for a step that is no
   * index.
   */
  batchAt(step: number): MaskedBatch {
    if (!Number.isSafeInteger(step) || step < 0) {
      throw new ArgumentError(`MaskedBatches.batchAt: step must be an integer of at least 0, got ${step}`);
    }
    const { batchSize, masking } = this.#options;
    const { sequenceLength, ids, lengths } = this.#examples;
    const epoch = Math.floor(step / this.stepsPerEpoch);
    const first = (step % this.stepsPerEpoch) * batchSize;
    const chosen = this.#orderOf(epoch).subarray(first, first + batchSize);
    const rows = new Int32Array(chosen.length * sequenceLength);
    for (const [row, index] of chosen.entries()) {
      rows.set(ids.subarray(index * sequenceLength, (index + 1) * sequenceLength), row * sequenceLength);
    }
    const batch = { ids: rows, sequenceLength, lengths: chosen.map((index) => lengths[index]) };
    return maskBatch(batch, chosen, new Float64Array(chosen.length).fill(epoch), masking);
  }

  #orderOf(epoch: number): Int32Array {
    if (this.#options.shuffle === false) return this.#indices;
    if (this.#order?.epoch !== epoch) {
      const order = permutation(this.#indices.length, ORDER_KEY, this.#options.masking.seed, epoch);
      this.#order = { epoch, indices: order.map((place) => this.#indices[place]) };
    }
    return this.#order.indices;
  }
}

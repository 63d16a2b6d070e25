import { ArgumentError } from "../graph/errors.ts";
import type { Examples } from "./batches.ts";
import { hashRandom, type RandomStream } from "./hashRandom.ts";

/** The sentences of a text, as token ids without special tokens. */
export type Document = readonly ArrayLike<number>[];

/** Settings of {@link buildSentencePairs}. */
export interface SentencePairOptions {
  /** T, [CLS] and both [SEP] included. */
  readonly sequenceLength: number;
  readonly clsTokenId: number;
  readonly sepTokenId: number;
  readonly padTokenId: number;
  readonly seed: number;
  /** Builds other pairs of the same documents: BERT's code makes ten such copies. Default 0. */
  readonly visit?: number;
  /** Share of the pairs that aim at a shorter length. Default 0.1. */
  readonly shortSequenceShare?: number;
  /**
   * `"nextSentence"` (BERT): label 1 where B comes from another document, 0 where B follows A.
   * `"sentenceOrder"` (ALBERT): label 1 where the two, which always follow each other, are swapped.
   */
  readonly objective: "nextSentence" | "sentenceOrder";
  /**
   * What `"sentenceOrder"` makes of a chunk of one sentence, which has no two segments: nothing, or, as
   * ALBERT's released code does, a pair with another document's sentences and label 1. Default "skip".
   */
  readonly singleSentence?: "skip" | "randomDocument";
}

/** N examples `[CLS] A [SEP] B [SEP]` of one length T. */
export interface SentencePairs extends Examples {
  readonly typeIds: Int32Array;
  /** [N] 0 for a pair as it stands in its document, 1 for one that was made up. */
  readonly labels: Int32Array;
}

interface Pair {
  readonly a: readonly number[];
  readonly b: readonly number[];
  readonly label: 0 | 1;
}

/** Sets these draws apart from those of masks and orders. */
const PAIR_KEY = 0x7061697273;

function joined(sentences: readonly ArrayLike<number>[]): number[] {
  return sentences.flatMap((sentence) => Array.from(sentence));
}

/** Sentences of another document than number `own`, from a random one on, until there are `length` tokens. */
function fromAnotherDocument(
  documents: readonly Document[],
  own: number,
  length: number,
  random: RandomStream,
): number[] {
  const drawn = random.below(documents.length - 1);
  const document = documents[drawn < own ? drawn : drawn + 1];
  const first = random.below(document.length);
  let [end, count] = [first, 0];
  do count += document[end++].length;
  while (end < document.length && count < length);
  return joined(document.slice(first, end));
}

/** Takes tokens away one at a time, from the longer text (B, if both are as long), at a random end. */
function trimmed(
  a: readonly number[],
  b: readonly number[],
  length: number,
  random: RandomStream,
): { readonly a: readonly number[]; readonly b: readonly number[] } {
  const [first, second] = [
    { start: 0, end: a.length },
    { start: 0, end: b.length },
  ];
  const lengthOf = ({ start, end }: { start: number; end: number }): number => end - start;
  while (lengthOf(first) + lengthOf(second) > length) {
    const longer = lengthOf(first) > lengthOf(second) ? first : second;
    if (random.uniform() < 0.5) longer.start++;
    else longer.end--;
  }
  return { a: a.slice(first.start, first.end), b: b.slice(second.start, second.end) };
}

/**
 * How the sentences of one chunk become a pair; `used` of them are spent, the others start the next chunk.
 */
interface ChunkPair {
  readonly pair: Pair | null;
  readonly used: number;
}

function pairOfChunk(
  chunk: Document,
  documents: readonly Document[],
  own: number,
  target: number,
  options: SentencePairOptions,
  random: RandomStream,
): ChunkPair {
  const isSingle = chunk.length === 1;
  const isOrder = options.objective === "sentenceOrder";
  if (isSingle && isOrder && options.singleSentence !== "randomDocument") return { pair: null, used: 1 };
  const split = isSingle ? 1 : 1 + random.below(chunk.length - 1);
  const a = joined(chunk.slice(0, split));
  const room = options.sequenceLength - 3;
  if (isSingle || (!isOrder && random.uniform() < 0.5)) {
    const b = fromAnotherDocument(documents, own, target - a.length, random);
    return { pair: { ...trimmed(a, b, room, random), label: 1 }, used: split };
  }
  const b = joined(chunk.slice(split));
  const swapped = isOrder && random.uniform() < 0.5;
  const [first, second] = swapped ? [b, a] : [a, b];
  const pair: Pair = { ...trimmed(first, second, room, random), label: swapped ? 1 : 0 };
  return { pair, used: chunk.length };
}

function pairsOf(
  documents: readonly Document[],
  own: number,
  options: SentencePairOptions,
  random: RandomStream,
): Pair[] {
  const room = options.sequenceLength - 3;
  const shortShare = options.shortSequenceShare ?? 0.1;
  // As in BERT's code, a document has one target length.
  const target = random.uniform() < shortShare ? 2 + random.below(room - 1) : room;
  const document = documents[own];
  const pairs: Pair[] = [];
  for (let start = 0; start < document.length; ) {
    let end = start;
    for (let length = 0; end < document.length && length < target; end++) length += document[end].length;
    const { pair, used } = pairOfChunk(document.slice(start, end), documents, own, target, options, random);
    if (pair !== null) pairs.push(pair);
    start += used;
  }
  return pairs;
}

function checkOptions(documents: readonly Document[], options: SentencePairOptions): void {
  const { sequenceLength, shortSequenceShare = 0.1 } = options;
  if (!Number.isInteger(sequenceLength) || sequenceLength < 5) {
    throw new ArgumentError(
      `buildSentencePairs: sequenceLength must be an integer of at least 5, got ${sequenceLength}`,
    );
  }
  if (!(shortSequenceShare >= 0 && shortSequenceShare <= 1)) {
    throw new ArgumentError(
      `buildSentencePairs: shortSequenceShare must lie in 0..1, got ${shortSequenceShare}`,
    );
  }
  const needsOthers =
    options.objective === "nextSentence" || options.singleSentence === "randomDocument" ? 2 : 1;
  if (documents.length < needsOthers) {
    throw new ArgumentError(
      `buildSentencePairs: ${documents.length} documents with tokens are too few; ` +
        `at least ${needsOthers} needed`,
    );
  }
}

/**
 * Pairs of segments for next sentence prediction or sentence order prediction.
 *
 * Each document is cut into chunks of sentences that reach the target length: T - 3 tokens, or, for a share
 * of the documents, a random length from 2 on. A is a random number of sentences from the chunk's start, B
 * the rest; for next sentence prediction B is in half of the cases (and for a chunk of one sentence always)
 * taken from a random other document, and the unused sentences start the next chunk. Pairs that are too long
 * are trimmed, token by token.
 *
 * A pure function of its arguments; the draws of a document depend on (seed, visit, its place) alone.
 *
 * Source: Devlin et al., BERT (1810.04805), and Lan et al., ALBERT (1909.11942),
 * `create_pretraining_data.py`.
 *
 * @param documents Sentences without tokens, and documents without sentences, are passed over.
 * @throws ArgumentError when there are too few documents, no pair comes out, or a setting is malformed.
 */
export function buildSentencePairs(
  documents: readonly Document[],
  options: SentencePairOptions,
): SentencePairs {
  const filled = documents
    .map((document) => document.filter((sentence) => sentence.length > 0))
    .filter((document) => document.length > 0);
  checkOptions(filled, options);
  const pairs = filled.flatMap((_, own) =>
    pairsOf(filled, own, options, hashRandom(PAIR_KEY, options.seed, options.visit ?? 0, own)),
  );
  if (pairs.length === 0) {
    throw new ArgumentError("buildSentencePairs: no document has two sentences, so there are no pairs");
  }
  const { sequenceLength, clsTokenId, sepTokenId, padTokenId } = options;
  const ids = new Int32Array(pairs.length * sequenceLength).fill(padTokenId);
  const typeIds = new Int32Array(ids.length);
  const lengths = new Int32Array(pairs.length);
  for (const [n, { a, b }] of pairs.entries()) {
    const start = n * sequenceLength;
    lengths[n] = a.length + b.length + 3;
    ids.set([clsTokenId, ...a, sepTokenId, ...b, sepTokenId], start);
    typeIds.fill(1, start + a.length + 2, start + lengths[n]);
  }
  const labels = Int32Array.from(pairs, ({ label }) => label);
  return { count: pairs.length, sequenceLength, ids, lengths, typeIds, labels };
}

import { ArgumentError } from "../graph/errors.ts";
import {
  countTokens,
  type Examples,
  hashRandom,
  MaskedBatches,
  type MaskingOptions,
  packExamples,
  predictionCount,
  splitHeldOut,
  splitLines,
  splitSentences,
  Tokenizer,
  trainWordPiece,
} from "../text/index.ts";
import { UsageError } from "./errors.ts";

export interface CorpusOptions {
  /** Seeds masks and the order of examples. */
  readonly seed: number;
  readonly batchSize: number;
  /** T, [CLS] and [SEP] included. */
  readonly sequenceLength: number;
  /** Most tokens of the vocabulary. */
  readonly vocabSize: number;
}

/** A text made ready to train on. */
export interface Corpus {
  readonly tokenizer: Tokenizer;
  readonly examples: Examples;
  /** P, the predictions of an example. */
  readonly predictions: number;
  /** Batches without end, masked anew each epoch. */
  readonly training: MaskedBatches;
  /** Batches of the end of the text with masks that are the same in every run. */
  readonly heldOut: MaskedBatches;
  /** How often each token occurs in what is trained on, special tokens left out. */
  readonly tokenCounts: Float64Array;
  readonly trainingCount: number;
  readonly heldOutCount: number;
  /** Sentences of the end of the text, none of which were trained on. */
  readonly heldOutSentences: readonly string[];
}

/** Held-out masks do not depend on the seed of a run, so that runs can be compared. */
const heldOutSeed = 20_181_011;
const heldOutShare = 0.05;

/**
 * Trains a WordPiece tokenizer on a text (uncased, as BERT's), packs the text into examples of one length, and holds out
 * the last 5 %, but at least a batch. `name` is the text's, for messages.
 * @throws UsageError for a text that is too short, or has too many characters for the vocabulary.
 */
export function prepareCorpus(text: string, name: string, options: CorpusOptions): Corpus {
  const { batchSize, sequenceLength, seed } = options;
  const lines = splitLines(text);
  const tokenizer = trainTokenizer(lines, name, options.vocabSize);
  const lineIds = lines.map((line) => tokenizer.encode(line, null, { addSpecialTokens: false }).ids);
  const examples = pack(lineIds, tokenizer, name, options);
  const share = Math.max(heldOutShare, batchSize / examples.count);
  const { train, heldOut } = splitHeldOut(examples.count, { kind: "last", share });
  const predictions = predictionCount(sequenceLength, sequenceLength);
  const masking: MaskingOptions = {
    vocabSize: tokenizer.vocabSize,
    maskTokenId: idOf(tokenizer, "[MASK]"),
    specialTokenIds: tokenizer.specialTokenIds,
    seed,
    maxPredictions: predictions,
  };
  const heldOutMasking = { ...masking, seed: heldOutSeed };
  const trainedIds = examples.ids.subarray(0, train.length * sequenceLength);
  return {
    tokenizer,
    examples,
    predictions,
    training: new MaskedBatches(examples, { batchSize, masking, indices: train }),
    heldOut: new MaskedBatches(examples, {
      batchSize,
      masking: heldOutMasking,
      indices: heldOut,
      shuffle: false,
    }),
    tokenCounts: countTokens(trainedIds, tokenizer.vocabSize, tokenizer.specialTokenIds),
    trainingCount: train.length,
    heldOutCount: heldOut.length,
    heldOutSentences: sentencesAfter(train.length * (sequenceLength - 2), lines, lineIds),
  };
}

/** The id of a token that every tokenizer for BERT has. @throws UsageError when this one lacks it. */
export function idOf(tokenizer: Tokenizer, token: string): number {
  const id = tokenizer.tokenToId(token);
  if (id === undefined) throw new UsageError(`the tokenizer has no ${token}; use one that was made for BERT`);
  return id;
}

function trainTokenizer(lines: readonly string[], name: string, vocabSize: number): Tokenizer {
  try {
    return Tokenizer.bert(trainWordPiece(lines, { vocabSize }));
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    const message = `${name}: its characters alone fill a vocabulary of ${vocabSize}; raise --vocab`;
    throw new UsageError(message, { cause: error });
  }
}

function pack(
  lineIds: readonly (readonly number[])[],
  tokenizer: Tokenizer,
  name: string,
  options: CorpusOptions,
): Examples {
  const { batchSize, sequenceLength } = options;
  const room = sequenceLength - 2;
  const tokens = lineIds.reduce((total, ids) => total + ids.length, 0);
  // A batch to train on and one that is held out.
  if (tokens < 2 * batchSize * room) {
    throw new UsageError(
      `${name}: the text is too short: it has ${tokens} tokens, and ${2 * batchSize} sequences of ${sequenceLength} ` +
        `(a batch to train on, a batch held out) take ${2 * batchSize * room}; give more text, or lower --batch or --length`,
    );
  }
  const [clsTokenId, sepTokenId] = [idOf(tokenizer, "[CLS]"), idOf(tokenizer, "[SEP]")];
  return packExamples(lineIds, { sequenceLength, clsTokenId, sepTokenId });
}

/** The sentences of the lines that begin at token number `start` or later. */
function sentencesAfter(
  start: number,
  lines: readonly string[],
  lineIds: readonly (readonly number[])[],
): string[] {
  let position = 0;
  const later = lines.filter((_, i) => {
    const begin = position;
    position += lineIds[i].length;
    return begin >= start;
  });
  // Lines may be wrapped in the middle of a sentence.
  return splitSentences(later.join(" "));
}

/** A sentence with one word masked. */
export interface Cloze {
  /** The text with `[MASK]` in the place of the word. */
  readonly text: string;
  readonly word: string;
}

const wordsOfSentence = /[\p{L}\p{N}]+/gu;

/**
 * Up to `count` sentences, spread over those given, each with one word masked that the vocabulary holds whole. The choice
 * is the same in every run.
 */
export function chooseClozes(
  sentences: readonly string[],
  tokenizer: Tokenizer,
  count: number,
  maximumTokens: number,
): Cloze[] {
  const suitable = sentences.filter((sentence) => {
    const length = tokenizer.encode(sentence).ids.length;
    return length >= 8 && length <= Math.min(40, maximumTokens) && clozesOf(sentence, tokenizer).length > 0;
  });
  const chosen = Math.min(count, suitable.length);
  return Array.from({ length: chosen }, (_, i) => {
    const at = Math.floor(((i + 0.5) * suitable.length) / chosen);
    const clozes = clozesOf(suitable[at], tokenizer);
    return clozes[hashRandom(heldOutSeed, i).below(clozes.length)];
  });
}

/** Every way to mask a word of four letters or more that is one token. */
function clozesOf(sentence: string, tokenizer: Tokenizer): Cloze[] {
  const unknown = tokenizer.tokenToId("[UNK]");
  return [...sentence.matchAll(wordsOfSentence)].flatMap(({ 0: word, index }) => {
    const { ids } = tokenizer.encode(word, null, { addSpecialTokens: false });
    if (word.length < 4 || ids.length !== 1 || ids[0] === unknown) return [];
    return [{ text: `${sentence.slice(0, index)}[MASK]${sentence.slice(index + word.length)}`, word }];
  });
}

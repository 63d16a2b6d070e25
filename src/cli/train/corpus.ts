import {
  countTokens,
  type Document,
  hashRandom,
  splitLines,
  splitSentences,
  type Tokenizer,
} from "../../text/index.ts";
import { UsageError } from "../errors.ts";
import { type SpecialIds, specialIds, type TokenizerKind, trainTokenizer } from "../tokenizers.ts";

export interface CorpusOptions {
  readonly batchSize: number;
  /** T, special tokens included. */
  readonly sequenceLength: number;
  /** One that is there already, or the kind to train and the most tokens of its vocabulary. */
  readonly tokenizer: Tokenizer | { readonly kind: TokenizerKind; readonly vocabSize: number };
}

/** A text made ready to train on: documents of sentences as token ids, without special tokens. */
export interface Corpus {
  readonly tokenizer: Tokenizer;
  readonly special: SpecialIds;
  readonly training: readonly Document[];
  /** The end of the text, of which nothing is trained on. */
  readonly heldOut: readonly Document[];
  /** [vocabulary] how often each token occurs in what is trained on. */
  readonly tokenCounts: Float64Array;
  readonly trainingTokens: number;
  readonly heldOutTokens: number;
  /** What is held out, as text. */
  readonly heldOutSentences: readonly string[];
}

/** Held-out masks do not depend on the seed of a run, so that runs can be compared. */
export const heldOutSeed = 20_181_011;
const heldOutShare = 0.05;

interface Sentence {
  readonly document: number;
  readonly text: string;
  readonly ids: readonly number[];
}

/**
 * Cuts a text into documents (between blank lines) and sentences, trains a tokenizer on it unless one is given, and holds
 * out the last 5 %, but at least a batch, in whole sentences. `name` is the text's, for messages.
 * @throws UsageError for a text that is too short, or has too many characters for the vocabulary.
 */
export function prepareCorpus(text: string, name: string, options: CorpusOptions): Corpus {
  const { batchSize, sequenceLength } = options;
  const documents = text.split(/(?:\r\n|\r|\n)[^\S\r\n]*(?:\r\n|\r|\n)\s*/).map(splitLines);
  const given = "kind" in options.tokenizer ? undefined : options.tokenizer;
  const tokenizer = given ?? trainFor(documents.flat(), name, options);
  const room = sequenceLength - 2;
  const sentences = documents.flatMap((lines, document) =>
    // Lines may be wrapped in the middle of a sentence.
    splitSentences(lines.join(" ")).flatMap((text) => encodeSentence(text, document, tokenizer, room)),
  );
  const tokens = tokensOf(sentences);
  // A batch to train on, one that is held out, and what a sentence across the border may take.
  const sequences = 2 * batchSize + 1;
  if (tokens < sequences * room) {
    throw new UsageError(
      `${name}: the text is too short: it has ${tokens} tokens, and ${sequences} sequences of ${sequenceLength} ` +
        `(a batch to train on, a batch held out) take ${sequences * room}; give more text, or lower --batch or --length`,
    );
  }
  const first = borderOf(sentences, Math.max(heldOutShare * tokens, batchSize * room));
  const [training, heldOut] = [sentences.slice(0, first), sentences.slice(first)];
  return {
    tokenizer,
    special: specialIds(tokenizer),
    training: documentsOf(training),
    heldOut: documentsOf(heldOut),
    tokenCounts: countTokens(
      training.flatMap(({ ids }) => ids),
      tokenizer.vocabSize,
      tokenizer.specialTokenIds,
    ),
    trainingTokens: tokensOf(training),
    heldOutTokens: tokensOf(heldOut),
    heldOutSentences: heldOut.map(({ text }) => text).filter((text) => text !== ""),
  };
}

function trainFor(lines: readonly string[], name: string, { tokenizer }: CorpusOptions): Tokenizer {
  if (!("kind" in tokenizer)) return tokenizer;
  const { kind, vocabSize } = tokenizer;
  return trainTokenizer(kind, lines, { name, vocabSize, option: "--vocab" });
}

/** One that is longer than a sequence becomes several, of which the first has the text. */
function encodeSentence(text: string, document: number, tokenizer: Tokenizer, room: number): Sentence[] {
  const { ids } = tokenizer.encode(text, null, { addSpecialTokens: false });
  return Array.from({ length: Math.ceil(ids.length / room) }, (_, i) => ({
    document,
    text: i === 0 ? text : "",
    ids: ids.slice(i * room, (i + 1) * room),
  }));
}

function tokensOf(sentences: readonly Sentence[]): number {
  return sentences.reduce((total, { ids }) => total + ids.length, 0);
}

/** The first of the last sentences that have at least so many tokens together. */
function borderOf(sentences: readonly Sentence[], tokens: number): number {
  let [first, held] = [sentences.length, 0];
  while (held < tokens) held += sentences[--first].ids.length;
  return first;
}

function documentsOf(sentences: readonly Sentence[]): Document[] {
  const documents = new Map<number, (readonly number[])[]>();
  for (const { document, ids } of sentences) {
    const found = documents.get(document);
    if (found) found.push(ids);
    else documents.set(document, [ids]);
  }
  return [...documents.values()];
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
  const unknown = tokenizer.tokenToId("[UNK]") ?? tokenizer.tokenToId("<unk>");
  return [...sentence.matchAll(wordsOfSentence)].flatMap(({ 0: word, index }) => {
    const { ids } = tokenizer.encode(word, null, { addSpecialTokens: false });
    if (word.length < 4 || ids.length !== 1 || ids[0] === unknown) return [];
    return [{ text: `${sentence.slice(0, index)}[MASK]${sentence.slice(index + word.length)}`, word }];
  });
}

import type { RandomStream } from "./hashRandom.ts";

/**
 * The parts a tokenizer is put together from. Each model (WordPiece, byte-level BPE, Unigram) is an
 * implementation of `TokenModel`, with the pre-tokenizer and decoder that belong to it; `Tokenizer` itself
 * knows none of them.
 *
 * `toJSON` gives the part as it stands in Hugging Face's `tokenizer.json`.
 */

/** Any value that JSON can hold, as an object of `tokenizer.json` holds it. */
export type JsonObject = { readonly [key: string]: unknown };

/** Text in, text out: what is done to raw text before it is cut. */
export interface Normalizer {
  normalize(text: string): string;
  toJSON(): JsonObject;
}

/** Cuts normalized text into the words that the model sees one at a time. */
export interface PreTokenizer {
  /** @param atStart Nothing stands before `text`, not even an added token. Default true. */
  preTokenize(text: string, atStart?: boolean): string[];
  toJSON(): JsonObject;
}

/** Cuts one word into pieces of a vocabulary. */
export interface TokenModel {
  /** Number of pieces; their ids are 0 to `vocabSize - 1`. */
  readonly vocabSize: number;
  /** Ids of the pieces of `word`, in order. */
  tokenizeWord(word: string): readonly number[];
  /**
   * Ids of one of the ways to cut `word`, drawn with probability proportional to P^alpha. Only of models that
   * can.
   */
  sampleWord?(word: string, alpha: number, random: RandomStream): readonly number[];
  tokenToId(token: string): number | undefined;
  idToToken(id: number): string | undefined;
  toJSON(): JsonObject;
}

/** Joins tokens back into text. */
export interface Decoder {
  decode(tokens: readonly string[]): string;
  toJSON(): JsonObject;
}

/** What a post-processor returns: three arrays of one length. */
export interface ProcessedIds {
  readonly ids: number[];
  readonly typeIds: number[];
  /** 1 where the post-processor added the token, 0 where it came from the text. */
  readonly specialTokensMask: number[];
}

/** Puts one or two tokenized texts and the special tokens around them into one sequence. */
export interface PostProcessor {
  /** How many tokens it adds to one text, or to a pair. */
  addedCount(isPair: boolean): number;
  process(a: readonly number[], b: readonly number[] | null, addSpecialTokens: boolean): ProcessedIds;
  toJSON(): JsonObject;
}

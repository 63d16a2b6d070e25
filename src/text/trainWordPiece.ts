import { ArgumentError } from "../graph/errors.ts";
import type { Normalizer, PreTokenizer } from "./components.ts";
import { BertNormalizer } from "./normalize.ts";
import { byCodePoint, type MergeScore, PairTable, type TrainingWord } from "./pairTable.ts";
import { BertPreTokenizer } from "./preTokenize.ts";
import { BERT_SPECIAL_TOKENS } from "./specialTokens.ts";

/** Settings of {@link trainWordPiece}. */
export interface TrainWordPieceOptions {
  /** Most pieces in the vocabulary, special tokens included. */
  readonly vocabSize: number;
  /** Default "frequency". */
  readonly score?: MergeScore;
  /** Pairs that occur less often are not merged. Default 2. */
  readonly minPairFrequency?: number;
  /** Keep only so many different characters, the most frequent. Default: all. */
  readonly alphabetLimit?: number;
  /** First in the vocabulary, in this order. Default [PAD], [UNK], [CLS], [SEP], [MASK]. */
  readonly specialTokens?: readonly string[];
  /** Default "##". */
  readonly continuingSubwordPrefix?: string;
  /** Longer words (in code points) are passed over: the model makes them unknown. Default 100. */
  readonly maxInputCharsPerWord?: number;
  /**
   * How texts become words; use those of the tokenizer to be. Default: BERT's, uncased. Not used on word
   * counts.
   */
  readonly normalizer?: Normalizer;
  readonly preTokenizer?: PreTokenizer;
}

/** How often each word occurs in `texts`, words being what the normalizer and pre-tokenizer make of them. */
export function countWords(
  texts: Iterable<string>,
  normalizer: Normalizer = new BertNormalizer(),
  preTokenizer: PreTokenizer = new BertPreTokenizer(),
): Map<string, number> {
  const counts = new Map<string, number>();
  // A lone string is an iterable too, of its characters: that is never what is meant.
  for (const text of typeof texts === "string" ? [texts] : texts) {
    for (const word of preTokenizer.preTokenize(normalizer.normalize(text))) {
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
  }
  return counts;
}

/** The words that take part: short enough, and of kept characters only. */
function wordsToTrainOn(
  counts: ReadonlyMap<string, number>,
  maxLength: number,
  alphabetLimit: number,
): TrainingWord[] {
  const words: TrainingWord[] = [];
  const frequencies = new Map<string, number>();
  for (const [word, count] of counts) {
    if (!Number.isSafeInteger(count) || count < 1) {
      throw new ArgumentError(
        `trainWordPiece: "${word}" has the count ${count}; counts are positive integers`,
      );
    }
    const characters = [...word];
    if (characters.length > maxLength) continue;
    words.push({ characters, count });
    for (const character of characters) frequencies.set(character, (frequencies.get(character) ?? 0) + count);
  }
  if (frequencies.size <= alphabetLimit) return words;
  const ranked = [...frequencies].sort(([a, m], [b, n]) => n - m || byCodePoint(a, b));
  const kept = new Set(ranked.slice(0, alphabetLimit).map(([character]) => character));
  return words.filter(({ characters }) => characters.every((character) => kept.has(character)));
}

function positiveInteger(name: string, value: number): number {
  if ((Number.isInteger(value) && value >= 1) || value === Number.POSITIVE_INFINITY) return value;
  throw new ArgumentError(`trainWordPiece: ${name} must be a positive integer, got ${value}`);
}

/**
 * Trains a WordPiece vocabulary: special tokens, then the alphabet (every character as it starts a word, then
 * with the prefix as it continues one, each in code point order), then merged pieces until `vocabSize` is
 * reached or no pair is left that occurs `minPairFrequency` times.
 *
 * Each step merges the pair of neighbouring pieces with the highest score: `"frequency"` is how often the
 * pair occurs (what Hugging Face's trainer uses); `"likelihood"` is freq(ab) / (freq(a) freq(b)), the gain in
 * the likelihood of the corpus, which favours rare pairs and so wants a higher `minPairFrequency`. Of equal
 * scores wins the pair whose left piece stands first in the vocabulary, then the one whose right piece does.
 * The result depends on the counts alone, not on the order of the words.
 *
 * Words with a character beyond the alphabet's limit, and words over `maxInputCharsPerWord`, are passed over,
 * since the model makes them unknown as a whole. All others are then cut without the unknown piece.
 *
 * @param source Texts, or the counts of words (see {@link countWords}).
 * @returns The pieces in the order of their ids, for `Tokenizer.bert` or `WordPiece`.
 * @throws ArgumentError when special tokens and alphabet alone exceed `vocabSize`, or for a malformed
 * setting.
 */
export function trainWordPiece(
  source: Iterable<string> | ReadonlyMap<string, number>,
  options: TrainWordPieceOptions,
): string[] {
  const vocabSize = positiveInteger("vocabSize", options.vocabSize);
  if (vocabSize >= 2 ** 26)
    throw new ArgumentError(`trainWordPiece: vocabSize must be below 2^26, got ${vocabSize}`);
  const minFrequency = positiveInteger("minPairFrequency", options.minPairFrequency ?? 2);
  const alphabetLimit = positiveInteger("alphabetLimit", options.alphabetLimit ?? Number.POSITIVE_INFINITY);
  const maxLength = positiveInteger("maxInputCharsPerWord", options.maxInputCharsPerWord ?? 100);
  const specials = options.specialTokens ?? BERT_SPECIAL_TOKENS;
  const isSpecial = new Set(specials);
  if (isSpecial.size !== specials.length)
    throw new ArgumentError("trainWordPiece: a special token is named twice");

  const counts =
    source instanceof Map
      ? (source as ReadonlyMap<string, number>)
      : countWords(source as Iterable<string>, options.normalizer, options.preTokenizer);
  const words = wordsToTrainOn(counts, maxLength, alphabetLimit);
  const prefix = options.continuingSubwordPrefix ?? "##";
  const table = new PairTable(specials, words, { prefix, score: options.score ?? "frequency", minFrequency });
  if (table.pieces.length > vocabSize) {
    throw new ArgumentError(
      `trainWordPiece: ${specials.length} special tokens and ${table.pieces.length - specials.length} ` +
        `pieces of the alphabet exceed vocabSize ${vocabSize}; raise it or set alphabetLimit`,
    );
  }
  while (table.pieces.length < vocabSize) {
    const pair = table.best();
    if (pair === undefined) break;
    // Text must never be cut into something that reads as a special token.
    if (isSpecial.has(table.merged(pair))) table.drop(pair);
    else table.merge(pair);
  }
  return table.pieces;
}

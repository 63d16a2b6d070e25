import { ArgumentError } from "../graph/errors.ts";
import type { Merge } from "./bpe.ts";
import { BYTE_CHARACTERS, ByteLevelPreTokenizer } from "./byteLevel.ts";
import type { Normalizer, PreTokenizer } from "./components.ts";
import { byCodePoint, PairTable } from "./pairTable.ts";
import { ROBERTA_SPECIAL_TOKENS } from "./specialTokens.ts";
import { countWords } from "./trainWordPiece.ts";

/** Settings of {@link trainBpe}. */
export interface TrainBpeOptions {
  /** Most pieces in the vocabulary, special tokens and the alphabet included. */
  readonly vocabSize: number;
  /** Pairs that occur less often are not merged. Default 2. */
  readonly minPairFrequency?: number;
  /** First in the vocabulary, in this order. Default <s>, <pad>, </s>, <unk>, <mask>. */
  readonly specialTokens?: readonly string[];
  /** Characters that are pieces whether or not they occur. Default: the 256 that stand for bytes. */
  readonly initialAlphabet?: readonly string[];
  /** Default null: the text as it stands. Not used on word counts. */
  readonly normalizer?: Normalizer | null;
  /** How texts become words; use that of the tokenizer to be. Default: byte-level, with a prefix space. */
  readonly preTokenizer?: PreTokenizer;
}

/** What a {@link Bpe} model is made of. */
export interface TrainedBpe {
  /** The pieces in the order of their ids. */
  readonly vocabulary: readonly string[];
  /** The merges, the first to be made first. */
  readonly merges: readonly Merge[];
}

/**
 * Trains byte pair encoding: special tokens, then the alphabet in code point order, then merged pieces until
 * `vocabSize` is reached or no pair is left that occurs `minPairFrequency` times.
 *
 * Each step merges the most frequent pair of neighbouring pieces. Of equally frequent ones wins the pair
 * whose left piece stands first in the vocabulary, then the one whose right piece does (Hugging Face's rule).
 * The result depends on the counts alone, not on the order of the words.
 *
 * @param source Texts, or the counts of words as the pre-tokenizer makes them.
 * @throws ArgumentError when special tokens and alphabet alone exceed `vocabSize`, a special token is named
 * twice or is a character of the alphabet, or for a malformed setting.
 */
export function trainBpe(
  source: Iterable<string> | ReadonlyMap<string, number>,
  options: TrainBpeOptions,
): TrainedBpe {
  const { vocabSize, minPairFrequency = 2 } = options;
  for (const [name, value] of [
    ["vocabSize", vocabSize],
    ["minPairFrequency", minPairFrequency],
  ] as const) {
    if (!(Number.isInteger(value) && value >= 1 && value < 2 ** 26))
      throw new ArgumentError(`trainBpe: ${name} must be a positive integer below 2^26, got ${value}`);
  }
  const specials = options.specialTokens ?? ROBERTA_SPECIAL_TOKENS;
  const isSpecial = new Set(specials);
  if (isSpecial.size !== specials.length) throw new ArgumentError("trainBpe: a special token is named twice");

  const words: { characters: string[]; count: number }[] = [];
  const alphabet = new Set(options.initialAlphabet ?? BYTE_CHARACTERS);
  for (const [word, count] of countsOf(source, options)) {
    if (!Number.isSafeInteger(count) || count < 1) {
      throw new ArgumentError(`trainBpe: "${word}" has the count ${count}; counts are positive integers`);
    }
    const characters = [...word];
    for (const character of characters) alphabet.add(character);
    words.push({ characters, count });
  }
  const clash = specials.find((token) => alphabet.has(token));
  if (clash !== undefined) {
    throw new ArgumentError(`trainBpe: the special token "${clash}" is also a character of the alphabet`);
  }
  const pieces = [...specials, ...[...alphabet].sort(byCodePoint)];
  if (pieces.length > vocabSize) {
    throw new ArgumentError(
      `trainBpe: ${specials.length} special tokens and ${alphabet.size} characters of the alphabet exceed ` +
        `vocabSize ${vocabSize}; raise it`,
    );
  }
  const table = new PairTable(pieces, words, {
    prefix: "",
    score: "frequency",
    minFrequency: minPairFrequency,
  });
  const merges: Merge[] = [];
  while (table.pieces.length < vocabSize) {
    const pair = table.best();
    if (pair === undefined) break;
    // Text must never be cut into something that reads as a special token.
    if (isSpecial.has(table.merged(pair))) table.drop(pair);
    else {
      merges.push(table.parts(pair));
      table.merge(pair);
    }
  }
  return { vocabulary: table.pieces, merges };
}

function countsOf(
  source: Iterable<string> | ReadonlyMap<string, number>,
  options: TrainBpeOptions,
): ReadonlyMap<string, number> {
  if (source instanceof Map) return source as ReadonlyMap<string, number>;
  const normalizer = options.normalizer ?? { normalize: (text) => text, toJSON: () => ({}) };
  const preTokenizer = options.preTokenizer ?? new ByteLevelPreTokenizer();
  return countWords(source as Iterable<string>, normalizer, preTokenizer);
}

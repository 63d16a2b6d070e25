import { ArgumentError } from "../graph/errors.ts";
import type { Normalizer, PreTokenizer } from "./components.ts";
import { addExpectedCounts, bestPath, buildLattice, codePointsOf, PieceTrie } from "./lattice.ts";
import { MetaspacePreTokenizer } from "./metaspace.ts";
import { albertNormalizer } from "./normalizers.ts";
import { byText, type CountedWord, frequentSubstrings } from "./seedPieces.ts";
import { ALBERT_SPECIAL_TOKENS } from "./specialTokens.ts";
import { countWords } from "./trainWordPiece.ts";
import type { ScoredPiece } from "./unigramModel.ts";

/** Settings of {@link trainUnigram}. */
export interface TrainUnigramOptions {
  /** Most pieces in the vocabulary, special tokens and single characters included. */
  readonly vocabSize: number;
  /** Most characters of a piece. Default 16. */
  readonly maxPieceLength?: number;
  /** Most substrings to start from. Default 1,000,000. */
  readonly seedSize?: number;
  /** Share of the pieces that each pruning keeps. Default 0.75. */
  readonly shrinkingFactor?: number;
  /** Steps of expectation and maximization before each pruning. Default 2. */
  readonly subIterations?: number;
  /** Share of the text whose characters are kept, the most frequent first; the rest is unknown. Default 1. */
  readonly characterCoverage?: number;
  /**
   * SentencePiece's sparsification: exp(digamma(count)) in place of the counts, which takes from rare pieces
   * (the mean of ln p under a Dirichlet posterior). Default false: p proportional to the counts.
   */
  readonly digamma?: boolean;
  /** First in the vocabulary, in this order, with score 0. Default <pad>, <unk>, [CLS], [SEP], [MASK]. */
  readonly specialTokens?: readonly string[];
  /** How texts become words; use those of the tokenizer to be. Default: ALBERT's. Not used on word counts. */
  readonly normalizer?: Normalizer;
  readonly preTokenizer?: PreTokenizer;
}

/** A piece in training. */
export interface CandidatePiece {
  readonly text: string;
  /** Log-probability. */
  readonly score: number;
  /** Expected count at the last step. */
  readonly count: number;
  /** Single characters are never dropped. */
  readonly isCharacter: boolean;
}

/** A word to train on, as code points. */
export interface UnigramWord {
  readonly codePoints: readonly number[];
  readonly count: number;
}

/** A piece expected less often than this is dropped; one that is kept counts as if it were seen so often. */
const LEAST_COUNT = 0.5;

/** Derivative of ln Γ at x > 0: recurrence up to 7, then the asymptotic series (error below 1e-12). */
export function digamma(x: number): number {
  let shift = 0;
  let at = x;
  for (; at < 7; at++) shift -= 1 / at;
  const y = 1 / (at * at);
  const series =
    y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y * (1 / 132 - y * (691 / 32760))))));
  return shift + Math.log(at) - 0.5 / at - series;
}

/**
 * One step of expectation and maximization: expected counts of the pieces over all cuts of all words, then
 * probabilities in proportion to them.
 *
 * @param fewest Pieces that are hardly used are dropped, the least used first, while more than so many are
 * left.
 * @returns The pieces with new scores and counts, and the log-likelihood of the words under the old scores.
 */
export function unigramStep(
  words: readonly UnigramWord[],
  pieces: readonly CandidatePiece[],
  sparse: boolean,
  fewest = 0,
): { readonly pieces: CandidatePiece[]; readonly logLikelihood: number } {
  const trie = new PieceTrie(pieces.map(({ text }) => text));
  const scores = pieces.map(({ score }) => score);
  const counts = new Float64Array(pieces.length);
  let logLikelihood = 0;
  for (const { codePoints, count } of words) {
    const lattice = buildLattice(codePoints, trie, scores, null);
    // Every character is a piece, so that there is always a lattice.
    if (lattice !== null) logLikelihood += count * addExpectedCounts(lattice, count, counts);
  }
  const unused = [...pieces.keys()]
    .filter((i) => !pieces[i].isCharacter && counts[i] < LEAST_COUNT)
    .sort((i, j) => counts[i] - counts[j] || byText(pieces[i].text, pieces[j].text));
  const dropped = new Set(unused.slice(0, Math.max(0, pieces.length - fewest)));
  const kept: CandidatePiece[] = [];
  let total = 0;
  for (const [i, piece] of pieces.entries()) {
    if (dropped.has(i)) continue;
    const count = Math.max(counts[i], LEAST_COUNT);
    kept.push({ ...piece, count });
    total += count;
  }
  const log = sparse ? digamma : Math.log;
  const logTotal = log(total);
  return { pieces: kept.map((piece) => ({ ...piece, score: log(piece.count) - logTotal })), logLikelihood };
}

/**
 * The `size` pieces whose removal would lower the likelihood most: all characters, and of the others those
 * with the highest count · (ln p(piece) - ln p(its best cut into others)), where the counts of the others
 * grow by the piece's own (SentencePiece's estimate).
 */
export function pruneUnigram(pieces: readonly CandidatePiece[], size: number): CandidatePiece[] {
  const trie = new PieceTrie(pieces.map(({ text }) => text));
  const scores = pieces.map(({ score }) => score);
  const total = pieces.reduce((sum, { count }) => sum + count, 0);
  const rated: { place: number; loss: number }[] = [];
  for (const [place, { text, count, isCharacter }] of pieces.entries()) {
    if (isCharacter) continue;
    const lattice = buildLattice(codePointsOf(text), trie, scores, null);
    if (lattice === null) continue;
    const { arcs } = bestPath(lattice, (arc) => lattice.ids[arc] !== place);
    const logTotal = Math.log(total + count * (arcs.length - 1));
    let without = 0;
    for (const arc of arcs) without += Math.log(pieces[lattice.ids[arc]].count + count) - logTotal;
    rated.push({ place, loss: count * (Math.log(count) - Math.log(total) - without) });
  }
  rated.sort((a, b) => b.loss - a.loss || byText(pieces[a.place].text, pieces[b.place].text));
  const room = size - (pieces.length - rated.length);
  const kept = new Set(rated.slice(0, Math.max(0, room)).map(({ place }) => place));
  return pieces.filter(({ isCharacter }, place) => isCharacter || kept.has(place));
}

/** The words cut at characters beyond the coverage, ordered by their text, and the characters kept. */
function wordsWithin(
  counts: ReadonlyMap<string, number>,
  coverage: number,
): { readonly words: CountedWord[]; readonly characters: Map<string, number> } {
  const frequencies = new Map<string, number>();
  let total = 0;
  for (const [word, count] of counts) {
    if (!Number.isSafeInteger(count) || count < 1) {
      throw new ArgumentError(`trainUnigram: "${word}" has the count ${count}; counts are positive integers`);
    }
    for (const character of word) {
      frequencies.set(character, (frequencies.get(character) ?? 0) + count);
      total += count;
    }
  }
  const characters = new Map<string, number>();
  let covered = 0;
  for (const [character, count] of [...frequencies].sort(([a, m], [b, n]) => n - m || byText(a, b))) {
    if (covered >= coverage * total) break;
    characters.set(character, count);
    covered += count;
  }
  const fragments = new Map<string, number>();
  for (const [word, count] of counts) {
    let fragment = "";
    for (const character of [...word, ""]) {
      if (characters.has(character)) fragment += character;
      else {
        if (fragment !== "") fragments.set(fragment, (fragments.get(fragment) ?? 0) + count);
        fragment = "";
      }
    }
  }
  // Sums of floating point numbers depend on their order: it must not be that of the corpus.
  const words = [...fragments]
    .sort(([a], [b]) => byText(a, b))
    .map(([word, count]) => ({ characters: [...word], count }));
  return { words, characters };
}

function checkOptions(options: TrainUnigramOptions): void {
  const integers = [
    ["vocabSize", options.vocabSize, 1],
    ["maxPieceLength", options.maxPieceLength ?? 16, 1],
    ["seedSize", options.seedSize ?? 1, 1],
    ["subIterations", options.subIterations ?? 1, 1],
  ] as const;
  for (const [name, value, least] of integers) {
    if (!(Number.isSafeInteger(value) && value >= least))
      throw new ArgumentError(`trainUnigram: ${name} must be a positive integer, got ${value}`);
  }
  const { shrinkingFactor = 0.75, characterCoverage = 1 } = options;
  if (!(shrinkingFactor > 0 && shrinkingFactor < 1)) {
    throw new ArgumentError(`trainUnigram: shrinkingFactor must lie between 0 and 1, got ${shrinkingFactor}`);
  }
  if (!(characterCoverage > 0 && characterCoverage <= 1)) {
    throw new ArgumentError(`trainUnigram: characterCoverage must lie in 0..1, got ${characterCoverage}`);
  }
}

/** The characters and the frequent substrings, with probabilities in proportion to count times length. */
function seedPieces(
  words: readonly CountedWord[],
  characters: ReadonlyMap<string, number>,
  options: TrainUnigramOptions,
  specials: ReadonlySet<string>,
): CandidatePiece[] {
  const { maxPieceLength = 16, seedSize = 1_000_000 } = options;
  // Text must never be cut into something that reads as a special token.
  const substrings = frequentSubstrings(words, maxPieceLength, 2, seedSize).filter(
    ({ text }) => !specials.has(text),
  );
  const weights = [
    ...[...characters].map(([text, count]) => ({ text, weight: count, isCharacter: true })),
    ...substrings.map(({ text, count }) => ({ text, weight: count * [...text].length, isCharacter: false })),
  ];
  const total = weights.reduce((sum, { weight }) => sum + weight, 0);
  return weights.map(({ text, weight, isCharacter }) => ({
    text,
    score: Math.log(weight / total),
    count: weight,
    isCharacter,
  }));
}

/**
 * Trains a unigram language model: starts from all characters and the frequent substrings, then repeats some
 * steps of expectation (forward-backward over all cuts of the words) and maximization, and prunes the pieces
 * that the likelihood misses least, until `vocabSize` is reached. Single characters always stay. Fewer pieces
 * come out only where the text has not so many frequent substrings.
 *
 * The result depends on the counts alone, not on the order of the words.
 *
 * Source: Kudo, Subword Regularization (1804.10959); SentencePiece, `unigram_model_trainer.cc`.
 *
 * @param source Texts, or the counts of words as the pre-tokenizer makes them.
 * @returns Special tokens, then the pieces by falling score: for `Tokenizer.albert` or `Unigram`.
 * @throws ArgumentError when special tokens and characters alone exceed `vocabSize`, a special token is named
 * twice or is a character of the text, or for a malformed setting.
 */
export function trainUnigram(
  source: Iterable<string> | ReadonlyMap<string, number>,
  options: TrainUnigramOptions,
): ScoredPiece[] {
  checkOptions(options);
  const { shrinkingFactor = 0.75, subIterations = 2 } = options;
  const specialTokens = options.specialTokens ?? ALBERT_SPECIAL_TOKENS;
  const specials = new Set(specialTokens);
  if (specials.size !== specialTokens.length)
    throw new ArgumentError("trainUnigram: a special token is named twice");
  const counts =
    source instanceof Map
      ? (source as ReadonlyMap<string, number>)
      : countWords(
          source as Iterable<string>,
          options.normalizer ?? albertNormalizer(),
          options.preTokenizer ?? new MetaspacePreTokenizer(),
        );
  const { words, characters } = wordsWithin(counts, options.characterCoverage ?? 1);
  const clash = specialTokens.find((token) => characters.has(token));
  if (clash !== undefined)
    throw new ArgumentError(`trainUnigram: the special token "${clash}" is also a character of the text`);
  const room = options.vocabSize - specialTokens.length;
  if (characters.size > room) {
    throw new ArgumentError(
      `trainUnigram: ${specialTokens.length} special tokens and ${characters.size} characters exceed ` +
        `vocabSize ${options.vocabSize}; raise it or lower characterCoverage`,
    );
  }
  const toTrainOn = words.map((word) => ({
    codePoints: codePointsOf(word.characters.join("")),
    count: word.count,
  }));
  let pieces = seedPieces(words, characters, options, specials);
  for (;;) {
    for (let i = 0; i < subIterations; i++) {
      pieces = unigramStep(toTrainOn, pieces, options.digamma ?? false, room).pieces;
    }
    if (pieces.length <= room) break;
    pieces = pruneUnigram(pieces, Math.max(room, Math.floor(shrinkingFactor * pieces.length)));
  }
  pieces.sort((a, b) => b.score - a.score || byText(a.text, b.text));
  return [
    ...specialTokens.map((token): ScoredPiece => [token, 0]),
    ...pieces.map(({ text, score }): ScoredPiece => [text, score]),
  ];
}

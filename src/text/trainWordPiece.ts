import { ArgumentError } from "../graph/errors.ts";
import type { Normalizer, PreTokenizer } from "./components.ts";
import { BertNormalizer } from "./normalize.ts";
import { BertPreTokenizer } from "./preTokenize.ts";
import { BERT_SPECIAL_TOKENS } from "./specialTokens.ts";
import { UpdatableHeap } from "./updatableHeap.ts";

/** How a pair of neighbouring pieces is rated: see {@link trainWordPiece}. */
export type MergeScore = "frequency" | "likelihood";

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

function byCodePoint(a: string, b: string): number {
  return (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0);
}

interface TrainingWord {
  readonly characters: readonly string[];
  readonly count: number;
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

/** The words as sequences of piece ids, and the pairs of neighbours in them with their counts. */
class PairTable {
  readonly pieces: string[];
  readonly #prefix: string;
  readonly #score: MergeScore;
  readonly #ids = new Map<string, number>();
  readonly #words: { ids: number[]; readonly count: number }[] = [];
  readonly #pieceCounts: number[] = [];
  /** Pairs by left * 2^26 + right: exact, since both stay below 2^26. */
  readonly #pairIndex = new Map<number, number>();
  readonly #left: number[] = [];
  readonly #right: number[] = [];
  readonly #counts: number[] = [];
  readonly #scores: number[] = [];
  /** Words in which a pair occurs or has occurred. */
  readonly #wordsOf: number[][] = [];
  /** Pairs in which a piece takes part, for the score that depends on the pieces' own counts. */
  readonly #pairsOf: number[][] = [];
  readonly #heap: UpdatableHeap;
  readonly #minFrequency: number;

  constructor(
    specials: readonly string[],
    words: readonly TrainingWord[],
    options: { readonly prefix: string; readonly score: MergeScore; readonly minFrequency: number },
  ) {
    this.pieces = [...specials];
    for (const [id, piece] of this.pieces.entries()) this.#ids.set(piece, id);
    this.#prefix = options.prefix;
    this.#score = options.score;
    this.#minFrequency = options.minFrequency;
    this.#heap = new UpdatableHeap((a, b) => this.#isBefore(a, b));
    for (const piece of this.#alphabet(words)) this.#pieceId(piece);
    const changed = new Set<number>();
    for (const { characters, count } of words) {
      const ids = characters.map((character, i) =>
        this.#pieceId(i === 0 ? character : this.#prefix + character),
      );
      const word = this.#words.push({ ids, count }) - 1;
      this.#add(word, 1, changed);
      for (let i = 1; i < ids.length; i++) this.#wordsOf[this.#pair(ids[i - 1], ids[i])].push(word);
    }
    this.#reorder(changed);
  }

  /** The best pair, or undefined when none is frequent enough. */
  best(): number | undefined {
    return this.#heap.peek();
  }

  /** The piece that a merge of `pair` makes. */
  merged(pair: number): string {
    return this.pieces[this.#left[pair]] + this.pieces[this.#right[pair]].slice(this.#prefix.length);
  }

  drop(pair: number): void {
    this.#heap.remove(pair);
  }

  /** Replaces every occurrence of `pair`; the piece may exist already, made of other parts. */
  merge(pair: number): void {
    const [left, right] = [this.#left[pair], this.#right[pair]];
    const id = this.#pieceId(this.merged(pair));
    const changed = new Set<number>([pair]);
    for (const word of this.#wordsOf[pair]) {
      const { ids } = this.#words[word];
      const next: number[] = [];
      for (let i = 0; i < ids.length; i++) {
        if (ids[i] === left && ids[i + 1] === right) {
          next.push(id);
          i++;
        } else next.push(ids[i]);
      }
      if (next.length === ids.length) continue;
      this.#add(word, -1, changed);
      this.#words[word].ids = next;
      this.#add(word, 1, changed);
      for (let i = 1; i < next.length; i++) {
        if (next[i - 1] === id || next[i] === id) this.#wordsOf[this.#pair(next[i - 1], next[i])].push(word);
      }
    }
    this.#wordsOf[pair] = [];
    if (this.#score === "likelihood") {
      for (const piece of [left, right, id]) for (const other of this.#pairsOf[piece]) changed.add(other);
    }
    this.#reorder(changed);
  }

  /** Every character as the first of a word and after the first, where it occurs so. */
  #alphabet(words: readonly TrainingWord[]): string[] {
    const first = new Set<string>();
    const later = new Set<string>();
    for (const { characters } of words) {
      for (const [i, character] of characters.entries()) (i === 0 ? first : later).add(character);
    }
    const continuing = [...later].sort(byCodePoint).map((character) => this.#prefix + character);
    return [...[...first].sort(byCodePoint), ...continuing];
  }

  #pieceId(piece: string): number {
    let id = this.#ids.get(piece);
    if (id === undefined) {
      id = this.pieces.push(piece) - 1;
      this.#ids.set(piece, id);
    }
    while (this.#pieceCounts.length <= id) {
      this.#pieceCounts.push(0);
      this.#pairsOf.push([]);
    }
    return id;
  }

  #pair(left: number, right: number): number {
    const key = left * 2 ** 26 + right;
    let pair = this.#pairIndex.get(key);
    if (pair === undefined) {
      pair = this.#left.push(left) - 1;
      this.#right.push(right);
      this.#counts.push(0);
      this.#scores.push(0);
      this.#wordsOf.push([]);
      this.#pairIndex.set(key, pair);
      this.#pairsOf[left].push(pair);
      if (right !== left) this.#pairsOf[right].push(pair);
    }
    return pair;
  }

  /** Adds what a word contributes to the counts, or (sign -1) takes it away. */
  #add(word: number, sign: 1 | -1, changed: Set<number>): void {
    const { ids, count } = this.#words[word];
    for (let i = 0; i < ids.length; i++) {
      this.#pieceCounts[ids[i]] += sign * count;
      if (i === 0) continue;
      const pair = this.#pair(ids[i - 1], ids[i]);
      this.#counts[pair] += sign * count;
      changed.add(pair);
    }
  }

  #reorder(changed: ReadonlySet<number>): void {
    for (const pair of changed) {
      const count = this.#counts[pair];
      // A score changes only here, where the pair is moved: the heap never sees an order that is out of date.
      this.#scores[pair] = this.#scoreOf(pair);
      if (count >= this.#minFrequency) this.#heap.update(pair);
      else this.#heap.remove(pair);
    }
  }

  #scoreOf(pair: number): number {
    switch (this.#score) {
      case "frequency":
        return this.#counts[pair];
      case "likelihood":
        return (
          this.#counts[pair] / (this.#pieceCounts[this.#left[pair]] * this.#pieceCounts[this.#right[pair]])
        );
    }
  }

  #isBefore(a: number, b: number): boolean {
    if (this.#scores[a] !== this.#scores[b]) return this.#scores[a] > this.#scores[b];
    if (this.#left[a] !== this.#left[b]) return this.#left[a] < this.#left[b];
    return this.#right[a] < this.#right[b];
  }
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

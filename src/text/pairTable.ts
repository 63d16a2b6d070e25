import { UpdatableHeap } from "./updatableHeap.ts";

/** How a pair of neighbouring pieces is rated: see `trainWordPiece`. */
export type MergeScore = "frequency" | "likelihood";

/** Orders characters, or strings by their first character, by code point. */
export function byCodePoint(a: string, b: string): number {
  return (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0);
}

/** A word to train on. */
export interface TrainingWord {
  readonly characters: readonly string[];
  readonly count: number;
}

/** The words as sequences of piece ids, and the pairs of neighbours in them with their counts. */
export class PairTable {
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

  /** The two pieces of `pair`. */
  parts(pair: number): readonly [left: string, right: string] {
    return [this.pieces[this.#left[pair]], this.pieces[this.#right[pair]]];
  }

  /** Takes `pair` out of the running, until a count of it changes. */
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

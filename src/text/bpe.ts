import { ArgumentError } from "../graph/errors.ts";
import { BoundedCache } from "./boundedCache.ts";
import type { JsonObject, TokenModel } from "./components.ts";
import { UpdatableHeap } from "./updatableHeap.ts";
import { idsOfPieces } from "./vocabulary.ts";

/** Two pieces that are joined wherever they are neighbours. */
export type Merge = readonly [left: string, right: string];

/** Settings of {@link Bpe}. */
export interface BpeOptions {
  /**
   * The piece that stands for a character that is no piece. Default null: such a character is left out. A
   * byte-level vocabulary holds every byte and needs none.
   */
  readonly unkToken?: string | null;
  /** Several unknown characters in a row make one unknown piece. Default false. */
  readonly fuseUnk?: boolean;
  /** A word that is a piece is that piece, whether or not merges lead to it. Default false. */
  readonly ignoreMerges?: boolean;
}

const CACHED_WORDS = 10_000;
/** Longer words hardly repeat: they are cut anew each time. */
const CACHED_WORD_LENGTH = 256;
/** Pairs are numbered left * 2^26 + right: exact, since ids stay below 2^26. */
const ID_LIMIT = 2 ** 26;

/**
 * The byte pair encoding model: a word starts as its characters, and the neighbours whose merge stands first
 * in the list (the leftmost of these) are joined until no merge applies.
 *
 * Equal to Hugging Face's `BPE` without dropout, affixes and byte fallback.
 *
 * Source: Sennrich et al. (1508.07909); Radford et al., GPT-2 (2019).
 */
export class Bpe implements TokenModel {
  readonly unkToken: string | null;
  readonly unkId: number | null;
  readonly fuseUnk: boolean;
  readonly ignoreMerges: boolean;
  readonly #pieces: readonly string[];
  readonly #ids: ReadonlyMap<string, number>;
  readonly #merges: readonly Merge[];
  /** Place of the merge of a pair in the list. */
  readonly #ranks: ReadonlyMap<number, number>;
  /** The piece that each merge makes. */
  readonly #merged: readonly number[];
  // What is in it follows from the rest of the model: it makes words faster, never different.
  readonly #cache = new BoundedCache<string, readonly number[]>(CACHED_WORDS);

  /**
   * @param vocabulary The pieces in the order of their ids. @param merges The merges, the first to be made
   * first.
   * @throws ArgumentError for a piece or merge that occurs twice, or when a part or the result of a merge, or
   * the unknown piece, is not in the vocabulary.
   */
  constructor(vocabulary: readonly string[], merges: readonly Merge[], options: BpeOptions = {}) {
    if (vocabulary.length >= ID_LIMIT)
      throw new ArgumentError(`Bpe: a vocabulary holds fewer than 2^26 pieces, got ${vocabulary.length}`);
    this.unkToken = options.unkToken ?? null;
    this.fuseUnk = options.fuseUnk ?? false;
    this.ignoreMerges = options.ignoreMerges ?? false;
    this.#pieces = [...vocabulary];
    this.#ids = idsOfPieces("Bpe", this.#pieces);
    this.#merges = merges.map(([left, right]) => [left, right] as const);
    const idOf = (piece: string, what: string): number => {
      const id = this.#ids.get(piece);
      if (id === undefined) throw new ArgumentError(`Bpe: ${what} "${piece}" is not in the vocabulary`);
      return id;
    };
    this.unkId = this.unkToken === null ? null : idOf(this.unkToken, "the unknown piece");
    const ranks = new Map<number, number>();
    this.#merged = this.#merges.map(([left, right], rank) => {
      const pair = idOf(left, `merge ${rank}:`) * ID_LIMIT + idOf(right, `merge ${rank}:`);
      const earlier = ranks.get(pair);
      if (earlier !== undefined) {
        throw new ArgumentError(`Bpe: "${left}" and "${right}" are merged twice, at ${earlier} and ${rank}`);
      }
      ranks.set(pair, rank);
      return idOf(left + right, `merge ${rank}:`);
    });
    this.#ranks = ranks;
  }

  get vocabSize(): number {
    return this.#pieces.length;
  }

  /** The merges, the first to be made first. */
  get merges(): readonly Merge[] {
    return this.#merges;
  }

  tokenToId(token: string): number | undefined {
    return this.#ids.get(token);
  }

  idToToken(id: number): string | undefined {
    return this.#pieces[id];
  }

  tokenizeWord(word: string): readonly number[] {
    const cached = this.#cache.get(word);
    if (cached !== undefined) return cached;
    const whole = this.ignoreMerges ? this.#ids.get(word) : undefined;
    const ids = whole === undefined ? this.#merge(this.#characters(word)) : [whole];
    if (word.length <= CACHED_WORD_LENGTH) this.#cache.set(word, ids);
    return ids;
  }

  toJSON(): JsonObject {
    return {
      type: "BPE",
      dropout: null,
      unk_token: this.unkToken,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: this.fuseUnk,
      byte_fallback: false,
      ignore_merges: this.ignoreMerges,
      // fromEntries defines properties, so that a piece called "__proto__" survives.
      vocab: Object.fromEntries(this.#ids),
      merges: this.#merges.map((merge) => [...merge]),
    };
  }

  #characters(word: string): number[] {
    const ids: number[] = [];
    let afterUnknown = false;
    for (const character of word) {
      const id = this.#ids.get(character);
      if (id !== undefined) ids.push(id);
      else if (this.unkId !== null && !(this.fuseUnk && afterUnknown)) ids.push(this.unkId);
      afterUnknown = id === undefined;
    }
    return ids;
  }

  /** Applies the merges to `ids`, a list linked by `next` and `previous`; a heap knows the next merge. */
  #merge(ids: number[]): number[] {
    const count = ids.length;
    if (count < 2) return ids;
    const next = Int32Array.from({ length: count }, (_, i) => i + 1);
    const previous = Int32Array.from({ length: count }, (_, i) => i - 1);
    const ranks = new Float64Array(count);
    const heap = new UpdatableHeap((a, b) => (ranks[a] === ranks[b] ? a < b : ranks[a] < ranks[b]));
    /** Rates the pair that starts at `place`. */
    const rate = (place: number): void => {
      const rank =
        next[place] < count ? this.#ranks.get(ids[place] * ID_LIMIT + ids[next[place]]) : undefined;
      if (rank === undefined) heap.remove(place);
      else {
        ranks[place] = rank;
        heap.update(place);
      }
    };
    for (let place = 0; place < count; place++) rate(place);
    for (let place = heap.peek(); place !== undefined; place = heap.peek()) {
      const right = next[place];
      heap.remove(right);
      ids[place] = this.#merged[ranks[place]];
      next[place] = next[right];
      if (next[place] < count) previous[next[place]] = place;
      rate(place);
      if (place > 0) rate(previous[place]);
    }
    const result: number[] = [];
    for (let place = 0; place < count; place = next[place]) result.push(ids[place]);
    return result;
  }
}

import { ArgumentError } from "../graph/errors.ts";
import { BoundedCache } from "./boundedCache.ts";
import type { JsonObject, TokenModel } from "./components.ts";
import type { RandomStream } from "./hashRandom.ts";
import { bestPath, buildLattice, codePointsOf, type Lattice, PieceTrie, samplePath } from "./lattice.ts";
import { idsOfPieces } from "./vocabulary.ts";

/** A piece and its log-probability. */
export type ScoredPiece = readonly [piece: string, score: number];

const CACHED_WORDS = 10_000;
const CACHED_WORD_LENGTH = 256;
/** How far below the least likely piece an unknown character is scored. */
const UNKNOWN_PENALTY = 10;

/**
 * The unigram language model: of all the ways to cut a word, the one whose pieces have the highest product of
 * probabilities. A character that is no piece is unknown; several in a row make one unknown piece.
 *
 * Equal to Hugging Face's `Unigram` without byte fallback.
 *
 * Source: Kudo, Subword Regularization (1804.10959).
 */
export class Unigram implements TokenModel {
  /** The piece that stands for what is unknown, or null when there is none. */
  readonly unkId: number | null;
  readonly #pieces: readonly string[];
  readonly #scores: Float64Array;
  readonly #ids: ReadonlyMap<string, number>;
  readonly #trie: PieceTrie;
  readonly #unkScore: number;
  // What is in it follows from the rest of the model: it makes words faster, never different.
  readonly #cache = new BoundedCache<string, readonly number[]>(CACHED_WORDS);

  /**
   * @param vocabulary The pieces, with their log-probabilities, in the order of their ids.
   * @param unkId The unknown piece; null when the vocabulary has none.
   * @throws ArgumentError for no pieces, an empty one, one that occurs twice, a score that is not finite, or
   * an `unkId` that is no piece's.
   */
  constructor(vocabulary: readonly ScoredPiece[], unkId: number | null = 0) {
    if (vocabulary.length === 0) throw new ArgumentError("Unigram: the vocabulary is empty");
    this.#pieces = vocabulary.map(([piece]) => piece);
    this.#ids = idsOfPieces("Unigram", this.#pieces);
    this.#scores = Float64Array.from(vocabulary, ([, score]) => score);
    for (const [id, piece] of this.#pieces.entries()) {
      if (piece === "") throw new ArgumentError(`Unigram: piece ${id} is empty`);
      if (!Number.isFinite(this.#scores[id])) {
        throw new ArgumentError(`Unigram: the score of "${piece}" must be finite, got ${this.#scores[id]}`);
      }
    }
    if (unkId !== null && !(Number.isInteger(unkId) && unkId >= 0 && unkId < vocabulary.length)) {
      throw new ArgumentError(
        `Unigram: unkId ${unkId} is not in the vocabulary of ${vocabulary.length} pieces`,
      );
    }
    this.unkId = unkId;
    this.#trie = new PieceTrie(this.#pieces);
    let least = Number.POSITIVE_INFINITY;
    for (const score of this.#scores) least = Math.min(least, score);
    this.#unkScore = least - UNKNOWN_PENALTY;
  }

  get vocabSize(): number {
    return this.#pieces.length;
  }

  /** The log-probability of a piece, or undefined for an id that is none's. */
  scoreOf(id: number): number | undefined {
    return this.#scores[id];
  }

  tokenToId(token: string): number | undefined {
    return this.#ids.get(token);
  }

  idToToken(id: number): string | undefined {
    return this.#pieces[id];
  }

  /** @throws ArgumentError for a character that is no piece, where there is no unknown piece. */
  tokenizeWord(word: string): readonly number[] {
    const cached = this.#cache.get(word);
    if (cached !== undefined) return cached;
    const lattice = this.#lattice(word);
    const ids = this.#idsAlong(lattice, bestPath(lattice).arcs);
    if (word.length <= CACHED_WORD_LENGTH) this.#cache.set(word, ids);
    return ids;
  }

  /**
   * One cut of `word`, drawn with probability proportional to P(cut)^alpha: alpha 0 draws all cuts alike, 1
   * by their probability, and the larger it is, the surer is the best one.
   *
   * @throws ArgumentError for an `alpha` below 0, or as `tokenizeWord`.
   */
  sampleWord(word: string, alpha: number, random: RandomStream): readonly number[] {
    if (!(alpha >= 0 && alpha < Number.POSITIVE_INFINITY)) {
      throw new ArgumentError(
        `Unigram.sampleWord: alpha must be a finite number of at least 0, got ${alpha}`,
      );
    }
    const lattice = this.#lattice(word);
    return this.#idsAlong(lattice, samplePath(lattice, alpha, random));
  }

  toJSON(): JsonObject {
    return {
      type: "Unigram",
      unk_id: this.unkId,
      vocab: this.#pieces.map((piece, id) => [piece, this.#scores[id]]),
      byte_fallback: false,
    };
  }

  #lattice(word: string): Lattice {
    const unknown = this.unkId === null ? null : { id: this.unkId, score: this.#unkScore };
    const lattice = buildLattice(codePointsOf(word), this.#trie, this.#scores, unknown);
    if (lattice === null) {
      throw new ArgumentError(
        `Unigram: "${word}" has a character that is no piece, and there is no unknown piece; set unkId`,
      );
    }
    return lattice;
  }

  #idsAlong(lattice: Lattice, arcs: readonly number[]): number[] {
    const ids: number[] = [];
    for (const arc of arcs) {
      const id = lattice.ids[arc];
      if (id !== this.unkId || ids.at(-1) !== id) ids.push(id);
    }
    return ids;
  }
}

import type { RandomStream } from "./hashRandom.ts";

/** Code points are below this. */
const CODE_POINTS = 0x110000;

/** The code points of a text. */
export function codePointsOf(text: string): number[] {
  return Array.from(text, (character) => character.codePointAt(0) ?? 0);
}

/** The pieces of a vocabulary by their beginnings. */
export class PieceTrie {
  /** Nodes by parent * 0x110000 + code point; the root is 0. */
  readonly #children = new Map<number, number>();
  /** Id of the piece that ends at a node, or -1. */
  readonly #ids: number[] = [-1];

  /** @param pieces The pieces in the order of their ids. */
  constructor(pieces: readonly string[]) {
    for (const [id, piece] of pieces.entries()) {
      let node = 0;
      for (const codePoint of codePointsOf(piece)) {
        const key = node * CODE_POINTS + codePoint;
        let child = this.#children.get(key);
        if (child === undefined) {
          child = this.#ids.push(-1) - 1;
          this.#children.set(key, child);
        }
        node = child;
      }
      this.#ids[node] = id;
    }
  }

  /** The node that `codePoint` leads to from `node`, or -1. */
  child(node: number, codePoint: number): number {
    return this.#children.get(node * CODE_POINTS + codePoint) ?? -1;
  }

  /** The piece that ends at `node`, or -1. */
  idAt(node: number): number {
    return this.#ids[node];
  }
}

/**
 * Every way to cut a word: arc k is piece `ids[k]` from `starts[k]` to `ends[k]`, arcs ascending by start.
 */
export interface Lattice {
  /** Number of code points. */
  readonly length: number;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly ids: readonly number[];
  /** Log-probabilities. */
  readonly scores: readonly number[];
}

/** How a code point that is no piece is scored; null where there is none such. */
export interface UnknownArc {
  readonly id: number;
  readonly score: number;
}

/**
 * The lattice of a word. A code point that is no piece of its own gets an arc of the unknown piece.
 * @returns null when there is such a code point and `unknown` is null.
 */
export function buildLattice(
  codePoints: readonly number[],
  trie: PieceTrie,
  scores: ArrayLike<number>,
  unknown: UnknownArc | null,
): Lattice | null {
  const lattice = {
    starts: [] as number[],
    ends: [] as number[],
    ids: [] as number[],
    scores: [] as number[],
  };
  const add = (start: number, end: number, id: number, score: number): void => {
    lattice.starts.push(start);
    lattice.ends.push(end);
    lattice.ids.push(id);
    lattice.scores.push(score);
  };
  const length = codePoints.length;
  for (let start = 0; start < length; start++) {
    let hasSingle = false;
    let node = 0;
    for (let end = start; end < length; end++) {
      node = trie.child(node, codePoints[end]);
      if (node === -1) break;
      const id = trie.idAt(node);
      if (id === -1) continue;
      add(start, end + 1, id, scores[id]);
      if (end === start) hasSingle = true;
    }
    if (hasSingle) continue;
    if (unknown === null) return null;
    add(start, start + 1, unknown.id, unknown.score);
  }
  return { length, ...lattice };
}

/**
 * The arcs of the best cut, from left to right, and its score. Of equally good ones wins the longer last
 * piece, as in Hugging Face's. Arcs that `isAllowed` refuses are passed over.
 */
export function bestPath(
  lattice: Lattice,
  isAllowed: (arc: number) => boolean = () => true,
): { readonly arcs: readonly number[]; readonly score: number } {
  const { length, starts, ends, scores } = lattice;
  const best = new Float64Array(length + 1).fill(Number.NEGATIVE_INFINITY);
  const lastArc = new Int32Array(length + 1).fill(-1);
  best[0] = 0;
  for (let arc = 0; arc < starts.length; arc++) {
    if (!isAllowed(arc)) continue;
    const [start, end] = [starts[arc], ends[arc]];
    const score = best[start] + scores[arc];
    if (lastArc[end] !== -1 && score <= best[end]) continue;
    best[end] = score;
    lastArc[end] = arc;
  }
  const arcs: number[] = [];
  for (let end = length; end > 0 && lastArc[end] !== -1; end = starts[lastArc[end]]) arcs.push(lastArc[end]);
  return { arcs: arcs.reverse(), score: best[length] };
}

/** ln(e^a + e^b). */
function logAdd(a: number, b: number): number {
  const [high, low] = a > b ? [a, b] : [b, a];
  return low === Number.NEGATIVE_INFINITY ? high : high + Math.log1p(Math.exp(low - high));
}

/** [length + 1] ln of the summed probability, each raised to `alpha`, of all cuts up to each place. */
function forwardScores(lattice: Lattice, alpha = 1): Float64Array {
  const { length, starts, ends, scores } = lattice;
  const forward = new Float64Array(length + 1).fill(Number.NEGATIVE_INFINITY);
  forward[0] = 0;
  for (let arc = 0; arc < starts.length; arc++) {
    forward[ends[arc]] = logAdd(forward[ends[arc]], forward[starts[arc]] + alpha * scores[arc]);
  }
  return forward;
}

/** [length + 1] ln of the summed probability of all cuts from each place on. */
function backwardScores(lattice: Lattice): Float64Array {
  const { length, starts, ends, scores } = lattice;
  const backward = new Float64Array(length + 1).fill(Number.NEGATIVE_INFINITY);
  backward[length] = 0;
  // Starts ascend, so all that follows an arc's end is settled when the arcs are walked from the last.
  for (let arc = starts.length - 1; arc >= 0; arc--) {
    backward[starts[arc]] = logAdd(backward[starts[arc]], backward[ends[arc]] + scores[arc]);
  }
  return backward;
}

/**
 * Adds to `counts[id]` how often each piece is expected in `weight` words of this lattice, given the scores
 * (forward-backward).
 * @returns ln of the word's probability.
 */
export function addExpectedCounts(lattice: Lattice, weight: number, counts: Float64Array): number {
  const { length, starts, ends, ids, scores } = lattice;
  const forward = forwardScores(lattice);
  const backward = backwardScores(lattice);
  const total = forward[length];
  for (let arc = 0; arc < starts.length; arc++) {
    const posterior = Math.exp(forward[starts[arc]] + scores[arc] + backward[ends[arc]] - total);
    counts[ids[arc]] += weight * posterior;
  }
  return total;
}

/**
 * The arcs, from left to right, of one cut drawn with probability proportional to P(cut)^alpha: forward
 * filtering, backward sampling. One random number for each piece.
 */
export function samplePath(lattice: Lattice, alpha: number, random: RandomStream): number[] {
  const { length, starts, ends, scores } = lattice;
  const forward = forwardScores(lattice, alpha);
  const arcsTo: number[][] = Array.from({ length: length + 1 }, () => []);
  for (let arc = 0; arc < starts.length; arc++) arcsTo[ends[arc]].push(arc);
  const path: number[] = [];
  for (let end = length; end > 0; ) {
    let rest = random.uniform();
    let chosen = arcsTo[end][0];
    for (const arc of arcsTo[end]) {
      // Rounding may leave a little of the draw over: then it falls to the last arc.
      chosen = arc;
      rest -= Math.exp(forward[starts[arc]] + alpha * scores[arc] - forward[end]);
      if (rest < 0) break;
    }
    path.push(chosen);
    end = starts[chosen];
  }
  return path.reverse();
}

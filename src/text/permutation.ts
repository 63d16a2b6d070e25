import { ArgumentError } from "../graph/errors.ts";
import { type RandomStream, shuffle } from "./hashRandom.ts";

// The permutation language model's objective: which tokens are predicted, and in which order. Yang et al., XLNet (2019),
// section 2.2 to 2.4; details are those of the released code.

/** Settings of {@link sampleSpans}. */
export interface SpanOptions {
  /** The longest span. Default 5. */
  readonly maxLength?: number;
  /** A span of n tokens lies within n · ratio tokens that are not predicted. Default 6, the release's alpha / beta. */
  readonly contextRatio?: number;
  /** Whether a token begins a word: spans begin there. By default every token does. */
  readonly isWordStart?: (id: number) => boolean;
  /** What a span's length counts: tokens, as the release in fact does, or whole words. Default "tokens". */
  readonly unit?: "tokens" | "words";
  /** Whether the text runs backwards, so that spans are looked for from its end. Default false. */
  readonly reverse?: boolean;
}

/**
 * Positions to predict, 1 for each of exactly `count` of the ids (all, if there are fewer): spans of n tokens, n from 1 to
 * the longest with probability in proportion to 1/n, each somewhere within a context of its own; where those leave some over,
 * single tokens.
 * @throws ArgumentError for a malformed option.
 */
export function sampleSpans(
  ids: ArrayLike<number>,
  count: number,
  random: RandomStream,
  options: SpanOptions = {},
): Uint8Array {
  const { maxLength = 5, contextRatio = 6, unit = "tokens", reverse = false } = options;
  const { isWordStart = () => true } = options;
  for (const [name, value] of Object.entries({ maxLength, contextRatio })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new ArgumentError(`sampleSpans: ${name} must be an integer of at least 1, got ${value}`);
    }
  }
  const length = ids.length;
  const wanted = Math.min(count, length);
  const begins = Array.from({ length }, (_, i) => isWordStart(ids[reverse ? length - 1 - i : i]));
  const chosen = new Uint8Array(length);
  let predicted = 0;
  for (let at = 0; predicted < wanted; ) {
    const n = Math.min(drawLength(maxLength, random), wanted - predicted);
    const context = n * contextRatio;
    const left = random.below(context);
    const start = begins.indexOf(true, at + left);
    if (start === -1) break;
    const end = endOf(start, n, begins, unit);
    // A span at the very end is not taken: nothing would be to its right.
    if (end >= length || predicted + end - start > wanted) break;
    chosen.fill(1, start, end);
    predicted += end - start;
    at = end + context - left;
  }
  while (predicted < wanted) {
    const at = random.below(length);
    if (chosen[at]) continue;
    chosen[at] = 1;
    predicted++;
  }
  return reverse ? chosen.reverse() : chosen;
}

/** 1 to `longest`, with probability in proportion to its inverse. */
function drawLength(longest: number, random: RandomStream): number {
  let total = 0;
  for (let n = 1; n <= longest; n++) total += 1 / n;
  let rest = random.uniform() * total;
  for (let n = 1; n < longest; n++) {
    rest -= 1 / n;
    if (rest < 0) return n;
  }
  return longest;
}

/** Behind n tokens, or behind n words, from a word's start on. */
function endOf(start: number, n: number, begins: readonly boolean[], unit: "tokens" | "words"): number {
  if (unit === "tokens") return start + n;
  let end = start;
  for (let word = 0; word < n && end < begins.length; word++) {
    const next = begins.indexOf(true, end + 1);
    end = next === -1 ? begins.length : next;
  }
  return end;
}

/**
 * A place in the order of prediction for each of `length` positions: blocks of `blockLength` come one after the other, and
 * all are shuffled alike.
 * @throws ArgumentError unless the blocks divide the length.
 */
export function permutationOrder(length: number, blockLength: number, random: RandomStream): Int32Array {
  if (!(Number.isInteger(blockLength) && blockLength >= 1 && length % blockLength === 0)) {
    throw new ArgumentError(
      `permutationOrder: blocks of ${blockLength} do not divide ${length} positions; change the length of a permutation`,
    );
  }
  const places = Int32Array.from({ length: blockLength }, (_, i) => i);
  shuffle(places, random);
  return Int32Array.from({ length }, (_, i) => i - (i % blockLength) + places[i % blockLength]);
}

/** What {@link permutationMask} is made of; each of as many positions. */
export interface PermutationParts {
  /** A place in the order of prediction for each position. */
  readonly order: ArrayLike<number>;
  /** 1 for tokens that are predicted. */
  readonly isTarget: ArrayLike<number>;
  /** 1 for separators and classifier tokens: not predicted, and visible only to what comes after them in the order. */
  readonly isSpecial: ArrayLike<number>;
}

/**
 * [T, T] row by row, 1 where token i may not attend token j. Tokens that are neither predicted nor special are context: all
 * see them, and they see only each other. A predicted token sees those before it in the order, but not itself (the content
 * stream lets it see itself, see `XLNetModel`); a special one sees itself, too.
 */
export function permutationMask({ order, isTarget, isSpecial }: PermutationParts): Uint8Array {
  const length = order.length;
  const blocked = new Uint8Array(length * length);
  const ordered = (i: number): boolean => isTarget[i] === 1 || isSpecial[i] === 1;
  for (let i = 0; i < length; i++) {
    const own = ordered(i) ? order[i] : -1;
    const first = isTarget[i] === 1 ? own : own + 1;
    for (let j = 0; j < length; j++) {
      blocked[i * length + j] = Number(ordered(j) && first <= order[j]);
    }
  }
  return blocked;
}

/** The mask of two parts of a segment, one behind the other: the first does not see the second, the second all of the first. */
export function joinPermutationMasks(first: Uint8Array, second: Uint8Array): Uint8Array {
  const [before, behind] = [Math.sqrt(first.length), Math.sqrt(second.length)];
  const length = before + behind;
  const joined = new Uint8Array(length * length);
  for (let i = 0; i < before; i++) {
    joined.set(first.subarray(i * before, (i + 1) * before), i * length);
    joined.fill(1, i * length + before, (i + 1) * length);
  }
  for (let i = 0; i < behind; i++) {
    joined.set(second.subarray(i * behind, (i + 1) * behind), (before + i) * length + before);
  }
  return joined;
}

import { ArgumentError } from "../graph/errors.ts";

/** Random numbers in a fixed order. The stream is local to who made it: same key, same numbers. */
export interface RandomStream {
  /** The next 32 bits, as an integer from 0 to 2^32 - 1. */
  uint32(): number;
  /** The next number in [0, 1), a multiple of 2^-32. */
  uniform(): number;
  /** The next integer from 0 to `bound - 1`. */
  below(bound: number): number;
}

/**
 * Finalizer of MurmurHash3 (Appleby, public domain): a bijection of 32 bits that mixes every bit into every
 * other.
 */
function mix(value: number): number {
  let bits = value;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

/** One round of a keyed hash over the 32-bit halves of an integer. */
function absorb(state: number, value: number): number {
  const low = value >>> 0;
  const high = Math.floor(value / 2 ** 32) | 0;
  return mix(Math.imul(mix(state ^ low) + 0x9e3779b9, 5) ^ high);
}

/**
 * A stream of random numbers that is a pure function of an integer key, such as (seed, example, visit):
 * number i is a hash of the key and i, so streams of different keys have nothing in common and none depends
 * on what was drawn before.
 * For shuffling and masking; not for cryptography.
 *
 * @throws ArgumentError for a key part that is not a safe integer.
 */
export function hashRandom(...key: readonly number[]): RandomStream {
  // Two lanes give 64 bits of state: keys collide only after some 2^32 of them.
  let first = 0x243f6a88;
  let second = 0x85a308d3;
  for (const part of key) {
    if (!Number.isSafeInteger(part))
      throw new ArgumentError(`hashRandom: a key is made of integers, got ${part}`);
    first = absorb(first, part);
    second = absorb(second + 0x13198a2e, part ^ first);
  }
  let counter = 0;
  const uint32 = (): number => {
    counter = (counter + 1) >>> 0;
    return mix(mix(Math.imul(counter, 0x9e3779b1) ^ first) + second);
  };
  const uniform = (): number => uint32() / 2 ** 32;
  return { uint32, uniform, below: (bound) => Math.floor(uniform() * bound) };
}

/** Shuffles `items` in place (Fisher and Yates). */
export function shuffle<T>(
  items: { readonly length: number; [index: number]: T },
  random: RandomStream,
): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const held = items[i];
    items[i] = items[j];
    items[j] = held;
  }
}

/** The integers 0 to `length - 1` in an order that is a pure function of `length` and `key`. */
export function permutation(length: number, ...key: readonly number[]): Int32Array {
  const order = Int32Array.from({ length }, (_, i) => i);
  shuffle(order, hashRandom(...key));
  return order;
}

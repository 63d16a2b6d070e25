import { add, or, shiftLeft, shiftRight, unsigned, xor } from "./floatBits.ts";
import type { Scalar } from "./ir.ts";

const rotations = [13, 15, 26, 6, 17, 29, 16, 24];

/**
 * Threefry-2x32 with 20 rounds on u32: two words from a key (k0, k1) and a counter (c0, c1).
 * Salmon, Moraes, Dror and Shaw, Parallel random numbers: as easy as 1, 2, 3 (2011).
 */
export function threefry2x32(k0: Scalar, k1: Scalar, c0: Scalar, c1: Scalar): readonly [Scalar, Scalar] {
  const keys = [k0, k1, xor(xor(k0, k1), unsigned(0x1bd11bda))];
  const key = (at: number): Scalar => keys[at % 3] as Scalar; // there are three
  let x = add(c0, k0);
  let y = add(c1, k1);
  for (let round = 0; round < 20; round++) {
    const by = rotations[round % 8] as number; // there are eight
    x = add(x, y);
    y = xor(or(shiftLeft(y, unsigned(by)), shiftRight(y, unsigned(32 - by))), x);
    if (round % 4 === 3) {
      const injection = (round + 1) / 4;
      x = add(x, key(injection));
      y = add(y, add(key(injection + 1), unsigned(injection)));
    }
  }
  return [x, y];
}

/** How far each of eight rounds rotates; the schedule repeats. */
const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24];

/** Makes the third key word depend on the other two, so that no key is weak. */
const PARITY = 0x1bd11bda;

/**
 * Threefry-2x32 with 20 rounds: two 32-bit words from a key and a counter. Salmon, Moraes, Dror and Shaw,
 * Parallel random numbers: as easy as 1, 2, 3 (2011). The words returned may be negative: read them modulo
 * 2^32.
 */
export function threefry2x32(
  key0: number,
  key1: number,
  counter0: number,
  counter1: number,
): [first: number, second: number] {
  const keys = [key0, key1, key0 ^ key1 ^ PARITY];
  let a = (counter0 + key0) | 0;
  let b = (counter1 + key1) | 0;
  for (let round = 0; round < 20; round++) {
    const rotation = ROTATIONS[round % 8];
    a = (a + b) | 0;
    b = ((b << rotation) | (b >>> (32 - rotation))) ^ a;
    if (round % 4 === 3) {
      // After every fourth round the next pair of key words goes in, with the number of the injection.
      const injection = (round + 1) / 4;
      a = (a + keys[injection % 3]) | 0;
      b = (b + keys[(injection + 1) % 3] + injection) | 0;
    }
  }
  return [a, b];
}

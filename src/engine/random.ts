import { ArgumentError } from "../graph/errors.ts";

/**
 * State of a stream of random numbers: a key, and how many draws were made. A draw takes one counter; its elements are
 * words of Threefry-2x32 at (element, draw), so that the same seed gives the same bits on every device, and a compiled
 * call the same as a plain loop.
 */
export class Generator {
  #key: readonly [number, number];
  #draws = 0;

  /** @throws ArgumentError unless the seed is an integer in [0, 2^53). */
  constructor(seed = 0) {
    this.#key = keyOf(seed);
  }

  /** Starts the stream of `seed` anew. */
  seed(seed: number): void {
    this.#key = keyOf(seed);
    this.#draws = 0;
  }

  get key(): readonly [number, number] {
    return this.#key;
  }

  /** Draws made since the seed was set; part of a checkpoint. */
  get draws(): number {
    return this.#draws;
  }

  set draws(count: number) {
    if (!Number.isSafeInteger(count) || count < 0)
      throw new ArgumentError(`random: ${count} is no number of draws`);
    this.#draws = count;
  }

  /** The counter of the next draw. */
  next(): number {
    const draw = this.#draws % 2 ** 32;
    this.#draws += 1;
    return draw;
  }
}

function keyOf(seed: number): readonly [number, number] {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new ArgumentError(`random: seed ${seed} is not an integer of at least 0`);
  }
  return [seed % 2 ** 32, Math.floor(seed / 2 ** 32)];
}

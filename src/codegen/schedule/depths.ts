import type { Node, Value } from "../../graph/node.ts";
import { isCopy } from "./chains.ts";

/** How many operations may stand one upon the other in a kernel: code is written by recursion. */
const deepest = 200;

/** How many operations stand one upon the other below a value, down to memory. */
export class Depths {
  readonly #depths = new Map<Value, number>();

  /** Copies count as deep: they are there to end a chain in memory. */
  isDeep(value: Value): boolean {
    return isCopy(value) || (this.#depths.get(value) ?? 0) >= deepest;
  }

  /** Notes how deep a node's results stand on `bases`, of which those in memory are found there. */
  note({ outputs }: Node, bases: readonly Value[], isFound: (base: Value) => boolean): void {
    let below = 0;
    for (const base of bases) {
      if (!isFound(base)) below = Math.max(below, this.#depths.get(base) ?? 0);
    }
    for (const output of outputs) this.#depths.set(output, below + 1);
  }
}

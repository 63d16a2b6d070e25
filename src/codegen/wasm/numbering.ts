import type { Expression } from "../index/expression.ts";

/** What numbers are packed with: a pair of numbers below this is one exact number. */
const most = 2 ** 26;

/**
 * Numbers for things, so that equal things have equal numbers and others do not. What a thing is made of is numbered
 * first; pairs of numbers stand for everything larger than a text or an integer.
 */
export class Numbering {
  #next = 0;
  readonly #texts = new Map<string, number>();
  readonly #integers = new Map<number, number>();
  readonly #pairs = new Map<number, number>();

  text(text: string): number {
    return this.#numberIn(this.#texts, text);
  }

  integer(value: number): number {
    return this.#numberIn(this.#integers, value);
  }

  /** Of two numbers that came from here. */
  pair(first: number, second: number): number {
    return this.#numberIn(this.#pairs, first * most + second);
  }

  /** Of an expression by its structure. */
  expression(of: Expression): number {
    const head = this.text(of.kind);
    switch (of.kind) {
      case "constant":
        return this.pair(head, this.integer(of.value));
      case "variable":
        return this.pair(head, this.text(of.name));
      case "opaque":
        return this.pair(head, this.integer(of.id));
      case "linear": {
        let sum = this.pair(head, this.integer(of.constant));
        for (const { factor, of: atom } of of.terms)
          sum = this.pair(this.pair(sum, this.expression(atom)), this.integer(factor));
        return sum;
      }
      case "floorDivide":
        return this.pair(this.pair(head, this.expression(of.of)), this.integer(of.divisor));
      case "modulo":
        return this.pair(this.pair(head, this.expression(of.of)), this.integer(of.modulus));
      case "minimum":
      case "maximum":
      case "product":
        return this.pair(this.pair(head, this.expression(of.left)), this.expression(of.right));
    }
  }

  #numberIn<Key>(numbers: Map<Key, number>, key: Key): number {
    let number = numbers.get(key);
    if (number === undefined) {
      number = this.#next++;
      numbers.set(key, number);
    }
    return number;
  }
}

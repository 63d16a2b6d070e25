import { FileFormatError } from "../../graph/errors.ts";
import type { IndexItem, Tensor } from "../../tensor/tensor.ts";

/** A token of a Python expression. */
type Token = { readonly kind: "name" | "number" | "sign"; readonly text: string };

/** What the methods of an expression mean: integers as arguments, one by one or in a list. */
const methods: Readonly<Record<string, (x: Tensor, args: readonly number[]) => Tensor>> = {
  transpose: (x, [a, b]) => x.transpose(a, b),
  swapaxes: (x, [a, b]) => x.transpose(a, b),
  reshape: (x, shape) => x.reshape(shape),
  view: (x, shape) => x.reshape(shape),
  expand: (x, shape) => x.expand(shape),
  permute: (x, dims) => x.permute(dims),
  repeat: (x, repeats) => x.repeat(repeats),
  flip: (x, dims) => x.flip(dims),
  squeeze: (x, [dim]) => x.squeeze(dim),
  unsqueeze: (x, [dim]) => x.unsqueeze(dim),
  flatten: (x, [start, end]) => x.flatten(start, end),
  narrow: (x, [dim, start, length]) => x.narrow(dim, start, length),
  select: (x, [dim, index]) => x.select(dim, index),
  movedim: (x, [from, to]) => x.movedim(from, to),
  unfold: (x, [dim, size, step]) => x.unfold(dim, size, step),
  t: (x) => x.t(),
  contiguous: (x) => x,
  clone: (x) => x,
};

/**
 * Evaluates a Python expression of operands by name: subscripts (`x[i[:, None], 1::2, ...]`) and methods that move
 * elements (`x[:, :1].squeeze(1)`). One that begins with a method is of the first operand: `transpose(0, 1).reshape(4, -1)`.
 * @throws FileFormatError for anything else.
 */
export function evaluateExpression(text: string, operands: ReadonlyMap<string, Tensor>): Tensor {
  return new Evaluator(text, operands).evaluate();
}

class Evaluator {
  readonly #text: string;
  readonly #operands: ReadonlyMap<string, Tensor>;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(text: string, operands: ReadonlyMap<string, Tensor>) {
    this.#text = text;
    this.#operands = operands;
    this.#tokens = [...text.matchAll(/\s*(?:([A-Za-z_]\w*)|(\d+)|(\.\.\.|[^\s\w]))/g)].map(
      ([, name, number, sign]): Token =>
        name !== undefined
          ? { kind: "name", text: name }
          : number !== undefined
            ? { kind: "number", text: number }
            : { kind: "sign", text: sign },
    );
  }

  evaluate(): Tensor {
    const value = this.#chain();
    if (this.#at < this.#tokens.length) this.#fail();
    return value;
  }

  /** An operand, and what is done to it. */
  #chain(): Tensor {
    const start = this.#operands.get(this.#peek());
    let value: Tensor;
    if (start && this.#tokens[this.#at + 1]?.text !== "(") {
      this.#at += 1;
      value = start;
    } else {
      const [first] = this.#operands.values();
      value = this.#call(first ?? this.#fail());
    }
    for (;;) {
      if (this.#take(".")) value = this.#call(value);
      else if (this.#take("[")) value = value.index(this.#items());
      else return value;
    }
  }

  #call(x: Tensor): Tensor {
    const name = this.#next();
    const method = Object.hasOwn(methods, name) ? methods[name] : this.#fail();
    if (!this.#take("(")) this.#fail();
    const args: number[] = [];
    while (!this.#take(")")) {
      // Lists and tuples count as their elements, and names of arguments as nothing: they stand in order.
      if (this.#take("(") || this.#take("[") || this.#take("]") || this.#take(",")) continue;
      if (this.#tokens[this.#at + 1]?.text === "=") this.#at += 2;
      args.push(this.#integer() ?? this.#fail());
    }
    // The bracket of a tuple closed the call: its own follows.
    this.#take(")");
    return method(x, args);
  }

  #items(): IndexItem[] {
    const items: IndexItem[] = [];
    while (!this.#take("]")) {
      if (!this.#take(",")) items.push(this.#item());
    }
    return items;
  }

  #item(): IndexItem {
    if (this.#take("...")) return "...";
    if (this.#take("None")) return "newAxis";
    const start = this.#integer();
    if (this.#take(":")) {
      const stop = this.#integer();
      const step = this.#take(":") ? this.#integer() : undefined;
      return [start, stop, step];
    }
    return start ?? this.#chain();
  }

  #integer(): number | undefined {
    const negative = this.#take("-");
    const token = this.#tokens[this.#at];
    if (token?.kind !== "number") return negative ? this.#fail() : undefined;
    this.#at += 1;
    return negative ? -Number(token.text) : Number(token.text);
  }

  #peek(): string {
    return this.#tokens[this.#at]?.text ?? "";
  }

  #next(): string {
    const text = this.#peek();
    this.#at += 1;
    return text;
  }

  #take(text: string): boolean {
    if (this.#peek() !== text) return false;
    this.#at += 1;
    return true;
  }

  #fail(): never {
    const at = this.#peek() || "its end";
    throw new FileFormatError(`expression ${this.#text}: ${at} is not understood (token ${this.#at + 1})`);
  }
}

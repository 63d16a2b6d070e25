import { InternalError } from "../../graph/errors.ts";
import type { Value } from "../../graph/node.ts";
import { constant, type Expression } from "../index/expression.ts";
import type { LocalArray, Scalar, ScalarType } from "../kernel/ir.ts";
import * as s from "../kernel/scalars.ts";
import type { Block } from "./block.ts";
import { scalarType } from "./compute.ts";

/** What a reduction op starts with and how it combines two values. */
export interface Reducer {
  /** The type in which it accumulates: bool counts as i32. */
  readonly type: ScalarType;
  readonly initial: number;
  readonly combine: (a: Scalar, b: Scalar) => Scalar;
}

export function reducerOf(value: Value): Reducer {
  const op = value.node.op;
  const type = value.dtype === "bool" ? "i32" : scalarType(value.dtype);
  const combineWith = (name: "add" | "mul" | "maximum" | "minimum") => (a: Scalar, b: Scalar) =>
    s.binary(name, a, b);
  switch (op) {
    case "sum":
      return { type, initial: 0, combine: combineWith("add") };
    case "prod":
      return { type, initial: 1, combine: combineWith("mul") };
    case "max":
      return { type, initial: lowest(value), combine: combineWith("maximum") };
    case "min":
      return { type, initial: highest(value), combine: combineWith("minimum") };
    default:
      throw new InternalError(`lowering: ${op} is no reduction`);
  }
}

function lowest({ dtype }: Value): number {
  if (dtype === "f32") return Number.NEGATIVE_INFINITY;
  return dtype === "i32" ? -(2 ** 31) : 0;
}

function highest({ dtype }: Value): number {
  if (dtype === "f32") return Number.POSITIVE_INFINITY;
  if (dtype === "bool") return 1;
  return dtype === "i32" ? 2 ** 31 - 1 : 2 ** 32 - 1;
}

/** Partial results of one reduction: one a lane of the vector loop, and one for the elements after it. */
export class Accumulator {
  readonly value: Value;
  readonly #reducer: Reducer;
  readonly #lanes: LocalArray | undefined;
  readonly #single: LocalArray;

  constructor(block: Block, value: Value, width: number) {
    this.value = value;
    this.#reducer = reducerOf(value);
    const { type, initial } = this.#reducer;
    this.#lanes = width > 1 ? block.declare(type, width, initial) : undefined;
    this.#single = block.declare(type, 1, initial);
  }

  /** Takes in one element, in its lane. */
  add(block: Block, element: Scalar, lane: Expression | undefined): void {
    const { type, combine } = this.#reducer;
    const array = lane && this.#lanes ? this.#lanes : this.#single;
    const index = lane && this.#lanes ? lane : constant(0);
    block.set(array, index, combine(s.local(array, index), s.cast(element, type)));
  }

  /** All partial results combined, pairwise. */
  result(): Scalar {
    const { combine } = this.#reducer;
    const lanes = this.#lanes;
    let parts = lanes ? Array.from({ length: lanes.length }, (_, i) => s.local(lanes, constant(i))) : [];
    while (parts.length > 1) {
      const half = parts.length / 2;
      parts = Array.from({ length: half }, (_, i) => combine(parts[i], parts[i + half]));
    }
    const single = s.local(this.#single, constant(0));
    const all = parts.length === 1 ? combine(parts[0], single) : single;
    return s.cast(all, scalarType(this.value.dtype));
  }
}

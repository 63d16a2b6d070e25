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

/** What a scan has so far, carried along a row. */
export class Scan {
  readonly #value: Value;
  readonly #carried: LocalArray;

  constructor(block: Block, value: Value) {
    this.#value = value;
    this.#carried = block.declare(scalarType(value.dtype), 1, initialOfScan(value));
  }

  /** Takes in the operands' next elements, and gives the scan's. */
  step(block: Block, operands: readonly Scalar[]): Scalar {
    const before = s.local(this.#carried, constant(0));
    const next = block.let(stepOfScan(this.#value, before, operands));
    block.set(this.#carried, constant(0), next);
    return next;
  }
}

function initialOfScan(value: Value): number {
  switch (value.node.op) {
    case "cumprod":
      return 1;
    case "cummax":
      return lowest(value);
    case "cummin":
      return highest(value);
    default:
      return 0;
  }
}

function stepOfScan({ node }: Value, before: Scalar, [x, y]: readonly Scalar[]): Scalar {
  switch (node.op) {
    case "cumsum":
      return s.binary("add", before, x);
    case "cumprod":
      return s.binary("mul", before, x);
    case "cummax":
      return s.binary("maximum", before, x);
    case "cummin":
      return s.binary("minimum", before, x);
    case "linearRecurrence":
      return s.binary("add", s.binary("mul", x, before), y);
    default:
      throw new InternalError(`lowering: ${node.op} is no scan`);
  }
}

/** Partial results of one reduction: one a lane of the vector loop, and one for the elements after it. */
export class Partials {
  readonly #reducer: Reducer;
  readonly #lanes: LocalArray | undefined;
  readonly #single: LocalArray;

  constructor(block: Block, reducer: Reducer, width: number) {
    this.#reducer = reducer;
    const { type, initial } = reducer;
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
    return parts.length === 1 ? combine(parts[0], single) : single;
  }
}

/** Those of a value that a group reduces. */
export class Accumulator {
  readonly value: Value;
  readonly #partials: Partials;

  constructor(block: Block, value: Value, width: number) {
    this.value = value;
    this.#partials = new Partials(block, reducerOf(value), width);
  }

  add(block: Block, element: Scalar, lane: Expression | undefined): void {
    this.#partials.add(block, element, lane);
  }

  result(): Scalar {
    return s.cast(this.#partials.result(), scalarType(this.value.dtype));
  }
}

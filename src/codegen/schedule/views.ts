import type { Node, Value } from "../../graph/node.ts";
import { typed } from "../../ops/table.ts";
import { always, and, type Condition } from "../index/condition.ts";
import type { Expression } from "../index/expression.ts";
import {
  expandIndex,
  flipIndex,
  padIndex,
  permuteIndex,
  reshapeIndex,
  sliceIndex,
  unfoldIndex,
} from "../index/view.ts";

/** A read of `base` at `index` where `guard` holds, of zero elsewhere. */
export interface ViewRead {
  readonly base: Value;
  readonly index: readonly Expression[];
  readonly guard: Condition;
}

/** One movement op as an index rewrite; undefined for concat, which reads several values, and for what is no movement. */
export function stepThroughView(value: Value, index: readonly Expression[]): ViewRead | undefined {
  const node = typed(value.node);
  const [input] = node.inputs;
  switch (node.op) {
    case "reshape":
      return { base: input, index: reshapeIndex(index, value.shape, input.shape), guard: always };
    case "permute":
      return { base: input, index: permuteIndex(index, node.attrs.dims), guard: always };
    case "expand":
      return { base: input, index: expandIndex(index, input.shape), guard: always };
    case "slice":
      return { base: input, index: sliceIndex(index, node.attrs.starts, node.attrs.steps), guard: always };
    case "flip":
      return { base: input, index: flipIndex(index, node.attrs.dims, input.shape), guard: always };
    case "unfold": {
      const { dim, step, dilation } = node.attrs;
      return { base: input, index: unfoldIndex(index, dim, step, dilation), guard: always };
    }
    case "pad": {
      const { index: inner, guard } = padIndex(index, node.attrs.before, input.shape);
      return { base: input, index: inner, guard };
    }
    default:
      return undefined;
  }
}

/** Follows movement ops down to the value they read; stops at concat. */
export function resolveView(value: Value, index: readonly Expression[]): ViewRead | undefined {
  let read: ViewRead = { base: value, index, guard: always };
  for (;;) {
    const next = stepThroughView(read.base, read.index);
    if (next === undefined) return read;
    read = { base: next.base, index: next.index, guard: and(read.guard, next.guard) };
  }
}

/** The values that a chain of movement ops reads. */
export function basesOf(value: Value): readonly Value[] {
  let base = value;
  while (isView(base.node)) base = base.node.inputs[0];
  return base.node.op === "concat" ? base.node.inputs.flatMap(basesOf) : [base];
}

/** Whether a node shows one value at other indices. */
function isView(original: Node): boolean {
  const node = typed(original);
  switch (node.op) {
    case "reshape":
    case "permute":
    case "expand":
    case "slice":
    case "flip":
    case "unfold":
    case "pad":
      return true;
    default:
      return false;
  }
}

/** The value behind reshapes alone, which lies in memory in the same order. */
export function behindReshapes(value: Value): Value {
  let current = value;
  while (current.node.op === "reshape") current = current.node.inputs[0];
  return current;
}

/** Operands that an elementwise node reads at its own index. A gather reads its data wherever the index says. */
export function inPlaceInputs({ op, inputs }: Node): readonly Value[] {
  const [data, index] = inputs;
  if (op !== "gather") return inputs;
  return data === index ? [] : [index];
}

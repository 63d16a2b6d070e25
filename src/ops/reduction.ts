import { DTypeError, ShapeError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { formatShape, numel } from "../graph/shape.ts";
import * as b from "./builders.ts";
import { defineOp, type GradientRule, type OpDefinition } from "./define.ts";
import { productOfOthers } from "./orderBuilders.ts";

export interface ReduceAttrs {
  /** Ascending, from the front. Reduced dims stay with size 1. */
  readonly dims: readonly number[];
}

function reduction(
  op: string,
  options: { readonly empty: boolean; readonly bool: boolean },
  gradient: OpDefinition<ReduceAttrs>["gradient"],
): OpDefinition<ReduceAttrs> {
  return defineOp<ReduceAttrs>({
    kind: "reduce",
    infer: ([x], { dims }) => {
      if (x.dtype === "bool" && !options.bool)
        throw new DTypeError(`${op}: operand is bool; cast it with .to("i32")`);
      if (
        !options.empty &&
        dims.some((dim) => x.shape[dim] === 0) &&
        numel(b.reducedShape(x.shape, dims)) > 0
      ) {
        throw new ShapeError(`${op}: ${formatShape(x.shape)} has no element along dims [${dims.join(", ")}]`);
      }
      return [{ shape: b.reducedShape(x.shape, dims), dtype: x.dtype }];
    },
    gradient,
  });
}

/** Elements that equal the extremum share its gradient evenly, as PyTorch's amax and amin do. */
const extremumRule: GradientRule<ReduceAttrs> = ({ attrs, inputs: [x], outputs: [y], cotangent: g }) => {
  const wide = (value: Value): Value => b.expand(value, x.shape);
  const chosen = b.cast(b.eq(x, wide(y)), x.dtype);
  return [b.mul(chosen, wide(b.div(g, b.sum(chosen, attrs.dims))))];
};

/** Each element's share is the product of the others: by running products from both ends, exact where some are 0. */
const productRule: GradientRule<ReduceAttrs> = ({ attrs: { dims }, inputs: [x], cotangent: g }) => {
  const kept = x.shape.flatMap((_, dim) => (dims.includes(dim) ? [] : [dim]));
  const order = [...kept, ...dims];
  const moved = b.permute(x, order);
  const rows = moved.shape.slice(0, kept.length);
  const flat = b.reshape(moved, [...rows, numel(moved.shape.slice(kept.length))]);
  const others = b.reshape(productOfOthers(flat), moved.shape);
  const inverse = order.map((_, dim) => order.indexOf(dim));
  return [b.mul(b.expand(g, x.shape), b.permute(others, inverse))];
};

export const reductions = {
  /** An empty sum is 0. Integers wrap. */
  sum: reduction("sum", { empty: true, bool: false }, ({ inputs: [x], cotangent: g }) => [
    b.expand(g, x.shape),
  ]),
  /** An empty product is 1. */
  prod: reduction("prod", { empty: true, bool: false }, productRule),
  /** NaN if any element is NaN; for bool: any. */
  max: reduction("max", { empty: false, bool: true }, extremumRule),
  /** NaN if any element is NaN; for bool: all. */
  min: reduction("min", { empty: false, bool: true }, extremumRule),
};

import { DTypeError, ShapeError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { formatShape, numel } from "../graph/shape.ts";
import * as b from "./builders.ts";
import { defineOp, type GradientRule, type OpDefinition } from "./define.ts";

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

/** Product of the others, by exclusive products from both ends, would need a scan; zeros are handled by counting. */
const productRule: GradientRule<ReduceAttrs> = ({ attrs, inputs: [x], cotangent: g }) => {
  const wide = (value: Value): Value => b.expand(value, x.shape);
  const zero = b.scalarLike(x, 0);
  const one = b.scalarLike(x, 1);
  const isZero = b.eq(x, zero);
  const zeros = wide(b.sum(b.cast(isZero, x.dtype), attrs.dims));
  const nonzero = b.where(isZero, one, x);
  const rest = wide(b.reduce("prod", nonzero, attrs.dims));
  const others = b.where(
    b.eq(zeros, zero),
    b.div(rest, nonzero),
    b.where(b.logicalAnd(isZero, b.eq(zeros, one)), rest, zero),
  );
  return [b.mul(wide(g), others)];
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

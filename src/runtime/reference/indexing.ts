import { allocateArray, type DType, isFloat, type TypedArray } from "../../graph/dtype.ts";
import type { Value } from "../../graph/node.ts";
import type { Shape } from "../../graph/shape.ts";
import { numel, stridesOf } from "../../graph/shape.ts";
import type { ScatterReduction } from "../../ops/indexing.ts";
import { forEachOffset, stridesWithout } from "./strided.ts";

/** A scalar is indexed as a vector of one element, as in PyTorch. */
const atLeastVector = (shape: Shape): Shape => (shape.length === 0 ? [1] : shape);

/**
 * For each element of `index`, in row-major order: its position, and the offset in an array of `shape` to
 * which it points along `dim`. Indices outside the dim give -1.
 */
function forEachTarget(
  shape: Shape,
  dim: number,
  index: Value,
  indices: TypedArray,
  visit: (position: number, offset: number) => void,
): void {
  const whole = atLeastVector(shape);
  const stride = stridesOf(whole)[dim];
  forEachOffset(atLeastVector(index.shape), stridesWithout(whole, [dim]), 0, (position, offset) => {
    const at = indices[position];
    visit(position, at >= 0 && at < whole[dim] ? offset + at * stride : -1);
  });
}

export function evaluateGather(
  x: Value,
  index: Value,
  dim: number,
  data: TypedArray,
  indices: TypedArray,
): TypedArray {
  const result = allocateArray(x.dtype, numel(index.shape));
  forEachTarget(x.shape, dim, index, indices, (position, offset) => {
    if (offset >= 0) result[position] = data[offset];
  });
  return result;
}

/** Combines in the dtype itself, one contribution after the other: the order is part of the op. */
export function evaluateScatter(
  combine: (element: number, contribution: number) => number,
  base: Value,
  index: Value,
  dim: number,
  [data, indices, source]: readonly TypedArray[],
): TypedArray {
  const result = data.slice();
  forEachTarget(base.shape, dim, index, indices, (position, offset) => {
    if (offset >= 0) result[offset] = combine(result[offset], source[position]);
  });
  return result;
}

/** How a contribution to an element is taken in. Storing rounds to f32 and wraps integers. */
export function scatterCombiner(
  reduce: "sum" | ScatterReduction,
  dtype: DType,
): (element: number, contribution: number) => number {
  switch (reduce) {
    case "sum":
      return (element, contribution) => element + contribution;
    case "replace":
      return (_, contribution) => contribution;
    case "prod":
      return isFloat(dtype) ? (element, contribution) => element * contribution : Math.imul;
    case "amax":
      return Math.max;
    case "amin":
      return Math.min;
  }
}

import { allocateArray, type DType, isFloat, type TypedArray } from "../../graph/dtype.ts";
import type { Value } from "../../graph/node.ts";
import { numel } from "../../graph/shape.ts";
import type { ReduceName } from "../../ops/builders.ts";
import { forEachOffset, stridesWithout } from "./strided.ts";

/**
 * Reduces along dims. Sums and products of f32 are accumulated in float64 and rounded once at the end, so
 * that the reference says what an f32 device approximates, whatever its order of addition. Integers wrap at
 * each step.
 */
export function evaluateReduce(
  op: ReduceName,
  x: Value,
  dims: readonly number[],
  data: TypedArray,
): TypedArray {
  const shape = x.shape.map((size, dim) => (dims.includes(dim) ? 1 : size));
  const totals = allocateArray(isFloat(x.dtype) ? "f64" : x.dtype, numel(shape));
  totals.fill(startOf(op, x.dtype));
  const combine = combinerOf(op, x.dtype);
  forEachOffset(x.shape, stridesWithout(shape, dims), 0, (position, offset) => {
    totals[offset] = combine(totals[offset], data[position]);
  });
  return x.dtype === "f32" ? Float32Array.from(totals) : totals;
}

/** What changes nothing when combined: the result of reducing nothing. */
function startOf(op: ReduceName, dtype: DType): number {
  switch (op) {
    case "sum":
      return 0;
    case "prod":
      return 1;
    case "max":
      return isFloat(dtype) ? -Infinity : dtype === "i32" ? -(2 ** 31) : 0;
    case "min":
      return isFloat(dtype) ? Infinity : dtype === "i32" ? 2 ** 31 - 1 : dtype === "u32" ? 2 ** 32 - 1 : 1;
  }
}

function combinerOf(op: ReduceName, dtype: DType): (total: number, x: number) => number {
  switch (op) {
    case "sum":
      return (total, x) => total + x;
    case "prod":
      return isFloat(dtype) ? (total, x) => total * x : Math.imul;
    case "max":
      return Math.max;
    case "min":
      return Math.min;
  }
}

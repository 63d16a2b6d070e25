import { allocateArray, isFloat, type TypedArray } from "../../graph/dtype.ts";
import type { Value } from "../../graph/node.ts";
import { numel } from "../../graph/shape.ts";

/**
 * [..., M, K] times [..., K, N]. Products of f32 are summed in float64 and rounded once, as in reductions;
 * integers wrap. An infinity times 0 is NaN, as in any IEEE product.
 */
export function evaluateMatmul(x: Value, y: Value, left: TypedArray, right: TypedArray): TypedArray {
  const rank = x.shape.length;
  const batches = numel(x.shape.slice(0, -2));
  const rows = x.shape[rank - 2];
  const depth = x.shape[rank - 1];
  const columns = y.shape[rank - 1];
  const multiply = isFloat(x.dtype) ? (a: number, b: number) => a * b : Math.imul;
  const result = allocateArray(x.dtype, batches * rows * columns);
  const totals = allocateArray(isFloat(x.dtype) ? "f64" : x.dtype, columns);
  for (let row = 0; row < batches * rows; row++) {
    const matrix = Math.floor(row / rows) * depth * columns;
    totals.fill(0);
    for (let k = 0; k < depth; k++) {
      const a = left[row * depth + k];
      const start = matrix + k * columns;
      for (let column = 0; column < columns; column++) {
        totals[column] += multiply(a, right[start + column]);
      }
    }
    result.set(totals, row * columns);
  }
  return result;
}

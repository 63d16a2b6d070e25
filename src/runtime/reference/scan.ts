import { allocateArray, type DType, isFloat, type TypedArray } from "../../graph/dtype.ts";
import type { Value } from "../../graph/node.ts";
import type { OpNameOfKind } from "../../ops/table.ts";

type ScanName = OpNameOfKind<"scan">;

/**
 * Runs along the last dim. What is carried on is kept in float64 and rounded where it is stored, as in
 * reductions; integers wrap at each step.
 */
export function evaluateScan(
  op: ScanName,
  { shape, dtype }: Value,
  inputs: readonly TypedArray[],
): TypedArray {
  const [first, second = first] = inputs;
  const result = allocateArray(dtype, first.length);
  const carried = allocateArray(isFloat(dtype) ? "f64" : dtype, 1);
  const length = shape[shape.length - 1];
  const step = stepOf(op, dtype);
  for (let i = 0; i < first.length; i++) {
    if (i % length === 0) carried[0] = startOf(op, dtype);
    carried[0] = step(carried[0], first[i], second[i]);
    result[i] = carried[0];
  }
  return result;
}

function startOf(op: ScanName, dtype: DType): number {
  switch (op) {
    case "cumsum":
    case "linearRecurrence":
      return 0;
    case "cumprod":
      return 1;
    case "cummax":
      return isFloat(dtype) ? -Infinity : dtype === "i32" ? -(2 ** 31) : 0;
    case "cummin":
      return isFloat(dtype) ? Infinity : dtype === "i32" ? 2 ** 31 - 1 : 2 ** 32 - 1;
  }
}

function stepOf(op: ScanName, dtype: DType): (before: number, x: number, y: number) => number {
  switch (op) {
    case "cumsum":
      return (before, x) => before + x;
    case "cumprod":
      return isFloat(dtype) ? (before, x) => before * x : Math.imul;
    case "cummax":
      return (before, x) => Math.max(before, x);
    case "cummin":
      return (before, x) => Math.min(before, x);
    case "linearRecurrence":
      return (before, x, y) => x * before + y;
  }
}

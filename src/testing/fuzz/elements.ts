import { isFloat, type TypedArray } from "../../graph/dtype.ts";
import type { Value } from "../../graph/node.ts";
import { formatShape } from "../../graph/shape.ts";
import { type Tolerance, ulpDistance, ulpOf } from "../compare.ts";
import type { Difference } from "./cases.ts";

/** What was compared, and with what result; filled as a case is judged. */
export class Tally {
  /** Elements that were compared. */
  compared = 0;
  /** Elements of which nothing can be said: a rounding may have changed a branch before. */
  undecided = 0;
  /** Code templates of the kernels that ran. */
  readonly templates = new Set<string>();
}

/** A value's place among the results, with its type, for messages. */
export function describeValue(of: string, { node, dtype, shape }: Value): string {
  return `${of} (${node.op}: ${dtype} ${formatShape(shape)})`;
}

/** How far off, in units in the last place of the value's dtype; for integers, the difference. */
function distance(actual: number, expected: number, { dtype }: Value): number {
  return isFloat(dtype) ? ulpDistance(actual, Math.fround(expected), "f32") : Math.abs(actual - expected);
}

const same = (x: number, y: number): boolean => x === y || (Number.isNaN(x) && Number.isNaN(y));

/** The first element further off than its bound; elements with an infinite or unknown bound are left out. */
export function beyondBounds(
  name: string,
  value: Value,
  actual: TypedArray,
  expected: TypedArray,
  bounds: TypedArray,
  tally: Tally,
): Difference | undefined {
  let first: Difference | undefined;
  for (let index = 0; index < expected.length; index++) {
    const [got, wanted, bound] = [actual[index], expected[index], bounds[index]];
    if (!Number.isFinite(bound)) {
      tally.undecided += 1;
      continue;
    }
    tally.compared += 1;
    if (first || Math.abs(got - wanted) <= bound || same(got, wanted)) continue;
    const ulps = distance(got, wanted, value);
    first = { of: describeValue(name, value), index, actual: got, expected: wanted, bound, ulps };
  }
  return first;
}

/** The first element outside of a tolerance. Two NaN are equal, and so are both zeros. */
export function beyondTolerance(
  name: string,
  value: Value,
  actual: TypedArray,
  expected: TypedArray,
  { atol = 0, rtol = 0, ulps = 0 }: Tolerance,
  tally: Tally,
): Difference | undefined {
  const float = isFloat(value.dtype);
  const bounds = new Float64Array(expected.length);
  const rounded = float ? Float32Array.from(expected) : expected;
  rounded.forEach((x: number, i: number) => {
    bounds[i] = Number.isFinite(x) ? atol + rtol * Math.abs(x) + (float ? ulps * ulpOf(x, "f32") : 0) : 0;
  });
  return beyondBounds(name, value, actual, rounded, bounds, tally);
}

/** Whether two arrays have the same bits, any NaN being equal to any other. */
export function sameBits(x: TypedArray, y: TypedArray): boolean {
  return x.length === y.length && x.every((value: number, i: number) => Object.is(value, y[i]));
}

/** Like `output 0 (add: f32 [2]) at 1: 3, expected 4 within 0.5: 8388608 ulps off`. */
export function describeDifference({ of, index, actual, expected, bound, ulps }: Difference): string {
  return `${of} at ${index}: ${actual}, expected ${expected} within ${bound}: ${ulps} ulps off`;
}

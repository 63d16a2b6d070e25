import type { TypedArray } from "../graph/dtype.ts";
import { FusegradError } from "../graph/errors.ts";

/**
 * How far `actual` may lie from `expected`: by atol + rtol |expected| + ulps units in the last place of
 * expected.
 */
export interface Tolerance {
  readonly atol?: number;
  readonly rtol?: number;
  /** Units in the last place of `actual`'s dtype (floats only; integers and bools have none). */
  readonly ulps?: number;
}

/** One element that differs by more than the tolerance. */
export interface Mismatch {
  readonly index: number;
  readonly actual: number;
  readonly expected: number;
}

export interface Comparison {
  /** Whether lengths are equal and every element lies within the tolerance. */
  readonly equal: boolean;
  /** [actual, expected]. */
  readonly lengths: readonly [number, number];
  readonly mismatches: number;
  readonly first: Mismatch | undefined;
  /** Largest |actual - expected|; infinite where one is NaN or infinite and the other is not. */
  readonly maxAbsoluteError: number;
  /** Largest distance in representable numbers of `actual`'s dtype; for integers, the largest difference. */
  readonly maxUlps: number;
}

/** Arrays that should agree do not. */
export class MismatchError extends FusegradError {}

/** The float's position among all floats in ascending order; both zeros are at 0. */
function ordinal(x: number, dtype: "f32" | "f64"): bigint {
  const view = new DataView(new ArrayBuffer(8));
  if (dtype === "f32") view.setFloat32(0, x);
  else view.setFloat64(0, x);
  const bits = dtype === "f32" ? BigInt(view.getInt32(0)) : view.getBigInt64(0);
  const sign = dtype === "f32" ? 2n ** 31n : 2n ** 63n;
  // Floats are sign and magnitude; the bits read as two's complement are the magnitude minus 2^31 or 2^63.
  return bits < 0n ? -(bits + sign) : bits;
}

/**
 * How many representable numbers of the dtype lie between `a` and `b`: 0 for equal numbers, for both zeros
 * and for two NaN; infinite between NaN and a number. For f32 both are rounded first.
 */
export function ulpDistance(a: number, b: number, dtype: "f32" | "f64"): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b) ? 0 : Infinity;
  const distance = ordinal(a, dtype) - ordinal(b, dtype);
  return Number(distance < 0n ? -distance : distance);
}

/** The gap between |x| and the next larger number of the dtype; for subnormals the smallest number. */
export function ulpOf(x: number, dtype: "f32" | "f64"): number {
  const [digits, lowest] = dtype === "f32" ? [23, -126] : [52, -1022];
  if (x === 0 || !Number.isFinite(x)) return 2 ** (lowest - digits);
  // log2 may round up to the next integer just below a power of two; the comparison takes that back.
  let exponent = Math.floor(Math.log2(Math.abs(x)));
  if (2 ** exponent > Math.abs(x)) exponent -= 1;
  return 2 ** (Math.max(exponent, lowest) - digits);
}

function absoluteError(actual: number, expected: number): number {
  if (actual === expected || (Number.isNaN(actual) && Number.isNaN(expected))) return 0;
  const error = Math.abs(actual - expected);
  return Number.isNaN(error) ? Infinity : error;
}

/**
 * Compares element by element. Two NaN are equal, so are two infinities of one sign and both zeros. Where
 * `actual` is f32,
 * `expected` is rounded to f32 first, so that results of float64 can be given as they are.
 */
export function compareArrays(
  actual: TypedArray,
  expected: ArrayLike<number>,
  tolerance: Tolerance = {},
): Comparison {
  const { atol = 0, rtol = 0, ulps = 0 } = tolerance;
  const float = actual instanceof Float32Array ? "f32" : actual instanceof Float64Array ? "f64" : undefined;
  let first: Mismatch | undefined;
  let mismatches = 0;
  let maxAbsoluteError = 0;
  let maxUlps = 0;
  for (let index = 0; index < Math.min(actual.length, expected.length); index++) {
    const a = actual[index];
    const e = float === "f32" ? Math.fround(expected[index]) : expected[index];
    const error = absoluteError(a, e);
    maxAbsoluteError = Math.max(maxAbsoluteError, error);
    if (error > 0) maxUlps = Math.max(maxUlps, float ? ulpDistance(a, e, float) : error);
    const allowed = Number.isFinite(e) ? atol + rtol * Math.abs(e) + (float ? ulps * ulpOf(e, float) : 0) : 0;
    if (error > allowed) {
      first ??= { index, actual: a, expected: e };
      mismatches += 1;
    }
  }
  const equal = mismatches === 0 && actual.length === expected.length;
  return { equal, lengths: [actual.length, expected.length], mismatches, first, maxAbsoluteError, maxUlps };
}

/** One line for people: "equal", or what differs first and by how much at most. */
export function describeComparison(comparison: Comparison): string {
  const { lengths, mismatches, first, maxAbsoluteError, maxUlps } = comparison;
  if (comparison.equal) return "equal";
  if (lengths[0] !== lengths[1]) return `${lengths[0]} elements, expected ${lengths[1]}`;
  return (
    `${mismatches} of ${lengths[0]} elements differ; first at ${first?.index}: ${first?.actual}, expected ` +
    `${first?.expected}; largest error ${maxAbsoluteError} (${maxUlps} ulps)`
  );
}

/** @throws MismatchError, with a name for the arrays, unless every element lies within the tolerance. */
export function assertClose(
  actual: TypedArray,
  expected: ArrayLike<number>,
  tolerance: Tolerance = {},
  name = "result",
): void {
  const comparison = compareArrays(actual, expected, tolerance);
  if (!comparison.equal) throw new MismatchError(`${name}: ${describeComparison(comparison)}`);
}

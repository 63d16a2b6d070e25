import { isFloat } from "../graph/dtype.ts";
import { ArgumentError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import * as b from "../ops/builders.ts";

/** Statistics and norms on graph values. Reduced dims stay with size 1. */

/** How many elements are reduced into one. */
function countOf(x: Value, dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * x.shape[dim], 1);
}

/** The sum of squared distances from the mean, divided by the number of elements less `correction`. */
export function variance(x: Value, dims: readonly number[], correction: number): Value {
  const centered = b.sub(x, b.expand(b.mean(x, dims), x.shape));
  const total = b.sum(b.mul(centered, centered), dims);
  return b.div(total, b.scalarLike(total, Math.max(countOf(x, dims) - correction, 0)));
}

/** log of the sum of exp, from the largest element on, so that nothing overflows. */
export function logsumexp(x: Value, dims: readonly number[]): Value {
  const empty = countOf(x, dims) === 0;
  const zero = b.scalarLike(x, 0);
  const largest = empty ? zero : b.detach(b.reduce("max", x, dims));
  // Nothing can be taken from an infinity: then the sum is one itself.
  const infinite = b.eq(b.abs(largest), b.scalarLike(x, Number.POSITIVE_INFINITY));
  const shift = empty ? zero : b.where(infinite, zero, largest);
  return b.add(b.log(b.sum(b.exp(b.sub(x, shift)), dims)), shift);
}

/** x to the power 1 / p for x >= 0, with gradient 0 where x is 0. */
export function root(x: Value, p: number): Value {
  const zero = b.scalarLike(x, 0);
  const isZero = b.eq(x, zero);
  const safe = b.where(isZero, b.scalarLike(x, 1), x);
  return b.where(isZero, zero, p === 2 ? b.sqrt(safe) : b.pow(safe, b.scalarLike(x, 1 / p)));
}

/** Of which norm: a number (0 counts what is not 0), or an infinity for the largest or smallest magnitude. */
export function norm(x: Value, p: number, dims: readonly number[]): Value {
  if (Number.isNaN(p)) throw new ArgumentError("norm: p is NaN; it is a number or an infinity");
  if (p === 0) return b.cast(b.sum(b.cast(b.ne(x, b.scalarLike(x, 0)), "i32"), dims), x.dtype);
  if (p === Number.POSITIVE_INFINITY) return b.reduce("max", b.abs(x), dims);
  if (p === Number.NEGATIVE_INFINITY) return b.reduce("min", b.abs(x), dims);
  if (p === 1) return b.sum(b.abs(x), dims);
  if (p === 2) return root(b.sum(b.mul(x, x), dims), 2);
  const size = b.abs(x);
  const exponent = b.scalarLike(x, p);
  if (p < 0) return b.pow(b.sum(b.pow(size, exponent), dims), b.scalarLike(x, 1 / p));
  const zero = b.scalarLike(x, 0);
  const isZero = b.eq(size, zero);
  const powers = b.where(isZero, zero, b.pow(b.where(isZero, b.scalarLike(x, 1), size), exponent));
  return root(b.sum(powers, dims), p);
}

/** How many elements are not 0 (i32); NaN is not. */
export function countNonzero(x: Value, dims: readonly number[]): Value {
  return b.sum(b.cast(b.cast(x, "bool"), "i32"), dims);
}

/** A float as it is, anything else as f32. */
export function asFloat(x: Value): Value {
  return isFloat(x.dtype) ? x : b.cast(x, "f32");
}

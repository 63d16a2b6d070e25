import { ArgumentError, ShapeError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { formatShape, normalizeDim, numel, type Shape } from "../graph/shape.ts";
import * as b from "../ops/builders.ts";
import { inferReshape, resolveSlice, type SliceRange } from "./ranges.ts";

/** What the movement methods of Tensor do, on graph values: dims may be negative, sizes may be left to infer. */

export function reshape(x: Value, shape: Shape): Value {
  return b.reshape(x, inferReshape(x.shape, shape));
}

export function flatten(x: Value, start: number, end: number): Value {
  const first = normalizeDim("flatten", start, x.shape.length);
  const last = normalizeDim("flatten", end, x.shape.length);
  const middle = numel(x.shape.slice(first, last + 1));
  return b.reshape(x, [...x.shape.slice(0, first), middle, ...x.shape.slice(last + 1)]);
}

export function permute(x: Value, dims: readonly number[]): Value {
  const resolved = dims.map((dim) => normalizeDim("permute", dim, x.shape.length));
  return b.permute(x, resolved);
}

/** Transpose of a matrix (or of fewer dims: itself). @throws ShapeError for more dims. */
export function matrixTranspose(x: Value): Value {
  if (x.shape.length > 2) {
    throw new ShapeError(`t: shape ${formatShape(x.shape)} has more than 2 dims; use transpose(dim0, dim1)`);
  }
  return x.shape.length < 2 ? x : b.transpose(x, 0, 1);
}

/** -1 keeps a size. */
export function expand(x: Value, shape: Shape): Value {
  const offset = shape.length - x.shape.length;
  const sizes = shape.map((size, i) => (size === -1 ? x.shape[i - offset] : size));
  return b.expand(x, sizes);
}

export function unsqueeze(x: Value, dim: number): Value {
  const at = normalizeDim("unsqueeze", dim, x.shape.length + 1);
  return b.reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
}

/** Without dims of size 1: all of them, or the one named (which stays if its size is not 1). */
export function squeeze(x: Value, dim: number | undefined): Value {
  const at = dim === undefined ? undefined : normalizeDim("squeeze", dim, x.shape.length);
  const kept = x.shape.filter((size, i) => size !== 1 || (at !== undefined && i !== at));
  return b.reshape(x, kept);
}

export function slice(x: Value, ranges: readonly SliceRange[]): Value {
  const { starts, sizes, steps, kept } = resolveSlice(x.shape, ranges);
  const shape = sizes.filter((_, dim) => kept[dim]);
  return b.reshape(b.slice(x, starts, sizes, steps), shape);
}

/** @throws ArgumentError when the elements are not all within the dim. */
export function narrow(x: Value, dim: number, start: number, length: number): Value {
  const at = normalizeDim("narrow", dim, x.shape.length);
  if (start < 0 || length < 0 || start + length > x.shape[at]) {
    throw new ArgumentError(
      `narrow: ${start} + ${length} is not within dim ${dim} of ${formatShape(x.shape)}`,
    );
  }
  return slice(
    x,
    x.shape.map((_, i) => (i === at ? ([start, start + length] as const) : null)),
  );
}

export function select(x: Value, dim: number, index: number): Value {
  const at = normalizeDim("select", dim, x.shape.length);
  return slice(
    x,
    x.shape.map((_, i) => (i === at ? index : null)),
  );
}

/** `[before, after]` for each of the trailing dims, last dim first. @throws ArgumentError for an odd number or too many. */
export function pad(x: Value, amounts: readonly number[]): Value {
  const dims = amounts.length / 2;
  if (!Number.isInteger(dims) || dims > x.shape.length) {
    throw new ArgumentError(
      `pad: ${amounts.length} amounts for ${formatShape(x.shape)}; give 2 a dim, last dim first`,
    );
  }
  const amount = (dim: number, side: 0 | 1): number => amounts[2 * (x.shape.length - 1 - dim) + side] ?? 0;
  const before = x.shape.map((_, dim) => amount(dim, 0));
  const after = x.shape.map((_, dim) => amount(dim, 1));
  return b.pad(x, before, after);
}

import { ArgumentError, ShapeError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { checkShape, formatShape, normalizeDim, normalizeDims, numel, type Shape } from "../graph/shape.ts";
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

/** Without dims of size 1: all of them, or those named (which stay if their size is not 1). */
export function squeeze(x: Value, dims: number | readonly number[] | undefined): Value {
  const named = normalizeDims("squeeze", dims, x.shape.length);
  const kept = x.shape.filter((size, i) => size !== 1 || !named.includes(i));
  return b.reshape(x, kept);
}

/** A dim as several, one size of which may be -1. */
export function unflatten(x: Value, dim: number, sizes: Shape): Value {
  const at = normalizeDim("unflatten", dim, x.shape.length);
  const inner = inferReshape([x.shape[at] ?? 1], sizes);
  return b.reshape(x, [...x.shape.slice(0, at), ...inner, ...x.shape.slice(at + 1)]);
}

/** Dims moved to other places, the rest staying in order. @throws ArgumentError unless there is one place a dim. */
export function movedim(
  x: Value,
  source: number | readonly number[],
  destination: number | readonly number[],
): Value {
  const list = (dims: number | readonly number[]): number[] =>
    (typeof dims === "number" ? [dims] : dims).map((dim) => normalizeDim("movedim", dim, x.shape.length));
  const [from, to] = [list(source), list(destination)];
  if (from.length !== to.length || new Set(from).size < from.length || new Set(to).size < to.length) {
    throw new ArgumentError(
      `movedim: [${from.join(", ")}] to [${to.join(", ")}]; name one place for each dim`,
    );
  }
  const rest = x.shape.flatMap((_, dim) => (from.includes(dim) ? [] : [dim]));
  const order = x.shape.map((_, place) => {
    const moved = to.indexOf(place);
    return moved >= 0 ? from[moved] : -1;
  });
  const next = rest[Symbol.iterator]();
  return b.permute(
    x,
    order.map((dim) => (dim >= 0 ? dim : (next.next().value as number))), // as many as are left
  );
}

/** Elements moved on along dims, those at the end coming round to the front; without dims, in row-major order. */
export function roll(
  x: Value,
  shifts: number | readonly number[],
  dims: number | readonly number[] | undefined,
): Value {
  if (dims === undefined) {
    const flat = rollDim(b.reshape(x, [numel(x.shape)]), typeof shifts === "number" ? shifts : shifts[0], 0);
    return b.reshape(flat, x.shape);
  }
  const by = typeof shifts === "number" ? [shifts] : shifts;
  const along = typeof dims === "number" ? [dims] : dims;
  if (by.length !== along.length || !by.every(Number.isInteger)) {
    throw new ArgumentError(
      `roll: shifts [${by.join(", ")}] for dims [${along.join(", ")}]; give an integer for each`,
    );
  }
  return along.reduce((y, dim, i) => rollDim(y, by[i], normalizeDim("roll", dim, x.shape.length)), x);
}

function rollDim(x: Value, shift: number, dim: number): Value {
  const size = x.shape[dim] ?? 0;
  const by = size === 0 ? 0 : ((shift % size) + size) % size;
  if (by === 0) return x;
  const part = (start: number, length: number): Value => narrow(x, dim, start, length);
  return b.concat([part(size - by, by), part(0, size - by)], dim);
}

/** Copies side by side: as many along each dim, new leading dims first. @throws ArgumentError for fewer numbers than dims. */
export function repeat(x: Value, repeats: readonly number[]): Value {
  const added = repeats.length - x.shape.length;
  if (added < 0 || !repeats.every((n) => Number.isInteger(n) && n >= 0)) {
    throw new ArgumentError(
      `repeat: [${repeats.join(", ")}] for ${formatShape(x.shape)}; give a number of copies for each dim`,
    );
  }
  const shape = [...repeats.slice(0, added).map(() => 1), ...x.shape];
  const split = b.reshape(
    x,
    shape.flatMap((size) => [1, size]),
  );
  const copied = b.expand(
    split,
    shape.flatMap((size, dim) => [repeats[dim], size]),
  );
  return b.reshape(
    copied,
    shape.map((size, dim) => size * repeats[dim]),
  );
}

/** Each element so many times in a row along a dim. */
export function repeatInterleave(x: Value, repeats: number, dim: number): Value {
  if (!Number.isInteger(repeats) || repeats < 0)
    throw new ArgumentError(`repeatInterleave: ${repeats} is not a number of copies`);
  const at = normalizeDim("repeatInterleave", dim, x.shape.length);
  const [before, after] = [x.shape.slice(0, at + 1), x.shape.slice(at + 1)];
  const copied = b.expand(b.reshape(x, [...before, 1, ...after]), [...before, repeats, ...after]);
  return b.reshape(
    copied,
    x.shape.map((size, i) => (i === at ? size * repeats : size)),
  );
}

/** Pieces of `size` along a dim (the last may be shorter), or of the sizes given, which add up to the dim's. */
export function split(x: Value, size: number | readonly number[], dim: number): Value[] {
  const at = normalizeDim("split", dim, x.shape.length);
  const total = x.shape[at] ?? 1;
  const sizes = typeof size === "number" ? evenSizes(total, size) : size;
  if (sizes.reduce((sum, n) => sum + n, 0) !== total || sizes.some((n) => !Number.isInteger(n) || n < 0)) {
    throw new ArgumentError(
      `split: sizes [${sizes.join(", ")}] do not add up to dim ${dim} of ${formatShape(x.shape)}`,
    );
  }
  let start = 0;
  return sizes.map((length) => {
    start += length;
    return narrow(x, at, start - length, length);
  });
}

function evenSizes(total: number, size: number): number[] {
  if (!Number.isInteger(size) || size < 1)
    throw new ArgumentError(`split: size ${size} is not a positive integer`);
  const pieces = Math.max(1, Math.ceil(total / size));
  return Array.from({ length: pieces }, (_, i) => Math.min(size, total - i * size));
}

/** At most so many pieces along a dim, all of one size but the last. */
export function chunk(x: Value, chunks: number, dim: number): Value[] {
  if (!Number.isInteger(chunks) || chunks < 1)
    throw new ArgumentError(`chunk: ${chunks} is not a positive number of pieces`);
  const at = normalizeDim("chunk", dim, x.shape.length);
  return split(x, Math.max(1, Math.ceil((x.shape[at] ?? 1) / chunks)), at);
}

/** The slices at each index of a dim, without it. */
export function unbind(x: Value, dim: number): Value[] {
  const at = normalizeDim("unbind", dim, x.shape.length);
  return Array.from({ length: x.shape[at] ?? 0 }, (_, index) => select(x, at, index));
}

/**
 * Windows of `size` neighbours along a dim, `step` apart, as a new last dim.
 * @throws ArgumentError unless a window fits and the step is a positive integer.
 */
export function unfold(x: Value, dim: number, size: number, step: number): Value {
  const at = normalizeDim("unfold", dim, x.shape.length);
  const length = x.shape[at] ?? 1;
  if (!Number.isInteger(size) || size < 1 || size > length || !Number.isInteger(step) || step < 1) {
    throw new ArgumentError(
      `unfold: windows of ${size}, ${step} apart, along dim ${dim} of ${formatShape(x.shape)}; ` +
        "a window has 1 to so many elements, and the step is at least 1",
    );
  }
  const rows = x.shape.length === 0 ? b.reshape(x, [1]) : x;
  return b.unfold(rows, { dim: at, size, step, dilation: 1 });
}

/** Elements of x in row-major order, at `offset` and the given distances along each dim of the result. */
export function asStrided(x: Value, size: Shape, stride: readonly number[], offset: number): Value {
  checkShape("asStrided", size);
  const total = numel(x.shape);
  const reach = size.map((n, dim) => (n - 1) * stride[dim]);
  const least = reach.reduce((sum, n) => sum + Math.min(n, 0), offset);
  const most = reach.reduce((sum, n) => sum + Math.max(n, 0), offset);
  if (size.length !== stride.length || (numel(size) > 0 && !(least >= 0 && most < total))) {
    throw new ArgumentError(
      `asStrided: size ${formatShape(size)} by strides [${stride.join(", ")}] from ${offset} leaves the ${total} elements`,
    );
  }
  const position = size.reduce<Value>(
    (sum, n, dim) => {
      const along = b.reshape(
        b.iota(n, "i32"),
        size.map((_, i) => (i === dim ? n : 1)),
      );
      return b.add(sum, b.mul(along, b.full([], "i32", stride[dim])));
    },
    b.full([], "i32", offset),
  );
  const index = b.reshape(b.expand(position, size), [numel(size)]);
  return b.reshape(b.gather(b.reshape(x, [total]), 0, index), size);
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

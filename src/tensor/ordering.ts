import { promote } from "../graph/dtype.ts";
import { ArgumentError, ShapeError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { formatShape, normalizeDim, numel, type Shape, sameShape } from "../graph/shape.ts";
import * as b from "../ops/builders.ts";
import * as o from "../ops/orderBuilders.ts";

/** Running combinations and sorts along any dim, on graph values. */

/** Elements, and where they stood along the dim (i32). */
export type Pair = readonly [values: Value, indices: Value];

/** `x` with the dim last, and the way back. A scalar counts as one element. */
function dimLast(op: string, x: Value, dim: number): { rows: Value; back: (rows: Value) => Value } {
  const at = normalizeDim(op, dim, x.shape.length);
  if (x.shape.length === 0) return { rows: b.reshape(x, [1]), back: (rows) => b.reshape(rows, []) };
  return { rows: b.transpose(x, at, -1), back: (rows) => b.transpose(rows, at, -1) };
}

/** A scan along a dim. */
export function scanAlong(op: string, x: Value, dim: number, scan: (rows: Value) => Value): Value {
  const { rows, back } = dimLast(op, x, dim);
  return back(scan(rows));
}

/** The running extremum along a dim, and where it was found: of equal elements the last, as in PyTorch. */
export function runningExtremum(op: "cummax" | "cummin", x: Value, dim: number): Pair {
  const { rows, back } = dimLast(op, x, dim);
  const values = op === "cummax" ? o.cummax(rows) : o.cummin(rows);
  return [back(values), back(o.runningIndex(rows, values))];
}

export function sort(op: string, x: Value, dim: number, descending: boolean): Pair {
  const { rows, back } = dimLast(op, x, dim);
  const [values, indices] = o.sort(rows, descending);
  return [back(values), back(indices)];
}

export function argsort(x: Value, dim: number, descending: boolean): Value {
  const { rows, back } = dimLast("argsort", x, dim);
  return back(o.argsort(rows, descending));
}

/** The first `count` along the dim of what is sorted. */
function firstOf({ shape }: Value, sorted: Pair, dim: number, start: number, count: number): Pair {
  if (shape.length === 0) return sorted;
  const starts = shape.map((_, i) => (i === dim ? start : 0));
  const sizes = shape.map((size, i) => (i === dim ? count : size));
  return [b.narrow(sorted[0], starts, sizes), b.narrow(sorted[1], starts, sizes)];
}

/** @throws ArgumentError when there are fewer than `k` elements along the dim. */
export function topk(x: Value, k: number, dim: number, largest: boolean): Pair {
  const at = normalizeDim("topk", dim, x.shape.length);
  const size = x.shape[at] ?? 1;
  if (!Number.isInteger(k) || k < 0 || k > size) {
    throw new ArgumentError(
      `topk: k ${k} is not in [0, ${size}], the elements along dim ${dim} of ${formatShape(x.shape)}`,
    );
  }
  return firstOf(x, sort("topk", x, at, largest), at, 0, k);
}

/** The k-th smallest, k counted from 1; the dim stays with size 1. @throws ArgumentError unless there are k. */
export function kthvalue(x: Value, k: number, dim: number): Pair {
  const at = normalizeDim("kthvalue", dim, x.shape.length);
  const size = x.shape[at] ?? 1;
  if (!Number.isInteger(k) || k < 1 || k > size) {
    throw new ArgumentError(
      `kthvalue: k ${k} is not in [1, ${size}], counted along dim ${dim} of ${formatShape(x.shape)}`,
    );
  }
  return firstOf(x, sort("kthvalue", x, at, false), at, k - 1, 1);
}

/** Elements of what is sorted at a position (i32) that may differ by row; the dim stays with size 1. */
function atPosition(sorted: Pair, dim: number, position: Value): Pair {
  return [b.gather(sorted[0], dim, position), b.gather(sorted[1], dim, position)];
}

/** The lower of the two middle elements; NaN if any is NaN. */
export function median(x: Value, dim: number): Pair {
  const at = normalizeDim("median", dim, x.shape.length);
  if (x.shape.length === 0) return sort("median", x, at, false);
  const size = checkElements("median", x, at);
  const sorted = sort("median", x, at, false);
  // NaN stands last.
  const bad = b.sum(b.cast(b.ne(x, x), "i32"), [at]);
  const count = (value: number): Value => b.scalarLike(bad, value);
  const middle = count(Math.floor((size - 1) / 2));
  return atPosition(sorted, at, b.where(b.gt(bad, count(0)), b.sub(count(size), bad), middle));
}

/** The most frequent element, of several the smallest, and the last index at which it stands. */
export function mode(x: Value, dim: number): Pair {
  const at = normalizeDim("mode", dim, x.shape.length);
  if (x.shape.length === 0) return sort("mode", x, at, false);
  checkElements("mode", x, at);
  const { rows, back } = dimLast("mode", x, at);
  const [values, indices] = o.sort(rows, false);
  const position = o.position(rows.shape);
  const begins = b.logicalOr(
    b.ne(values, o.shift(values, "edge")),
    b.eq(position, b.scalarLike(position, 0)),
  );
  const start = o.cummax(b.where(begins, position, b.scalarLike(position, 0)));
  const last = rows.shape.length - 1;
  // Within a run the count rises to its length: where it is greatest first, the smallest of the most frequent ends.
  const end = b.argmax(b.sub(position, start), last);
  return [back(b.gather(values, last, end)), back(b.gather(indices, last, end))];
}

function checkElements(op: string, x: Value, dim: number): number {
  if (x.shape[dim] === 0)
    throw new ShapeError(`${op}: ${formatShape(x.shape)} has no element along dim ${dim}`);
  return x.shape[dim];
}

/**
 * Where (i32) each value would be inserted to keep `sorted` in order: before equal elements, or with `right` behind them.
 * `sorted` has one dim, or the leading dims of `values`.
 */
export function searchSorted(sorted: Value, values: Value, right: boolean): Value {
  const leading = (shape: Shape): Shape => shape.slice(0, -1);
  const one = sorted.shape.length === 1;
  if (sorted.shape.length === 0 || !(one || sameShape(leading(sorted.shape), leading(values.shape)))) {
    throw new ShapeError(
      `searchsorted: sorted ${formatShape(sorted.shape)} has neither one dim nor the leading dims of ${formatShape(values.shape)}`,
    );
  }
  const length = sorted.shape[sorted.shape.length - 1];
  const dtype = promote("searchsorted", sorted.dtype, values.dtype);
  const rows = one ? 1 : numel(leading(values.shape));
  const table = b.reshape(b.cast(sorted, dtype), [rows, length]);
  const wanted = b.reshape(b.cast(values, dtype), [rows, rows === 0 ? 0 : numel(values.shape) / rows]);
  let found = b.full(wanted.shape, "i32", 0);
  const count = (value: number): Value => b.full([], "i32", value);
  for (let step = 2 ** Math.floor(Math.log2(Math.max(length, 1))); step >= 1 && length > 0; step /= 2) {
    const next = b.add(found, count(step));
    const before = b.gather(table, 1, b.sub(b.binary("minimum", next, count(length)), count(1)));
    // Asked so that a value that is NaN goes behind all.
    const stays = right ? b.gt(before, wanted) : b.ge(before, wanted);
    const moves = b.logicalAnd(b.le(next, count(length)), b.logicalNot(stays));
    found = b.where(moves, next, found);
  }
  return b.reshape(found, values.shape);
}

import type { Value } from "../graph/node.ts";
import { build } from "./build.ts";
import * as b from "./builders.ts";

/** Functions that build running combinations and sorts. All of them run along the last dim, and over any others. */

const none = {};

export const cumsum = (x: Value): Value => build("cumsum", [x], none).outputs[0];
export const cumprod = (x: Value): Value => build("cumprod", [x], none).outputs[0];
export const cummax = (x: Value): Value => build("cummax", [x], none).outputs[0];
export const cummin = (x: Value): Value => build("cummin", [x], none).outputs[0];
export const logcumsumexp = (x: Value): Value => build("logcumsumexp", [x], none).outputs[0];

/** h_i = a_i h_(i-1) + b_i, h_(-1) being 0. */
export const linearRecurrence = (a: Value, b: Value): Value =>
  build("linearRecurrence", [a, b], none).outputs[0];

/** l_i = b_i + a_i l_(i+1), from the last element to the first. */
export function recurrenceBackwards(a: Value, b: Value): Value {
  return reversed(linearRecurrence(reversed(a), reversed(b)));
}

/** A scan from the last element to the first. */
export const backwards = (x: Value, scan: (x: Value) => Value): Value => reversed(scan(reversed(x)));

const reversed = (x: Value): Value => b.flip(x, [x.shape.length - 1]);

/** result_i = x_(i-1); the first is `fill`, or x's own. */
export function shift(x: Value, fill: number | "edge"): Value {
  const [start, rest] = ends(x, 0, 0);
  if (x.shape[x.shape.length - 1] === 0) return x;
  return b.concat([fill === "edge" ? start : b.full(start.shape, x.dtype, fill), rest], x.shape.length - 1);
}

/** result_i = x_(i+1); the last is `fill`, or x's own. */
export function unshift(x: Value, fill: number | "edge" = 0): Value {
  const length = x.shape[x.shape.length - 1];
  if (length === 0) return x;
  const [end, rest] = ends(x, length - 1, 1);
  return b.concat([rest, fill === "edge" ? end : b.full(end.shape, x.dtype, fill)], x.shape.length - 1);
}

/** The element at `at` along the last dim, and all but one from `from` on. */
function ends(x: Value, at: number, from: number): readonly [Value, Value] {
  const leading = x.shape.slice(0, -1);
  const length = x.shape[x.shape.length - 1];
  const zeros = leading.map(() => 0);
  return [
    b.narrow(x, [...zeros, at], [...leading, Math.min(1, length)]),
    b.narrow(x, [...zeros, length === 0 ? 0 : from], [...leading, Math.max(0, length - 1)]),
  ];
}

/** The position (i32) along the last dim. */
export function position(shape: readonly number[]): Value {
  const length = shape[shape.length - 1];
  return b.expand(b.iota(length, "i32"), shape);
}

/** Where the running extremum `y` of `x` was found: of equal elements the last, as in PyTorch. */
export function runningIndex(x: Value, y: Value): Value {
  const chosen = b.logicalOr(b.eq(x, y), b.ne(x, x));
  const zero = b.full([], "i32", 0);
  return cummax(b.where(chosen, position(x.shape), zero));
}

/** The indices (i32) that sort the last dim; equal elements keep their order, NaN counts as greatest. */
export const argsort = (x: Value, descending: boolean): Value =>
  build("argsort", [x], { descending }).outputs[0];

/** Values in order along the last dim, and their indices (i32). */
export function sort(x: Value, descending: boolean): readonly [values: Value, indices: Value] {
  const { outputs } = build("sort", [x], { descending });
  return [outputs[0], outputs[1]];
}

/** The product of all elements of the last dim but each: exact where some are 0, to any order of gradients. */
export function productOfOthers(x: Value): Value {
  const before = shift(cumprod(x), 1);
  const after = unshift(backwards(x, cumprod), 1);
  return b.mul(before, after);
}

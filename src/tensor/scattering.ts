import { ArgumentError, ShapeError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { formatShape, type Shape } from "../graph/shape.ts";
import * as b from "../ops/builders.ts";

/** Writing at indices, on graph values. Contributions to one element are taken in in the order of their index. */

export type ScatterReduce = "sum" | "prod" | "mean" | "amax" | "amin";

/** A 1-d index along a dim, for every element of the other dims. */
export function wideIndex(op: string, index: Value, shape: Shape, dim: number): Value {
  if (index.shape.length > 1)
    throw new ShapeError(`${op}: the index has shape ${formatShape(index.shape)}, wanted 1 dim`);
  const length = index.shape[0] ?? 1;
  const along = shape.map((_, i) => (i === dim ? length : 1));
  return b.expand(
    b.reshape(index, shape.length === 0 ? [] : along),
    shape.map((size, i) => (i === dim ? length : size)),
  );
}

/** The part of a source that the index asks for: as many elements along each dim. */
export function sourceFor(op: string, source: Value, index: Value): Value {
  const fits =
    source.shape.length === index.shape.length && index.shape.every((size, dim) => size <= source.shape[dim]);
  if (!fits) {
    throw new ShapeError(
      `${op}: index ${formatShape(index.shape)} asks for more than the source ${formatShape(source.shape)} has`,
    );
  }
  return b.narrow(
    source,
    index.shape.map(() => 0),
    index.shape,
  );
}

/** A dim as the scatter sees it: a scalar counts as a vector of one element. */
const atLeastVector = (value: Value): Value => (value.shape.length === 0 ? b.reshape(value, [1]) : value);

/** A copy of `base` with contributions combined; without `includeSelf` those elements start from nothing. */
export function scatterReduce(
  base: Value,
  dim: number,
  index: Value,
  source: Value,
  reduce: ScatterReduce,
  includeSelf: boolean,
): Value {
  const [x, at, from] = [base, index, source].map(atLeastVector);
  const start = includeSelf ? x : b.scatterReduce(x, dim, at, identities(reduce, at.shape, x), "replace");
  return b.reshape(combine(start, dim, at, from, reduce, includeSelf), base.shape);
}

function combine(
  start: Value,
  dim: number,
  index: Value,
  source: Value,
  reduce: ScatterReduce,
  includeSelf: boolean,
): Value {
  switch (reduce) {
    case "sum":
      return b.scatterAdd(start, dim, index, source);
    case "mean": {
      const total = b.scatterAdd(start, dim, index, source);
      const ones = b.full(index.shape, start.dtype, 1);
      const counted = b.scatterAdd(b.full(start.shape, start.dtype, includeSelf ? 1 : 0), dim, index, ones);
      const count = b.maximum(counted, b.scalarLike(counted, 1));
      return start.dtype === "i32" || start.dtype === "u32"
        ? b.floorDivide(total, count)
        : b.div(total, count);
    }
    case "prod":
    case "amax":
    case "amin":
      return b.scatterReduce(start, dim, index, source, reduce);
  }
}

/** What changes nothing. */
function identities(reduce: ScatterReduce, shape: Shape, { dtype }: Value): Value {
  const lowest = { f32: -Infinity, f64: -Infinity, i32: -(2 ** 31), u32: 0, bool: 0 }[dtype];
  const highest = { f32: Infinity, f64: Infinity, i32: 2 ** 31 - 1, u32: 2 ** 32 - 1, bool: 1 }[dtype];
  const value = { sum: 0, mean: 0, prod: 1, amax: lowest, amin: highest }[reduce];
  return b.full(shape, dtype, value);
}

/** A copy with elements replaced; of several for one place the last stays. */
export function scatterReplace(base: Value, dim: number, index: Value, source: Value): Value {
  const [x, at, from] = [base, index, source].map(atLeastVector);
  return b.reshape(b.scatterReduce(x, dim, at, from, "replace"), base.shape);
}

/** The indices of repeated elements: i as often as repeats[i] says. @throws ArgumentError unless there is one for each. */
export function repeatedIndices(repeats: readonly number[], size: number): Int32Array {
  if (repeats.length !== size || !repeats.every((n) => Number.isInteger(n) && n >= 0)) {
    throw new ArgumentError(
      `repeatInterleave: [${repeats.join(", ")}] for ${size} elements; give a number of copies for each`,
    );
  }
  return Int32Array.from(repeats.flatMap((n, i) => Array.from({ length: n }, () => i)));
}

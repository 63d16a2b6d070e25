import { ArgumentError, ShapeError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { broadcastShapes, formatShape, normalizeDim, numel } from "../graph/shape.ts";
import * as b from "../ops/builders.ts";
import { diagonal } from "./diagonals.ts";
import { norm, root } from "./statistics.ts";

/** Products and distances of vectors and matrices, on graph values. */

/** @throws ShapeError unless the value has so many dims. */
export function checkRank(op: string, x: Value, rank: number): void {
  if (x.shape.length !== rank)
    throw new ShapeError(`${op}: operand ${formatShape(x.shape)} has ${x.shape.length} dims, wanted ${rank}`);
}

/** Products of all pairs of two vectors: [n] and [m] give [n, m]. */
export function outer(x: Value, y: Value): Value {
  checkRank("outer", x, 1);
  checkRank("outer", y, 1);
  return b.mul(b.reshape(x, [x.shape[0], 1]), y);
}

/** Sums of products over the last dims of both; a scalar scales. */
export function inner(x: Value, y: Value): Value {
  if (x.shape.length === 0 || y.shape.length === 0) return b.mul(x, y);
  return tensordot(x, y, [[x.shape.length - 1], [y.shape.length - 1]]);
}

/** Sums of products over pairs of dims: those of x that stay, then those of y. A number means the last of x and first of y. */
export function tensordot(
  x: Value,
  y: Value,
  dims: number | readonly [readonly number[], readonly number[]],
): Value {
  if (
    typeof dims === "number" &&
    !(Number.isInteger(dims) && dims >= 0 && dims <= Math.min(x.shape.length, y.shape.length))
  )
    throw new ArgumentError(`tensordot: ${dims} dims of ${formatShape(x.shape)} and ${formatShape(y.shape)}`);
  const [ofX, ofY] =
    typeof dims === "number"
      ? [
          Array.from({ length: dims }, (_, i) => x.shape.length - dims + i),
          Array.from({ length: dims }, (_, i) => i),
        ]
      : [
          dims[0].map((dim) => normalizeDim("tensordot", dim, x.shape.length)),
          dims[1].map((dim) => normalizeDim("tensordot", dim, y.shape.length)),
        ];
  if (ofX.length !== ofY.length || ofX.some((dim, i) => x.shape[dim] !== y.shape[ofY[i]])) {
    throw new ShapeError(
      `tensordot: dims [${ofX.join(", ")}] of ${formatShape(x.shape)} and [${ofY.join(", ")}] of ` +
        `${formatShape(y.shape)} differ in size`,
    );
  }
  const rest = (value: Value, summed: readonly number[]): number[] =>
    value.shape.flatMap((_, dim) => (summed.includes(dim) ? [] : [dim]));
  const [restX, restY] = [rest(x, ofX), rest(y, ofY)];
  const depth = numel(ofX.map((dim) => x.shape[dim]));
  const shapeX = restX.map((dim) => x.shape[dim]);
  const shapeY = restY.map((dim) => y.shape[dim]);
  const left = b.reshape(b.permute(x, [...restX, ...ofX]), [numel(shapeX), depth]);
  const right = b.reshape(b.permute(y, [...ofY, ...restY]), [depth, numel(shapeY)]);
  return b.reshape(b.matmul(left, right), [...shapeX, ...shapeY]);
}

/** Each element of x times the whole of y; the one with fewer dims gets leading ones. */
export function kron(x: Value, y: Value): Value {
  const rank = Math.max(x.shape.length, y.shape.length);
  const padded = (value: Value): number[] => [
    ...Array.from({ length: rank - value.shape.length }, () => 1),
    ...value.shape,
  ];
  const [sx, sy] = [padded(x), padded(y)];
  const product = b.mul(
    b.reshape(
      x,
      sx.flatMap((size) => [size, 1]),
    ),
    b.reshape(
      y,
      sy.flatMap((size) => [1, size]),
    ),
  );
  return b.reshape(
    product,
    sx.map((size, dim) => size * sy[dim]),
  );
}

/** The sum of a matrix's diagonal. */
export function trace(x: Value): Value {
  checkRank("trace", x, 2);
  return b.reshape(b.sum(diagonal(x, 0, 0, 1), [0]), []);
}

/** p-norms of the differences of all rows of x [..., P, M] from those of y [..., R, M]: [..., P, R]. */
export function cdist(x: Value, y: Value, p: number): Value {
  const [m, n] = [x.shape[x.shape.length - 1], y.shape[y.shape.length - 1]];
  if (x.shape.length < 2 || y.shape.length < 2 || m !== n) {
    throw new ShapeError(
      `cdist: ${formatShape(x.shape)} and ${formatShape(y.shape)}; wanted [..., P, M] and [..., R, M]`,
    );
  }
  if (!(p >= 0)) throw new ArgumentError(`cdist: p ${p} is not at least 0`);
  const before = (value: Value, at: number): Value => {
    const shape = [...value.shape];
    shape.splice(at, 0, 1);
    return b.reshape(value, shape);
  };
  const differences = b.sub(before(x, x.shape.length - 1), before(y, y.shape.length - 2));
  const last = differences.shape.length - 1;
  if (m === 0) return b.full(differences.shape.slice(0, -1), differences.dtype, 0);
  return b.reshape(norm(differences, p, [last]), differences.shape.slice(0, -1));
}

/** x divided by its norm along the dims, or by eps where that is larger. */
export function normalize(x: Value, p: number, dims: readonly number[], eps: number): Value {
  const size = norm(x, p, dims);
  return b.div(x, b.maximum(size, b.scalarLike(size, eps)));
}

/** x . y / max(|x| |y|, eps) along a dim, which is left out; the operands broadcast. */
export function cosineSimilarity(x: Value, y: Value, dim: number, eps: number): Value {
  const shape = broadcastShapes("cosineSimilarity", x.shape, y.shape);
  const at = normalizeDim("cosineSimilarity", dim, shape.length);
  const [u, v] = [b.expand(x, shape), b.expand(y, shape)];
  const along = (value: Value): Value => b.sum(value, shape.length === 0 ? [] : [at]);
  const squares = b.mul(along(b.mul(u, u)), along(b.mul(v, v)));
  const least = b.scalarLike(squares, eps * eps);
  // Below eps nothing flows to the lengths.
  const lengths = root(b.where(b.lt(squares, least), least, squares), 2);
  const cosine = b.div(along(b.mul(u, v)), lengths);
  return b.reshape(
    cosine,
    shape.filter((_, i) => i !== at),
  );
}

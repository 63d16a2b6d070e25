import { ArgumentError, ShapeError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { formatShape, normalizeDim } from "../graph/shape.ts";
import * as b from "../ops/builders.ts";

/** Diagonals and triangles of matrices, on graph values. Diagonal `offset` lies that many columns to the right. */

/** `lower` keeps what lies on the diagonal or below it; else what lies on it or above. The rest is 0. */
export function triangle(op: string, x: Value, offset: number, lower: boolean): Value {
  checkOffset(op, offset);
  const rank = x.shape.length;
  if (rank < 2) throw new ShapeError(`${op}: ${formatShape(x.shape)} has no last two dims`);
  const [rows, columns] = x.shape.slice(-2);
  const row = b.reshape(b.iota(rows, "i32"), [rows, 1]);
  const column = b.iota(columns, "i32");
  const edge = b.add(row, b.full([], "i32", offset));
  const kept = lower ? b.le(column, edge) : b.ge(column, edge);
  return b.where(kept, x, b.scalarLike(x, 0));
}

/** The diagonals of the matrices that two dims make, as a new last dim. */
export function diagonal(x: Value, offset: number, dim1: number, dim2: number): Value {
  checkOffset("diagonal", offset);
  const rank = x.shape.length;
  const [first, second] = twoDims("diagonal", dim1, dim2, rank);
  const others = x.shape.flatMap((_, dim) => (dim === first || dim === second ? [] : [dim]));
  const moved = b.permute(x, [...others, first, second]);
  const leading = moved.shape.slice(0, -2);
  const [rows, columns] = moved.shape.slice(-2);
  const count = Math.max(0, Math.min(rows, columns - offset, columns, rows + offset));
  // In row-major order, one step down and to the right is as many elements as there are columns, and one more.
  const start = offset >= 0 ? offset : -offset * columns;
  const flat = b.reshape(moved, [...leading, rows * columns]);
  const zeros = leading.map(() => 0);
  const ones = leading.map(() => 1);
  return b.slice(flat, [...zeros, count === 0 ? 0 : start], [...leading, count], [...ones, columns + 1]);
}

/** Matrices in dims dim1 and dim2 of the result, whose diagonals are x's last dim; zeros elsewhere. */
export function diagEmbed(x: Value, offset: number, dim1: number, dim2: number): Value {
  checkOffset("diagEmbed", offset);
  const rank = x.shape.length;
  if (rank === 0) throw new ShapeError("diagEmbed: a scalar is no diagonal; reshape it to [1]");
  const [first, second] = twoDims("diagEmbed", dim1, dim2, rank + 1);
  const leading = x.shape.slice(0, -1);
  const length = x.shape[rank - 1];
  const size = length + Math.abs(offset);
  const spread = b.dilate(x, rank - 1, size + 1);
  const start = offset >= 0 ? offset : -offset * size;
  const zeros = leading.map(() => 0);
  const after = size * size - start - spread.shape[rank - 1];
  const flat =
    length === 0
      ? b.full([...leading, size * size], x.dtype, 0)
      : b.pad(spread, [...zeros, start], [...zeros, after]);
  const matrices = b.reshape(flat, [...leading, size, size]);
  // Result dims other than the two are x's leading ones, in order.
  let next = 0;
  const order = Array.from({ length: rank + 1 }, (_, dim) => {
    if (dim === first) return rank - 1;
    return dim === second ? rank : next++;
  });
  return b.permute(matrices, order);
}

function checkOffset(op: string, offset: number): void {
  if (!Number.isInteger(offset)) throw new ArgumentError(`${op}: diagonal ${offset} is not an integer`);
}

function twoDims(op: string, dim1: number, dim2: number, rank: number): [number, number] {
  if (rank < 2) throw new ShapeError(`${op}: needs two dims, and there are ${rank}`);
  const [first, second] = [normalizeDim(op, dim1, rank), normalizeDim(op, dim2, rank)];
  if (first === second) throw new ArgumentError(`${op}: dims ${dim1} and ${dim2} are the same; name two`);
  return [first, second];
}

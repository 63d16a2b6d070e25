import { isFloat } from "../graph/dtype.ts";
import { ArgumentError, DTypeError, ShapeError } from "../graph/errors.ts";
import { formatShape } from "../graph/shape.ts";
import { arange, tensor } from "./create.ts";
import { type CreateOptions, resolve } from "./createOptions.ts";
import { type Tensor, where } from "./tensor.ts";

/** Tensors whose elements follow from where they stand. */

function checkCount(op: string, count: number): void {
  if (!Number.isSafeInteger(count) || count < 0)
    throw new ArgumentError(`${op}: ${count} is no number of elements; give an integer of at least 0`);
}

/** Ones on the diagonal of a matrix of n rows and `columns` columns (as many, unless given), else 0. */
export function eye(n: number, columns = n, options: CreateOptions = {}): Tensor {
  checkCount("eye", n);
  checkCount("eye", columns);
  const { dtype, device } = resolve("eye", options, "f32");
  const [row, column] = [arange(n, undefined, 1, { device }), arange(columns, undefined, 1, { device })];
  return row.unsqueeze(1).eq(column).to(dtype);
}

/**
 * `count` numbers from start to end, both included, evenly apart. The second half is counted back from the end, so that the
 * end is exact, as in PyTorch.
 * @throws DTypeError for a dtype of integers.
 */
export function linspace(start: number, end: number, count: number, options: CreateOptions = {}): Tensor {
  checkCount("linspace", count);
  const { dtype, device } = resolve("linspace", options, "f32");
  if (!isFloat(dtype)) throw new DTypeError(`linspace: ${dtype} holds no fractions; use a float dtype`);
  const step = count > 1 ? (end - start) / (count - 1) : 0;
  const index = arange(count, undefined, 1, { device }).to(dtype);
  const back = index.neg().add(count - 1);
  if (count === 1) return index.add(start);
  return where(index.lt(Math.floor(count / 2)), index.mul(step).add(start), back.mul(-step).add(end));
}

/** `base` to the powers of `linspace(start, end, count)`. */
export function logspace(
  start: number,
  end: number,
  count: number,
  base = 10,
  options: CreateOptions = {},
): Tensor {
  const powers = linspace(start, end, count, options);
  return powers.mul(0).add(base).pow(powers);
}

/**
 * A vector [n] as the diagonal of a matrix [n + |diagonal|, n + |diagonal|], or that diagonal of a matrix.
 * @throws ShapeError for a tensor of other dims.
 */
export function diag(x: Tensor, diagonal = 0): Tensor {
  if (x.ndim === 1) return x.diagEmbed({ offset: diagonal });
  if (x.ndim === 2) return x.diagonal({ offset: diagonal });
  throw new ShapeError(
    `diag: ${formatShape(x.shape)} is neither a vector nor a matrix; use diagonal or diagEmbed`,
  );
}

/** Rows and columns (i32, [2, count]) of what lies on the diagonal of a matrix or below it, row by row. */
export function trilIndices(rows: number, columns: number, offset = 0, options: CreateOptions = {}): Tensor {
  return triangleIndices("trilIndices", [rows, columns], (row, column) => column - row <= offset, options);
}

/** Rows and columns (i32, [2, count]) of what lies on the diagonal of a matrix or above it, row by row. */
export function triuIndices(rows: number, columns: number, offset = 0, options: CreateOptions = {}): Tensor {
  return triangleIndices("triuIndices", [rows, columns], (row, column) => column - row >= offset, options);
}

function triangleIndices(
  op: string,
  [rows, columns]: readonly [number, number],
  isInside: (row: number, column: number) => boolean,
  options: CreateOptions,
): Tensor {
  checkCount(op, rows);
  checkCount(op, columns);
  const places = Array.from({ length: rows * columns }, (_, i) => [Math.floor(i / columns), i % columns]);
  const inside = places.filter(([row, column]) => isInside(row, column));
  const flat = [0, 1].flatMap((part) => inside.map((place) => place[part]));
  return tensor(flat, { dtype: "i32", ...options, shape: [2, inside.length] });
}

import { ArgumentError, ShapeError } from "./errors.ts";

/** Sizes of a tensor's dimensions, outermost first; `[]` is a scalar. */
export type Shape = readonly number[];

/** Number of elements. */
export function numel(shape: Shape): number {
  let product = 1;
  for (const size of shape) product *= size;
  return product;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

export function formatShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

/**
 * `dim` as an index from the front; negative dims count from the end.
 * @throws ArgumentError when it is not an integer in [-rank, rank).
 */
export function normalizeDim(op: string, dim: number, rank: number): number {
  // A scalar accepts dim 0 and -1, as in PyTorch.
  const bound = Math.max(rank, 1);
  if (!Number.isInteger(dim) || dim < -bound || dim >= bound) {
    throw new ArgumentError(
      `${op}: dim ${dim} is not in [${-bound}, ${bound - 1}] of a tensor with ${rank} dims`,
    );
  }
  return dim < 0 ? dim + bound : dim;
}

/**
 * Dims from the front, ascending; `undefined` means all.
 * @throws ArgumentError for a dim out of range or named twice.
 */
export function normalizeDims(
  op: string,
  dims: number | readonly number[] | undefined,
  rank: number,
): number[] {
  if (dims === undefined) return Array.from({ length: rank }, (_, i) => i);
  const list = (typeof dims === "number" ? [dims] : dims).map((dim) => normalizeDim(op, dim, rank));
  if (new Set(list).size !== list.length) {
    throw new ArgumentError(`${op}: dims [${list.join(", ")}] name one dim twice; name each once`);
  }
  return rank === 0 ? [] : list.sort((a, b) => a - b);
}

/**
 * The shape to which both broadcast (sizes align at the end; 1 stretches).
 * @throws ShapeError naming both shapes.
 */
export function broadcastShapes(op: string, a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  const result = new Array<number>(rank);
  for (let i = 1; i <= rank; i++) {
    const x = a[a.length - i] ?? 1;
    const y = b[b.length - i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new ShapeError(
        `${op}: shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast: ${x} meets ${y} at dim -${i}; ` +
          "make them equal or 1",
      );
    }
    result[rank - i] = x === 1 ? y : x;
  }
  return result;
}

/** @throws ShapeError when a size is not a non-negative safe integer. */
export function checkShape(op: string, shape: Shape): void {
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) {
      throw new ShapeError(`${op}: ${formatShape(shape)} is no shape; sizes are integers of at least 0`);
    }
  }
  if (!Number.isSafeInteger(numel(shape))) {
    throw new ShapeError(`${op}: shape ${formatShape(shape)} has more elements than can be counted exactly`);
  }
}

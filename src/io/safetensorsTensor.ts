import { ArgumentError, ShapeError } from "../graph/errors.ts";
import { formatShape } from "../graph/shape.ts";

/**
 * The dtypes of safetensors files that fusegrad reads and writes, with the bytes of one element. The order is
 * the one in which the reference writer lays tensors out (the largest alignment first), so that equal tensors
 * give equal files.
 */
export const safetensorsDtypes = {
  U64: 8,
  I64: 8,
  F64: 8,
  F32: 4,
  U32: 4,
  I32: 4,
  BF16: 2,
  F16: 2,
  U16: 2,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const;

export type SafetensorsDtype = keyof typeof safetensorsDtypes;

/** Narrows a dtype name as read from a file. */
export function isSafetensorsDtype(name: string): name is SafetensorsDtype {
  return Object.hasOwn(safetensorsDtypes, name);
}

/** A tensor as a file holds it: little-endian elements in row-major order. */
export interface SafetensorsTensor {
  readonly dtype: SafetensorsDtype;
  /** Sizes of the dims, outermost first; `[]` is a scalar. */
  readonly shape: readonly number[];
  /** The elements' bytes; in a tensor that was read, a view of the file's bytes, not a copy. */
  readonly data: Uint8Array;
}

/** More dims than any tensor library makes; bounds what a hostile shape can allocate. */
export const maximumRank = 64;

/**
 * Bytes of a tensor of this dtype and shape, or undefined when no tensor can be so large. Sizes of 0 are left
 * out of the overflow check's product (as NumPy does), so that a shape is refused or not whatever the order
 * of its dims.
 */
export function byteLengthOf(dtype: SafetensorsDtype, shape: readonly number[]): number | undefined {
  let product: number = safetensorsDtypes[dtype];
  let isEmpty = false;
  for (const size of shape) {
    if (size === 0) {
      isEmpty = true;
    } else {
      product *= size;
      if (!Number.isSafeInteger(product)) return undefined;
    }
  }
  return isEmpty ? 0 : product;
}

/**
 * Checks that a tensor, perhaps made by hand, keeps what its type cannot say.
 * @throws ArgumentError for an unknown dtype; ShapeError for a bad shape or one that does not fit the bytes.
 */
export function checkTensor(operation: string, name: string, tensor: SafetensorsTensor): void {
  const { dtype, shape, data } = tensor;
  const where = `${operation}: tensor ${JSON.stringify(name)}`;
  if (!isSafetensorsDtype(dtype)) {
    const known = Object.keys(safetensorsDtypes).join(", ");
    throw new ArgumentError(`${where} has the dtype ${String(dtype)}; use one of ${known}`);
  }
  if (shape.length > maximumRank || !shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw new ShapeError(
      `${where} has the shape ${formatShape(shape)}; use at most ${maximumRank} dims, each an integer from 0`,
    );
  }
  const expected = byteLengthOf(dtype, shape);
  if (expected !== data.byteLength) {
    throw new ShapeError(
      `${where} has ${data.byteLength} bytes, but ${dtype} ${formatShape(shape)} takes ${expected ?? "more"}`,
    );
  }
}

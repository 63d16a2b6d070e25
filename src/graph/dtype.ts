import { DTypeError } from "./errors.ts";

/**
 * Element types. `f64` lives on the reference device alone (gradient checks); `bool` holds 0 or 1.
 * There is no 64-bit integer: files' I64 become `i32` with a range check.
 */
export type DType = "bool" | "u32" | "i32" | "f32" | "f64";

export type TypedArray = Uint8Array | Uint32Array | Int32Array | Float32Array | Float64Array;

const bytesOf = { bool: 1, u32: 4, i32: 4, f32: 4, f64: 8 } as const satisfies Record<DType, number>;

/** Bytes of one element in host memory. */
export function bytesPerElement(dtype: DType): number {
  return bytesOf[dtype];
}

export function isFloat(dtype: DType): boolean {
  return dtype === "f32" || dtype === "f64";
}

export function isInteger(dtype: DType): boolean {
  return dtype === "i32" || dtype === "u32";
}

/** A zeroed host array of `length` elements. */
export function allocateArray(dtype: DType, length: number): TypedArray {
  switch (dtype) {
    case "bool":
      return new Uint8Array(length);
    case "u32":
      return new Uint32Array(length);
    case "i32":
      return new Int32Array(length);
    case "f32":
      return new Float32Array(length);
    case "f64":
      return new Float64Array(length);
  }
}

/** A typed view of `length` elements of `buffer` from `byteOffset` on. */
export function viewArray(
  dtype: DType,
  buffer: ArrayBufferLike,
  byteOffset: number,
  length: number,
): TypedArray {
  switch (dtype) {
    case "bool":
      return new Uint8Array(buffer, byteOffset, length);
    case "u32":
      return new Uint32Array(buffer, byteOffset, length);
    case "i32":
      return new Int32Array(buffer, byteOffset, length);
    case "f32":
      return new Float32Array(buffer, byteOffset, length);
    case "f64":
      return new Float64Array(buffer, byteOffset, length);
  }
}

/** The dtype that a host array stands for. */
export function dtypeOfArray(array: TypedArray): DType {
  if (array instanceof Float32Array) return "f32";
  if (array instanceof Int32Array) return "i32";
  if (array instanceof Uint32Array) return "u32";
  if (array instanceof Float64Array) return "f64";
  return "bool";
}

const rank: Record<DType, number> = { bool: 0, u32: 1, i32: 1, f32: 2, f64: 3 };

/**
 * The dtype in which `a` and `b` meet, as in PyTorch: bool < integers < f32 < f64. `u32` with `i32` has no common
 * 32-bit type and is refused.
 * @throws DTypeError for u32 with i32.
 */
export function promote(op: string, a: DType, b: DType): DType {
  if (a === b) return a;
  if (rank[a] === rank[b]) {
    throw new DTypeError(
      `${op}: no dtype holds both ${a} and ${b}; cast one of them with .to("i32") or .to("u32")`,
    );
  }
  return rank[a] > rank[b] ? a : b;
}

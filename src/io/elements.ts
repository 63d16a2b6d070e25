import { dtypeOfArray, type TypedArray } from "../graph/dtype.ts";
import { DTypeError, FileFormatError } from "../graph/errors.ts";
import { checkTensor, type SafetensorsTensor } from "./safetensorsTensor.ts";

// Typed arrays have the byte order of the machine: little-endian wherever JavaScript runs today, as in the
// files.

/** A tensor of a file, by preference with the name under which it stood there (messages then say it). */
type Entry = SafetensorsTensor & { readonly name?: string };

interface ArrayConstructor<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): T;
}

/** The bytes as elements: in place where they are aligned, else a copy. */
function elementsOf<T>(data: Uint8Array, array: ArrayConstructor<T>): T {
  const length = data.byteLength / array.BYTES_PER_ELEMENT;
  if (data.byteOffset % array.BYTES_PER_ELEMENT === 0) return new array(data.buffer, data.byteOffset, length);
  return new array(data.slice().buffer, 0, length);
}

function label(entry: Entry): string {
  return `tensor ${JSON.stringify(entry.name ?? "(unnamed)")} (${entry.dtype})`;
}

/**
 * The values of an F32, F64 (rounded), F16 or BF16 tensor as float32, row-major. F32 is a view of the entry's
 * bytes where those are aligned to 4 bytes; everything else is a copy.
 * @throws DTypeError for another dtype; ShapeError for bytes that do not fit the shape.
 */
export function toFloat32(entry: Entry): Float32Array {
  checkTensor("toFloat32", entry.name ?? "(unnamed)", entry);
  switch (entry.dtype) {
    case "F32":
      return elementsOf(entry.data, Float32Array);
    case "F64":
      return Float32Array.from(elementsOf(entry.data, Float64Array));
    case "F16":
      return Float32Array.from(elementsOf(entry.data, Uint16Array), float16ToNumber);
    case "BF16": {
      const halves = elementsOf(entry.data, Uint16Array);
      // bfloat16 is the upper half of a float32; moving bits, not numbers, keeps the payload of a NaN.
      const bits = new Uint32Array(halves.length);
      for (let i = 0; i < halves.length; i++) bits[i] = halves[i] << 16;
      return new Float32Array(bits.buffer);
    }
    default:
      throw new DTypeError(`toFloat32: ${label(entry)} is not floating point; use toInt32 or toBool`);
  }
}

/** The value of an IEEE 754 binary16 number given by its bits. */
function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/**
 * The values of an integer tensor as int32, row-major. I32 is a view of the entry's bytes where those are
 * aligned to 4 bytes; everything else is a copy.
 * @throws FileFormatError naming the tensor and the first value below -2^31 or above 2^31 - 1; DTypeError for
 * a dtype that is not an integer; ShapeError for bytes that do not fit the shape.
 */
export function toInt32(entry: Entry): Int32Array {
  checkTensor("toInt32", entry.name ?? "(unnamed)", entry);
  const { data } = entry;
  switch (entry.dtype) {
    case "I32":
      return elementsOf(data, Int32Array);
    case "I64":
      return narrow(entry, elementsOf(data, BigInt64Array));
    case "U64":
      return narrow(entry, elementsOf(data, BigUint64Array));
    case "U32":
      return narrow(entry, elementsOf(data, Uint32Array));
    case "I16":
      return Int32Array.from(elementsOf(data, Int16Array));
    case "U16":
      return Int32Array.from(elementsOf(data, Uint16Array));
    case "I8":
      return Int32Array.from(elementsOf(data, Int8Array));
    case "U8":
      return Int32Array.from(data);
    default:
      throw new DTypeError(`toInt32: ${label(entry)} is not an integer tensor; use toFloat32 or toBool`);
  }
}

function narrow(entry: Entry, values: BigInt64Array | BigUint64Array | Uint32Array): Int32Array {
  const result = new Int32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value < -0x80000000 || value > 0x7fffffff) {
      throw new FileFormatError(
        `toInt32: ${label(entry)} holds ${value} at element ${i}, beyond int32 (-2^31 to 2^31 - 1)`,
      );
    }
    result[i] = Number(value);
  }
  return result;
}

/**
 * The values of a BOOL tensor, row-major, one byte each (0 or 1): a view of the entry's bytes.
 * @throws FileFormatError naming the tensor for a byte that is neither 0 nor 1; DTypeError for another dtype;
 * ShapeError for bytes that do not fit the shape.
 */
export function toBool(entry: Entry): Uint8Array {
  checkTensor("toBool", entry.name ?? "(unnamed)", entry);
  const { dtype, data } = entry;
  if (dtype !== "BOOL")
    throw new DTypeError(`toBool: ${label(entry)} is not a BOOL tensor; use toInt32 or toFloat32`);
  for (let i = 0; i < data.length; i++) {
    if (data[i] > 1) {
      throw new FileFormatError(
        `toBool: ${label(entry)} holds the byte ${data[i]} at element ${i}, expected 0 or 1`,
      );
    }
  }
  return data;
}

function bytesOf(values: TypedArray): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** An F32 tensor to be written; its data is a view of `values`. */
export function fromFloat32(values: Float32Array, shape: readonly number[]): SafetensorsTensor {
  return { dtype: "F32", shape, data: bytesOf(values) };
}

/** An I32 tensor to be written; its data is a view of `values`. */
export function fromInt32(values: Int32Array, shape: readonly number[]): SafetensorsTensor {
  return { dtype: "I32", shape, data: bytesOf(values) };
}

/** A BOOL tensor to be written, of bytes 0 and 1; its data is a view of `values`. */
export function fromBool(values: Uint8Array, shape: readonly number[]): SafetensorsTensor {
  return { dtype: "BOOL", shape, data: bytesOf(values) };
}

const dtypeInFiles = { bool: "BOOL", u32: "U32", i32: "I32", f32: "F32", f64: "F64" } as const;

/** A tensor of the array's own dtype to be written (Uint8Array is BOOL); its data is a view of `values`. */
export function fromTypedArray(values: TypedArray, shape: readonly number[]): SafetensorsTensor {
  return { dtype: dtypeInFiles[dtypeOfArray(values)], shape, data: bytesOf(values) };
}

/**
 * What `fromTypedArray` wrote, to the bit: a view of the entry's bytes where those are aligned, else a copy.
 * @throws DTypeError for a dtype that no array here has; FileFormatError for a BOOL that is neither 0 nor 1; ShapeError for
 * bytes that do not fit the shape.
 */
export function toTypedArray(entry: Entry): TypedArray {
  checkTensor("toTypedArray", entry.name ?? "(unnamed)", entry);
  switch (entry.dtype) {
    case "F64":
      return elementsOf(entry.data, Float64Array);
    case "F32":
      return elementsOf(entry.data, Float32Array);
    case "I32":
      return elementsOf(entry.data, Int32Array);
    case "U32":
      return elementsOf(entry.data, Uint32Array);
    case "BOOL":
      return toBool(entry);
    default:
      throw new DTypeError(`toTypedArray: ${label(entry)}; expected one of F64, F32, I32, U32 and BOOL`);
  }
}

import { allocateArray, type DType, dtypeOfArray, isFloat, type TypedArray } from "../graph/dtype.ts";
import { ArgumentError, DTypeError, ShapeError } from "../graph/errors.ts";
import { checkShape, formatShape, numel, type Shape } from "../graph/shape.ts";
import * as b from "../ops/builders.ts";
import { type CreateOptions, resolve } from "./createOptions.ts";
import { type NestedArray, Tensor } from "./tensor.ts";

export type { CreateOptions } from "./createOptions.ts";
export {
  bernoulli,
  exponential,
  gumbel,
  manualSeed,
  multinomial,
  normal,
  rand,
  randint,
  randn,
  randperm,
  truncatedNormal,
  uniform,
} from "./random.ts";

export interface TensorOptions extends CreateOptions {
  /** For flat data: its shape. Nested arrays carry theirs. */
  readonly shape?: Shape;
  /** Whether backward() leaves a gradient on this tensor. Floats only. */
  readonly requiresGrad?: boolean;
}

/**
 * A tensor of host data, which is copied. Numbers become f32 (booleans bool) unless `dtype` says otherwise; typed arrays
 * keep their own type (Uint8Array is bool).
 * @throws ShapeError for ragged nested arrays or a shape that does not fit; DTypeError for values that the dtype cannot hold.
 */
export function tensor(data: NestedArray | TypedArray, options: TensorOptions = {}): Tensor {
  const flat = ArrayBuffer.isView(data) ? { values: data, shape: [data.length] } : flatten(data);
  const natural = ArrayBuffer.isView(data) ? dtypeOfArray(data) : naturalDType(flat.values);
  const { dtype, device } = resolve("tensor", options, natural);
  const shape = options.shape ?? flat.shape;
  checkShape("tensor", shape);
  if (numel(shape) !== flat.values.length) {
    throw new ShapeError(
      `tensor: shape ${formatShape(shape)} needs ${numel(shape)} elements, got ${flat.values.length}`,
    );
  }
  if (options.requiresGrad && !isFloat(dtype)) {
    throw new DTypeError(`tensor: ${dtype} cannot require a gradient; only floats can`);
  }
  return new Tensor(b.constant([...shape], dtype, convert(flat.values, dtype), options.requiresGrad), device);
}

function flatten(data: NestedArray): { values: (number | boolean)[]; shape: number[] } {
  const values: (number | boolean)[] = [];
  const shape: number[] = [];
  for (let inner: NestedArray = data; Array.isArray(inner); inner = inner[0]) {
    shape.push(inner.length);
    if (inner.length === 0) break;
  }
  const walk = (part: NestedArray, dim: number): void => {
    if (dim === shape.length) {
      if (typeof part !== "number" && typeof part !== "boolean") {
        throw new ShapeError(
          `tensor: element ${JSON.stringify(part) ?? String(part)} is neither a number nor a boolean, or the array is ragged`,
        );
      }
      values.push(part);
      return;
    }
    if (!Array.isArray(part) || part.length !== shape[dim]) {
      throw new ShapeError(
        `tensor: nested array is ragged at dim ${dim}: expected ${shape[dim]} entries everywhere`,
      );
    }
    for (const item of part) walk(item, dim + 1);
  };
  walk(data, 0);
  return { values, shape };
}

function naturalDType(values: ArrayLike<number | boolean>): DType {
  return values.length > 0 && Array.from(values).every((value) => typeof value === "boolean")
    ? "bool"
    : "f32";
}

function convert(values: ArrayLike<number | boolean>, dtype: DType): TypedArray {
  const array = allocateArray(dtype, values.length);
  for (let i = 0; i < values.length; i++) {
    const value = Number(values[i]);
    const [low, high] = dtype === "u32" ? [0, 2 ** 32 - 1] : [-(2 ** 31), 2 ** 31 - 1];
    if ((dtype === "i32" || dtype === "u32") && !(Number.isInteger(value) && value >= low && value <= high)) {
      throw new DTypeError(
        `tensor: element ${i} is ${value}, which ${dtype} does not hold; round it or use f32`,
      );
    }
    array[i] = dtype === "bool" ? (value === 0 ? 0 : 1) : value;
  }
  return array;
}

/** `value` everywhere. */
export function full(shape: Shape, value: number, options: CreateOptions = {}): Tensor {
  checkShape("full", shape);
  const { dtype, device } = resolve("full", options, "f32");
  if (!isFloat(dtype) && !Number.isInteger(value)) throw new DTypeError(`full: ${value} is no ${dtype}`);
  return new Tensor(b.full([...shape], dtype, dtype === "bool" ? Number(value !== 0) : value), device);
}

export function zeros(shape: Shape, options: CreateOptions = {}): Tensor {
  return full(shape, 0, options);
}

export function ones(shape: Shape, options: CreateOptions = {}): Tensor {
  return full(shape, 1, options);
}

/** 0, 1, ..., end - 1; or from start to below end by step. Integers give i32, fractions f32. */
export function arange(start: number, end?: number, step = 1, options: CreateOptions = {}): Tensor {
  const [first, last] = end === undefined ? [0, start] : [start, end];
  const length = Math.max(0, Math.ceil((last - first) / step));
  if (!Number.isSafeInteger(length))
    throw new ArgumentError(`arange: from ${first} to ${last} by ${step} has no length`);
  const whole = Number.isInteger(first) && Number.isInteger(step);
  const { dtype, device } = resolve("arange", options, whole ? "i32" : "f32");
  let value = b.iota(length, dtype);
  if (step !== 1) value = b.mul(value, b.scalarLike(value, step));
  if (first !== 0) value = b.add(value, b.scalarLike(value, first));
  return new Tensor(value, device);
}

import { currentEngine } from "../engine/current.ts";
import { allocateArray, type DType, dtypeOfArray, isFloat, type TypedArray } from "../graph/dtype.ts";
import { ArgumentError, DTypeError, ShapeError, TraceError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { checkShape, formatShape, numel, type Shape } from "../graph/shape.ts";
import * as b from "../ops/builders.ts";
import type { Device } from "../runtime/device.ts";
import { checkDType, type NestedArray, Tensor } from "./tensor.ts";

export interface CreateOptions {
  readonly dtype?: DType;
  readonly device?: Device;
}

export interface TensorOptions extends CreateOptions {
  /** For flat data: its shape. Nested arrays carry theirs. */
  readonly shape?: Shape;
  /** Whether backward() leaves a gradient on this tensor. Floats only. */
  readonly requiresGrad?: boolean;
}

function resolve(op: string, options: CreateOptions, fallback: DType): { dtype: DType; device: Device } {
  const device = options.device ?? currentEngine().defaultDevice;
  const dtype = options.dtype ?? fallback;
  checkDType(op, dtype, device);
  return { dtype, device };
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

/** Uniform in [0, 1): 24 random bits an element. The next draw of the engine's generator. */
export function rand(shape: Shape, options: CreateOptions = {}): Tensor {
  const { dtype, device } = resolve("rand", options, "f32");
  return new Tensor(b.cast(uniform(randomWords("rand", shape)[0]), dtype), device);
}

/** Normal with mean 0 and variance 1, by Box and Muller (1958). The next draw of the engine's generator. */
export function randn(shape: Shape, options: CreateOptions = {}): Tensor {
  const { dtype, device } = resolve("randn", options, "f32");
  const [first, second] = randomWords("randn", shape);
  // 1 - u lies in (0, 1], where the logarithm is finite.
  const u = uniform(first);
  const radius = b.sqrt(b.mul(b.scalarLike(u, -2), b.log(b.sub(b.scalarLike(u, 1), u))));
  const angle = b.mul(uniform(second), b.scalarLike(u, 2 * Math.PI));
  return new Tensor(b.cast(b.mul(radius, b.cos(angle)), dtype), device);
}

/** true with probability p. The next draw of the engine's generator. */
export function bernoulli(shape: Shape, p: number, options: { readonly device?: Device } = {}): Tensor {
  if (!(p >= 0 && p <= 1)) throw new ArgumentError(`bernoulli: probability ${p} is not in [0, 1]`);
  const { device } = resolve("bernoulli", options, "bool");
  const u = uniform(randomWords("bernoulli", shape)[0]);
  return new Tensor(b.lt(u, b.scalarLike(u, p)), device);
}

/** Two random words an element: Threefry of the generator's key at (element, draw). */
function randomWords(op: string, shape: Shape): readonly [Value, Value] {
  checkShape(op, shape);
  const engine = currentEngine();
  const { generator } = engine;
  const word = (name: string) => ({ name, dtype: "u32" }) as const;
  const [key0, key1, draw] = engine.hostScalars([word("key0"), word("key1"), word("draw")], () => [
    ...generator.key,
    generator.next(),
  ]);
  const element = b.reshape(b.iota(numel(shape), "u32"), [...shape]);
  return b.threefry2x32([key0, key1], [element, draw]);
}

function uniform(words: Value): Value {
  const high = b.cast(b.shiftRight(words, b.scalarLike(words, 8)), "f32");
  return b.mul(high, b.scalarLike(high, 2 ** -24));
}

/**
 * Starts the engine's random stream of `seed` anew.
 * @throws TraceError inside a compiled function, where it would happen in the traced call alone.
 */
export function manualSeed(seed: number): void {
  const engine = currentEngine();
  if (engine.trace) throw new TraceError("manualSeed: not inside a compiled function; seed before the call");
  engine.generator.seed(seed);
}

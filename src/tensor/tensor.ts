import { currentEngine } from "../engine/current.ts";
import type { Trace } from "../engine/trace.ts";
import { type DType, isFloat, type TypedArray } from "../graph/dtype.ts";
import { ArgumentError, DeviceError, DTypeError, GradientError, ShapeError, TraceError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { formatShape, normalizeDim, normalizeDims, numel, sameShape, type Shape } from "../graph/shape.ts";
import * as b from "../ops/builders.ts";
import type { Device } from "../runtime/device.ts";
import { checkHostIndex } from "./hostIndex.ts";
import { formatTensor } from "./print.ts";
import { inferReshape, resolveSlice, type SliceRange } from "./ranges.ts";

/** A tensor, or a plain number or boolean that takes the tensor's dtype and shape. */
export type Operand = Tensor | number | boolean;

export type NestedArray = number | boolean | readonly NestedArray[];

/** Dims to reduce; none means all. */
export interface ReduceOptions {
  readonly dim?: number | readonly number[];
  readonly keepdim?: boolean;
}

/**
 * An immutable n-dimensional value on a device. Operations build a lazy graph and return at once; reading (`data`,
 * `array`, `item`) computes what it needs. Errors of shape, dtype and argument are thrown by the call that makes them.
 * Names and meanings are PyTorch's, in camelCase.
 */
export class Tensor {
  readonly device: Device;
  #value: Value | undefined;
  readonly #trace: Trace | undefined;

  /** Wraps a graph value. Use `tensor`, `zeros`, `randn`... to make tensors from data. */
  constructor(value: Value | undefined, device: Device) {
    this.#value = value;
    this.device = device;
    this.#trace = currentEngine().trace;
  }

  /** The graph value behind this tensor; for a parameter, the one that reads it now. */
  get value(): Value {
    if (this.#value === undefined) throw new ArgumentError("this tensor was disposed");
    return this.#value;
  }

  get shape(): Shape {
    return this.value.shape;
  }

  get dtype(): DType {
    return this.value.dtype;
  }

  /** Number of dims. */
  get ndim(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  get numel(): number {
    return numel(this.shape);
  }

  get requiresGrad(): boolean {
    return this.value.requiresGrad;
  }

  /** Size of one dim; negative dims count from the end. */
  size(dim: number): number {
    return this.shape[normalizeDim("size", dim, this.ndim)];
  }

  // Reading

  /**
   * A copy of the elements in row-major order.
   * @throws TraceError inside a compiled function; StaleVersionError or DeviceError as a rejection.
   */
  async data(): Promise<TypedArray> {
    const engine = currentEngine();
    this.checkReadable();
    const value = this.usable();
    const data = await engine.fetch(this.device, value);
    this.settle();
    return data;
  }

  /** The elements as nested arrays; a number for a scalar, booleans for bool. */
  async array(): Promise<NestedArray> {
    const { shape, dtype } = this;
    const data = await this.data();
    const element = (i: number): number | boolean => (dtype === "bool" ? data[i] !== 0 : data[i]);
    const nest = (dim: number, offset: number, stride: number): NestedArray => {
      if (dim === shape.length) return element(offset);
      const inner = stride / Math.max(shape[dim], 1);
      return Array.from({ length: shape[dim] }, (_, i) => nest(dim + 1, offset + i * inner, inner));
    };
    return nest(0, 0, data.length);
  }

  /** The only element. @throws ShapeError (as a rejection) if there is not exactly one. */
  async item(): Promise<number> {
    if (this.numel !== 1) {
      throw new ShapeError(`item: shape ${formatShape(this.shape)} has ${this.numel} elements; item() reads exactly one`);
    }
    return (await this.data())[0];
  }

  /** Enqueues the computation of this tensor, so that it is computed once however often it is used. Returns itself. */
  realize(): this {
    this.checkReadable();
    currentEngine().realise(this.device, [this.usable()]);
    this.settle();
    return this;
  }

  /** As PyTorch prints it, once read. */
  async format(): Promise<string> {
    return formatTensor(await this.data(), this.shape, this.dtype);
  }

  toString(): string {
    return `Tensor(shape=${formatShape(this.shape)}, dtype=${this.dtype}, device=${this.device.name})`;
  }

  /** Lets go of the value at once instead of with the last reference; the tensor cannot be used afterwards. */
  dispose(): void {
    this.#value = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  // Gradients

  /** The accumulated gradient of a leaf, or undefined. */
  get grad(): Tensor | undefined {
    const gradient = currentEngine().leafGradient(this.value);
    return gradient && new Tensor(gradient, this.device);
  }

  /** Forgets the accumulated gradient. */
  zeroGrad(): void {
    currentEngine().clearLeafGradient(this.value);
  }

  /**
   * Adds the gradients of this tensor to every leaf below it that requires one. A tensor of several elements needs the
   * gradient of each.
   * @throws GradientError without history, or for several elements without `gradient`; ShapeError if that is misshapen.
   */
  backward(gradient?: Tensor): void {
    if (gradient === undefined && this.numel !== 1) {
      throw new GradientError(
        `backward: shape ${formatShape(this.shape)} has ${this.numel} elements; reduce it first (sum, mean) or pass the ` +
          "gradient of each element",
      );
    }
    currentEngine().backward(this.usable(), gradient?.usable());
  }

  /** The same value without gradient history. */
  detach(): Tensor {
    return this.wrap(b.detach(this.usable()));
  }

  // Elementwise

  neg(): Tensor {
    return this.unary("neg");
  }
  abs(): Tensor {
    return this.unary("abs");
  }
  sign(): Tensor {
    return this.unary("sign");
  }
  exp(): Tensor {
    return this.unary("exp");
  }
  log(): Tensor {
    return this.unary("log");
  }
  sqrt(): Tensor {
    return this.unary("sqrt");
  }
  rsqrt(): Tensor {
    return this.unary("rsqrt");
  }
  reciprocal(): Tensor {
    return this.unary("reciprocal");
  }
  sin(): Tensor {
    return this.unary("sin");
  }
  cos(): Tensor {
    return this.unary("cos");
  }
  tanh(): Tensor {
    return this.unary("tanh");
  }
  erf(): Tensor {
    return this.unary("erf");
  }
  floor(): Tensor {
    return this.unary("floor");
  }
  ceil(): Tensor {
    return this.unary("ceil");
  }
  /** To the nearest integer, ties to even. */
  round(): Tensor {
    return this.unary("round");
  }
  trunc(): Tensor {
    return this.unary("trunc");
  }
  sigmoid(): Tensor {
    return this.unary("sigmoid");
  }
  relu(): Tensor {
    return this.unary("relu");
  }
  /** GELU by the error function, or by its tanh approximation. */
  gelu(options: { readonly approximate?: "none" | "tanh" } = {}): Tensor {
    return this.wrap(b.gelu(this.usable(), options.approximate ?? "none"));
  }
  /** Elementwise not of a bool tensor. */
  logicalNot(): Tensor {
    return this.unary("logicalNot");
  }
  square(): Tensor {
    return this.mul(this);
  }
  isnan(): Tensor {
    return this.ne(this);
  }

  add(other: Operand): Tensor {
    return this.binary("add", other);
  }
  sub(other: Operand): Tensor {
    return this.binary("sub", other);
  }
  mul(other: Operand): Tensor {
    return this.binary("mul", other);
  }
  /** True division: integers give f32. */
  div(other: Operand): Tensor {
    return this.binary("div", other);
  }
  pow(exponent: Operand): Tensor {
    return exponent === 2 ? this.square() : this.binary("pow", exponent);
  }
  maximum(other: Operand): Tensor {
    return this.binary("maximum", other);
  }
  minimum(other: Operand): Tensor {
    return this.binary("minimum", other);
  }
  /** The sign follows the divisor, as in PyTorch. */
  remainder(other: Operand): Tensor {
    return this.binary("remainder", other);
  }
  floorDivide(other: Operand): Tensor {
    return this.binary("floorDivide", other);
  }
  eq(other: Operand): Tensor {
    return this.binary("eq", other);
  }
  ne(other: Operand): Tensor {
    return this.binary("ne", other);
  }
  lt(other: Operand): Tensor {
    return this.binary("lt", other);
  }
  le(other: Operand): Tensor {
    return this.binary("le", other);
  }
  gt(other: Operand): Tensor {
    return this.binary("gt", other);
  }
  ge(other: Operand): Tensor {
    return this.binary("ge", other);
  }
  logicalAnd(other: Operand): Tensor {
    return this.binary("logicalAnd", other);
  }
  logicalOr(other: Operand): Tensor {
    return this.binary("logicalOr", other);
  }
  clamp(options: { readonly min?: number; readonly max?: number }): Tensor {
    const above = options.min === undefined ? this : this.maximum(options.min);
    return options.max === undefined ? above : above.minimum(options.max);
  }
  /** `value` wherever the bool mask (broadcast) is true. */
  maskedFill(mask: Tensor, value: number): Tensor {
    return where(mask, value, this);
  }
  /** The same elements as another dtype: floats to integers truncate, anything but 0 is true. */
  to(dtype: DType): Tensor {
    checkDType("to", dtype, this.device);
    return this.wrap(b.cast(this.usable(), dtype));
  }

  // Reductions

  sum(options: ReduceOptions = {}): Tensor {
    return this.reduce("sum", this.dtype === "bool" ? b.cast(this.usable(), "i32") : this.usable(), options);
  }
  mean(options: ReduceOptions = {}): Tensor {
    this.checkFloat("mean");
    const dims = normalizeDims("mean", options.dim, this.ndim);
    return this.squeezed(b.mean(this.usable(), dims), dims, options.keepdim);
  }
  /** Variance; `correction` 1 (the default) divides by n - 1, 0 by n. */
  var(options: ReduceOptions & { readonly correction?: number } = {}): Tensor {
    this.checkFloat("var");
    const dims = normalizeDims("var", options.dim, this.ndim);
    const x = this.usable();
    const centered = b.sub(x, b.expand(b.mean(x, dims), x.shape));
    const count = dims.reduce((product, dim) => product * this.shape[dim], 1) - (options.correction ?? 1);
    const total = b.sum(b.mul(centered, centered), dims);
    return this.squeezed(b.div(total, b.scalarLike(total, Math.max(count, 0))), dims, options.keepdim);
  }
  prod(options: ReduceOptions = {}): Tensor {
    return this.reduce("prod", this.usable(), options);
  }
  /** The largest element; NaN if any is NaN. Equal ones share the gradient. */
  amax(options: ReduceOptions = {}): Tensor {
    return this.reduce("max", this.usable(), options);
  }
  amin(options: ReduceOptions = {}): Tensor {
    return this.reduce("min", this.usable(), options);
  }
  any(options: ReduceOptions = {}): Tensor {
    return this.reduce("max", b.cast(this.usable(), "bool"), options);
  }
  all(options: ReduceOptions = {}): Tensor {
    return this.reduce("min", b.cast(this.usable(), "bool"), options);
  }
  /** Index (i32) of the first largest element along dim. */
  argmax(dim: number, options: { readonly keepdim?: boolean } = {}): Tensor {
    const at = normalizeDim("argmax", dim, this.ndim);
    return this.squeezed(b.argmax(this.usable(), at), [at], options.keepdim);
  }
  softmax(dim: number): Tensor {
    return this.wrap(b.softmax(this.usable(), normalizeDim("softmax", dim, this.ndim)));
  }
  logSoftmax(dim: number): Tensor {
    return this.wrap(b.logSoftmax(this.usable(), normalizeDim("logSoftmax", dim, this.ndim)));
  }

  // Movement

  /** The same elements under another shape; one size may be -1 and is inferred. */
  reshape(shape: Shape): Tensor {
    return this.wrap(b.reshape(this.usable(), inferReshape(this.shape, shape)));
  }
  flatten(start = 0, end = -1): Tensor {
    const first = normalizeDim("flatten", start, this.ndim);
    const last = normalizeDim("flatten", end, this.ndim);
    const middle = numel(this.shape.slice(first, last + 1));
    return this.reshape([...this.shape.slice(0, first), middle, ...this.shape.slice(last + 1)]);
  }
  permute(dims: readonly number[]): Tensor {
    return this.wrap(
      b.permute(
        this.usable(),
        dims.map((dim) => normalizeDim("permute", dim, this.ndim)),
      ),
    );
  }
  transpose(dim0: number, dim1: number): Tensor {
    return this.wrap(b.transpose(this.usable(), dim0, dim1));
  }
  /** Transpose of a matrix (or of fewer dims: itself). */
  t(): Tensor {
    if (this.ndim > 2) {
      throw new ShapeError(`t: shape ${formatShape(this.shape)} has more than 2 dims; use transpose(dim0, dim1)`);
    }
    return this.ndim < 2 ? this : this.transpose(0, 1);
  }
  /** Repeats dims of size 1; -1 keeps a size. */
  expand(shape: Shape): Tensor {
    const offset = shape.length - this.ndim;
    return this.wrap(
      b.expand(
        this.usable(),
        shape.map((size, i) => (size === -1 ? this.shape[i - offset] : size)),
      ),
    );
  }
  unsqueeze(dim: number): Tensor {
    const at = normalizeDim("unsqueeze", dim, this.ndim + 1);
    return this.reshape([...this.shape.slice(0, at), 1, ...this.shape.slice(at)]);
  }
  /** Without dims of size 1: all of them, or the one named (which stays if its size is not 1). */
  squeeze(dim?: number): Tensor {
    const at = dim === undefined ? undefined : normalizeDim("squeeze", dim, this.ndim);
    return this.reshape(this.shape.filter((size, i) => size !== 1 || (at !== undefined && i !== at)));
  }
  flip(dims: number | readonly number[]): Tensor {
    return this.wrap(b.flip(this.usable(), normalizeDims("flip", dims, this.ndim)));
  }
  /**
   * One entry a dim, from the first: an index drops the dim, `[start, stop, step]` or `null` (all) keeps it, with
   * Python's rules for negative and missing ends. Missing entries keep their dims whole.
   * @throws IndexOutOfRangeError for an index outside its dim.
   */
  slice(...ranges: readonly SliceRange[]): Tensor {
    const { starts, sizes, steps, kept } = resolveSlice(this.shape, ranges);
    const part = b.slice(this.usable(), starts, sizes, steps);
    return this.wrap(
      b.reshape(
        part,
        sizes.filter((_, dim) => kept[dim]),
      ),
    );
  }
  /** `length` elements of a dim from `start` on. */
  narrow(dim: number, start: number, length: number): Tensor {
    const at = normalizeDim("narrow", dim, this.ndim);
    if (start < 0 || length < 0 || start + length > this.shape[at]) {
      throw new ArgumentError(`narrow: ${start} + ${length} is not within dim ${dim} of ${formatShape(this.shape)}`);
    }
    return this.slice(...this.shape.map((_, i) => (i === at ? ([start, start + length] as const) : null)));
  }
  /** The only element along a dim at an index, which drops the dim. */
  select(dim: number, index: number): Tensor {
    const at = normalizeDim("select", dim, this.ndim);
    return this.slice(...this.shape.map((_, i) => (i === at ? index : null)));
  }
  /** Zeros around: `[before, after]` for each of the trailing dims, last dim first, as in PyTorch. */
  pad(amounts: readonly number[]): Tensor {
    const dims = amounts.length / 2;
    if (!Number.isInteger(dims) || dims > this.ndim) {
      throw new ArgumentError(`pad: ${amounts.length} amounts for ${formatShape(this.shape)}; give 2 a dim, last dim first`);
    }
    const amount = (dim: number, side: 0 | 1): number => amounts[2 * (this.ndim - 1 - dim) + side] ?? 0;
    const before = this.shape.map((_, dim) => amount(dim, 0));
    return this.wrap(
      b.pad(
        this.usable(),
        before,
        this.shape.map((_, dim) => amount(dim, 1)),
      ),
    );
  }

  // Indexing

  /** result[..., i, ...] = this[..., index[..., i, ...], ...] along dim. */
  gather(dim: number, index: Tensor): Tensor {
    const at = normalizeDim("gather", dim, this.ndim);
    checkHostIndex("gather", index.usable(), this.shape, at);
    return this.wrap(b.gather(this.usable(), at, index.usable()), index);
  }
  /** Rows (along dim) named by a 1-d index. */
  indexSelect(dim: number, index: Tensor): Tensor {
    const at = normalizeDim("indexSelect", dim, this.ndim);
    if (index.ndim !== 1) throw new ShapeError(`indexSelect: the index has shape ${formatShape(index.shape)}, wanted 1 dim`);
    checkHostIndex("indexSelect", index.usable(), this.shape, at);
    const along = this.shape.map((_, i) => (i === at ? index.shape[0] : 1));
    const wide = this.shape.map((size, i) => (i === at ? index.shape[0] : size));
    return this.wrap(b.gather(this.usable(), at, b.expand(b.reshape(index.usable(), along), wide)), index);
  }
  /** A copy with this[..., index[..., i, ...], ...] += source[..., i, ...], in the order of i. */
  scatterAdd(dim: number, index: Tensor, source: Tensor): Tensor {
    const at = normalizeDim("scatterAdd", dim, this.ndim);
    checkHostIndex("scatterAdd", index.usable(), this.shape, at);
    return this.wrap(b.scatterAdd(this.usable(), at, index.usable(), source.usable()), index, source);
  }

  // Linear algebra

  /** Matrix product, with PyTorch's rules for vectors and its broadcasting of leading dims. */
  matmul(other: Tensor): Tensor {
    return this.wrap(b.matmul(this.usable(), other.usable()), other);
  }

  // What the other files of this room build on

  /**
   * The value for use in a new operation, here and now: checked against the call being compiled, without history under
   * `noGrad`.
   */
  usable(): Value {
    const engine = currentEngine();
    this.#trace?.checkOpen("operation");
    let { value } = this;
    if (engine.trace && this.#trace !== engine.trace) value = this.capture();
    return !engine.gradEnabled && value.requiresGrad ? b.detach(value) : value;
  }

  /** The value of a tensor from outside, inside a compiled function: its data as of now, without history. */
  protected capture(): Value {
    const { value } = this;
    if (value.node.op === "constant" && !value.requiresGrad) return value;
    if (value.requiresGrad) {
      throw new TraceError(
        `a tensor of shape ${formatShape(this.shape)} that requires grad was made outside the compiled function; pass it as ` +
          "an argument, make it a Parameter, or detach it",
      );
    }
    return currentEngine().captureOutside(this.device, value);
  }

  protected checkReadable(): void {
    if (currentEngine().trace) {
      throw new TraceError(
        "reading a tensor inside a compiled function is not possible: it has no value before the function has returned; " +
          "return it and read the result",
      );
    }
    this.#trace?.checkOpen("read");
  }

  /** Once realised, a tensor without gradients forgets how it was made. */
  protected settle(): void {
    const value = this.#value;
    if (value === undefined || value.requiresGrad || value.node.inputs.length === 0) return;
    this.#value = currentEngine().settledLeaf(value) ?? value;
  }

  protected wrap(value: Value, ...others: readonly Tensor[]): Tensor {
    for (const other of others) {
      if (other.device !== this.device) {
        throw new DeviceError(
          `tensors of shape ${formatShape(this.shape)} on ${this.device.name} and ${formatShape(other.shape)} on ` +
            `${other.device.name} meet in one operation; make both on one device`,
        );
      }
    }
    return new Tensor(value, this.device);
  }

  private unary(op: b.UnaryName): Tensor {
    return this.wrap(b.unary(op, this.usable()));
  }

  private binary(op: b.BinaryName, other: Operand): Tensor {
    if (!(other instanceof Tensor)) return this.wrap(b.binary(op, this.usable(), literal(this.value, other)));
    return this.wrap(b.binary(op, this.usable(), other.usable()), other);
  }

  private reduce(op: b.ReduceName, value: Value, options: ReduceOptions): Tensor {
    const dims = normalizeDims(op, options.dim, this.ndim);
    return this.squeezed(b.reduce(op, value, dims), dims, options.keepdim);
  }

  private squeezed(value: Value, dims: readonly number[], keepdim = false): Tensor {
    if (keepdim) return this.wrap(value);
    return this.wrap(
      b.reshape(
        value,
        value.shape.filter((_, dim) => !dims.includes(dim)),
      ),
    );
  }

  private checkFloat(op: string): void {
    if (!isFloat(this.dtype)) {
      throw new DTypeError(`${op}: operand is ${this.dtype}, wanted a float; cast it with .to("f32")`);
    }
  }
}

/** A number literal is weak: it takes the tensor's dtype, unless a fraction meets integers or a number meets bool. */
function literal(like: Value, value: number | boolean): Value {
  if (typeof value === "boolean") return b.full([], "bool", value ? 1 : 0);
  if (isFloat(like.dtype)) return b.full([], like.dtype, value);
  if (!Number.isInteger(value)) return b.full([], "f32", value);
  return b.full([], like.dtype === "bool" ? "i32" : like.dtype, value);
}

/** condition ? x : y, element by element, with broadcasting; x and y may be numbers. */
export function where(condition: Tensor, x: Operand, y: Operand): Tensor {
  const like = x instanceof Tensor ? x : y instanceof Tensor ? y : undefined;
  const value = (operand: Operand): Value => {
    if (operand instanceof Tensor) return operand.usable();
    return like ? literal(like.value, operand) : b.full([], "f32", Number(operand));
  };
  const device = condition.device;
  for (const operand of [x, y]) {
    if (operand instanceof Tensor && operand.device !== device) {
      throw new DeviceError(`where: condition on ${device.name}, values on ${operand.device.name}`);
    }
  }
  return new Tensor(b.where(condition.usable(), value(x), value(y)), device);
}

/** Tensors one after the other along an existing dim. */
export function concat(tensors: readonly Tensor[], dim = 0): Tensor {
  const [first] = tensors;
  if (!first) throw new ArgumentError("concat: no tensors; give at least one");
  const at = normalizeDim("concat", dim, first.ndim);
  if (tensors.some((t) => t.device !== first.device)) throw new DeviceError("concat: tensors on several devices");
  return new Tensor(
    b.concat(
      tensors.map((t) => t.usable()),
      at,
    ),
    first.device,
  );
}

/** Tensors of one shape side by side along a new dim. */
export function stack(tensors: readonly Tensor[], dim = 0): Tensor {
  const [first] = tensors;
  if (!first) throw new ArgumentError("stack: no tensors; give at least one");
  for (const other of tensors) {
    if (!sameShape(other.shape, first.shape)) {
      throw new ShapeError(`stack: shapes ${formatShape(first.shape)} and ${formatShape(other.shape)} differ`);
    }
  }
  const at = normalizeDim("stack", dim, first.ndim + 1);
  return concat(
    tensors.map((t) => t.unsqueeze(at)),
    at,
  );
}

/** @throws DTypeError when the device does not have the dtype. */
export function checkDType(op: string, dtype: DType, device: Device): void {
  if (!device.dtypes.includes(dtype)) {
    throw new DTypeError(`${op}: device ${device.name} has no ${dtype}; it has ${device.dtypes.join(", ")}`);
  }
}

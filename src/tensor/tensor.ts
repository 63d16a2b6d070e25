import { currentEngine } from "../engine/current.ts";
import { type DType, isFloat } from "../graph/dtype.ts";
import { ArgumentError, DeviceError, DTypeError, GradientError, ShapeError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { formatShape, normalizeDim, normalizeDims, type Shape, sameShape } from "../graph/shape.ts";
import * as b from "../ops/builders.ts";
import type { Device } from "../runtime/device.ts";
import { Handle } from "./handle.ts";
import { checkHostIndex } from "./hostIndex.ts";
import * as movement from "./movement.ts";
import type { SliceRange } from "./ranges.ts";

export type { NestedArray } from "./handle.ts";

/** A tensor, or a plain number or boolean that takes the tensor's dtype and shape. */
export type Operand = Tensor | number | boolean;

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
export class Tensor extends Handle {
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
    return this.wrap(movement.reshape(this.usable(), shape));
  }
  flatten(start = 0, end = -1): Tensor {
    return this.wrap(movement.flatten(this.usable(), start, end));
  }
  permute(dims: readonly number[]): Tensor {
    return this.wrap(movement.permute(this.usable(), dims));
  }
  transpose(dim0: number, dim1: number): Tensor {
    return this.wrap(b.transpose(this.usable(), dim0, dim1));
  }
  /** Transpose of a matrix (or of fewer dims: itself). */
  t(): Tensor {
    return this.wrap(movement.matrixTranspose(this.usable()));
  }
  /** Repeats dims of size 1; -1 keeps a size. */
  expand(shape: Shape): Tensor {
    return this.wrap(movement.expand(this.usable(), shape));
  }
  unsqueeze(dim: number): Tensor {
    return this.wrap(movement.unsqueeze(this.usable(), dim));
  }
  /** Without dims of size 1: all of them, or the one named (which stays if its size is not 1). */
  squeeze(dim?: number): Tensor {
    return this.wrap(movement.squeeze(this.usable(), dim));
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
    return this.wrap(movement.slice(this.usable(), ranges));
  }
  /** `length` elements of a dim from `start` on. */
  narrow(dim: number, start: number, length: number): Tensor {
    return this.wrap(movement.narrow(this.usable(), dim, start, length));
  }
  /** The only element along a dim at an index, which drops the dim. */
  select(dim: number, index: number): Tensor {
    return this.wrap(movement.select(this.usable(), dim, index));
  }
  /** Zeros around: `[before, after]` for each of the trailing dims, last dim first, as in PyTorch. */
  pad(amounts: readonly number[]): Tensor {
    return this.wrap(movement.pad(this.usable(), amounts));
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
    if (index.ndim !== 1)
      throw new ShapeError(`indexSelect: the index has shape ${formatShape(index.shape)}, wanted 1 dim`);
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
  if (tensors.some((t) => t.device !== first.device))
    throw new DeviceError("concat: tensors on several devices");
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
      throw new ShapeError(
        `stack: shapes ${formatShape(first.shape)} and ${formatShape(other.shape)} differ`,
      );
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

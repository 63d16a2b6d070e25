import { type DType, isFloat } from "../../graph/dtype.ts";
import { DTypeError } from "../../graph/errors.ts";
import type { Value } from "../../graph/node.ts";
import { normalizeDims } from "../../graph/shape.ts";
import * as b from "../../ops/builders.ts";
import type { Device } from "../../runtime/device.ts";
import { Handle } from "../handle.ts";
import type { Tensor } from "../tensor.ts";

/** A tensor, or a plain number or boolean that takes the tensor's dtype and shape. */
export type Operand = Tensor | number | boolean;

/** What is defined for integers, bits or truth values themselves. */
const takesIntegers: ReadonlySet<b.UnaryName> = new Set([
  "neg",
  "abs",
  "sign",
  "relu",
  "logicalNot",
  "bitwiseNot",
  "detach",
]);
const rounding: ReadonlySet<b.UnaryName> = new Set(["floor", "ceil", "round", "trunc"]);

/** Dims to reduce; none means all. */
export interface ReduceOptions {
  readonly dim?: number | readonly number[];
  readonly keepdim?: boolean;
}

/**
 * What every family of operations builds on. The families are classes, one upon the other, and Tensor is the last: their
 * methods lie in files of their own, and all of them are methods of Tensor.
 */
export abstract class Operations extends Handle {
  /** A tensor of a value made from this one and `others`. @throws DeviceError when they lie on several devices. */
  protected abstract wrap(value: Value, ...others: readonly Tensor[]): Tensor;

  /** Integers are rounded already; functions that have no whole values take them, and bool, as f32. */
  protected unary(op: b.UnaryName): Tensor {
    const x = this.usable();
    if (isFloat(x.dtype) || takesIntegers.has(op)) return this.wrap(b.unary(op, x));
    if (rounding.has(op) && x.dtype !== "bool") return this.wrap(x);
    return this.wrap(b.unary(op, b.cast(x, "f32")));
  }

  protected binary(op: b.BinaryName | b.SpecialBinaryName, other: Operand): Tensor {
    if (!(other instanceof Handle)) return this.wrap(b.binary(op, this.usable(), literal(this.value, other)));
    return this.wrap(b.binary(op, this.usable(), other.usable()), other);
  }

  protected reduce(op: b.ReduceName, value: Value, options: ReduceOptions): Tensor {
    const dims = normalizeDims(op, options.dim, this.ndim);
    return this.squeezed(b.reduce(op, value, dims), dims, options.keepdim);
  }

  protected squeezed(value: Value, dims: readonly number[], keepdim = false): Tensor {
    if (keepdim) return this.wrap(value);
    return this.wrap(
      b.reshape(
        value,
        value.shape.filter((_, dim) => !dims.includes(dim)),
      ),
    );
  }

  protected checkFloat(op: string): void {
    if (!isFloat(this.dtype)) {
      throw new DTypeError(`${op}: operand is ${this.dtype}, wanted a float; cast it with .to("f32")`);
    }
  }
}

/** A number literal is weak: it takes the tensor's dtype, unless a fraction meets integers or a number meets bool. */
export function literal(like: Value, value: number | boolean): Value {
  if (typeof value === "boolean") return b.full([], "bool", value ? 1 : 0);
  if (isFloat(like.dtype)) return b.full([], like.dtype, value);
  if (!Number.isInteger(value)) return b.full([], "f32", value);
  return b.full([], like.dtype === "bool" ? "i32" : like.dtype, value);
}

/** @throws DTypeError when the device does not have the dtype. */
export function checkDType(op: string, dtype: DType, device: Device): void {
  if (!device.dtypes.includes(dtype)) {
    throw new DTypeError(`${op}: device ${device.name} has no ${dtype}; it has ${device.dtypes.join(", ")}`);
  }
}

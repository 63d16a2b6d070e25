import { type DType, isFloat } from "../../graph/dtype.ts";
import type { Value } from "../../graph/node.ts";
import * as b from "../../ops/builders.ts";
import type { Tensor } from "../tensor.ts";
import { checkDType, literal, type Operand, Operations } from "./base.ts";

/** Operations on each element. */
export abstract class ElementwiseOperations extends Operations {
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
    const x = this.usable();
    return this.wrap(b.mul(x, x));
  }
  /** x without its integer part; the sign stays. */
  frac(): Tensor {
    const x = this.usable();
    return this.wrap(b.sub(x, b.unary("trunc", x)));
  }
  isnan(): Tensor {
    const x = this.usable();
    return this.wrap(b.ne(x, x));
  }
  isinf(): Tensor {
    return this.isEach([Infinity, -Infinity]);
  }
  isposinf(): Tensor {
    return this.isEach([Infinity]);
  }
  isneginf(): Tensor {
    return this.isEach([-Infinity]);
  }
  /** Neither NaN nor infinite. */
  isfinite(): Tensor {
    return this.isnan().logicalOr(this.isinf()).logicalNot();
  }
  /** NaN replaced by a number (default 0), infinities by others (default the largest and smallest that the dtype holds). */
  nanToNum(
    options: { readonly nan?: number; readonly posinf?: number; readonly neginf?: number } = {},
  ): Tensor {
    const x = this.usable();
    if (!isFloat(x.dtype)) return this.wrap(x);
    const most = x.dtype === "f32" ? (2 - 2 ** -23) * 2 ** 127 : Number.MAX_VALUE;
    const { nan = 0, posinf = most, neginf = -most } = options;
    const replace = (value: Value, where: Value, by: number): Value =>
      b.where(where, b.scalarLike(x, by), value);
    const withoutNaN = replace(x, b.ne(x, x), nan);
    const below = replace(withoutNaN, b.eq(x, b.scalarLike(x, Infinity)), posinf);
    return this.wrap(replace(below, b.eq(x, b.scalarLike(x, -Infinity)), neginf));
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
  /**
   * True division: integers give f32. `roundingMode` rounds the quotient towards 0 or down, and then integers give integers.
   */
  div(other: Operand, options: { readonly roundingMode?: "trunc" | "floor" } = {}): Tensor {
    switch (options.roundingMode) {
      case undefined:
        return this.binary("div", other);
      case "floor":
        return this.binary("floorDivide", other);
      case "trunc": {
        if (isFloat(this.dtype)) return this.binary("div", other).trunc();
        // What fmod leaves is a multiple of the divisor away.
        return this.sub(this.fmod(other)).floorDivide(other);
      }
    }
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
  /** What is left of this after whole multiples of other, exactly; the sign follows this. */
  fmod(other: Operand): Tensor {
    return this.binary("fmod", other);
  }
  /** The same; the sign follows the divisor, as in PyTorch. */
  remainder(other: Operand): Tensor {
    return this.binary("remainder", other);
  }
  /** The floor of the quotient. */
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
  /** True where one of two bool tensors is, and not both. */
  logicalXor(other: Operand): Tensor {
    return this.binary("ne", other);
  }
  /** Bits of integers, or bools. */
  bitwiseAnd(other: Operand): Tensor {
    return this.binary("bitwiseAnd", other);
  }
  bitwiseOr(other: Operand): Tensor {
    return this.binary("bitwiseOr", other);
  }
  bitwiseXor(other: Operand): Tensor {
    return this.binary("bitwiseXor", other);
  }
  bitwiseNot(): Tensor {
    return this.unary(this.dtype === "bool" ? "logicalNot" : "bitwiseNot");
  }
  /** By 0 to 31 bits: the amount is taken modulo 32. */
  bitwiseLeftShift(other: Operand): Tensor {
    return this.binary("shiftLeft", other);
  }
  /** Arithmetic for i32, logical for u32; the amount is taken modulo 32. */
  bitwiseRightShift(other: Operand): Tensor {
    return this.binary("shiftRight", other);
  }
  /** This raised to at least `min`, then lowered to at most `max`. At both bounds the gradient is that of this tensor. */
  clamp(options: { readonly min?: Operand; readonly max?: Operand }): Tensor {
    const { min, max } = options;
    const bounds = [min, max].filter((bound) => typeof bound === "object");
    let x = this.usable();
    const value = (bound: Operand): Value => (typeof bound === "object" ? bound.usable() : literal(x, bound));
    if (min !== undefined) x = b.where(b.lt(x, value(min)), value(min), x);
    if (max !== undefined) x = b.where(b.gt(x, value(max)), value(max), x);
    return this.wrap(x, ...bounds);
  }
  /** this + weight (end - this), from whichever end is nearer. */
  lerp(end: Tensor, weight: Operand): Tensor {
    const difference = end.sub(this.wrap(this.usable()));
    const near = (w: Operand): Tensor => this.add(difference.mul(w));
    if (typeof weight !== "object") {
      return Number(weight) < 0.5 ? near(weight) : end.sub(difference.mul(1 - Number(weight)));
    }
    const far = end.sub(difference.mul(weight.neg().add(1)));
    return this.wrap(b.where(weight.lt(0.5).usable(), near(weight).usable(), far.usable()), end, weight);
  }
  /** this + value x y. */
  addcmul(x: Tensor, y: Tensor, options: { readonly value?: number } = {}): Tensor {
    return this.add(x.mul(options.value ?? 1).mul(y));
  }
  /** this + value x / y. */
  addcdiv(x: Tensor, y: Tensor, options: { readonly value?: number } = {}): Tensor {
    return this.add(x.mul(options.value ?? 1).div(y));
  }
  /** `value` wherever the bool mask (broadcast) is true. */
  maskedFill(mask: Tensor, value: number): Tensor {
    const x = this.usable();
    return this.wrap(b.where(mask.usable(), literal(x, value), x), mask);
  }
  /** The same elements as another dtype: floats to integers truncate, anything but 0 is true. */
  to(dtype: DType): Tensor {
    checkDType("to", dtype, this.device);
    return this.wrap(b.cast(this.usable(), dtype));
  }

  /** Where an element of a float is one of the numbers. */
  private isEach(numbers: readonly number[]): Tensor {
    const x = this.usable();
    if (!isFloat(x.dtype)) return this.wrap(b.ne(x, x));
    return this.wrap(numbers.map((number) => b.eq(x, b.scalarLike(x, number))).reduce(b.logicalOr));
  }
}

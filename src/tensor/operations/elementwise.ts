import type { DType } from "../../graph/dtype.ts";
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
  isnan(): Tensor {
    const x = this.usable();
    return this.wrap(b.ne(x, x));
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
    const x = this.usable();
    const above = options.min === undefined ? x : b.maximum(x, literal(x, options.min));
    return this.wrap(options.max === undefined ? above : b.binary("minimum", above, literal(x, options.max)));
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
}

import * as b from "../../ops/builders.ts";
import type { Tensor } from "../tensor.ts";
import { literal, type Operand } from "./base.ts";
import { ElementwiseOperations } from "./elementwise.ts";

/** Logarithms, angles, hyperbolic and special functions of each element: floats only, unless said otherwise. */
export abstract class SpecialOperations extends ElementwiseOperations {
  /** 2 to the x. */
  exp2(): Tensor {
    const x = this.usable();
    return this.wrap(b.pow(b.scalarLike(x, 2), x));
  }
  /** exp(x) - 1, exact where x is small. */
  expm1(): Tensor {
    return this.unary("expm1");
  }
  /** log(1 + x), exact where x is small. */
  log1p(): Tensor {
    return this.unary("log1p");
  }
  log2(): Tensor {
    return this.unary("log2");
  }
  log10(): Tensor {
    return this.unary("log10");
  }
  tan(): Tensor {
    return this.unary("tan");
  }
  /** In [-pi/2, pi/2]; NaN outside of [-1, 1]. */
  asin(): Tensor {
    return this.unary("asin");
  }
  /** In [0, pi]; NaN outside of [-1, 1]. */
  acos(): Tensor {
    return this.unary("acos");
  }
  atan(): Tensor {
    return this.unary("atan");
  }
  sinh(): Tensor {
    return this.unary("sinh");
  }
  cosh(): Tensor {
    return this.unary("cosh");
  }
  asinh(): Tensor {
    return this.unary("asinh");
  }
  /** NaN below 1. */
  acosh(): Tensor {
    return this.unary("acosh");
  }
  /** Infinite at -1 and 1, NaN beyond. */
  atanh(): Tensor {
    return this.unary("atanh");
  }
  /** 1 - erf(x), exact where erf is nearly 1. */
  erfc(): Tensor {
    return this.unary("erfc");
  }
  /** The x whose erf this is; infinite at -1 and 1, NaN beyond. */
  erfinv(): Tensor {
    return this.unary("erfinv");
  }
  /** log |gamma(x)|. */
  lgamma(): Tensor {
    return this.unary("lgamma");
  }
  /** The derivative of lgamma. */
  digamma(): Tensor {
    return this.polygamma(0);
  }
  /** The nth derivative of digamma. @throws ArgumentError unless n is an integer from 0 to 100. */
  polygamma(n: number): Tensor {
    return this.wrap(b.polygamma(n, this.usable()));
  }
  /** log(x / (1 - x)), of x moved into [eps, 1 - eps] where eps is given. */
  logit(eps?: number): Tensor {
    const given = eps === undefined ? this.usable() : this.clamp({ min: eps, max: 1 - eps }).usable();
    return this.wrap(b.log(b.div(given, b.sub(b.scalarLike(given, 1), given))));
  }
  /** sin(pi x) / (pi x), 1 at 0. */
  sinc(): Tensor {
    const x = this.usable();
    const atZero = b.eq(x, b.scalarLike(x, 0));
    const angle = b.mul(b.where(atZero, b.scalarLike(x, 1), x), b.scalarLike(x, Math.PI));
    return this.wrap(b.where(atZero, b.scalarLike(x, 1), b.div(b.sin(angle), angle)));
  }

  /** The angle of the point (other, this), in (-pi, pi]. Integers count as f32. */
  atan2(other: Operand): Tensor {
    return this.binary("atan2", other);
  }
  /** sqrt(this^2 + other^2) without overflow. Integers count as f32. */
  hypot(other: Operand): Tensor {
    return this.binary("hypot", other);
  }
  /** log(exp(this) + exp(other)). */
  logaddexp(other: Operand): Tensor {
    return this.binary("logaddexp", other);
  }
  /** this log(other), 0 where this is 0 and other no NaN. */
  xlogy(other: Operand): Tensor {
    return this.binary("xlogy", other);
  }
  /** The size of this with the sign of other, that of zeros included. Floats. */
  copysign(other: Operand): Tensor {
    const x = this.usable();
    const [like, others] = typeof other === "object" ? [other.usable(), [other]] : [literal(x, other), []];
    const zero = b.scalarLike(like, 0);
    const negativeZero = b.logicalAnd(b.eq(like, zero), b.lt(b.unary("reciprocal", like), zero));
    const size = b.abs(x);
    const negative = b.logicalOr(b.lt(like, zero), negativeZero);
    return this.wrap(b.where(negative, b.neg(size), size), ...others);
  }
}

import { ArgumentError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import * as b from "./builders.ts";
import { sameAsInput } from "./composite.ts";
import { defineOp, type GradientRule, type NoAttrs, type OpDefinition } from "./define.ts";

/**
 * Functions of one and two numbers made of others: formulas that keep their accuracy in f32, and gradients as PyTorch has
 * them, also where a formula's own would be NaN.
 */

/** A composite of floats of one shape. */
function special(
  op: string,
  decompose: (...inputs: readonly Value[]) => Value,
  gradient: GradientRule<NoAttrs>,
): OpDefinition<NoAttrs> {
  return defineOp<NoAttrs>({
    kind: "composite",
    infer: sameAsInput(op),
    decompose: (inputs) => [decompose(...inputs)],
    gradient,
  });
}

const c = (like: Value, value: number): Value => b.scalarLike(like, value);
const plus = (x: Value, value: number): Value => b.add(x, c(x, value));
const times = (x: Value, value: number): Value => b.mul(x, c(x, value));
const square = (x: Value): Value => b.mul(x, x);
/** (1 - x) (1 + x), exact where 1 - x^2 cancels. */
const oneMinusSquare = (x: Value): Value => b.mul(b.sub(c(x, 1), x), plus(x, 1));
/** An odd function from its values at |x|; zeros keep their sign. */
const odd = (x: Value, ofSize: Value): Value => b.mul(ofSize, b.sign(x));

/** exp(|x| / 2)^2 / 2: half of exp(|x|) where that itself may overflow. */
function halfExp(size: Value): Value {
  const root = b.exp(times(size, 0.5));
  return b.mul(times(root, 0.5), root);
}

function sinh(x: Value): Value {
  const size = b.abs(x);
  const e = b.expm1(size);
  const near = times(b.add(e, b.div(e, plus(e, 1))), 0.5);
  return odd(x, b.where(b.lt(size, c(x, 80)), near, halfExp(size)));
}

function cosh(x: Value): Value {
  const size = b.abs(x);
  const e = b.exp(size);
  const near = times(b.add(e, b.unary("reciprocal", e)), 0.5);
  return b.where(b.lt(size, c(x, 80)), near, halfExp(size));
}

function asinh(x: Value): Value {
  const size = b.abs(x);
  const squared = square(size);
  const near = b.log1p(b.add(size, b.div(squared, plus(b.sqrt(plus(squared, 1)), 1))));
  return odd(x, b.where(b.lt(size, c(x, 2 ** 30)), near, plus(b.log(size), Math.LN2)));
}

function acosh(x: Value): Value {
  const above = plus(x, -1);
  const near = b.log1p(b.add(above, b.sqrt(b.mul(above, plus(x, 1)))));
  return b.where(b.lt(x, c(x, 2 ** 30)), near, plus(b.log(x), Math.LN2));
}

function atanh(x: Value): Value {
  const size = b.abs(x);
  return odd(x, times(b.log1p(b.div(times(size, 2), b.sub(c(x, 1), size))), 0.5));
}

/** The larger times sqrt(1 + ratio^2): no square overflows. Infinite if either operand is, even beside NaN, as in C. */
function hypot(x: Value, y: Value): Value {
  const [a, o] = [b.abs(x), b.abs(y)];
  const [large, small] = [b.maximum(a, o), b.binary("minimum", a, o)];
  const zero = c(x, 0);
  const ratio = b.where(b.eq(large, zero), zero, b.div(small, large));
  const infinity = c(x, Infinity);
  const infinite = b.logicalOr(b.eq(a, infinity), b.eq(o, infinity));
  return b.where(infinite, infinity, b.mul(large, b.sqrt(plus(square(ratio), 1))));
}

/** The larger plus log(1 + exp(-|x - y|)); equal infinities stay what they are. */
function logaddexp(x: Value, y: Value): Value {
  const rest = b.log1p(b.exp(b.neg(b.abs(b.sub(x, y)))));
  return b.where(b.eq(x, y), plus(x, Math.LN2), b.add(b.maximum(x, y), rest));
}

/** x log y, 0 where x is 0 unless y is NaN. */
function xlogy(x: Value, y: Value): Value {
  const zero = c(x, 0);
  return b.where(b.logicalAnd(b.eq(x, zero), b.eq(y, y)), zero, b.mul(x, b.log(y)));
}

/** The first even Bernoulli numbers: B2, B4, ... */
const bernoulli = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6] as const;
/** From here on the asymptotic series is good to float64. */
const shift = 9;

function factorial(n: number): number {
  let product = 1;
  for (let k = 2; k <= n; k++) product *= k;
  return product;
}

/**
 * The nth derivative of digamma at positive x: terms of the series up to x + 9, then Euler and Maclaurin's formula.
 * Abramowitz and Stegun (1964), 6.3.18 and 6.4.11.
 */
function polygammaOfPositive(n: number, x: Value): Value {
  const inverse = (value: Value): Value => b.unary("reciprocal", value);
  const power = (value: Value, k: number): Value => {
    let product = value;
    for (let i = 1; i < k; i++) product = b.mul(product, value);
    return product;
  };
  const y = plus(x, shift);
  const r = inverse(y);
  const r2 = square(r);
  const start = n === 0 ? b.neg(b.log(y)) : times(power(r, n), 1 / n);
  let series = c(x, 0);
  for (let j = bernoulli.length; j >= 1; j--) {
    const weight = (bernoulli[j - 1] * factorial(n + 2 * j - 1)) / factorial(2 * j) / factorial(n);
    series = b.mul(plus(series, weight), r2);
  }
  const ofLast = b.mul(n === 0 ? c(x, 1) : power(r, n), series);
  let sum = b.add(b.add(start, times(power(r, n + 1), 0.5)), ofLast);
  for (let k = shift - 1; k >= 0; k--) sum = b.add(sum, power(inverse(plus(x, k)), n + 1));
  // The sum is Hurwitz's zeta of n + 1, or minus digamma.
  return times(sum, n % 2 === 0 ? -factorial(n) : factorial(n));
}

/** (d/dx)^n of cot(x) as a polynomial in cot(x): each derivative is -(1 + c^2) times that by c. Lowest power first. */
function cotangentDerivative(n: number): readonly number[] {
  let coefficients = [0, 1];
  for (let k = 0; k < n; k++) {
    const slope = coefficients.slice(1).map((value, i) => -(i + 1) * value);
    coefficients = [...slope, 0, 0].map((value, i) => value + (slope[i - 2] ?? 0));
  }
  return coefficients;
}

/** At negative x by reflection, Abramowitz and Stegun 6.4.7; digamma is NaN at the negative integers. */
function polygamma(n: number, x: Value): Value {
  const zero = c(x, 0);
  const reflected = b.le(x, zero);
  const positive = polygammaOfPositive(n, b.where(reflected, b.sub(c(x, 1), x), x));
  const fraction = b.where(b.lt(b.abs(x), c(x, 0.5)), x, b.sub(x, b.unary("round", x))); // keeps -0
  const angle = times(fraction, Math.PI);
  const cotangent = b.div(b.cos(angle), b.sin(angle));
  const coefficients = cotangentDerivative(n);
  let slope = c(x, coefficients.at(-1) ?? 0);
  for (const value of coefficients.slice(0, -1).reverse()) slope = plus(b.mul(slope, cotangent), value);
  const other = b.sub(n % 2 === 0 ? positive : b.neg(positive), times(slope, Math.PI ** (n + 1)));
  const pole = b.logicalAnd(b.lt(x, zero), b.eq(x, b.unary("round", x)));
  const safe = n % 2 === 0 ? b.where(pole, c(x, NaN), other) : other;
  return b.where(reflected, safe, positive);
}

export const specials = {
  tan: special(
    "tan",
    (x) => b.div(b.sin(x), b.cos(x)),
    ({ outputs: [y], cotangent: g }) => [b.mul(g, plus(square(y), 1))],
  ),
  /** In [-pi/2, pi/2]; NaN outside of [-1, 1]. */
  asin: special(
    "asin",
    (x) => b.atan2(x, b.sqrt(oneMinusSquare(x))),
    ({ inputs: [x], cotangent: g }) => [b.mul(g, b.rsqrt(oneMinusSquare(x)))],
  ),
  /** In [0, pi]; NaN outside of [-1, 1]. */
  acos: special(
    "acos",
    (x) => times(b.atan2(b.sqrt(b.sub(c(x, 1), x)), b.sqrt(plus(x, 1))), 2),
    ({ inputs: [x], cotangent: g }) => [b.neg(b.mul(g, b.rsqrt(oneMinusSquare(x))))],
  ),
  atan: special(
    "atan",
    (x) => b.atan2(x, c(x, 1)),
    ({ inputs: [x], cotangent: g }) => [b.div(g, plus(square(x), 1))],
  ),
  sinh: special("sinh", sinh, ({ inputs: [x], cotangent: g }) => [b.mul(g, b.unary("cosh", x))]),
  cosh: special("cosh", cosh, ({ inputs: [x], cotangent: g }) => [b.mul(g, b.unary("sinh", x))]),
  asinh: special("asinh", asinh, ({ inputs: [x], cotangent: g }) => [b.mul(g, b.rsqrt(plus(square(x), 1)))]),
  /** NaN below 1. */
  acosh: special("acosh", acosh, ({ inputs: [x], cotangent: g }) => [
    b.mul(g, b.rsqrt(b.mul(plus(x, -1), plus(x, 1)))),
  ]),
  /** Infinite at -1 and 1, NaN beyond. */
  atanh: special("atanh", atanh, ({ inputs: [x], cotangent: g }) => [b.div(g, oneMinusSquare(x))]),
  /** sqrt(x^2 + y^2). The gradient at (0, 0) is NaN, as in PyTorch. */
  hypot: special("hypot", hypot, ({ inputs: [x, y], outputs: [h], cotangent: g }) => {
    const scaled = b.div(g, h);
    return [b.mul(scaled, x), b.mul(scaled, y)];
  }),
  /** log(exp(x) + exp(y)). */
  logaddexp: special("logaddexp", logaddexp, ({ inputs: [x, y], cotangent: g }) => {
    const share = b.unary("sigmoid", b.sub(x, y));
    return [b.mul(g, share), b.mul(g, b.sub(c(g, 1), share))];
  }),
  /** x log y, 0 where x is 0. */
  xlogy: special("xlogy", xlogy, ({ inputs: [x, y], cotangent: g }) => [
    b.mul(g, b.binary("xlogy", b.cast(b.ne(x, c(x, 0)), x.dtype), y)),
    b.mul(g, b.div(x, y)),
  ]),
  /** The nth derivative of digamma, which is the 0th: of the logarithm of gamma the (n + 1)th. */
  polygamma: defineOp<{ readonly n: number }>({
    kind: "composite",
    infer: (inputs, { n }) => {
      if (!Number.isInteger(n) || n < 0 || n > 100)
        throw new ArgumentError(`polygamma: n is ${n}, wanted an integer from 0 to 100`);
      return sameAsInput("polygamma")(inputs);
    },
    decompose: ([x], { n }) => [polygamma(n, x)],
    gradient: ({ attrs: { n }, inputs: [x], cotangent: g }) => [b.mul(g, b.polygamma(n + 1, x))],
  }),
};

import {
  abs,
  add,
  atLeast,
  atMost,
  div,
  float,
  less,
  mul,
  polynomial,
  powerOfTwo,
  splitExponent,
  sub,
  withSignOf,
} from "./floatBits.ts";
import type { Scalar } from "./ir.ts";
import { binary, multiplyAdd, select, unary } from "./scalars.ts";

/** exp, log and what is made of them alone. */

/** Max error 1.50 ulp. Subnormal results are 0. */
export function expandExp(x: Scalar): Scalar {
  // At -88, 2^n is 2^-127 and powerOfTwo gives 0; at 88.8 it is 2^128, infinity.
  return expInRange(atMost(atLeast(x, -88), 88.8));
}

/**
 * exp(x) = 2^n exp(r), n = floor(x / ln 2) and 0 <= r < ln 2: rounding down, not to nearest, keeps n at most
 * 127 wherever the result is finite, so that 2^n is a float. ln 2 is taken in two parts of which the first
 * times n is exact.
 */
export function expInRange(x: Scalar): Scalar {
  const n = unary("floor", mul(x, float(Math.LOG2E)));
  const r = multiplyAdd(n, float(2.1219444e-4), multiplyAdd(n, float(-0.693359375), x));
  // (exp(r) - 1 - r)/r^2, fitted on 0 <= r <= ln 2: relative error of exp below 2^-28.
  const p = polynomial(
    r,
    [0.5000022649765015, 0.16663210093975067, 0.0418543666601181, 0.007869288325309753, 0.001912050531245768],
  );
  return mul(add(multiplyAdd(mul(p, r), r, r), float(1)), powerOfTwo(n));
}

/**
 * Max error 0.84 ulp. With x = m 2^k, f = m - 1, s = f/(2 + f): log m = f - f^2/2 + s (f^2/2 + R(s^2)), where
 * R = 2 atanh(s)/s - 2 (as in Sun's fdlibm, 1993).
 */
export function expandLog(x: Scalar): Scalar {
  const { mantissa, exponent } = splitExponent(x);
  const f = sub(mantissa, float(1));
  const s = div(f, add(f, float(2)));
  const z = mul(s, s);
  // Fitted on 0 <= z <= 0.02944, error below 2^-30.
  const r = mul(polynomial(z, [0.6666677594184875, 0.39977583289146423, 0.2987079620361328]), z);
  const halfSquare = mul(mul(f, float(0.5)), f);
  const low = multiplyAdd(s, add(halfSquare, r), mul(exponent, float(-2.1219444e-4)));
  const value = multiplyAdd(exponent, float(0.693359375), sub(f, sub(halfSquare, low)));
  const positive = select(less(x, float(Infinity)), value, x);
  const other = select(binary("eq", x, float(0)), float(-Infinity), float(NaN));
  return select(less(float(0), x), positive, other);
}

/**
 * exp(x) - 1 = 2^n (exp(r) - 1) + (2^n - 1) with |r| <= ln 2 / 2. Half of it is computed, so that 2^n is a float wherever the
 * result is finite. Max error 1.5 ulp.
 */
export function expandExpm1(x: Scalar): Scalar {
  const bounded = atMost(atLeast(x, -18), 89); // there it is -1 and infinity
  const n = unary("round", mul(bounded, float(Math.LOG2E)));
  const r = multiplyAdd(n, float(2.1219444e-4), multiplyAdd(n, float(-0.693359375), bounded));
  // (exp(r) - 1 - r)/r^2, fitted on |r| <= 0.347: relative error of exp(r) - 1 below 2^-31.
  const p = polynomial(
    r,
    [
      0.5, 0.1666666567325592, 0.04166649281978607, 0.008333543315529823, 0.0013932347064837813,
      0.00019764257012866437,
    ],
  );
  const scale = powerOfTwo(sub(n, float(1)));
  const half = multiplyAdd(scale, multiplyAdd(mul(p, r), r, r), sub(scale, float(0.5)));
  return select(
    binary("eq", n, float(0)),
    select(binary("eq", x, float(0)), x, multiplyAdd(mul(p, r), r, r)),
    add(half, half),
  );
}

/**
 * log(u) + (x - (u - 1))/u with u = 1 + x rounded: what the rounding took away comes back to first order. Max error 1.5
 * ulp.
 */
export function expandLog1p(x: Scalar): Scalar {
  const u = add(x, float(1));
  const lost = sub(x, sub(u, float(1)));
  const value = add(expandLog(u), div(lost, u));
  const inside = binary("logicalAnd", less(float(0), u), less(u, float(Infinity)));
  return select(binary("eq", x, float(0)), x, select(inside, value, expandLog(u)));
}

/** Max error 1.44 ulp: an odd polynomial below 0.6, else 1 - 2/(exp(2|x|) + 1). */
export function expandTanh(x: Scalar): Scalar {
  const size = abs(x);
  const z = mul(x, x);
  // (tanh(x) - x)/x^3 in z = x^2, fitted on |x| <= 0.6: relative error of tanh below 2^-28.
  const p = polynomial(
    z,
    [
      -0.33333298563957214, 0.13331939280033112, -0.05378512293100357, 0.020800316706299782,
      -0.005900179035961628,
    ],
  );
  const small = multiplyAdd(mul(p, z), size, size);
  const bounded = atMost(size, 9.1); // there tanh is 1
  const e = expInRange(add(bounded, bounded));
  const large = sub(float(1), div(float(2), add(e, float(1))));
  return withSignOf(select(less(size, float(0.6)), small, large), x);
}

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
import { expandPow } from "./power.ts";
import { binary, mapScalar, multiplyAdd, select, unary } from "./scalars.ts";
import { expandCos, expandSin } from "./trigonometry.ts";

export { threefry2x32 } from "./threefry.ts";

/**
 * Math functions from arithmetic that every target has four wide: + - * /, floor and round, select, bitcast
 * and integer ops; no branches. Errors are measured against float64 over all floats (exp) or every 61st, with
 * products fused into sums and not. Polynomials are minimax fits (Lawson's algorithm), their coefficients
 * rounded one by one from the lowest up and the rest fitted again.
 */

/**
 * The scalar without the functions exp, log, sin, cos, tanh, erf and pow that `intrinsics` does not name.
 * Shared operands stay shared; pass one `memo` for scalars that share operands among them.
 */
export function expandMath(
  scalar: Scalar,
  intrinsics: ReadonlySet<string>,
  memo: Map<Scalar, Scalar> = new Map(),
): Scalar {
  const expand = (of: Scalar): Scalar => {
    if ((of.kind !== "unary" && of.kind !== "binary") || of.type !== "f32" || intrinsics.has(of.op))
      return of;
    switch (of.op) {
      case "exp":
        return expandExp(of.args[0]);
      case "log":
        return expandLog(of.args[0]);
      case "sin":
        return expandSin(of.args[0]);
      case "cos":
        return expandCos(of.args[0]);
      case "tanh":
        return expandTanh(of.args[0]);
      case "erf":
        return expandErf(of.args[0]);
      case "pow":
        return expandPow(of.args[0], of.args[1]);
      default:
        return of;
    }
  };
  return mapScalar(scalar, expand, memo);
}

/** Max error 1.50 ulp. Subnormal results are 0. */
function expandExp(x: Scalar): Scalar {
  // At -88, 2^n is 2^-127 and powerOfTwo gives 0; at 88.8 it is 2^128, infinity.
  return expInRange(atMost(atLeast(x, -88), 88.8));
}

/**
 * exp(x) = 2^n exp(r), n = floor(x / ln 2) and 0 <= r < ln 2: rounding down, not to nearest, keeps n at most
 * 127 wherever the result is finite, so that 2^n is a float. ln 2 is taken in two parts of which the first
 * times n is exact.
 */
function expInRange(x: Scalar): Scalar {
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
function expandLog(x: Scalar): Scalar {
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

/** Max error 1.44 ulp: an odd polynomial below 0.6, else 1 - 2/(exp(2|x|) + 1). */
function expandTanh(x: Scalar): Scalar {
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

/** Max error 1.45 ulp: an odd polynomial below 0.93, else 1 - 2^-h(|x|), h = -log2 erfc. */
function expandErf(x: Scalar): Scalar {
  // erf(x)/x - 1 in x^2, fitted on |x| <= 0.93: error below 2^-25.
  const p = polynomial(
    mul(x, x),
    [
      0.12837915122509003, -0.3761249780654907, 0.11281827092170715, -0.026766231283545494,
      0.00499176187440753, -0.0005980213754810393,
    ],
  );
  const size = abs(x);
  const large = sub(float(1), erfc(atMost(size, 3.95))); // there erf is 1
  return select(less(size, float(0.93)), multiplyAdd(p, x, x), withSignOf(large, x));
}

/**
 * erfc for 0.9 <= t <= 3.95, with an absolute error below 2^-23 of 1. Being a power of 2, it needs no
 * constant ln 2.
 */
function erfc(t: Scalar): Scalar {
  // -log2(erfc(t))/t: error of erfc below 2^-28.
  const h = mul(
    polynomial(
      t,
      [
        1.6281052827835083, 0.9171375632286072, 0.15187306702136993, -0.033030539751052856,
        0.004640298429876566, -0.00030894888914190233,
      ],
    ),
    t,
  );
  const n = unary("round", unary("neg", h));
  const f = sub(unary("neg", h), n);
  // 2^f, fitted on |f| <= 1/2: relative error below 2^-23.
  const p = polynomial(
    f,
    [
      1, 0.6931470036506653, 0.24022246897220612, 0.0555071160197258, 0.00967129971832037,
      0.001326926052570343,
    ],
  );
  return mul(p, powerOfTwo(n));
}

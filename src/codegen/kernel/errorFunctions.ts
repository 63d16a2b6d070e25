import { expandLog, expInRange } from "./exponential.ts";
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
  sub,
  upperHalf,
  withSignOf,
} from "./floatBits.ts";
import type { Scalar } from "./ir.ts";
import { binary, multiplyAdd, select, unary } from "./scalars.ts";

/** erf, its complement and its inverse. */

/** Max error 1.45 ulp: an odd polynomial below 0.93, else 1 - 2^-h(|x|), h = -log2 erfc. */
export function expandErf(x: Scalar): Scalar {
  // erf(x)/x - 1 in x^2, fitted on |x| <= 0.93: error below 2^-25.
  const p = polynomial(
    mul(x, x),
    [
      0.12837915122509003, -0.3761249780654907, 0.11281827092170715, -0.026766231283545494,
      0.00499176187440753, -0.0005980213754810393,
    ],
  );
  const size = abs(x);
  const large = sub(float(1), complement(atMost(size, 3.95))); // there erf is 1
  return select(less(size, float(0.93)), multiplyAdd(p, x, x), withSignOf(large, x));
}

/**
 * erfc for 0.9 <= t <= 3.95, with an absolute error below 2^-23 of 1. Being a power of 2, it needs no
 * constant ln 2.
 */
function complement(t: Scalar): Scalar {
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

/**
 * erfc: 1 - erf below 0.5, else exp(-x^2) times a rational mapping's polynomial; 2 minus that for negative x. Max error
 * 3.8 ulp; results below 2^-126 are 0.
 */
export function expandErfc(x: Scalar): Scalar {
  const size = atMost(abs(x), 10.2); // there it is 0
  const t = div(sub(size, float(2)), add(size, float(2)));
  // erfc(x) exp(x^2) (1 + 2x), fitted on 0.5 <= x <= 10.2: relative error below 2^-27.
  const p = polynomial(
    t,
    [
      1.2769783735275269, -0.09276381880044937, -0.16603034734725952, 0.16404986381530762,
      -0.05421600863337517, -0.008012115955352783, 0.008676253259181976, 0.0011589922942221165,
      -0.00128600571770221, -0.00023110835172701627,
    ],
  );
  const tail = mul(div(p, multiplyAdd(size, float(2), float(1))), expOfMinusSquare(size));
  const far = select(less(x, float(0)), sub(float(2), tail), tail);
  return select(less(size, float(0.5)), sub(float(1), expandErf(x)), far);
}

/** exp(-x^2), the square taken as a float and what its rounding lost. */
function expOfMinusSquare(x: Scalar): Scalar {
  const square = mul(x, x);
  const high = upperHalf(x);
  const low = sub(x, high);
  const lost = add(add(sub(mul(high, high), square), mul(add(high, high), low)), mul(low, low));
  const e = expInRange(atLeast(unary("neg", square), -88));
  return sub(e, mul(e, lost));
}

/**
 * x times a function of w = -log(1 - x^2), as Giles (2010, Approximating the erfinv function) shows: a polynomial in w below
 * 5, in its root beyond. Max error 2.6 ulp.
 */
export function expandErfinv(x: Scalar): Scalar {
  const w = unary("neg", expandLog(mul(sub(float(1), x), add(x, float(1)))));
  // erfinv(x)/x in w - 2.5, fitted on 0 <= w <= 5: relative error below 2^-24.
  const near = polynomial(
    sub(w, float(2.5)),
    [
      1.5014094114303589, 0.24664027988910675, -0.0041776685975492, -0.0012527556391432881,
      0.00021857733372598886, -4.943460680806311e-6, -3.5236321309639607e-6, 4.5993218122930557e-7,
      2.8182697064949025e-8, -8.234308346288799e-9,
    ],
  );
  // The same in sqrt(w) - 3, fitted on 5 <= w <= 16.4: below 2^-26.
  const far = polynomial(
    sub(unary("sqrt", w), float(3)),
    [
      2.832976818084717, 1.0016751289367676, 0.009445169940590858, -0.007639370393007994,
      0.005686543881893158, -0.003589632920920849, 0.0014874391490593553, -6.82089666952379e-5,
      -0.00031179815414361656, 0.00012167034583399072,
    ],
  );
  const value = mul(x, select(less(w, float(5)), near, far));
  const pole = mul(x, float(Infinity));
  return select(binary("eq", abs(x), float(1)), pole, value);
}

import {
  abs,
  add,
  atLeast,
  atMost,
  div,
  float,
  integer,
  less,
  mul,
  or,
  polynomial,
  powerOfTwo,
  signBit,
  splitExponent,
  sub,
  upperHalf,
} from "./floatBits.ts";
import type { Scalar } from "./ir.ts";
import { binary, bitcast, multiplyAdd, select, unary } from "./scalars.ts";

/**
 * x to the power y as 2^(y log2 |x|), the logarithm as a sum of two floats; max error 4.1 ulp (4e7 random
 * pairs, those with large results among them). Zeros, infinities, NaN and negative bases as in C's pow.
 */
export function expandPow(x: Scalar, y: Scalar): Scalar {
  const size = abs(x);
  const [high, low] = log2Parts(size);
  // Beyond 2^34 even the float next to 1 overflows; products stay finite.
  const bounded = atMost(atLeast(y, -(2 ** 34)), 2 ** 34);
  const yHigh = upperHalf(bounded);
  const productHigh = mul(yHigh, high);
  const productLow = multiplyAdd(bounded, low, mul(sub(bounded, yHigh), high));
  return withSpecialCases(x, y, size, exp2(productHigh, productLow));
}

/**
 * log2 of a positive finite float as high + low, of which `high` has 12 bits. With f = m - 1 and s = f/(m +
 * 1): log m = 2 atanh s = 2 (s + s^3/3 + ...), where s is taken as 12 exact bits and a correction.
 */
export function log2Parts(x: Scalar): readonly [Scalar, Scalar] {
  const { mantissa, exponent } = splitExponent(x);
  const one = float(1);
  const numerator = sub(mantissa, one);
  const denominator = add(mantissa, one);
  const denominatorHigh = upperHalf(denominator);
  const denominatorLow = sub(mantissa, sub(denominatorHigh, one));
  const sHigh = upperHalf(div(numerator, denominator));
  const remainder = sub(sub(numerator, mul(sHigh, denominatorHigh)), mul(sHigh, denominatorLow));
  const sLow = div(remainder, denominator);
  const s = add(sHigh, sLow);
  const z = mul(s, s);
  // (atanh(s)/s - 1)/z, fitted on 0 <= z <= 0.02944: z times its error is below 2^-35.
  const p = polynomial(
    z,
    [0.3333333134651184, 0.20000486075878143, 0.14249393343925476, 0.12139622122049332],
  );
  const rest = multiplyAdd(mul(s, z), p, sLow);
  // 2/ln 2 in two parts, of which the first has 12 bits.
  const first = mul(sHigh, float(2.884765625));
  const second = multiplyAdd(sHigh, float(6.24456777927e-4), mul(rest, float(2.885390081777927)));
  const high = upperHalf(add(exponent, add(first, second)));
  return [high, add(add(sub(exponent, high), first), second)];
}

/** The logarithm to base 2: exact for powers of 2, max error 0.6 ulp. */
export function expandLog2(x: Scalar): Scalar {
  const [high, low] = log2Parts(x);
  return logarithmOf(x, add(high, low));
}

/** The logarithm to base 10: that to base 2 as two floats, times log10 2 as two. Max error 0.6 ulp. */
export function expandLog10(x: Scalar): Scalar {
  const [high, low] = log2Parts(x);
  const first = 0.301025390625; // 12 bits
  const rest = multiplyAdd(high, float(Math.log10(2) - first), mul(low, float(Math.log10(2))));
  return logarithmOf(x, multiplyAdd(high, float(first), rest));
}

/** A logarithm's value for positive finite x, and what it is elsewhere. */
function logarithmOf(x: Scalar, value: Scalar): Scalar {
  const finite = select(less(x, float(Infinity)), value, x);
  const other = select(binary("eq", x, float(0)), float(-Infinity), float(NaN));
  return select(less(float(0), x), finite, other);
}

/** 2^(high + low); subnormal results are gradual. */
function exp2(high: Scalar, low: Scalar): Scalar {
  const n = unary("round", atMost(atLeast(add(high, low), -160), 160));
  const r = atMost(atLeast(add(sub(high, n), low), -1), 1);
  // Fitted on |r| <= 1/2, relative error below 2^-28.
  const p = polynomial(
    r,
    [
      1, 0.6931471824645996, 0.24022647738456726, 0.05550359562039375, 0.009618500247597694,
      0.0013390976237133145, 0.00015328907466027886,
    ],
  );
  const half = unary("floor", mul(n, float(0.5)));
  return mul(mul(p, powerOfTwo(half)), powerOfTwo(sub(n, half)));
}

function withSpecialCases(x: Scalar, y: Scalar, size: Scalar, regular: Scalar): Scalar {
  const [zero, infinity] = [float(0), float(Infinity)];
  const yNegative = less(y, zero);
  const ofZero = select(yNegative, infinity, zero);
  const ofInfinity = select(yNegative, zero, infinity);
  const positive = select(
    binary("eq", size, zero),
    ofZero,
    select(binary("eq", size, infinity), ofInfinity, regular),
  );
  const halfY = mul(y, float(0.5));
  const isInteger = binary("eq", unary("round", y), y);
  const isOdd = binary("logicalAnd", isInteger, binary("ne", unary("round", halfY), halfY));
  const sign = select(isOdd, signBit(x), integer(0));
  const signed = bitcast(or(bitcast(positive, "i32"), sign), "f32");
  const finiteNegative = binary("logicalAnd", less(x, zero), less(size, infinity));
  const undefinedRoot = binary("logicalAnd", finiteNegative, unary("logicalNot", isInteger));
  const anyNaN = binary("logicalOr", binary("ne", x, x), binary("ne", y, y));
  const value = select(binary("logicalOr", undefinedRoot, anyNaN), float(NaN), signed);
  const isOne = binary("logicalOr", binary("eq", x, float(1)), binary("eq", y, zero));
  return select(isOne, float(1), value);
}

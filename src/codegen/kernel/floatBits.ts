import type { Scalar } from "./ir.ts";
import { binary, bitcast, cast, constant, multiplyAdd, select, unary } from "./scalars.ts";

/**
 * Small pieces of float arithmetic that the expansions of math functions share. All of it is branch free and
 * made of ops that exist four wide everywhere. Each holds whether or not a target fuses a product with a sum.
 */

export const float = (value: number): Scalar => constant("f32", value);
export const integer = (value: number): Scalar => constant("i32", value);
export const unsigned = (value: number): Scalar => constant("u32", value);

export const add = (x: Scalar, y: Scalar): Scalar => binary("add", x, y);
export const sub = (x: Scalar, y: Scalar): Scalar => binary("sub", x, y);
export const mul = (x: Scalar, y: Scalar): Scalar => binary("mul", x, y);
export const div = (x: Scalar, y: Scalar): Scalar => binary("div", x, y);
export const and = (x: Scalar, y: Scalar): Scalar => binary("bitwiseAnd", x, y);
export const or = (x: Scalar, y: Scalar): Scalar => binary("bitwiseOr", x, y);
export const xor = (x: Scalar, y: Scalar): Scalar => binary("bitwiseXor", x, y);
export const shiftLeft = (x: Scalar, bits: Scalar): Scalar => binary("shiftLeft", x, bits);
export const shiftRight = (x: Scalar, bits: Scalar): Scalar => binary("shiftRight", x, bits);
export const less = (x: Scalar, y: Scalar): Scalar => binary("lt", x, y);
export const abs = (x: Scalar): Scalar => unary("abs", x);

/** c0 + c1 x + c2 x^2 + ... by Horner's rule. */
export function polynomial(x: Scalar, coefficients: readonly number[]): Scalar {
  return coefficients
    .slice(0, -1)
    .reduceRight<Scalar>((sum, c) => multiplyAdd(sum, x, float(c)), float(coefficients.at(-1) ?? 0));
}

/**
 * The smaller of x and a bound. NaN stays: targets with a minimum that returns x unless y < x need one
 * instruction.
 */
export function atMost(x: Scalar, bound: number): Scalar {
  return select(less(float(bound), x), float(bound), x);
}

/** The larger of x and a bound; NaN stays. */
export function atLeast(x: Scalar, bound: number): Scalar {
  return select(less(x, float(bound)), float(bound), x);
}

/**
 * 2^n for an integral float n from -126 to 127; -127 gives 0 and 128 infinity. Adding 1.5 * 2^23 + 127 leaves
 * n + 127 in the lowest bits of the mantissa, which the shift moves to the place of the exponent.
 */
export function powerOfTwo(n: Scalar): Scalar {
  return bitcast(shiftLeft(bitcast(add(n, float(12582912 + 127)), "i32"), integer(23)), "f32");
}

/** The sign bit of a float, as i32. */
export function signBit(x: Scalar): Scalar {
  return and(bitcast(x, "i32"), integer(-(2 ** 31)));
}

/** `size`, which is not negative, with the sign of x. */
export function withSignOf(size: Scalar, x: Scalar): Scalar {
  return bitcast(or(bitcast(size, "i32"), signBit(x)), "f32");
}

/** The float cut to its upper 12 bits of precision: products of two such are exact, and so is x minus it. */
export function upperHalf(x: Scalar): Scalar {
  return bitcast(and(bitcast(x, "i32"), integer(-(2 ** 12))), "f32");
}

/**
 * x = mantissa * 2^exponent, mantissa in [sqrt(1/2), sqrt(2)), for positive finite x, subnormal ones too. The
 * exponent is an integral float. Of other x, the result has no meaning.
 */
export function splitExponent(x: Scalar): { readonly mantissa: Scalar; readonly exponent: Scalar } {
  const subnormal = less(x, float(2 ** -126));
  const bits = bitcast(select(subnormal, mul(x, float(2 ** 23)), x), "i32");
  const sqrtHalfBits = 0x3f3504f3;
  const exponent = shiftRight(sub(bits, integer(sqrtHalfBits)), integer(23));
  const mantissa = bitcast(sub(bits, shiftLeft(exponent, integer(23))), "f32");
  const asFloat = cast(exponent, "f32");
  return { mantissa, exponent: select(subnormal, sub(asFloat, float(23)), asFloat) };
}

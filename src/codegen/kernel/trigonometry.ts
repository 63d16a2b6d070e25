import {
  abs,
  add,
  and,
  float,
  integer,
  less,
  mul,
  or,
  polynomial,
  shiftLeft,
  shiftRight,
  signBit,
  sub,
  unsigned,
  xor,
} from "./floatBits.ts";
import type { Scalar } from "./ir.ts";
import { binary, bitcast, cast, multiplyAdd, select } from "./scalars.ts";

/** A word of zeros, then 2/pi from its first binary place on. */
const twoOverPi = [
  0, 0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab,
] as const;

/** |x| = quadrant * pi/2 + angle, with |angle| <= pi/4 and the quadrant (u32) modulo 4. */
interface Reduced {
  readonly quadrant: Scalar;
  readonly angle: Scalar;
}

/** sin for all finite x; max error 1.55 ulp (every 61st float). Infinities give NaN, -0 stays. */
export function expandSin(x: Scalar): Scalar {
  const { quadrant, angle } = reduce(x);
  const odd = isOdd(quadrant);
  const flip = xor(signOfHalfTurn(quadrant), signBit(x));
  return finiteOnly(x, flipped(select(odd, cosPolynomial(angle), sinPolynomial(angle)), flip));
}

/** cos for all finite x; max error 1.61 ulp (every 61st float). Infinities give NaN. */
export function expandCos(x: Scalar): Scalar {
  const { quadrant, angle } = reduce(x);
  const odd = isOdd(quadrant);
  const flip = signOfHalfTurn(add(quadrant, unsigned(1)));
  return finiteOnly(x, flipped(select(odd, sinPolynomial(angle), cosPolynomial(angle)), flip));
}

function isOdd(quadrant: Scalar): Scalar {
  return binary("ne", and(quadrant, unsigned(1)), unsigned(0));
}

/** The sign bit where bit 1 of the quadrant is set, as i32. */
function signOfHalfTurn(quadrant: Scalar): Scalar {
  return and(shiftLeft(bitcast(quadrant, "i32"), integer(30)), integer(-(2 ** 31)));
}

function flipped(x: Scalar, sign: Scalar): Scalar {
  return bitcast(xor(bitcast(x, "i32"), sign), "f32");
}

function finiteOnly(x: Scalar, value: Scalar): Scalar {
  return select(less(abs(x), float(Infinity)), value, float(NaN));
}

/** Fitted on |r| <= pi/4: x^3 times a polynomial in x^2, relative error of the whole below 2^-28. */
function sinPolynomial(r: Scalar): Scalar {
  const z = mul(r, r);
  const p = polynomial(z, [-0.16666655242443085, 0.008332191035151482, -0.00019518598855938762]);
  return multiplyAdd(mul(p, z), r, r);
}

/** Fitted on |r| <= pi/4: 1 - z/2 + z^2 times a polynomial in z = x^2, error below 2^-33. */
function cosPolynomial(r: Scalar): Scalar {
  const z = mul(r, r);
  const p = polynomial(z, [-0.5, 0.04166664555668831, -0.00138873013202101, 2.443066841806285e-5]);
  return multiplyAdd(z, p, float(1));
}

/**
 * Payne and Hanek's reduction in 32-bit integers: with |x| = m * 2^e, those 96 bits of 2/pi whose product
 * with m * 2^e lies below 4 give |x| * 2/pi modulo 4 to 62 binary places. No float is closer to a multiple of
 * pi/2 than about 2^-30.
 */
function reduce(x: Scalar): Reduced {
  const size = abs(x);
  const bits = bitcast(size, "u32");
  const m = or(and(bits, unsigned(0x7fffff)), unsigned(0x800000));
  const place = sub(shiftRight(bits, unsigned(23)), unsigned(120));
  const [w0, w1, w2] = windowOfTwoOverPi(place);
  const middle = mul(m, w1);
  const lower = add(middle, upperWord(m, w2));
  const carry = cast(less(lower, middle), "u32");
  const upper = add(add(mul(m, w0), upperWord(m, w1)), carry);
  // The quadrant is the nearest integer in units of 2^-30; what is left of it is signed.
  const quadrant = shiftRight(add(upper, unsigned(2 ** 29)), unsigned(30));
  const rest = sub(upper, shiftLeft(quadrant, unsigned(30)));
  const negative = shiftRight(bitcast(rest, "i32"), integer(31));
  const ones = bitcast(negative, "u32");
  const angle = xor(
    bitcast(angleOf(xor(rest, ones), xor(lower, ones)), "i32"),
    and(negative, integer(-(2 ** 31))),
  );
  const small = less(size, float(0.78));
  return {
    quadrant: select(small, unsigned(0), quadrant),
    angle: select(small, size, bitcast(angle, "f32")),
  };
}

/**
 * (upper + lower * 2^-32) * 2^-30 * pi/2 of non-negative words. The leading bits times the leading bits of
 * pi/2 are exact, so that the roundings of the rest hardly count.
 */
function angleOf(upper: Scalar, lower: Scalar): Scalar {
  const asFloat = (word: Scalar): Scalar => cast(bitcast(word, "i32"), "f32");
  const leading = asFloat(and(upper, unsigned(0x3fffc000)));
  const fraction = mul(asFloat(shiftRight(lower, unsigned(1))), float(2 ** -31));
  const trailing = add(asFloat(and(upper, unsigned(0x3fff))), fraction);
  const unit = 2 ** -30;
  const coarse = 1.5703125;
  const fine = Math.PI / 2 - coarse;
  const low = multiplyAdd(leading, float(fine * unit), mul(trailing, float((Math.PI / 2) * unit)));
  return multiplyAdd(leading, float(coarse * unit), low);
}

/** The 96 bits of the table from bit `place` (below 136) on. */
function windowOfTwoOverPi(place: Scalar): readonly [Scalar, Scalar, Scalar] {
  const has = (bit: number): Scalar => binary("ne", and(place, unsigned(bit)), unsigned(0));
  const table = twoOverPi.map(unsigned);
  // Skip 4, 2 and 1 words where those bits of the place's word are set; no more than 4 are skipped.
  const by4 = table.slice(0, 7).map((word, at) => (at < 4 ? choose(has(128), table, at, 4) : word));
  const by2 = by4.slice(0, 5).map((_, at) => choose(has(64), by4, at, 2));
  const words = by2.slice(0, 4).map((_, at) => choose(has(32), by2, at, 1));
  const shift = and(place, unsigned(31));
  const rest = sub(unsigned(31), shift);
  const word = (at: number): Scalar => {
    const next = shiftRight(words[at + 1] as Scalar, unsigned(1)); // there are four
    return or(shiftLeft(words[at] as Scalar, shift), shiftRight(next, rest));
  };
  return [word(0), word(1), word(2)];
}

function choose(skip: Scalar, words: readonly Scalar[], at: number, by: number): Scalar {
  return select(skip, words[at + by] as Scalar, words[at] as Scalar); // callers stay inside
}

/** The upper 32 bits of the product of a number of 24 bits and one of 32. */
function upperWord(m: Scalar, w: Scalar): Scalar {
  const [mHigh, mLow] = [shiftRight(m, unsigned(12)), and(m, unsigned(0xfff))];
  const [wHigh, wLow] = [shiftRight(w, unsigned(16)), and(w, unsigned(0xffff))];
  const high = mul(mHigh, wHigh); // in units of 2^28
  const low = add(mul(mHigh, wLow), shiftRight(mul(mLow, wLow), unsigned(12))); // of 2^12
  const middle = add(mul(mLow, wHigh), shiftRight(low, unsigned(4))); // of 2^16
  const carried = add(shiftLeft(and(high, unsigned(15)), unsigned(12)), middle);
  return add(shiftRight(high, unsigned(4)), shiftRight(carried, unsigned(16)));
}

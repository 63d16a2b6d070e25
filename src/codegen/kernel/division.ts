import { abs, add, div, float, less, mul, sub, upperHalf, withSignOf } from "./floatBits.ts";
import type { Scalar } from "./ir.ts";
import { binary, constant, select, unary } from "./scalars.ts";

/**
 * Remainders of floats, exact for all operands: long division in base 2^22. Each digit's product with the divisor is exact
 * in four parts, and a digit that was rounded up leaves a negative rest, which the next digits make up for.
 */

const base = 2 ** 22;
/** Digits of the quotient of the largest float by the smallest. */
const digits = 13;

/** Parts of divisors below this are subnormal, which many devices take for 0: they are computed with 2^48 times larger. */
const smallDivisor = 2 ** -80;

/**
 * What is left of `size` after taking away whole multiples of `divisor`, but for one: between -divisor and divisor.
 * The last two digits, before which little is left, are of operands times `scale`, and so is the result.
 */
function longDivision(size: Scalar, divisor: Scalar, scale: Scalar): Scalar {
  const divisors = [divisor];
  for (let digit = 1; digit < digits; digit++) divisors.push(mul(divisors[digit - 1], float(base)));
  const most = takeDigits(size, divisors.slice(2));
  return takeDigits(
    mul(most, scale),
    divisors.slice(0, 2).map((by) => mul(by, scale)),
  );
}

function takeDigits(size: Scalar, divisors: readonly Scalar[]): Scalar {
  return divisors.reduceRight((rest, by) => {
    const quotient = unary("trunc", div(rest, by));
    const [qHigh, high] = [upperHalf(quotient), upperHalf(by)];
    const [qLow, low] = [sub(quotient, qHigh), sub(by, high)];
    const first = sub(sub(rest, mul(qHigh, high)), mul(qHigh, low));
    const next = sub(sub(first, mul(qLow, high)), mul(qLow, low));
    return select(less(by, float(Infinity)), next, rest);
  }, size);
}

/** x - y trunc(x / y). Of an infinite divisor x is left; of 0 or an infinite x, NaN. */
export function expandFmod(x: Scalar, y: Scalar): Scalar {
  if (x.type !== "f32") return integerFmod(x, y);
  const [size, bound] = [abs(x), abs(y)];
  const infinity = float(Infinity);
  const isSmall = less(bound, float(smallDivisor));
  const scale = select(isSmall, float(2 ** 48), float(1));
  const rest = longDivision(size, bound, scale);
  const scaled = mul(bound, scale);
  // The last digit was rounded: one multiple too many, or one too few.
  const raised = select(less(rest, float(0)), add(rest, scaled), rest);
  const lowered = select(less(raised, scaled), raised, sub(raised, scaled));
  const left = mul(lowered, select(isSmall, float(2 ** -48), float(1)));
  const apart = select(less(size, bound), size, left);
  const hasNone = binary(
    "logicalOr",
    binary("logicalOr", binary("ne", x, x), binary("ne", y, y)),
    binary("logicalOr", binary("eq", size, infinity), binary("eq", bound, float(0))),
  );
  return select(hasNone, float(NaN), withSignOf(apart, x));
}

/** Integers: from the floored remainder, which is 0 for a divisor of 0. */
function integerFmod(x: Scalar, y: Scalar): Scalar {
  const floored = binary("remainder", x, y);
  if (x.type === "u32") return floored;
  return select(differs(floored, x), sub(floored, y), floored);
}

/** Whether `rest` is not 0 and its sign not that of `like`. */
function differs(rest: Scalar, like: Scalar): Scalar {
  const zero = constant(rest.type, 0);
  const signs = binary("ne", less(rest, zero), less(like, zero));
  return binary("logicalAnd", binary("ne", rest, zero), signs);
}

/** The remainder with the sign of y. */
export function expandRemainder(x: Scalar, y: Scalar): Scalar {
  const rest = expandFmod(x, y);
  return select(differs(rest, y), add(rest, y), rest);
}

/** The floor of x / y: what the remainder leaves of x is a multiple of y, but for roundings. */
export function expandFloorDivide(x: Scalar, y: Scalar): Scalar {
  const rest = expandFmod(x, y);
  const zero = float(0);
  const ratio = div(x, y);
  const quotient = div(sub(x, rest), y);
  const whole = unary("round", select(differs(rest, y), sub(quotient, float(1)), quotient));
  const signed = select(binary("eq", whole, zero), withSignOf(zero, ratio), whole);
  return select(binary("eq", y, zero), ratio, signed);
}

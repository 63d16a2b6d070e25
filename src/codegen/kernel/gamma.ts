import { expandLog } from "./exponential.ts";
import { abs, add, div, float, less, mul, polynomial, sub } from "./floatBits.ts";
import type { Scalar } from "./ir.ts";
import { log2Parts } from "./power.ts";
import { binary, multiplyAdd, select, unary } from "./scalars.ts";
import { expandSin } from "./trigonometry.ts";

/**
 * log |gamma(x)|. For positive x below 3 from a polynomial between the zeros 1 and 2, beyond by Stirling's formula; for
 * negative x from log gamma(1 + |x|) by reflection: there the error is absolute near the zeros. Max error 2.5 ulp for
 * positive x.
 */
export function expandLgamma(x: Scalar): Scalar {
  const size = abs(x);
  const one = float(1);
  const logSize = expandLog(size);
  const belowOne = less(size, one);
  // v + 2 is size, or size + 1 where that is below 2 already: exact either way.
  const v = sub(size, select(belowOne, one, float(2)));
  // log gamma(v + 2)/(v (v + 1)), fitted on -1 <= v <= 1: relative error below 2^-25.
  const p = polynomial(
    v,
    [
      0.42278432846069336, -0.10031729936599731, 0.03296523913741112, -0.012384593486785889,
      0.004996808711439371, -0.00210385350510478, 0.0009203926310874522, -0.00042191255488432944,
      0.0001784411579137668, -5.58009123778902e-5, 3.468641807558015e-5, -3.757423837669194e-5,
      1.4728882888448425e-5,
    ],
  );
  const near = add(mul(mul(v, add(v, one)), p), float(0)); // not -0
  const large = select(less(size, float(3)), near, stirling(size));
  const positive = select(belowOne, sub(near, logSize), large);
  const ofNext = select(belowOne, near, add(large, logSize)); // log gamma(1 + size)
  const angle = mul(sub(size, unary("round", size)), float(Math.PI));
  const reflected = sub(sub(float(Math.log(Math.PI)), expandLog(abs(expandSin(angle)))), ofNext);
  const pole = binary(
    "logicalOr",
    binary("eq", size, unary("round", size)),
    binary("eq", size, float(Infinity)),
  );
  const negative = select(pole, float(Infinity), reflected);
  const infinite = binary("eq", size, float(Infinity));
  return select(less(x, float(0)), negative, select(infinite, float(Infinity), positive));
}

/** (x - 1/2) (log x - 1) + log(2 pi)/2 - 1/2 + c(1/x^2)/x for x >= 3, the logarithm as two floats. */
function stirling(x: Scalar): Scalar {
  const [high, low] = log2Parts(x);
  const [ln2High, ln2Low] = [0.693115234375, Math.LN2 - 0.693115234375];
  const large = sub(mul(high, float(ln2High)), float(1));
  const small = multiplyAdd(high, float(ln2Low), mul(low, float(Math.LN2)));
  const factor = sub(x, float(0.5));
  const r = div(float(1), x);
  // Fitted on x >= 3: relative error of the whole below 2^-31.
  const c = polynomial(
    mul(r, r),
    [0.0833333283662796, -0.0027772521134465933, 0.0007783498149365187, -0.0004202038107905537],
  );
  const rest = multiplyAdd(c, r, float(Math.log(2 * Math.PI) / 2 - 0.5));
  return add(mul(factor, large), multiplyAdd(factor, small, rest));
}

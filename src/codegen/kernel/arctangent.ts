import { abs, add, div, float, less, mul, polynomial, signBit, sub, withSignOf } from "./floatBits.ts";
import type { Scalar } from "./ir.ts";
import { binary, multiplyAdd, select } from "./scalars.ts";

/**
 * The angle of (x, y): an odd polynomial of the smaller coordinate over the larger, then the octant. Signs of zeros,
 * infinities and NaN as in C's atan2. Max error 1.6 ulp.
 */
export function expandAtan2(y: Scalar, x: Scalar): Scalar {
  const [sizeX, sizeY] = [abs(x), abs(y)];
  const steep = less(sizeX, sizeY);
  const [small, large] = [select(steep, sizeX, sizeY), select(steep, sizeY, sizeX)];
  const zero = float(0);
  // 0 of 0/0, 1 of two infinities; NaN in either operand comes back at the end.
  const quotient = select(binary("eq", large, zero), zero, div(small, large));
  const ratio = select(binary("eq", small, float(Infinity)), float(1), quotient);
  const z = mul(ratio, ratio);
  // (atan(t)/t - 1)/t^2 in z = t^2, fitted on 0 <= t <= 1: relative error of atan below 2^-31.
  const p = polynomial(
    z,
    [
      -0.333333283662796, 0.1999971568584442, -0.14280343055725098, 0.11061233282089233, -0.08821462094783783,
      0.06763648986816406, -0.04498325660824776, 0.02277761697769165, -0.007425363175570965,
      0.0011345221428200603,
    ],
  );
  const angle = multiplyAdd(mul(p, z), ratio, ratio);
  const first = select(steep, complement(angle, Math.PI / 2), angle);
  const behind = binary("ne", signBit(x), signBit(float(1)));
  const upper = select(behind, complement(first, Math.PI), first);
  const anyNaN = binary("logicalOr", binary("ne", x, x), binary("ne", y, y));
  return select(anyNaN, float(NaN), withSignOf(upper, y));
}

/** A right or straight angle, taken as two floats, minus another one. */
function complement(angle: Scalar, whole: number): Scalar {
  const high = Math.fround(whole);
  return add(sub(float(high), angle), float(whole - high));
}

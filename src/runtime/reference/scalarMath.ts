/** Functions of one or two numbers that JavaScript's Math lacks or defines differently. All in float64. */

/** To the nearest integer, ties to even. */
export function roundToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : Math.ceil(x);
  // Ceil, so that -0.5 gives -0 as in IEEE 754.
  return floor % 2 === 0 ? floor : Math.ceil(x);
}

/** -1, 0 or 1; NaN stays NaN. */
export function sign(x: number): number {
  if (x > 0) return 1;
  return x < 0 ? -1 : x * 0;
}

/**
 * As in IEEE 754 (and PyTorch), where Math.pow differs: 1 to any power is 1, and so is -1 to an infinite one.
 */
export function pow(x: number, y: number): number {
  if (x === 1 || (x === -1 && Math.abs(y) === Infinity)) return 1;
  return x ** y;
}

/** The exact remainder with the sign of the divisor. */
export function remainder(x: number, y: number): number {
  const rest = x % y;
  return rest !== 0 && rest < 0 !== y < 0 ? rest + y : rest;
}

/** Floor of the exact quotient, the quotient of what `remainder` leaves being rounded by `round`. */
export function floorDivide(x: number, y: number, round: (x: number) => number): number {
  if (y === 0) return x / y;
  const rest = x % y;
  const whole = round(round(x - rest) / y) - (rest !== 0 && rest < 0 !== y < 0 ? 1 : 0);
  if (whole === 0) return round(x / y) * 0;
  const floor = Math.floor(whole);
  return whole - floor > 0.5 ? floor + 1 : floor;
}

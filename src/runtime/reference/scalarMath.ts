/** Functions of one or two numbers that JavaScript's Math lacks or defines differently. All in float64. */

const TWO_OVER_SQRT_PI = 2 / Math.sqrt(Math.PI);

/**
 * The error function, to about 1e-15 relative. Abramowitz and Stegun, Handbook of Mathematical Functions
 * (1964): the series 7.1.6, whose terms are all positive, for small arguments; beyond, one minus the
 * continued fraction 7.1.14.
 */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a < 2.25) return erfSeries(x);
  if (a > 6) return Math.sign(x);
  return Math.sign(x) * (1 - erfcFraction(a));
}

/** 2/sqrt(pi) exp(-x^2) times the sum over n of 2^n x^(2n+1) / (1 * 3 * ... * (2n+1)). NaN passes through. */
function erfSeries(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return TWO_OVER_SQRT_PI * Math.exp(-x * x) * sum;
}

/**
 * exp(-x^2)/sqrt(pi) times 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + ...)))), evaluated from the inside; x >= 2.
 */
function erfcFraction(x: number): number {
  let tail = x;
  for (let n = 60; n >= 1; n--) tail = x + n / 2 / tail;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * tail);
}

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

/**
 * Functions of one number that JavaScript's Math lacks, in float64, by methods that have nothing in common with the
 * expansions into float32 arithmetic that kernels use.
 */

const { PI, abs, exp, log, sign, sqrt } = Math;

/**
 * The error function, to about 1e-15 relative. Abramowitz and Stegun, Handbook of Mathematical Functions (1964): the series
 * 7.1.6, whose terms are all positive, for small arguments; beyond, one minus the continued fraction 7.1.14.
 */
export function erf(x: number): number {
  const size = abs(x);
  if (!(size >= 2.25)) return erfSeries(x);
  return size > 6 ? sign(x) : sign(x) * (1 - erfcFraction(size));
}

/** 1 - erf(x), to about 1e-14 of its value. */
export function erfc(x: number): number {
  if (x > 27.5) return 0;
  return x >= 2.25 ? erfcFraction(x) : 1 - erf(x);
}

/** 2/sqrt(pi) exp(-x^2) times the sum over n of 2^n x^(2n+1) / (1 * 3 * ... * (2n+1)). NaN passes through. */
function erfSeries(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; abs(term) > 1e-17 * abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / sqrt(PI)) * exp(-x * x) * sum;
}

/** exp(-x^2)/sqrt(pi) times 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + ...)))), evaluated from the inside; x >= 2. */
function erfcFraction(x: number): number {
  let tail = x;
  for (let n = 60; n >= 1; n--) tail = x + n / 2 / tail;
  return exp(-x * x) / (sqrt(PI) * tail);
}

/** The x whose erf is y: Halley's iteration on erf, or on erfc where erf is nearly 1. */
export function erfinv(y: number): number {
  const size = abs(y);
  if (!(size < 1)) return size === 1 ? y * Infinity : NaN;
  // Winitzki's approximation (2008), good to 2e-3, or near 0 the slope there: steps that cube the error follow.
  const l = log((1 - size) * (1 + size));
  const half = 2 / (PI * 0.147) + l / 2;
  let x = size < 0.1 ? (sqrt(PI) / 2) * size : sqrt(sqrt(half * half - l / 0.147) - half);
  for (let step = 0; step < 3; step++) {
    const error = size > 0.5 ? 1 - size - erfc(x) : erf(x) - size;
    const newton = error / ((2 / sqrt(PI)) * exp(-x * x));
    x -= newton / (1 + x * newton);
  }
  return size === 0 ? y : sign(y) * x;
}

/** Lanczos' coefficients for g = 607/128 (Godfrey, 2001): relative error of gamma below 1e-15. */
const lanczos = [
  0.9999999999999971, 57.15623566586292, -59.59796035547549, 14.136097974741746, -0.4919138160976202,
  3.399464998481189e-5, 4.652362892704858e-5, -9.837447530487956e-5, 0.0001580887032249125,
  -0.00021026444172410488, 0.00021743961811521265, -0.0001643181065367639, 8.441822398385275e-5,
  -2.6190838401581408e-5, 3.6899182659531625e-6,
];

/** log |gamma(x)|: Lanczos' formula, below 1/2 by reflection. Absolute error about 1e-14 near its zeros. */
export function lgamma(x: number): number {
  if (Number.isNaN(x)) return x;
  if (abs(x) === Infinity || (x <= 0 && Number.isInteger(x))) return Infinity;
  if (x < 0.5) {
    const fraction = x - 2 * Math.round(x / 2);
    return log(PI / abs(Math.sin(PI * fraction))) - lgamma(1 - x);
  }
  const z = x - 1;
  const sum = lanczos.slice(1).reduce((total, c, i) => total + c / (z + i + 1), lanczos[0]);
  const base = z + 607 / 128 + 0.5;
  return (z + 0.5) * log(base) - base + log(sqrt(2 * PI) * sum);
}

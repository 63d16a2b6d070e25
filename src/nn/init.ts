import { ArgumentError } from "../graph/errors.ts";
import { numel, type Shape } from "../graph/shape.ts";
import {
  type CreateOptions,
  full,
  ones as onesTensor,
  rand,
  randn,
  tensor,
  zeros as zerosTensor,
} from "../tensor/create.ts";
import { type Tensor, where } from "../tensor/tensor.ts";

/**
 * Initial values for parameters. The random ones are draws of the engine's generator, in the order of the calls, so that
 * one seed fixes a whole model; they are computed when the parameter is first used.
 */

/** Gives the initial value of a parameter of some shape. */
export type Initializer = (shape: Shape, options?: CreateOptions) => Tensor;

export const zeros: Initializer = (shape, options) => zerosTensor(shape, options);

export const ones: Initializer = (shape, options) => onesTensor(shape, options);

export function constant(value: number): Initializer {
  return (shape, options) => full(shape, value, options);
}

/** Normal with the given mean and standard deviation. */
export function normal(std = 1, mean = 0): Initializer {
  return (shape, options) => randn(shape, options).mul(std).add(mean);
}

/** Uniform in [low, high). */
export function uniform(low: number, high: number): Initializer {
  return (shape, options) =>
    rand(shape, options)
      .mul(high - low)
      .add(low);
}

/**
 * Normal, cut off at `bound` standard deviations to either side: by inversion of the distribution function, so that each
 * element takes one draw. As in PyTorch, the result's own standard deviation is smaller than `std` (0.88 std at bound 2).
 * @throws ArgumentError unless the bound is in (0, 5].
 */
export function truncatedNormal(std = 1, mean = 0, bound = 2): Initializer {
  if (!(bound > 0 && bound <= 5)) throw new ArgumentError(`truncatedNormal: bound ${bound} is not in (0, 5]`);
  // Of a normal variable's mass, erf(bound / sqrt 2) lies within the bound; u is uniform in that part of (-1, 1).
  const mass = erf(bound * Math.SQRT1_2);
  return (shape, options) => {
    const u = rand(shape, options).mul(2).sub(1).mul(mass);
    return erfInverse(u).mul(Math.SQRT2).clamp({ min: -bound, max: bound }).mul(std).add(mean);
  };
}

/** Inputs and outputs of one unit: a matrix is [out, in]; further dims are a receptive field. */
function fans(op: string, shape: Shape): { readonly fanIn: number; readonly fanOut: number } {
  if (shape.length < 2)
    throw new ArgumentError(`${op}: a shape of ${shape.length} dims has no fan in and out; it needs 2`);
  const field = numel(shape.slice(2));
  return { fanIn: shape[1] * field, fanOut: shape[0] * field };
}

/** Uniform in ±gain sqrt(6 / (in + out)). Glorot and Bengio (2010). */
export function xavierUniform(gain = 1): Initializer {
  return (shape, options) => {
    const { fanIn, fanOut } = fans("xavierUniform", shape);
    const bound = gain * Math.sqrt(6 / (fanIn + fanOut));
    return uniform(-bound, bound)(shape, options);
  };
}

/** Normal with standard deviation gain sqrt(2 / (in + out)). Glorot and Bengio (2010). */
export function xavierNormal(gain = 1): Initializer {
  return (shape, options) => {
    const { fanIn, fanOut } = fans("xavierNormal", shape);
    return normal(gain * Math.sqrt(2 / (fanIn + fanOut)))(shape, options);
  };
}

/** Of [rows, width]: sin and cos in turn of position / 10000^(2 pair / width). Vaswani et al. (2017), section 3.5. */
export function sinusoids(shape: Shape, options?: CreateOptions): Tensor {
  const [rows, width] = shape;
  const values = Float64Array.from({ length: rows * width }, (_, i) => {
    const [row, column] = [Math.floor(i / width), i % width];
    const angle = row / 10000 ** ((2 * Math.floor(column / 2)) / width);
    return column % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  });
  return tensor(values, { dtype: "f32", ...options, shape });
}

/** The error function on the host, by its Maclaurin series: exact to about 1e-11 for |x| < 4. */
function erf(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; n < 100; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

// Giles, Approximating the erfinv function (GPU Computing Gems, 2011): single precision, highest power first.
const central = [
  2.81022636e-8, 3.43273939e-7, -3.5233877e-6, -4.39150654e-6, 2.1858087e-4, -1.25372503e-3, -4.17768164e-3,
  0.246640727, 1.50140941,
];
const tail = [
  -2.00214257e-4, 1.00950558e-4, 1.34934322e-3, -3.67342844e-3, 5.73950773e-3, -7.6224613e-3, 9.43887047e-3,
  1.00167406, 2.83297682,
];

function polynomial(x: Tensor, coefficients: readonly number[]): Tensor {
  const [first, second, ...rest] = coefficients;
  return rest.reduce((sum, coefficient) => sum.mul(x).add(coefficient), x.mul(first).add(second));
}

/** The inverse of the error function on (-1, 1), to about 4e-7 relative. */
function erfInverse(x: Tensor): Tensor {
  const w = x.add(1).mul(x.neg().add(1)).log().neg();
  const middle = polynomial(w.sub(2.5), central);
  const outside = polynomial(w.maximum(5).sqrt().sub(3), tail);
  return where(w.lt(5), middle, outside).mul(x);
}

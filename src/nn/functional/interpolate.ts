import { isFloat } from "../../graph/dtype.ts";
import { ArgumentError, DTypeError, ShapeError } from "../../graph/errors.ts";
import { formatShape } from "../../graph/shape.ts";
import { tensor } from "../../tensor/create.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { adaptiveAvgPool } from "./pooling.ts";
import { type PerDim, perDim } from "./windows.ts";

/** "linear", "bilinear" and "trilinear" are one mode for 1, 2 and 3 spatial dims. */
export const interpolationModes = [
  "nearest",
  "nearest-exact",
  "linear",
  "bilinear",
  "trilinear",
  "bicubic",
  "area",
] as const;

export type InterpolationMode = (typeof interpolationModes)[number];

export interface InterpolateOptions {
  /** Spatial sizes of the result. Either this or `scaleFactor`. */
  readonly size?: PerDim;
  /** How much larger the result is; sizes are rounded down. */
  readonly scaleFactor?: PerDim;
  /** Default "nearest". */
  readonly mode?: InterpolationMode;
  /** Whether the corners' centres meet, instead of the corners. For linear and cubic modes. Default false. */
  readonly alignCorners?: boolean;
  /** Whether coordinates follow the sizes where they were rounded, instead of the factor given. Default false. */
  readonly recomputeScaleFactor?: boolean;
}

/** For each element of a result along one dim: where it comes from, and with what weights. */
interface Taps {
  readonly indices: readonly (readonly number[])[];
  readonly weights: readonly (readonly number[])[];
}

const dimsOfMode: Partial<Record<InterpolationMode, number>> = {
  linear: 1,
  bilinear: 2,
  trilinear: 3,
  bicubic: 2,
};

/**
 * x [N, C, L], [N, C, H, W] or [N, C, D, H, W] at other spatial sizes, as PyTorch's function of the name (without
 * antialiasing). Cubic convolution is that of Keys (1981) with a = -0.75.
 * @throws ArgumentError for options that do not go together; ShapeError for other dims or empty ones; DTypeError unless x
 *   is a float.
 */
export function interpolate(x: Tensor, options: InterpolateOptions): Tensor {
  const { mode = "nearest", alignCorners = false } = options;
  const dims = x.ndim - 2;
  if (!isFloat(x.dtype)) throw new DTypeError(`interpolate: input is ${x.dtype}, wanted a float`);
  if (dims < 1 || dims > 3 || (dimsOfMode[mode] ?? dims) !== dims || x.shape.slice(2).includes(0)) {
    throw new ShapeError(`interpolate: mode "${mode}" does not take an input ${formatShape(x.shape)}`);
  }
  if (alignCorners && dimsOfMode[mode] === undefined) {
    throw new ArgumentError(`interpolate: alignCorners is not for mode "${mode}"`);
  }
  const { sizes, factors } = targetOf(x, dims, options);
  if (mode === "area") return adaptiveAvgPool(x, dims as 1 | 2 | 3, sizes);
  return sizes.reduce((image, size, i) => {
    const length = x.shape[2 + i];
    const step = (factors && 1 / factors[i]) || length / size;
    return resample(image, 2 + i, tapsOf(mode, length, size, step, alignCorners));
  }, x);
}

function targetOf(
  x: Tensor,
  dims: number,
  { size, scaleFactor, recomputeScaleFactor = false }: InterpolateOptions,
): { readonly sizes: readonly number[]; readonly factors: readonly number[] | undefined } {
  if ((size === undefined) === (scaleFactor === undefined)) {
    throw new ArgumentError("interpolate: give either size or scaleFactor");
  }
  if (size !== undefined) {
    if (recomputeScaleFactor) {
      throw new ArgumentError("interpolate: recomputeScaleFactor goes with scaleFactor, not with size");
    }
    return { sizes: perDim("interpolate", "size", size, dims, 1), factors: undefined };
  }
  const given = typeof scaleFactor === "number" ? new Array<number>(dims).fill(scaleFactor) : scaleFactor;
  if (given?.length !== dims || given.some((factor) => !(factor > 0 && Number.isFinite(factor)))) {
    throw new ArgumentError(
      `interpolate: scaleFactor [${given?.join(", ")}]; wanted a positive number, or ${dims} of them`,
    );
  }
  const sizes = given.map((factor, i) => Math.floor(x.shape[2 + i] * factor));
  if (sizes.some((n) => n < 1)) {
    throw new ShapeError(
      `interpolate: scaleFactor [${given.join(", ")}] leaves nothing of ${formatShape(x.shape)}`,
    );
  }
  return { sizes, factors: recomputeScaleFactor ? undefined : given };
}

/** `step` is how far apart neighbours of the result lie in the input. */
function tapsOf(
  mode: InterpolationMode,
  length: number,
  size: number,
  step: number,
  alignCorners: boolean,
): Taps {
  const places = Array.from({ length: size }, (_, place) => place);
  const within = (at: number): number => Math.max(0, Math.min(at, length - 1));
  if (mode === "nearest" || mode === "nearest-exact") {
    // In single precision, as in PyTorch: which of two neighbours is nearest depends on it.
    const shift = mode === "nearest" ? 0 : 0.5;
    const single = Math.fround(step);
    const indices = places.map((place) => [within(Math.floor(Math.fround((place + shift) * single)))]);
    return { indices, weights: indices.map(() => [1]) };
  }
  const centre = (place: number): number => {
    if (alignCorners) return size > 1 ? (place * (length - 1)) / (size - 1) : 0;
    return step * (place + 0.5) - 0.5;
  };
  if (mode === "bicubic") {
    const floors = places.map((place) => Math.floor(centre(place)));
    return {
      indices: floors.map((at) => [-1, 0, 1, 2].map((k) => within(at + k))),
      weights: floors.map((at, place) => cubicWeights(centre(place) - at)),
    };
  }
  const lows = places.map((place) => within(Math.floor(Math.max(0, centre(place)))));
  return {
    indices: lows.map((at) => [at, within(at + 1)]),
    weights: lows.map((at, place) => {
      const share = Math.min(1, Math.max(0, centre(place)) - at);
      return [1 - share, share];
    }),
  };
}

/** Weights of the elements at -1, 0, 1 and 2 for a place t in [0, 1). */
function cubicWeights(t: number): number[] {
  const a = -0.75;
  const near = (d: number): number => ((a + 2) * d - (a + 3)) * d * d + 1;
  const far = (d: number): number => ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return [far(t + 1), near(t), near(1 - t), far(2 - t)];
}

/** Sums of weighted elements along a dim. */
function resample(x: Tensor, dim: number, { indices, weights }: Taps): Tensor {
  const { dtype, device } = x;
  const found = x.indexSelect(dim, tensor(indices.flat(), { dtype: "i32", device }));
  const [size, taps] = [indices.length, indices[0].length];
  if (taps === 1) return found;
  const behind = x.shape.slice(dim + 1);
  const split = found.reshape([...x.shape.slice(0, dim), size, taps, ...behind]);
  const factors = tensor(weights.flat(), { dtype, device }).reshape([size, taps, ...behind.map(() => 1)]);
  return split.mul(factors).sum({ dim: dim + 1 });
}

/**
 * Channels become space: [..., C r², H, W] gives [..., C, H r, W r]. Shi et al. (2016).
 * @throws ShapeError unless r² divides the channels.
 */
export function pixelShuffle(x: Tensor, upscaleFactor: number): Tensor {
  const r = upscaleFactor;
  const [channels, height, width] = x.shape.slice(-3);
  if (!Number.isInteger(r) || r < 1 || x.ndim < 3 || channels % (r * r) !== 0) {
    throw new ShapeError(`pixelShuffle: factor ${r} does not divide the channels of ${formatShape(x.shape)}`);
  }
  const leading = x.shape.slice(0, -3);
  const n = leading.length;
  return x
    .reshape([...leading, channels / (r * r), r, r, height, width])
    .permute([...leading.keys(), n, n + 3, n + 1, n + 4, n + 2])
    .reshape([...leading, channels / (r * r), height * r, width * r]);
}

/**
 * The inverse of `pixelShuffle`: [..., C, H r, W r] gives [..., C r², H, W].
 * @throws ShapeError unless r divides height and width.
 */
export function pixelUnshuffle(x: Tensor, downscaleFactor: number): Tensor {
  const r = downscaleFactor;
  const [channels, height, width] = x.shape.slice(-3);
  if (!Number.isInteger(r) || r < 1 || x.ndim < 3 || height % r !== 0 || width % r !== 0) {
    throw new ShapeError(
      `pixelUnshuffle: factor ${r} does not divide height and width of ${formatShape(x.shape)}`,
    );
  }
  const leading = x.shape.slice(0, -3);
  const n = leading.length;
  return x
    .reshape([...leading, channels, height / r, r, width / r, r])
    .permute([...leading.keys(), n, n + 2, n + 4, n + 1, n + 3])
    .reshape([...leading, channels * r * r, height / r, width / r]);
}

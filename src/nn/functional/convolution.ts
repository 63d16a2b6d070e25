import { ArgumentError, ShapeError } from "../../graph/errors.ts";
import { formatShape, numel, type Shape } from "../../graph/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import {
  batched,
  layWindows,
  type Margin,
  type PaddingMode,
  type PerDim,
  padSpatial,
  perDim,
  slideWindows,
  spanOf,
  type Window,
} from "./windows.ts";

export interface ConvolutionOptions {
  /** Distance between neighbouring windows. Default 1. */
  readonly stride?: PerDim;
  /** Elements added on both sides; "same" keeps the size (stride 1 only; an odd one goes behind), "valid" is 0. Default 0. */
  readonly padding?: PerDim | "same" | "valid";
  /** What the padding is filled with. Default "zeros". */
  readonly paddingMode?: PaddingMode;
  /** Distance between neighbouring elements of a window. Default 1. */
  readonly dilation?: PerDim;
  /** Channels are split into as many groups, which do not see each other. Default 1. */
  readonly groups?: number;
}

export interface ConvolutionTransposeOptions {
  readonly stride?: PerDim;
  /** What is cut off on both sides. Default 0. */
  readonly padding?: PerDim;
  /** Zeros added behind, to tell apart the input sizes that a strided convolution maps to one. Default 0. */
  readonly outputPadding?: PerDim;
  readonly dilation?: PerDim;
  readonly groups?: number;
}

/**
 * Cross-correlation of x [N, C, L] (or [C, L]) with weight [O, C / groups, K], plus bias [O]: [N, O, Lout], where
 * Lout = floor((L + 2 padding - dilation (K - 1) - 1) / stride) + 1. As in PyTorch.
 * @throws ShapeError where channels, groups or sizes do not fit; ArgumentError for options that are no such integers.
 */
export function conv1d(x: Tensor, weight: Tensor, bias?: Tensor, options: ConvolutionOptions = {}): Tensor {
  return convolution("conv1d", 1, x, weight, bias, options);
}

/** x [N, C, H, W] (or without N) and weight [O, C / groups, KH, KW]; otherwise as `conv1d`. */
export function conv2d(x: Tensor, weight: Tensor, bias?: Tensor, options: ConvolutionOptions = {}): Tensor {
  return convolution("conv2d", 2, x, weight, bias, options);
}

/** x [N, C, D, H, W] (or without N) and weight [O, C / groups, KD, KH, KW]; otherwise as `conv1d`. */
export function conv3d(x: Tensor, weight: Tensor, bias?: Tensor, options: ConvolutionOptions = {}): Tensor {
  return convolution("conv3d", 3, x, weight, bias, options);
}

/**
 * The transpose (the gradient with respect to its input) of `conv1d`: x [N, C, L] (or [C, L]) and weight
 * [C, O / groups, K], plus bias [O], give [N, O, Lout], where
 * Lout = (L - 1) stride - 2 padding + dilation (K - 1) + outputPadding + 1. As in PyTorch.
 * @throws ShapeError where channels, groups or sizes do not fit; ArgumentError for an outputPadding that is neither below
 *   the stride nor below the dilation.
 */
export function convTranspose1d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  options: ConvolutionTransposeOptions = {},
): Tensor {
  return convolutionTranspose("convTranspose1d", 1, x, weight, bias, options);
}

/** x [N, C, H, W] (or without N) and weight [C, O / groups, KH, KW]; otherwise as `convTranspose1d`. */
export function convTranspose2d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  options: ConvolutionTransposeOptions = {},
): Tensor {
  return convolutionTranspose("convTranspose2d", 2, x, weight, bias, options);
}

/** x [N, C, D, H, W] (or without N) and weight [C, O / groups, KD, KH, KW]; otherwise as `convTranspose1d`. */
export function convTranspose3d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  options: ConvolutionTransposeOptions = {},
): Tensor {
  return convolutionTranspose("convTranspose3d", 3, x, weight, bias, options);
}

/** `count` dims from `start` on. */
const range = (start: number, count: number): number[] => Array.from({ length: count }, (_, i) => start + i);

function windowsOf(
  op: string,
  sizes: Shape,
  { stride = 1, dilation = 1 }: { readonly stride?: PerDim; readonly dilation?: PerDim },
): Window[] {
  const strides = perDim(op, "stride", stride, sizes.length, 1);
  const dilations = perDim(op, "dilation", dilation, sizes.length, 1);
  return sizes.map((size, i) => ({ size, stride: strides[i], dilation: dilations[i] }));
}

function marginsOf(op: string, padding: PerDim | "same" | "valid", windows: readonly Window[]): Margin[] {
  if (padding === "valid") return windows.map(() => ({ before: 0, after: 0 }));
  if (padding !== "same") {
    return perDim(op, "padding", padding, windows.length, 0).map((n) => ({ before: n, after: n }));
  }
  return windows.map((window) => {
    if (window.stride !== 1) {
      throw new ArgumentError(`${op}: padding "same" with stride ${window.stride}; it needs stride 1`);
    }
    const total = spanOf(window) - 1;
    return { before: Math.floor(total / 2), after: Math.ceil(total / 2) };
  });
}

/** @throws ArgumentError or ShapeError unless weight and bias fit the input's channels and the groups. */
function checkChannels(
  op: string,
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  groups: number,
  form: { readonly dims: number; readonly inputs: number; readonly outputs: number; readonly wanted: string },
): void {
  if (!Number.isInteger(groups) || groups < 1) {
    throw new ArgumentError(`${op}: groups ${groups} is no integer of at least 1`);
  }
  const fits =
    weight.ndim === form.dims + 2 &&
    x.shape[1] === form.inputs &&
    form.inputs % groups === 0 &&
    form.outputs % groups === 0 &&
    weight.shape.slice(2).every((size) => size > 0);
  if (!fits) {
    throw new ShapeError(
      `${op}: input ${formatShape(x.shape)}, weight ${formatShape(weight.shape)} and ${groups} groups; ` +
        `wanted a weight ${form.wanted}, and channels that the groups divide`,
    );
  }
  if (bias && (bias.ndim !== 1 || bias.shape[0] !== form.outputs)) {
    throw new ShapeError(`${op}: bias ${formatShape(bias.shape)}, wanted [${form.outputs}]`);
  }
}

/**
 * A product of matrices: the weight's rows with a matrix that has a column for each window. That matrix is a view of the
 * input, which the product reads as it goes; it never lies in memory.
 */
function convolution(
  op: string,
  dims: number,
  input: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  { groups = 1, padding = 0, paddingMode = "zeros", ...spacing }: ConvolutionOptions,
): Tensor {
  const x = batched(op, input, dims);
  const [outputs, each] = weight.shape;
  const wanted = "[out, in / groups, kernel...]";
  checkChannels(op, x, weight, bias, groups, { dims, inputs: each * groups, outputs, wanted });
  const windows = windowsOf(op, weight.shape.slice(2), spacing);
  const padded = padSpatial(x, marginsOf(op, padding, windows), paddingMode);
  const slid = slideWindows(op, padded, windows);
  const batch = x.shape[0];
  const places = slid.shape.slice(2, 2 + dims);
  const kernel = weight.shape.slice(2);
  // [N, G, C / G, out..., kernel...] becomes [G, C / G * kernel, N * out].
  const columns = slid
    .reshape([batch, groups, each, ...places, ...kernel])
    .permute([1, 2, ...range(3 + dims, dims), 0, ...range(3, dims)])
    .reshape([groups, each * numel(kernel), batch * numel(places)]);
  const rows = weight.reshape([groups, outputs / groups, each * numel(kernel)]);
  const product = rows.matmul(columns);
  const sums = bias ? product.add(bias.reshape([groups, outputs / groups, 1])) : product;
  const result = sums
    .reshape([groups, outputs / groups, batch, ...places])
    .permute([2, 0, 1, ...range(3, dims)])
    .reshape([batch, outputs, ...places]);
  return input.ndim === x.ndim ? result : result.squeeze(0);
}

/** A product of matrices gives each input element's window, and overlapping windows are summed. */
function convolutionTranspose(
  op: string,
  dims: number,
  input: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  { groups = 1, padding = 0, outputPadding = 0, ...spacing }: ConvolutionTransposeOptions,
): Tensor {
  const x = batched(op, input, dims);
  const [inputs, each] = weight.shape;
  const outputs = each * groups;
  const wanted = "[in, out / groups, kernel...]";
  checkChannels(op, x, weight, bias, groups, { dims, inputs, outputs, wanted });
  const kernel = weight.shape.slice(2);
  const windows = windowsOf(op, kernel, spacing);
  const cut = perDim(op, "padding", padding, dims, 0);
  const added = perDim(op, "outputPadding", outputPadding, dims, 0);
  const [batch, , ...places] = x.shape;
  const lengths = windows.map((window, i) => {
    if (added[i] >= Math.max(window.stride, window.dilation)) {
      throw new ArgumentError(
        `${op}: outputPadding ${added[i]} is not below stride ${window.stride} or dilation ${window.dilation}`,
      );
    }
    return (places[i] - 1) * window.stride + spanOf(window) + added[i];
  });
  if (lengths.some((length, i) => places[i] < 1 || length <= 2 * cut[i])) {
    throw new ShapeError(
      `${op}: input ${formatShape(x.shape)} with padding [${cut.join(", ")}] leaves nothing of [${lengths.join(", ")}]`,
    );
  }
  const rows = weight.reshape([groups, inputs / groups, each * numel(kernel)]).transpose(1, 2);
  const columns = x
    .reshape([batch, groups, inputs / groups, numel(places)])
    .permute([1, 2, 0, 3])
    .reshape([groups, inputs / groups, batch * numel(places)]);
  // [G, O / G, kernel..., N, in...] becomes [N, G * O / G, in..., kernel...].
  const slid = rows
    .matmul(columns)
    .reshape([groups, each, ...kernel, batch, ...places])
    .permute([2 + dims, 0, 1, ...range(3 + dims, dims), ...range(2, dims)])
    .reshape([batch, outputs, ...places, ...kernel]);
  const laid = layWindows(slid, windows, lengths);
  const kept = lengths.map((length, i) => [cut[i], length - cut[i]] as const);
  const sums = laid.slice(null, null, ...kept);
  const result = bias ? sums.add(bias.reshape([outputs, ...places.map(() => 1)])) : sums;
  return input.ndim === x.ndim ? result : result.squeeze(0);
}

import { ShapeError } from "../../graph/errors.ts";
import { formatShape, numel } from "../../graph/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import {
  batched,
  layWindows,
  type PerDim,
  padSpatial,
  perDim,
  slideWindows,
  spanOf,
  type Window,
} from "./windows.ts";

export interface UnfoldOptions {
  /** Distance between neighbouring windows. Default 1. */
  readonly stride?: PerDim;
  /** Zeros on both sides. Default 0. */
  readonly padding?: PerDim;
  /** Distance between neighbouring elements of a window. Default 1. */
  readonly dilation?: PerDim;
}

function windowsOf(
  op: string,
  kernelSize: PerDim,
  { stride = 1, padding = 0, dilation = 1 }: UnfoldOptions,
): { readonly windows: Window[]; readonly pads: number[] } {
  const strides = perDim(op, "stride", stride, 2, 1);
  const dilations = perDim(op, "dilation", dilation, 2, 1);
  const windows = perDim(op, "kernelSize", kernelSize, 2, 1).map((size, i) => ({
    size,
    stride: strides[i],
    dilation: dilations[i],
  }));
  return { windows, pads: perDim(op, "padding", padding, 2, 0) };
}

/**
 * The windows of x [N, C, H, W] (or [C, H, W]) as columns: [N, C K, L] for K elements a window and L windows, in row-major
 * order. As PyTorch's function of the name.
 * @throws ShapeError for other dims or too large windows; ArgumentError for sizes that are no integers.
 */
export function unfold(x: Tensor, kernelSize: PerDim, options: UnfoldOptions = {}): Tensor {
  const image = batched("unfold", x, 2);
  const { windows, pads } = windowsOf("unfold", kernelSize, options);
  const margins = pads.map((n) => ({ before: n, after: n }));
  const slid = slideWindows("unfold", padSpatial(image, margins), windows);
  const [batch, channels, rows, columns, height, width] = slid.shape;
  const result = slid.permute([0, 1, 4, 5, 2, 3]).reshape([batch, channels * height * width, rows * columns]);
  return x.ndim === 4 ? result : result.squeeze(0);
}

/**
 * The transpose of `unfold`: columns [N, C K, L] (or [C K, L]) are laid back onto [N, C, H, W], where windows overlap they
 * are summed. `outputSize` is [H, W].
 * @throws ShapeError unless there is a column for each window, of whole channels; ArgumentError for sizes that are no
 *   integers.
 */
export function fold(x: Tensor, outputSize: PerDim, kernelSize: PerDim, options: UnfoldOptions = {}): Tensor {
  const { windows, pads } = windowsOf("fold", kernelSize, options);
  const lengths = perDim("fold", "outputSize", outputSize, 2, 1).map((n, i) => n + 2 * pads[i]);
  const places = windows.map((window, i) => Math.floor((lengths[i] - spanOf(window)) / window.stride) + 1);
  const kernel = windows.map(({ size }) => size);
  const [elements, count] = x.shape.slice(-2);
  const ranked = x.ndim === 2 || x.ndim === 3;
  if (!ranked || elements % numel(kernel) !== 0 || places.some((n) => n < 1) || count !== numel(places)) {
    throw new ShapeError(
      `fold: input ${formatShape(x.shape)}, wanted [N, C x ${numel(kernel)}, ${places.join(" x ")}] for the output, ` +
        "windows and padding given",
    );
  }
  const batch = x.ndim === 3 ? x.shape[0] : 1;
  const slid = x.reshape([batch, elements / numel(kernel), ...kernel, ...places]).permute([0, 1, 4, 5, 2, 3]);
  const laid = layWindows(slid, windows, lengths);
  const result = laid.slice(null, null, ...lengths.map((n, i) => [pads[i], n - pads[i]] as const));
  return x.ndim === 3 ? result : result.squeeze(0);
}

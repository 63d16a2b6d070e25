import { isFloat } from "../../graph/dtype.ts";
import { ArgumentError, DTypeError, ShapeError } from "../../graph/errors.ts";
import { formatShape, numel, type Shape } from "../../graph/shape.ts";
import { arange, full, tensor } from "../../tensor/create.ts";
import { type Tensor, where } from "../../tensor/tensor.ts";
import {
  batched,
  type Margin,
  type PerDim,
  padSpatial,
  perDim,
  slideWindows,
  spanOf,
  type Window,
} from "./windows.ts";

export interface MaxPoolOptions {
  /** Distance between neighbouring windows. Default their size. */
  readonly stride?: PerDim;
  /** Margin on both sides that no window takes its largest element from; at most half a window. Default 0. */
  readonly padding?: PerDim;
  /** Distance between neighbouring elements of a window. Default 1. */
  readonly dilation?: PerDim;
  /** Whether a last window may lie over the end, as long as it begins inside. Default false. */
  readonly ceilMode?: boolean;
}

export interface AvgPoolOptions {
  readonly stride?: PerDim;
  /** Zeros on both sides; at most half a window. Default 0. */
  readonly padding?: PerDim;
  readonly ceilMode?: boolean;
  /** Whether the zeros of the padding count in the mean. Default true. */
  readonly countIncludePad?: boolean;
  /** What sums are divided by, in place of the number of elements. */
  readonly divisorOverride?: number;
}

/** The largest element of each window, and its position in the input's spatial dims taken as one (i32). */
export interface MaxPoolResult {
  readonly output: Tensor;
  readonly indices: Tensor;
}

/** Windows of the input [N, C, o..., k...], and which elements lie inside of it [1, 1, o..., k...] (undefined: all). */
interface Pooled {
  readonly windows: Tensor;
  readonly inside: Tensor | undefined;
  readonly dims: number;
}

/**
 * The largest element of each window of x [N, C, L] (or [C, L]). Of equal ones the first is chosen and gets the gradient;
 * the first NaN counts as largest.
 * @throws ShapeError, DTypeError or ArgumentError for what has no windows.
 */
export function maxPool1d(x: Tensor, kernelSize: PerDim, options: MaxPoolOptions = {}): Tensor {
  return maxPool("maxPool1d", 1, x, kernelSize, options);
}

/** x [N, C, H, W] or [C, H, W]; otherwise as `maxPool1d`. */
export function maxPool2d(x: Tensor, kernelSize: PerDim, options: MaxPoolOptions = {}): Tensor {
  return maxPool("maxPool2d", 2, x, kernelSize, options);
}

/** x [N, C, D, H, W] or [C, D, H, W]; otherwise as `maxPool1d`. */
export function maxPool3d(x: Tensor, kernelSize: PerDim, options: MaxPoolOptions = {}): Tensor {
  return maxPool("maxPool3d", 3, x, kernelSize, options);
}

/** `maxPool1d` to `maxPool3d`, by the number of spatial dims, with the positions of the chosen elements. */
export function maxPoolWithIndices(
  x: Tensor,
  dims: 1 | 2 | 3,
  kernelSize: PerDim,
  options: MaxPoolOptions = {},
): MaxPoolResult {
  const op = `maxPool${dims}d`;
  return largestWithIndices(op, dims, x, (image) => slid(op, dims, image, kernelSize, options));
}

/**
 * The mean of each window of x [N, C, L] (or [C, L]).
 * @throws ShapeError, DTypeError or ArgumentError for what has no windows, or a divisor of 0.
 */
export function avgPool1d(x: Tensor, kernelSize: PerDim, options: AvgPoolOptions = {}): Tensor {
  return avgPool("avgPool1d", 1, x, kernelSize, options);
}

/** x [N, C, H, W] or [C, H, W]; otherwise as `avgPool1d`. */
export function avgPool2d(x: Tensor, kernelSize: PerDim, options: AvgPoolOptions = {}): Tensor {
  return avgPool("avgPool2d", 2, x, kernelSize, options);
}

/** x [N, C, D, H, W] or [C, D, H, W]; otherwise as `avgPool1d`. */
export function avgPool3d(x: Tensor, kernelSize: PerDim, options: AvgPoolOptions = {}): Tensor {
  return avgPool("avgPool3d", 3, x, kernelSize, options);
}

/** Sizes that an adaptive pooling gives: one for all dims, or one for each; null keeps a dim's own. */
export type OutputSize = number | readonly (number | null)[];

/**
 * Means of `outputSize` windows that cover x [N, C, ...] (or [C, ...], by `dims` spatial dims): window i goes from
 * floor(i L / O) to ceil((i + 1) L / O).
 * @throws ShapeError, DTypeError or ArgumentError for what has no windows.
 */
export function adaptiveAvgPool(x: Tensor, dims: 1 | 2 | 3, outputSize: OutputSize): Tensor {
  const op = `adaptiveAvgPool${dims}d`;
  const pooled = adaptive(op, dims, checked(op, dims, x), outputSize);
  const { windows, inside } = pooled;
  const sums = overWindows(inside ? where(inside, windows, 0) : windows, dims).sum({ dim: 0 });
  if (inside === undefined) return unbatched(x, dims, sums.div(numel(windows.shape.slice(-dims))));
  return unbatched(x, dims, sums.div(overWindows(inside, dims).sum({ dim: 0 })));
}

/** The largest elements of the windows of `adaptiveAvgPool`. */
export function adaptiveMaxPool(x: Tensor, dims: 1 | 2 | 3, outputSize: OutputSize): Tensor {
  const op = `adaptiveMaxPool${dims}d`;
  return unbatched(x, dims, largest(adaptive(op, dims, checked(op, dims, x), outputSize)));
}

/** `adaptiveMaxPool` with the positions of the chosen elements. */
export function adaptiveMaxPoolWithIndices(
  x: Tensor,
  dims: 1 | 2 | 3,
  outputSize: OutputSize,
): MaxPoolResult {
  const op = `adaptiveMaxPool${dims}d`;
  return largestWithIndices(op, dims, x, (image) => adaptive(op, dims, image, outputSize));
}

function maxPool(op: string, dims: number, x: Tensor, kernelSize: PerDim, options: MaxPoolOptions): Tensor {
  const image = checked(op, dims, x);
  return unbatched(x, dims, largest(slid(op, dims, image, kernelSize, options)));
}

/** x as [N, C, ...]. @throws DTypeError unless it is a float; ShapeError for other dims. */
function checked(op: string, dims: number, x: Tensor): Tensor {
  if (!isFloat(x.dtype)) {
    throw new DTypeError(`${op}: input is ${x.dtype}, wanted a float; cast it with .to("f32")`);
  }
  return batched(op, x, dims);
}

const unbatched = (x: Tensor, dims: number, result: Tensor): Tensor =>
  x.ndim === dims + 2 ? result : result.squeeze(0);

/**
 * [N, C, o1, o2, k1, k2] as [k1 k2, N, C, o1, o2]: the elements of a window lie apart, so that neighbouring windows are
 * reduced side by side.
 */
function overWindows(x: Tensor, dims: number): Tensor {
  const kept = [...x.shape.keys()].slice(0, -dims);
  const elements = [...x.shape.keys()].slice(-dims);
  return x.permute([...elements, ...kept]).flatten(0, dims - 1);
}

interface Grid {
  readonly windows: readonly Window[];
  readonly margins: readonly Margin[];
  /** Windows along each dim. */
  readonly counts: readonly number[];
}

function gridOf(
  op: string,
  sizes: Shape,
  kernelSize: PerDim,
  { stride = kernelSize, padding = 0, dilation = 1, ceilMode = false }: MaxPoolOptions,
): Grid {
  const dims = sizes.length;
  const [kernel, strides] = [
    perDim(op, "kernelSize", kernelSize, dims, 1),
    perDim(op, "stride", stride, dims, 1),
  ];
  const [pads, dilations] = [
    perDim(op, "padding", padding, dims, 0),
    perDim(op, "dilation", dilation, dims, 1),
  ];
  const windows = kernel.map((size, i) => ({ size, stride: strides[i], dilation: dilations[i] }));
  const counts = windows.map((window, i) => {
    if (2 * pads[i] > spanOf(window)) {
      throw new ArgumentError(
        `${op}: padding ${pads[i]} is more than half a window over ${spanOf(window)} elements`,
      );
    }
    const room = sizes[i] + 2 * pads[i] - spanOf(window);
    const count = (ceilMode ? Math.ceil(room / window.stride) : Math.floor(room / window.stride)) + 1;
    // The last window begins inside the input or the padding before it.
    const last = ceilMode && (count - 1) * window.stride >= sizes[i] + pads[i] ? count - 1 : count;
    if (room < 0 && last < 1) {
      throw new ShapeError(
        `${op}: a window over ${spanOf(window)} elements does not fit dim ${i} of ${formatShape(sizes)} with padding ${pads[i]}`,
      );
    }
    return last;
  });
  const margins = windows.map((window, i) => {
    const end = (counts[i] - 1) * window.stride + spanOf(window);
    return { before: pads[i], after: Math.max(0, end - sizes[i] - pads[i]) };
  });
  return { windows, margins, counts };
}

function slid(op: string, dims: number, image: Tensor, kernelSize: PerDim, options: MaxPoolOptions): Pooled {
  const sizes = image.shape.slice(2);
  const { windows, margins } = gridOf(op, sizes, kernelSize, options);
  const padded = margins.some(({ before, after }) => before + after > 0);
  const inside = padded
    ? slideWindows(
        op,
        padSpatial(full([1, 1, ...sizes], 1, { dtype: "bool", device: image.device }), margins),
        windows,
      )
    : undefined;
  return { windows: slideWindows(op, padSpatial(image, margins), windows), inside, dims };
}

/** The elements of each window, side by side; -infinity outside of the input. */
function elementsOf({ windows, inside, dims }: Pooled): Tensor {
  return overWindows(inside ? where(inside, windows, Number.NEGATIVE_INFINITY) : windows, dims);
}

/** Where each window's first largest element stands among its elements: [k1 k2, N, C, o1, o2], one true a window. */
function firstLargest(pooled: Pooled): Tensor {
  const { windows, inside, dims } = pooled;
  const elements = elementsOf(pooled);
  const best = elements.eq(elements.amax({ dim: 0, keepdim: true })).logicalOr(elements.isnan());
  const chosen = inside ? best.logicalAnd(overWindows(inside, dims)) : best;
  const count = elements.size(0);
  const position = arange(0, count, 1, { device: windows.device }).reshape([
    count,
    ...elements.shape.slice(1).map(() => 1),
  ]);
  const first = where(chosen, position, count).amin({ dim: 0, keepdim: true });
  // A dilated window may lie in the padding altogether: then its first element stands for it, which is -infinity.
  return position.eq(inside ? where(first.eq(count), 0, first) : first);
}

function largest(pooled: Pooled): Tensor {
  const elements = elementsOf(pooled);
  // The largest element alone, where nobody asks which it was.
  if (!elements.requiresGrad) return elements.amax({ dim: 0 });
  return where(firstLargest(pooled), elements, 0).sum({ dim: 0 });
}

function largestWithIndices(
  op: string,
  dims: number,
  x: Tensor,
  windowsOf: (image: Tensor) => Pooled,
): MaxPoolResult {
  const image = checked(op, dims, x);
  const sizes = image.shape.slice(2);
  const positions = arange(0, numel(sizes), 1, { device: x.device }).reshape([1, 1, ...sizes]);
  const pooled = windowsOf(image);
  const at = overWindows(windowsOf(positions).windows, dims);
  const indices = where(firstLargest(pooled), at, 0).sum({ dim: 0 });
  return { output: unbatched(x, dims, largest(pooled)), indices: unbatched(x, dims, indices) };
}

function avgPool(
  op: string,
  dims: number,
  x: Tensor,
  kernelSize: PerDim,
  { countIncludePad = true, divisorOverride, ...options }: AvgPoolOptions,
): Tensor {
  if (divisorOverride === 0) throw new ArgumentError(`${op}: divisorOverride is 0`);
  const image = checked(op, dims, x);
  const { windows } = slid(op, dims, image, kernelSize, options);
  const sums = overWindows(windows, dims).sum({ dim: 0 });
  if (divisorOverride !== undefined) return unbatched(x, dims, sums.div(divisorOverride));
  const grid = gridOf(op, image.shape.slice(2), kernelSize, options);
  const counts = grid.counts.map((count, i) => {
    const { size, stride } = grid.windows[i];
    const length = image.shape[2 + i];
    const { before } = grid.margins[i];
    return Array.from({ length: count }, (_, window) => {
      const start = window * stride - before;
      if (countIncludePad) return Math.min(start + size, length + before) - start;
      return Math.min(start + size, length) - Math.max(start, 0);
    });
  });
  return unbatched(x, dims, divideByCounts(sums, counts));
}

/** Divides [..., o1, o2] by the product of one count for each place along each dim. */
function divideByCounts(sums: Tensor, counts: readonly (readonly number[])[]): Tensor {
  if (counts.every((list) => list.every((n) => n === list[0]))) {
    return sums.div(counts.reduce((product, [n]) => product * n, 1));
  }
  const { dtype, device } = sums;
  const divisor = counts
    .map((list, i) =>
      tensor([...list], { dtype, device }).reshape([list.length, ...counts.slice(i + 1).map(() => 1)]),
    )
    .reduce((product, factor) => product.mul(factor));
  return sums.div(divisor);
}

/** Windows of (almost) equal sizes that cover each dim: uniform ones as a view, others by looking their elements up. */
function adaptive(op: string, dims: number, image: Tensor, outputSize: OutputSize): Pooled {
  const sizes = image.shape.slice(2);
  const given = typeof outputSize === "number" ? sizes.map(() => outputSize) : outputSize;
  const outputs = perDim(
    op,
    "outputSize",
    given.map((size, i) => size ?? sizes[i]),
    dims,
    1,
  );
  if (sizes.some((size) => size < 1))
    throw new ShapeError(`${op}: input ${formatShape(image.shape)} is empty`);
  if (sizes.every((size, i) => size % outputs[i] === 0)) {
    const even = sizes.map((size, i) => size / outputs[i]);
    const windows = even.map((size) => ({ size, stride: size, dilation: 1 }));
    return { windows: slideWindows(op, image, windows), inside: undefined, dims };
  }
  let windows = image;
  const masks: Tensor[] = [];
  sizes.forEach((size, i) => {
    const count = outputs[i];
    const starts = Array.from({ length: count }, (_, o) => Math.floor((o * size) / count));
    const ends = starts.map((_, o) => Math.ceil(((o + 1) * size) / count));
    const width = Math.max(...ends.map((end, o) => end - starts[o]));
    const steps = Array.from({ length: width }, (_, k) => k);
    const rows = starts.flatMap((start, o) => steps.map((k) => Math.min(start + k, ends[o] - 1)));
    const index = tensor(rows, { dtype: "i32", device: image.device });
    const dim = 2 + i;
    const shape = windows.shape;
    windows = windows
      .indexSelect(dim, index)
      .reshape([...shape.slice(0, dim), count, width, ...shape.slice(dim + 1)]);
    // The elements of a window go to the end, behind those of earlier dims.
    const order = [...windows.shape.keys()].filter((d) => d !== dim + 1);
    windows = windows.permute([...order, dim + 1]);
    const mask = starts.map((start, o) => steps.map((k) => start + k < ends[o]));
    const places = outputs.map((_, j) => (j === i ? count : 1));
    const elements = outputs.map((_, j) => (j === i ? width : 1));
    masks.push(tensor(mask, { device: image.device }).reshape([1, 1, ...places, ...elements]));
  });
  const inside = masks.reduce((all, mask) => all.logicalAnd(mask));
  return { windows, inside, dims };
}

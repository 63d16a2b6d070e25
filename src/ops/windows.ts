import { ArgumentError, DTypeError, ShapeError } from "../graph/errors.ts";
import type { Value, ValueType } from "../graph/node.ts";
import { formatShape } from "../graph/shape.ts";
import * as b from "./builders.ts";
import { defineOp } from "./define.ts";

/** Windows along a dim: window i holds the elements i * step + k * dilation for k from 0 to size - 1. */
export interface WindowAttrs {
  readonly dim: number;
  /** Elements of a window. */
  readonly size: number;
  /** Distance between the first elements of neighbouring windows. */
  readonly step: number;
  /** Distance between neighbouring elements of a window. */
  readonly dilation: number;
}

export interface FoldAttrs extends Omit<WindowAttrs, "size"> {
  /** Size of the result along the dim. */
  readonly length: number;
}

/** How many windows there are in `length` elements. @throws ArgumentError or ShapeError where there is none. */
function windowCount(op: string, x: ValueType, length: number, attrs: WindowAttrs): number {
  const { dim, size, step, dilation } = attrs;
  if ([size, step, dilation].some((n) => !Number.isInteger(n) || n < 1)) {
    throw new ArgumentError(
      `${op}: size ${size}, step ${step} and dilation ${dilation} must be integers of at least 1`,
    );
  }
  const span = (size - 1) * dilation + 1;
  if (span > length) {
    throw new ShapeError(
      `${op}: a window over ${span} elements does not fit the ${length} along dim ${dim} of ${formatShape(x.shape)}; ` +
        "pad it first or make the window smaller",
    );
  }
  return Math.floor((length - span) / step) + 1;
}

/** The windows along a dim, their elements in a new last dim; PyTorch's `Tensor.unfold`, with a dilation. */
export const unfold = defineOp<WindowAttrs>({
  kind: "movement",
  infer: ([x], attrs) => {
    if (!(attrs.dim >= 0 && attrs.dim < x.shape.length)) {
      throw new ArgumentError(`unfold: ${formatShape(x.shape)} has no dim ${attrs.dim}`);
    }
    const count = windowCount("unfold", x, x.shape[attrs.dim], attrs);
    const shape = x.shape.map((size, i) => (i === attrs.dim ? count : size));
    return [{ shape: [...shape, attrs.size], dtype: x.dtype }];
  },
  gradient: ({ attrs: { dim, step, dilation }, inputs: [x], cotangent: g }) => [
    b.fold(g, { dim, length: x.shape[dim], step, dilation }),
  ],
});

/** Sums of what windows lay on each element: the transpose of `unfold`, and its gradient. */
export const fold = defineOp<FoldAttrs>({
  kind: "composite",
  infer: ([x], attrs) => {
    const { dim, length, step, dilation } = attrs;
    const last = x.shape.length - 1;
    if (!(dim >= 0 && dim < last)) {
      throw new ArgumentError(`fold: dim ${dim} of ${formatShape(x.shape)}; windows lie in the last dim`);
    }
    const count = windowCount("fold", x, length, { dim, size: x.shape[last], step, dilation });
    if (count !== x.shape[dim]) {
      throw new ShapeError(
        `fold: ${formatShape(x.shape)} has ${x.shape[dim]} windows, length ${length} has room for ${count}`,
      );
    }
    if (x.dtype === "bool") throw new DTypeError('fold: operand is bool; cast it with .to("i32")');
    return [{ shape: x.shape.slice(0, -1).map((size, i) => (i === dim ? length : size)), dtype: x.dtype }];
  },
  decompose: ([x], attrs) => [sumOfWindows(x, attrs)],
  gradient: ({ attrs: { dim, step, dilation }, inputs: [x], cotangent: g }) => [
    b.unfold(g, { dim, size: x.shape[x.shape.length - 1], step, dilation }),
  ],
});

/**
 * Windows whose step is 1, and windows without overlap, are the two simple cases. Others are made of both: a window is cut
 * into blocks as long as the step, of which neighbours do not overlap, and the blocks of one place in their windows are
 * windows of step 1.
 */
function sumOfWindows(x: Value, { dim, length, step, dilation }: FoldAttrs): Value {
  const last = x.shape.length - 1;
  const whole = step === 1 ? x : b.dilate(x, last, dilation);
  const blocks = Math.ceil(whole.shape[last] / step);
  const outside = x.shape.slice(0, last);
  const cut = b.reshape(padTo(whole, last, blocks * step), [...outside, blocks, step]);
  const sums = shiftedSum(cut, dim, step === 1 ? dilation : 1);
  // [.., windows + blocks - 1 along dim, .., step]: the elements of a block stand beside each other.
  const order = outside.map((_, i) => i);
  order.splice(dim + 1, 0, last);
  const shape = sums.shape.slice(0, last).map((size, i) => (i === dim ? size * step : size));
  return padTo(b.reshape(b.permute(sums, order), shape), dim, length);
}

/** Zeros after the elements along a dim, or fewer of them: `length` in all. */
function padTo(x: Value, dim: number, length: number): Value {
  const missing = x.shape.map((size, i) => (i === dim ? Math.max(0, length - size) : 0));
  const padded = b.pad(
    x,
    missing.map(() => 0),
    missing,
  );
  return b.narrow(
    padded,
    missing.map(() => 0),
    padded.shape.map((size, i) => (i === dim ? length : size)),
  );
}

/** result[.., p, .., r] = sum over m of x[.., p - m * dilation, .., m, r], for x [.., count along dim, .., size, rest]. */
function shiftedSum(x: Value, dim: number, dilation: number): Value {
  const rank = x.shape.length;
  const size = x.shape[rank - 2];
  const without = x.shape.filter((_, i) => i !== rank - 2);
  if (size === 1) return b.reshape(x, without);
  const margin = x.shape.map((_, i) => (i === dim ? (size - 1) * dilation : 0));
  // Element j of the window at p is x[p - (size - 1 - j) * dilation]; flipped, x[p - j * dilation]. Wanted is j = m.
  const windows = b.flip(b.unfold(b.pad(x, margin, margin), { dim, size, step: 1, dilation }), [rank]);
  const order = [...windows.shape.keys()].filter((i) => i !== rank - 2 && i !== rank);
  const square = b.permute(windows, [rank - 2, rank, ...order]);
  const others = order.map((i) => windows.shape[i]);
  const flat = b.reshape(square, [size * size, ...others]);
  const diagonal = b.slice(
    flat,
    flat.shape.map(() => 0),
    [size, ...others],
    flat.shape.map((_, i) => (i === 0 ? size + 1 : 1)),
  );
  return b.reshape(b.sum(diagonal, [0]), others);
}

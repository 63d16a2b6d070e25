import { ArgumentError, ShapeError } from "../../graph/errors.ts";
import { formatShape } from "../../graph/shape.ts";
import * as b from "../../ops/builders.ts";
import { Tensor } from "../../tensor/tensor.ts";

/** One number for all spatial dims, or one for each. */
export type PerDim = number | readonly number[];

/** Windows along one spatial dim. */
export interface Window {
  readonly size: number;
  readonly stride: number;
  readonly dilation: number;
}

/** Zeros (or another value) before and after the elements of a dim. */
export interface Margin {
  readonly before: number;
  readonly after: number;
}

/**
 * One number for each of `dims` spatial dims.
 * @throws ArgumentError unless there is one for all or one for each, all integers of at least `least`.
 */
export function perDim(op: string, name: string, given: PerDim, dims: number, least: number): number[] {
  const list = typeof given === "number" ? new Array<number>(dims).fill(given) : [...given];
  const repeated = list.length === 1 ? new Array<number>(dims).fill(list[0]) : list;
  if (repeated.length !== dims || repeated.some((n) => !Number.isInteger(n) || n < least)) {
    throw new ArgumentError(
      `${op}: ${name} [${list.join(", ")}]; wanted one integer of at least ${least}, or ${dims} of them`,
    );
  }
  return repeated;
}

/** How many elements a window lies over. */
export function spanOf({ size, dilation }: Window): number {
  return (size - 1) * dilation + 1;
}

/**
 * x with a leading dim of size 1 where it is one example without a batch: [C, ...] as [1, C, ...].
 * @throws ShapeError unless there are `dims` spatial dims behind N and C, or behind C.
 */
export function batched(op: string, x: Tensor, dims: number): Tensor {
  if (x.ndim === dims + 2) return x;
  if (x.ndim === dims + 1) return x.unsqueeze(0);
  const spatial = ["", "L", "H, W", "D, H, W"][dims] ?? "...";
  throw new ShapeError(`${op}: input ${formatShape(x.shape)}, wanted [N, C, ${spatial}] or [C, ${spatial}]`);
}

/** What stands around an input: zeros, or its own elements, mirrored, repeated or from the other end. */
export type PaddingMode = "zeros" | "reflect" | "replicate" | "circular";

/** The trailing dims of x between zeros (false for bool), or what else the mode says. */
export function padSpatial(x: Tensor, margins: readonly Margin[], mode: PaddingMode = "zeros"): Tensor {
  const amounts = margins.map(({ before, after }) => [before, after]);
  return x.pad(amounts.reverse().flat(), { mode: mode === "zeros" ? "constant" : mode });
}

/**
 * The windows along the trailing dims: [..., s1, s2] gives [..., o1, o2, k1, k2].
 * @throws ShapeError where a window is larger than its dim, naming the op.
 */
export function slideWindows(op: string, x: Tensor, windows: readonly Window[]): Tensor {
  const first = x.ndim - windows.length;
  windows.forEach((window, i) => {
    if (spanOf(window) > x.shape[first + i]) {
      throw new ShapeError(
        `${op}: a window over ${spanOf(window)} elements is larger than dim ${first + i} of ${formatShape(x.shape)} ` +
          "(padding included); pad more or make the window smaller",
      );
    }
  });
  const value = windows.reduce(
    (inner, { size, stride, dilation }, i) =>
      b.unfold(inner, { dim: first + i, size, step: stride, dilation }),
    x.usable(),
  );
  return new Tensor(value, x.device);
}

/**
 * Sums of windows where they overlap, the transpose of `slideWindows`: [..., o1, o2, k1, k2] gives [..., s1, s2]. Elements
 * behind the last window are 0.
 */
export function layWindows(x: Tensor, windows: readonly Window[], lengths: readonly number[]): Tensor {
  const first = x.ndim - 2 * windows.length;
  let value = x.usable();
  for (let i = windows.length - 1; i >= 0; i--) {
    const { stride, dilation } = windows[i];
    const covered = (value.shape[first + i] - 1) * stride + spanOf(windows[i]);
    value = b.fold(value, { dim: first + i, length: covered, step: stride, dilation });
  }
  const after = lengths.map((length, i) => length - value.shape[first + i]);
  return padSpatial(
    new Tensor(value, x.device),
    after.map((n) => ({ before: 0, after: n })),
  );
}

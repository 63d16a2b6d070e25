import { ArgumentError, IndexOutOfRangeError, ShapeError } from "../graph/errors.ts";
import { formatShape, numel, type Shape } from "../graph/shape.ts";

/** An index; `[start, stop, step]` with Python's rules, any of them left out or null; or null for the whole dim. */
export type SliceRange =
  | number
  | null
  | readonly [start?: number | null, stop?: number | null, step?: number];

export interface ResolvedSlice {
  readonly starts: readonly number[];
  readonly sizes: readonly number[];
  readonly steps: readonly number[];
  /** Whether each dim stays in the result. */
  readonly kept: readonly boolean[];
}

/**
 * @throws ArgumentError for more ranges than dims, or a step that is no integer but 0; IndexOutOfRangeError for an index
 *   outside its dim (ranges are clipped, as in Python).
 */
export function resolveSlice(shape: Shape, ranges: readonly SliceRange[]): ResolvedSlice {
  if (ranges.length > shape.length) {
    throw new ArgumentError(
      `slice: ${ranges.length} ranges for ${formatShape(shape)}; give at most one a dim`,
    );
  }
  const parts = shape.map((size, dim) => resolveRange(shape, dim, size, ranges[dim] ?? null));
  return {
    starts: parts.map((part) => part.start),
    sizes: parts.map((part) => part.size),
    steps: parts.map((part) => part.step),
    kept: parts.map((part) => part.kept),
  };
}

function resolveRange(shape: Shape, dim: number, size: number, range: SliceRange) {
  if (range === null) return { start: 0, size, step: 1, kept: true };
  if (typeof range === "number") {
    if (!Number.isInteger(range) || range < -size || range >= size) {
      throw new IndexOutOfRangeError(`slice: index ${range} is outside dim ${dim} of ${formatShape(shape)}`);
    }
    return { start: range < 0 ? range + size : range, size: 1, step: 1, kept: false };
  }
  const step = range[2] ?? 1;
  if (!Number.isInteger(step) || step === 0)
    throw new ArgumentError(`slice: step ${step} is not a non-zero integer`);
  // Backwards, one before the first element is a valid end.
  const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
  const bound = (at: number | null | undefined, fallback: number): number => {
    if (at === null || at === undefined) return fallback;
    if (!Number.isInteger(at)) throw new ArgumentError(`slice: ${at} is not an integer`);
    return Math.min(Math.max(at < 0 ? at + size : at, low), high);
  };
  const start = bound(range[0], step > 0 ? low : high);
  const stop = bound(range[1], step > 0 ? high : low);
  return { start: Math.max(start, 0), size: Math.max(0, Math.ceil((stop - start) / step)), step, kept: true };
}

/** Fills in the one -1 of a shape. @throws ShapeError when it cannot be inferred or the elements do not fit. */
export function inferReshape(from: Shape, to: Shape): Shape {
  const unknown = to.filter((size) => size === -1).length;
  if (unknown === 0) return to;
  const rest = numel(to.filter((size) => size !== -1));
  const total = numel(from);
  if (unknown > 1 || rest === 0 || total % rest !== 0) {
    throw new ShapeError(
      `reshape: ${formatShape(from)} does not fit ${formatShape(to)}; name every size but one that divides`,
    );
  }
  return to.map((size) => (size === -1 ? total / rest : size));
}

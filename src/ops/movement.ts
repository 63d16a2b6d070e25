import { ArgumentError, DTypeError, InternalError, ShapeError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { checkShape, formatShape, numel, type Shape } from "../graph/shape.ts";
import * as b from "./builders.ts";
import { after } from "./checkpoint.ts";
import { defineOp } from "./define.ts";
import { unfold } from "./windows.ts";

export interface SliceAttrs {
  /** First element read along each dim. */
  readonly starts: readonly number[];
  /** Size of the result along each dim. */
  readonly sizes: readonly number[];
  /** Distance between elements read; negative runs backwards. */
  readonly steps: readonly number[];
}

export interface PadAttrs {
  /** Zeros (false for bool) put before and after along each dim. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** The gradient of a slice: zeros with the cotangent put back where it was read. */
function unslice(g: Value, inShape: Shape, { starts, sizes, steps }: SliceAttrs): Value {
  // A backward step reads the same elements as a forward one from the other end, flipped.
  const flipped = steps.flatMap((step, dim) => (step < 0 ? [dim] : []));
  let value = flipped.length > 0 ? b.flip(g, flipped) : g;
  const first = starts.map((start, dim) => (steps[dim] < 0 ? start + (sizes[dim] - 1) * steps[dim] : start));
  steps.forEach((step, dim) => {
    if (Math.abs(step) > 1) value = b.dilate(value, dim, Math.abs(step));
  });
  const after = inShape.map((size, dim) => size - first[dim] - value.shape[dim]);
  const empty = sizes.some((size) => size === 0);
  return empty ? b.full(inShape, g.dtype, 0) : b.pad(value, first, after);
}

export const movements = {
  /** The same elements in row-major order under another shape. */
  reshape: defineOp<{ readonly shape: Shape }>({
    kind: "movement",
    infer: ([x], { shape }) => {
      checkShape("reshape", shape);
      if (numel(shape) !== numel(x.shape)) {
        throw new ShapeError(
          `reshape: ${formatShape(x.shape)} has ${numel(x.shape)} elements, ${formatShape(shape)} needs ${numel(shape)}`,
        );
      }
      return [{ shape, dtype: x.dtype }];
    },
    gradient: ({ inputs: [x], cotangent: g }) => [b.reshape(g, x.shape)],
  }),

  /** Result dim k is input dim dims[k]. */
  permute: defineOp<{ readonly dims: readonly number[] }>({
    kind: "movement",
    infer: ([x], { dims }) => {
      const ascending = [...dims].sort((p, q) => p - q);
      if (dims.length !== x.shape.length || ascending.some((dim, i) => dim !== i)) {
        throw new ArgumentError(
          `permute: [${dims.join(", ")}] does not name each dim of ${formatShape(x.shape)} once`,
        );
      }
      return [{ shape: dims.map((dim) => x.shape[dim]), dtype: x.dtype }];
    },
    gradient: ({ attrs, cotangent: g }) => {
      const inverse = new Array<number>(attrs.dims.length);
      attrs.dims.forEach((dim, k) => {
        inverse[dim] = k;
      });
      return [b.permute(g, inverse)];
    },
  }),

  /** Dims of size 1 repeat, and new leading dims appear; shapes align at the end. */
  expand: defineOp<{ readonly shape: Shape }>({
    kind: "movement",
    infer: ([x], { shape }) => {
      checkShape("expand", shape);
      const offset = shape.length - x.shape.length;
      if (offset < 0 || x.shape.some((size, i) => size !== 1 && size !== shape[offset + i])) {
        throw new ShapeError(
          `expand: ${formatShape(x.shape)} does not expand to ${formatShape(shape)}; only dims of size 1 repeat`,
        );
      }
      return [{ shape, dtype: x.dtype }];
    },
    gradient: ({ inputs: [x], cotangent: g }) => [b.sumToShape(g, x.shape)],
  }),

  slice: defineOp<SliceAttrs>({
    kind: "movement",
    infer: ([x], { starts, sizes, steps }) => {
      x.shape.forEach((size, dim) => {
        const last = starts[dim] + (sizes[dim] - 1) * steps[dim];
        const inside = (at: number): boolean => at >= 0 && at < size;
        if (sizes[dim] > 0 && !(inside(starts[dim]) && inside(last))) {
          throw new InternalError(
            `slice: elements ${starts[dim]} to ${last} of dim ${dim} of ${formatShape(x.shape)}`,
          );
        }
      });
      return [{ shape: [...sizes], dtype: x.dtype }];
    },
    gradient: ({ attrs, inputs: [x], cotangent: g }) => [unslice(g, x.shape, attrs)],
  }),

  pad: defineOp<PadAttrs>({
    kind: "movement",
    infer: ([x], { before, after }) => {
      const shape = x.shape.map((size, dim) => before[dim] + size + after[dim]);
      const fits = before.length === x.shape.length && after.length === x.shape.length;
      if (!fits || [...before, ...after].some((n) => !Number.isInteger(n) || n < 0)) {
        throw new ArgumentError(
          `pad: [${before.join(", ")}] and [${after.join(", ")}] do not pad ${formatShape(x.shape)}`,
        );
      }
      return [{ shape, dtype: x.dtype }];
    },
    gradient: ({ attrs, inputs: [x], cotangent: g }) => [b.narrow(g, attrs.before, x.shape)],
  }),

  /** Backwards along the dims. */
  flip: defineOp<{ readonly dims: readonly number[] }>({
    kind: "movement",
    infer: ([x]) => [{ shape: x.shape, dtype: x.dtype }],
    gradient: ({ attrs, cotangent: g }) => [b.flip(g, attrs.dims)],
  }),

  unfold,

  after,

  /** One after the other along a dim. */
  concat: defineOp<{ readonly dim: number }>({
    kind: "movement",
    infer: (inputs, { dim }) => {
      const [first] = inputs;
      if (!first || dim < 0 || dim >= first.shape.length) {
        const shapes = inputs.map(({ shape }) => formatShape(shape)).join(", ");
        throw new ArgumentError(
          `concat: no dim ${dim} in ${shapes || "nothing"}; give at least one operand with that dim`,
        );
      }
      for (const input of inputs) {
        const fits =
          input.shape.length === first.shape.length &&
          input.shape.every((size, i) => i === dim || size === first.shape[i]);
        if (!fits) {
          throw new ShapeError(
            `concat: shapes ${formatShape(first.shape)} and ${formatShape(input.shape)} differ outside dim ${dim}`,
          );
        }
        if (input.dtype !== first.dtype) {
          throw new DTypeError(
            `concat: dtypes ${first.dtype} and ${input.dtype} differ; cast one with .to(dtype)`,
          );
        }
      }
      const shape = [...first.shape];
      shape[dim] = inputs.reduce((total, input) => total + input.shape[dim], 0);
      return [{ shape, dtype: first.dtype }];
    },
    gradient: ({ attrs, inputs, cotangent: g }) => {
      let start = 0;
      return inputs.map((input) => {
        const starts = g.shape.map((_, dim) => (dim === attrs.dim ? start : 0));
        start += input.shape[attrs.dim];
        return b.narrow(g, starts, input.shape);
      });
    },
  }),
};

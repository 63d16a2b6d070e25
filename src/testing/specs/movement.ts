import fc from "fast-check";
import type { DType } from "../../graph/dtype.ts";
import { numel, type Shape } from "../../graph/shape.ts";
import type { SliceAttrs } from "../../ops/movement.ts";
import type { AttrsOf, OpNameOfKind } from "../../ops/table.ts";
import type { WindowAttrs } from "../../ops/windows.ts";
import { dimOf, numberFor, shapeOf, tensorOf } from "./arbitraries.ts";
import { exact, type OpSpec, type SampleOptions } from "./spec.ts";

const ALL: readonly DType[] = ["f32", "f64", "i32", "u32", "bool"];

/** A movement of one operand, whose attrs are drawn for its shape. */
function movement<Attrs>(doc: string, attrsFor: (shape: Shape) => fc.Arbitrary<Attrs>): OpSpec<Attrs> {
  return {
    doc,
    dtypes: ALL,
    differentiable: true,
    secondOrder: true,
    samples: (options) =>
      shapeOf(options).chain((shape) =>
        fc
          .tuple(tensorOf(shape, options.dtype, numberFor(options)), attrsFor(shape))
          .map(([input, attrs]) => ({ inputs: [input], attrs })),
      ),
    tolerance: exact,
  };
}

/** One arbitrary for each dim, together. */
function perDim<T>(shape: Shape, draw: (size: number) => fc.Arbitrary<T>): fc.Arbitrary<T[]> {
  return fc.tuple(...shape.map(draw));
}

/** Other shapes of as many elements: dims merged, split, or of size 1 added. */
function reshapes(shape: Shape): fc.Arbitrary<Shape> {
  const count = numel(shape);
  const divisors = Array.from({ length: count }, (_, i) => i + 1).filter((n) => count % n === 0);
  const split: fc.Arbitrary<Shape> =
    count === 0 ? fc.constant([0, 3]) : fc.constantFrom(...divisors).map((n) => [n, count / n]);
  return fc.oneof(
    split,
    fc.constant([count]),
    fc.constant([1, ...shape]),
    fc.constant(shape.flatMap((size) => [size, 1])),
    fc.constant(shape.filter((size) => size !== 1)),
  );
}

/** Start, size and step along one dim, any direction, inside the dim. */
function sliceOf(size: number): fc.Arbitrary<readonly [start: number, size: number, step: number]> {
  if (size === 0) return fc.constant([0, 0, 1]);
  const at = fc.integer({ min: 0, max: size - 1 });
  const step = fc.constantFrom(1, 1, 2, 3, -1, -2);
  return fc.tuple(at, step, fc.integer({ min: 0, max: size })).map(([start, by, wanted]) => {
    const room = by > 0 ? Math.ceil((size - start) / by) : Math.floor(start / -by) + 1;
    return [start, Math.min(wanted, room), by];
  });
}

function slices(shape: Shape): fc.Arbitrary<SliceAttrs> {
  return perDim(shape, sliceOf).map((dims) => ({
    starts: dims.map(([start]) => start),
    sizes: dims.map(([, size]) => size),
    steps: dims.map(([, , step]) => step),
  }));
}

/** Windows that fit a dim, overlapping or not. */
export function windowsOf(length: number): fc.Arbitrary<Omit<WindowAttrs, "dim">> {
  const small = fc.integer({ min: 1, max: 3 });
  return fc
    .tuple(fc.integer({ min: 1, max: Math.min(5, length) }), small, small)
    .map(([size, step, wanted]) => {
      const room = size === 1 ? wanted : Math.floor((length - 1) / (size - 1));
      return { size, step, dilation: Math.min(wanted, room) };
    });
}

/** A shape with a dim of at least one element, and windows along it. */
export function windowSamples(
  options: SampleOptions,
): fc.Arbitrary<{ readonly shape: Shape; readonly attrs: WindowAttrs }> {
  return shapeOf(options, 1)
    .chain((shape) => fc.tuple(fc.constant(shape), dimOf(shape)))
    .chain(([drawn, dim]) => {
      const shape = drawn.map((size, i) => (i === dim ? Math.max(1, size) : size));
      return windowsOf(shape[dim]).map((windows) => ({ shape, attrs: { dim, ...windows } }));
    });
}

/** The shape drawn, with new leading dims and some dims of size 1 stretched. */
function expansions(shape: Shape): fc.Arbitrary<Shape> {
  const stretched = perDim(shape, (size) => (size === 1 ? fc.constantFrom(1, 2, 3, 0) : fc.constant(size)));
  const leading = fc.array(fc.constantFrom(1, 2, 3), { maxLength: 4 - shape.length });
  return fc.tuple(leading, stretched).map(([added, kept]) => [...added, ...kept]);
}

function concatSamples(options: SampleOptions): ReturnType<OpSpec<{ readonly dim: number }>["samples"]> {
  // The dim of concatenation may grow to 3.
  return shapeOf({ ...options, maxElements: Math.max(1, Math.floor(options.maxElements / 3)) }, 1)
    .chain((shape) => fc.tuple(fc.constant(shape), dimOf(shape)))
    .chain(([shape, dim]) => {
      const parts = fc.array(fc.constantFrom(1, 2, 3, 0), { minLength: 1, maxLength: 3 });
      return parts.chain((sizes) => {
        const shapes = sizes.map((size) => shape.map((other, i) => (i === dim ? size : other)));
        const tensors = shapes.map((part) => tensorOf(part, options.dtype, numberFor(options)));
        return fc.tuple(...tensors).map((inputs) => ({ inputs, attrs: { dim } }));
      });
    });
}

export const movementSpecs = {
  reshape: movement("The same elements under another shape.", (shape) =>
    reshapes(shape).map((to) => ({ shape: to })),
  ),
  permute: movement("Dims in another order.", (shape) =>
    fc
      .shuffledSubarray(
        shape.map((_, dim) => dim),
        { minLength: shape.length },
      )
      .map((dims) => ({ dims })),
  ),
  expand: movement("Dims of size 1 repeated, and new leading dims.", (shape) =>
    expansions(shape).map((to) => ({ shape: to })),
  ),
  slice: movement("Every step-th element of a range along each dim.", slices),
  pad: movement("Zeros before and after along each dim.", (shape) => {
    const margin = perDim(shape, () => fc.integer({ min: 0, max: 2 }));
    return fc.tuple(margin, margin).map(([before, after]) => ({ before, after }));
  }),
  flip: movement("Backwards along some dims.", (shape) =>
    fc.subarray(shape.map((_, dim) => dim)).map((dims) => ({ dims })),
  ),
  unfold: {
    doc: "Windows along a dim, their elements in a new last dim.",
    dtypes: ALL,
    differentiable: true,
    secondOrder: true,
    samples: (options) =>
      windowSamples({ ...options, maxRank: Math.min(options.maxRank, 3) }).chain(({ shape, attrs }) =>
        tensorOf(shape, options.dtype, numberFor(options)).map((input) => ({ inputs: [input], attrs })),
      ),
    tolerance: exact,
  },
  after: {
    doc: "The first operand, read once the others are computed.",
    dtypes: ALL,
    differentiable: true,
    secondOrder: true,
    samples: (options) =>
      fc.tuple(shapeOf(options), shapeOf(options)).chain(([shape, other]) => {
        const tensors = [shape, other].map((of) => tensorOf(of, options.dtype, numberFor(options)));
        return fc.tuple(...tensors).map((inputs) => ({ inputs, attrs: {} }));
      }),
    tolerance: exact,
  },
  concat: {
    doc: "Tensors one after the other along a dim.",
    dtypes: ALL,
    differentiable: true,
    secondOrder: true,
    samples: concatSamples,
    tolerance: exact,
  },
} satisfies { readonly [Name in OpNameOfKind<"movement">]: OpSpec<AttrsOf<Name>> };

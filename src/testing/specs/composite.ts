import fc from "fast-check";
import type { DType } from "../../graph/dtype.ts";
import { numel, type Shape } from "../../graph/shape.ts";
import type { CrossEntropyAttrs, composites, LayerNormAttrs } from "../../ops/composite.ts";
import type { AttrsOf } from "../../ops/table.ts";
import type { FoldAttrs } from "../../ops/windows.ts";
import type { Tolerance } from "../compare.ts";
import { awayFromZero, dimOf, distinctTensorOf, numberFor, real, shapeOf, tensorOf } from "./arbitraries.ts";
import { windowSamples } from "./movement.ts";
import {
  exact,
  type HostTensor,
  magnitude,
  type OpSpec,
  type Sample,
  type SampleOptions,
  summationError,
} from "./spec.ts";

const FLOATS: readonly DType[] = ["f32", "f64"];

/** What all float composites share. */
const float = { dtypes: FLOATS, differentiable: true, secondOrder: true } as const;

/** A tensor with a dim along which it has elements. */
function alongDim(
  options: SampleOptions,
  tensor: (shape: Shape) => fc.Arbitrary<HostTensor>,
): fc.Arbitrary<Sample<{ readonly dim: number }>> {
  return shapeOf(options, 1)
    .chain((shape) => fc.tuple(fc.constant(shape), dimOf(shape)))
    .chain(([shape, dim]) => {
      const whole = shape.map((size, i) => (i === dim ? Math.max(size, 1) : size));
      return tensor(whole).map((x) => ({ inputs: [x], attrs: { dim } }));
    });
}

const usualTensor =
  (options: SampleOptions) =>
  (shape: Shape): fc.Arbitrary<HostTensor> =>
    tensorOf(shape, options.dtype, numberFor(options));

const lengthAlong = ({ inputs: [x], attrs }: Sample<{ readonly dim: number }>): number => x.shape[attrs.dim];

function layerNormSamples(options: SampleOptions): fc.Arbitrary<Sample<LayerNormAttrs>> {
  const tensor = usualTensor(options);
  return shapeOf(options, 1)
    .chain((shape) => fc.tuple(fc.constant(shape), fc.integer({ min: 1, max: shape.length })))
    .chain(([shape, dims]) => {
      const trailing = shape.slice(shape.length - dims);
      return fc
        .tuple(
          tensor(shape),
          tensor(trailing),
          tensor(trailing),
          fc.constantFrom(0, 1, 2),
          fc.constantFrom(1e-5, 1e-3),
        )
        .map(([x, weight, bias, affine, eps]) => ({
          inputs: [x, weight, bias].slice(0, 1 + affine),
          attrs: { dims, eps },
        }));
    });
}

/**
 * Rounding errors of x - mean are of the size of x; the division by the deviation, at least sqrt(eps),
 * enlarges them.
 */
function layerNormTolerance({ inputs: [x, weight, bias], attrs }: Sample<LayerNormAttrs>): Tolerance {
  const length = numel(x.shape.slice(x.shape.length - attrs.dims));
  const scale = weight ? magnitude(weight) : 1;
  const centered = 2 ** -23 * (2 + Math.sqrt(length)) * magnitude(x);
  return {
    ulps: 8,
    atol: (centered / Math.sqrt(attrs.eps)) * scale + 2 ** -22 * (bias ? magnitude(bias) : 0),
  };
}

function crossEntropySamples(options: SampleOptions): fc.Arbitrary<Sample<CrossEntropyAttrs>> {
  const sizes = fc.tuple(fc.constantFrom(3, 1, 2, 5, 0), fc.constantFrom(4, 1, 2, 7));
  return fc.tuple(sizes, fc.constantFrom(-100, 0)).chain(([[wanted, classes], ignoreIndex]) => {
    const rows = Math.min(wanted, Math.max(1, Math.floor(options.maxElements / classes)));
    const target = fc.oneof(
      { weight: 4, arbitrary: fc.integer({ min: 0, max: classes - 1 }) },
      { weight: 1, arbitrary: fc.constant(ignoreIndex) },
    );
    return fc
      .tuple(usualTensor(options)([rows, classes]), tensorOf([rows], "i32", target))
      .map((inputs) => ({ inputs, attrs: { ignoreIndex } }));
  });
}

const gelu: OpSpec<AttrsOf<"gelu">> = {
  ...float,
  doc: "Gaussian error linear unit, by erf or its tanh approximation.",
  samples: (options) =>
    fc
      .tuple(shapeOf(options).chain(usualTensor(options)), fc.constantFrom<"none" | "tanh">("none", "tanh"))
      .map(([x, approximate]) => ({ inputs: [x], attrs: { approximate } })),
  tolerance: () => ({ ulps: 16, atol: 2 ** -20 }),
};

/** A composite map without attrs. */
function pointwise(doc: string, smooth: fc.Arbitrary<number>, tolerance: Tolerance): OpSpec<AttrsOf<"relu">> {
  return {
    ...float,
    doc,
    samples: (options) =>
      shapeOf(options)
        .chain((shape) => tensorOf(shape, options.dtype, options.smooth ? smooth : numberFor(options)))
        .map((x) => ({ inputs: [x], attrs: {} })),
    tolerance: () => tolerance,
  };
}

const fold: OpSpec<FoldAttrs> = {
  dtypes: ["f32", "f64", "i32", "u32"],
  differentiable: true,
  secondOrder: true,
  doc: "The sum of what windows lay on each element of a dim: the transpose of unfold.",
  samples: (options) =>
    // The shape drawn is the result's; windows hold up to five times as many elements.
    windowSamples({
      ...options,
      maxRank: Math.min(options.maxRank, 3),
      maxElements: Math.max(1, Math.floor(options.maxElements / 5)),
    }).chain(({ shape, attrs: { dim, size, step, dilation } }) => {
      const length = shape[dim];
      const count = Math.floor((length - (size - 1) * dilation - 1) / step) + 1;
      const windows = [...shape.map((n, i) => (i === dim ? count : n)), size];
      return usualTensor(options)(windows).map((x) => ({
        inputs: [x],
        attrs: { dim, length, step, dilation },
      }));
    }),
  tolerance: ({ inputs: [x] }) => ({
    ulps: 1,
    atol: summationError(x.shape[x.shape.length - 1], magnitude(x)),
  }),
};

/** Where an extremum stands. */
function position(doc: string): OpSpec<{ readonly dim: number }> {
  return {
    doc,
    dtypes: ["f32", "f64", "i32", "u32"],
    differentiable: false,
    secondOrder: false,
    samples: (options) =>
      alongDim(options, (shape) =>
        options.smooth ? distinctTensorOf(shape, options.dtype) : usualTensor(options)(shape),
      ),
    tolerance: exact,
  };
}

export const compositeSpecs = {
  fold,
  softmax: {
    ...float,
    doc: "exp(x) normalised to sum to 1 along a dim.",
    samples: (options) => alongDim(options, usualTensor(options)),
    // exp turns the absolute error of x - max into a relative one.
    tolerance: (sample) => ({
      ulps: 16 + 4 * magnitude(sample.inputs[0]) + 2 * Math.sqrt(lengthAlong(sample)),
    }),
  },
  logSoftmax: {
    ...float,
    doc: "Logarithm of softmax along a dim.",
    samples: (options) => alongDim(options, usualTensor(options)),
    tolerance: (sample) => ({ ulps: 4, atol: 2 ** -21 * (4 + magnitude(sample.inputs[0])) }),
  },
  layerNorm: {
    ...float,
    doc: "Trailing dims shifted and scaled to mean 0 and variance 1, then by weight and bias.",
    samples: layerNormSamples,
    tolerance: layerNormTolerance,
  },
  crossEntropy: {
    ...float,
    doc: "Cross-entropy of each row's logits with its target class; 0 for ignored rows.",
    samples: crossEntropySamples,
    tolerance: ({ inputs: [logits] }) => ({ ulps: 4, atol: 2 ** -21 * (4 + magnitude(logits)) }),
  },
  gelu,
  sigmoid: pointwise("1 / (1 + exp(-x)).", real(-3, 3), { ulps: 12 }),
  relu: pointwise("max(x, 0); its gradient at 0 is 0.", awayFromZero(0.1, 3), {}),
  argmax: position("Index of the first largest element along a dim; the first NaN counts as largest."),
  argmin: position("Index of the first smallest element along a dim; the first NaN counts as smallest."),
} satisfies { readonly [Name in keyof typeof composites]: OpSpec<AttrsOf<Name>> };

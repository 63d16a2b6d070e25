import fc from "fast-check";
import { type DType, isFloat } from "../../graph/dtype.ts";
import type { Shape } from "../../graph/shape.ts";
import type { ReduceAttrs } from "../../ops/reduction.ts";
import type { AttrsOf, OpNameOfKind } from "../../ops/table.ts";
import { awayFromZero, distinctTensorOf, numberFor, shapeOf, tensorOf } from "./arbitraries.ts";
import {
  exact,
  type HostTensor,
  magnitude,
  type OpSpec,
  type Sample,
  type SampleOptions,
  summationError,
} from "./spec.ts";

const NUMBERS: readonly DType[] = ["f32", "f64", "i32", "u32"];

/** How many elements go into one result. */
function reducedCount({ inputs: [x], attrs }: Sample<ReduceAttrs>): number {
  return attrs.dims.reduce((count, dim) => count * x.shape[dim], 1);
}

/** A tensor and at least one of its dims; where nothing cannot be reduced, those dims have elements. */
function reductionSamples(
  options: SampleOptions,
  emptyAllowed: boolean,
  tensor: (shape: Shape) => fc.Arbitrary<HostTensor>,
): fc.Arbitrary<Sample<ReduceAttrs>> {
  return shapeOf(options, 1)
    .chain((shape) =>
      fc.tuple(
        fc.constant(shape),
        fc.subarray(
          shape.map((_, dim) => dim),
          { minLength: 1 },
        ),
      ),
    )
    .chain(([shape, dims]) => {
      const whole = shape.map((size, dim) =>
        !emptyAllowed && dims.includes(dim) ? Math.max(size, 1) : size,
      );
      return tensor(whole).map((input) => ({ inputs: [input], attrs: { dims } }));
    });
}

function extremum(doc: string): OpSpec<ReduceAttrs> {
  return {
    doc,
    dtypes: [...NUMBERS, "bool"],
    differentiable: true,
    secondOrder: true,
    samples: (options) =>
      reductionSamples(options, false, (shape) =>
        options.smooth
          ? distinctTensorOf(shape, options.dtype)
          : tensorOf(shape, options.dtype, numberFor(options)),
      ),
    tolerance: exact,
  };
}

export const reductionSpecs = {
  sum: {
    doc: "Sum along dims; an empty sum is 0.",
    dtypes: NUMBERS,
    differentiable: true,
    secondOrder: true,
    samples: (options) =>
      reductionSamples(options, true, (shape) => tensorOf(shape, options.dtype, numberFor(options))),
    tolerance: (sample) => ({
      ulps: 1,
      atol: summationError(reducedCount(sample), magnitude(sample.inputs[0])),
    }),
  },
  prod: {
    doc: "Product along dims; an empty product is 1.",
    dtypes: NUMBERS,
    differentiable: true,
    secondOrder: true,
    samples: (options) => {
      const usual = options.smooth || (options.domain === "usual" && isFloat(options.dtype));
      const factor = fc.oneof({ weight: 5, arbitrary: awayFromZero(0.5, 1.5) }, fc.constant(0));
      const number = usual ? factor : numberFor(options);
      return reductionSamples(options, true, (shape) => tensorOf(shape, options.dtype, number));
    },
    tolerance: (sample) => ({ ulps: 2 + reducedCount(sample) }),
  },
  max: extremum("Largest along dims; NaN if any is NaN. Equal ones share the gradient."),
  min: extremum("Smallest along dims; NaN if any is NaN. Equal ones share the gradient."),
} satisfies { readonly [Name in OpNameOfKind<"reduce">]: OpSpec<AttrsOf<Name>> };

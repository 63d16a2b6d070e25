import fc from "fast-check";
import type { DType } from "../../graph/dtype.ts";
import type { Shape } from "../../graph/shape.ts";
import type { scanComposites, scans } from "../../ops/scan.ts";
import type { SortAttrs, sortComposites, sorts } from "../../ops/sort.ts";
import type { AttrsOf } from "../../ops/table.ts";
import type { Tolerance } from "../compare.ts";
import { distinctTensorOf, numberFor, real, shapeOf, tensorOf } from "./arbitraries.ts";
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
const NUMBERS: readonly DType[] = [...FLOATS, "i32", "u32"];

type ScanSpec = OpSpec<AttrsOf<"cumsum">>;

/** Operands of one shape of at least one dim. */
function alongLast(
  options: SampleOptions,
  ...tensors: readonly ((shape: Shape) => fc.Arbitrary<HostTensor>)[]
): ReturnType<ScanSpec["samples"]> {
  return shapeOf(options, 1).chain((shape) =>
    fc.tuple(...tensors.map((tensor) => tensor(shape))).map((inputs) => ({ inputs, attrs: {} })),
  );
}

const usual =
  (options: SampleOptions) =>
  (shape: Shape): fc.Arbitrary<HostTensor> =>
    tensorOf(shape, options.dtype, numberFor(options));

const lengthOf = ({ inputs: [x] }: Sample): number => x.shape[x.shape.length - 1];

function runningExtremum(doc: string): ScanSpec {
  return {
    doc,
    dtypes: NUMBERS,
    differentiable: true,
    secondOrder: true,
    samples: (options) =>
      alongLast(options, (shape) =>
        options.smooth ? distinctTensorOf(shape, options.dtype) : usual(options)(shape),
      ),
    tolerance: exact,
  };
}

const cumprod: ScanSpec = {
  doc: "Running product along the last dim.",
  dtypes: NUMBERS,
  differentiable: true,
  secondOrder: true,
  samples: (options) =>
    alongLast(options, (shape) => {
      const factor = fc.oneof({ weight: 5, arbitrary: real(-1.5, 1.5) }, fc.constant(0));
      const float = FLOATS.includes(options.dtype) && (options.smooth || options.domain === "usual");
      return tensorOf(shape, options.dtype, float ? factor : numberFor(options));
    }),
  tolerance: (sample) => ({ ulps: 2 + lengthOf(sample), atol: 2 ** -100 }),
};

const linearRecurrence: ScanSpec = {
  doc: "h_i = a_i h_(i-1) + b_i along the last dim, h_(-1) being 0.",
  dtypes: FLOATS,
  differentiable: true,
  secondOrder: true,
  samples: (options) =>
    alongLast(options, (shape) => tensorOf(shape, options.dtype, real(-1, 1)), usual(options)),
  // No result exceeds the sum of the second operand; each step rounds twice.
  tolerance: (sample) => ({
    ulps: 1,
    atol: 2 ** -22 * lengthOf(sample) ** 2 * magnitude(sample.inputs[1]),
  }),
};

function sortSamples(options: SampleOptions): fc.Arbitrary<Sample<SortAttrs>> {
  const number = fc.oneof({ weight: 2, arbitrary: numberFor(options) }, fc.constantFrom(0, 1));
  const tensor = (shape: Shape): fc.Arbitrary<HostTensor> =>
    options.smooth ? distinctTensorOf(shape, options.dtype) : tensorOf(shape, options.dtype, number);
  return fc
    .tuple(shapeOf(options, 1).chain(tensor), fc.boolean())
    .map(([x, descending]) => ({ inputs: [x], attrs: { descending } }));
}

export const orderSpecs = {
  cumsum: {
    doc: "Running sum along the last dim.",
    dtypes: NUMBERS,
    differentiable: true,
    secondOrder: true,
    samples: (options) => alongLast(options, usual(options)),
    tolerance: (sample) => ({ ulps: 1, atol: summationError(lengthOf(sample), magnitude(sample.inputs[0])) }),
  },
  cumprod,
  cummax: runningExtremum("Running maximum along the last dim; NaN from the first NaN on."),
  cummin: runningExtremum("Running minimum along the last dim; NaN from the first NaN on."),
  linearRecurrence,
  logcumsumexp: {
    doc: "Logarithm of the running sum of exponentials along the last dim.",
    dtypes: FLOATS,
    differentiable: true,
    secondOrder: true,
    samples: (options) => alongLast(options, usual(options)),
    tolerance: (sample): Tolerance => ({
      ulps: 4,
      atol: 2 ** -22 * (4 + lengthOf(sample) + magnitude(sample.inputs[0])),
    }),
  },
  argsort: {
    doc: "Indices that sort the last dim; equal elements keep their order, NaN counts as greatest.",
    dtypes: [...NUMBERS, "bool"],
    differentiable: false,
    secondOrder: false,
    samples: sortSamples,
    tolerance: exact,
  },
  sort: {
    doc: "The last dim in order, and the indices of its elements.",
    dtypes: [...NUMBERS, "bool"],
    differentiable: true,
    secondOrder: true,
    samples: sortSamples,
    tolerance: exact,
  },
} satisfies {
  readonly [Name in keyof (typeof scans &
    typeof sorts &
    typeof scanComposites &
    typeof sortComposites)]: OpSpec<AttrsOf<Name>>;
};

import fc from "fast-check";
import { type DType, isFloat } from "../../graph/dtype.ts";
import { numel, type Shape } from "../../graph/shape.ts";
import type { IndexAttrs, ScatterReduceAttrs, ScatterReduction } from "../../ops/indexing.ts";
import type { AttrsOf, OpNameOfKind } from "../../ops/table.ts";
import {
  anyNumber,
  awayFromZero,
  dimOf,
  distinctTensorOf,
  numberFor,
  shapeOf,
  tensorOf,
} from "./arbitraries.ts";
import {
  exact,
  type HostTensor,
  magnitude,
  type OpSpec,
  type SampleOptions,
  summationError,
} from "./spec.ts";

const NUMBERS: readonly DType[] = ["f32", "f64", "i32", "u32"];

function matmulSamples(options: SampleOptions): ReturnType<OpSpec<AttrsOf<"matmul">>["samples"]> {
  const size = fc.constantFrom(1, 2, 3, 5, 4, 0);
  const maxBatchRank = Math.max(0, Math.min(options.maxRank, 4) - 2);
  const batch = fc.array(fc.constantFrom(1, 2), { maxLength: maxBatchRank });
  return fc.tuple(batch, size, size, size).chain(([leading, ...sizes]) => {
    const limit = Math.max(1, Math.floor(Math.sqrt(options.maxElements / numel(leading))));
    const [m, k, n] = sizes.map((drawn) => Math.min(drawn, limit));
    const tensor = (shape: Shape): fc.Arbitrary<HostTensor> =>
      tensorOf(shape, options.dtype, numberFor(options));
    return fc
      .tuple(tensor([...leading, m, k]), tensor([...leading, k, n]))
      .map((inputs) => ({ inputs, attrs: {} }));
  });
}

/** Indices along a dim of the given size: inside it, or for the whole domain anything. */
function indexNumber(options: SampleOptions, size: number, dtype: DType): fc.Arbitrary<number> {
  const inside = fc.integer({ min: 0, max: Math.max(0, size - 1) });
  return options.domain === "whole" && !options.smooth ? fc.oneof(inside, anyNumber(dtype)) : inside;
}

/** A shape, a dim of it, and an index that fits: no larger along the other dims. */
function indexSamples<T>(
  options: SampleOptions,
  build: (shape: Shape, dim: number, index: HostTensor) => fc.Arbitrary<T>,
): fc.Arbitrary<T> {
  return shapeOf(options, 1)
    .chain((shape) => fc.tuple(fc.constant(shape), dimOf(shape), fc.constantFrom<DType>("i32", "u32")))
    .chain(([shape, dim, dtype]) => {
      // Along an empty dim nothing can be read: then the index is empty too.
      const others = numel(shape.filter((_, i) => i !== dim));
      const room = Math.max(1, Math.floor(options.maxElements / Math.max(1, others)));
      const along = fc.integer({ min: 0, max: shape[dim] === 0 ? 0 : Math.min(5, room) });
      const sizes = shape.map((size, i) =>
        i === dim ? along : fc.integer({ min: Math.min(size, 1), max: size }),
      );
      return fc
        .tuple(...sizes)
        .chain((indexShape) => tensorOf(indexShape, dtype, indexNumber(options, shape[dim], dtype)))
        .chain((index) => build(shape, dim, index));
    });
}

const gather: OpSpec<IndexAttrs> = {
  doc: "Elements read at indices along a dim; an index outside reads 0.",
  dtypes: [...NUMBERS, "bool"],
  differentiable: true,
  secondOrder: true,
  samples: (options) =>
    indexSamples(options, (shape, dim, index) =>
      tensorOf(shape, options.dtype, numberFor(options)).map((x) => ({ inputs: [x, index], attrs: { dim } })),
    ),
  tolerance: exact,
};

const scatterAdd: OpSpec<IndexAttrs> = {
  doc: "A copy with elements added at indices along a dim; an index outside is dropped.",
  dtypes: NUMBERS,
  differentiable: true,
  secondOrder: true,
  samples: (options) =>
    indexSamples(options, (shape, dim, index) =>
      fc
        .tuple(
          tensorOf(shape, options.dtype, numberFor(options)),
          tensorOf(index.shape, options.dtype, numberFor(options)),
        )
        .map(([base, source]) => ({ inputs: [base, index, source], attrs: { dim } })),
    ),
  tolerance: ({ inputs: [base, index, source], attrs }) => {
    const count = 1 + (index.shape[attrs.dim] ?? 1);
    return { ulps: 1, atol: summationError(count, Math.max(magnitude(base), magnitude(source))) };
  },
};

/** An index of the same shape that names each element of a line at most once. */
function withoutRepeats(index: HostTensor, dim: number, size: number): HostTensor {
  const inner = numel(index.shape.slice(dim + 1));
  const along = index.shape[dim];
  const place = (i: number): number => Math.floor(i / inner) % along;
  // Each line counts up from what its first element was drawn to be.
  const data = index.data.map((_, i) => (index.data[i - place(i) * inner] + place(i)) % size);
  return { ...index, data };
}

/** Base and source of a scatter; their elements all differ where the reduction has kinks. */
function scatterOperands(
  options: SampleOptions,
  base: Shape,
  source: Shape,
  reduce: ScatterReduction,
): fc.Arbitrary<readonly [HostTensor, HostTensor]> {
  if (options.smooth && (reduce === "amax" || reduce === "amin")) {
    return distinctTensorOf([numel(base) + numel(source)], options.dtype).map(({ dtype, data }) => [
      { shape: base, dtype, data: data.slice(0, numel(base)) },
      { shape: source, dtype, data: data.slice(numel(base)) },
    ]);
  }
  const factor =
    reduce === "prod" && (options.smooth || options.domain === "usual") && isFloat(options.dtype);
  const number = factor ? awayFromZero(0.5, 1.5) : numberFor(options);
  return fc.tuple(tensorOf(base, options.dtype, number), tensorOf(source, options.dtype, number));
}

const scatterReduce: OpSpec<ScatterReduceAttrs> = {
  doc: "A copy with elements replaced by, or multiplied or compared with, those written at indices along a dim.",
  dtypes: NUMBERS,
  differentiable: true,
  // The product's rule counts zeros, and counting has no derivative: right away from them, as the samples are.
  secondOrder: true,
  samples: (options) =>
    fc.constantFrom<ScatterReduction>("replace", "prod", "amax", "amin").chain((reduce) =>
      indexSamples(options, (shape, dim, drawn) => {
        // Of contributions that replace each other only the last is seen, but all get its gradient, as in PyTorch.
        const along = Math.min(drawn.shape[dim], shape[dim]);
        const unique = options.smooth && reduce === "replace" && along === drawn.shape[dim];
        const index = unique ? withoutRepeats(drawn, dim, shape[dim]) : drawn;
        const chosen = options.smooth && reduce === "replace" && !unique ? "prod" : reduce;
        return scatterOperands(options, shape, index.shape, chosen).map(([base, source]) => ({
          inputs: [base, index, source],
          attrs: { dim, reduce: chosen },
        }));
      }),
    ),
  tolerance: ({ inputs: [, index], attrs }) =>
    attrs.reduce === "prod" ? { ulps: 2 + (index.shape[attrs.dim] ?? 1) } : {},
};

const matmul: OpSpec<AttrsOf<"matmul">> = {
  doc: "Matrix product over leading dims.",
  dtypes: NUMBERS,
  differentiable: true,
  secondOrder: true,
  samples: matmulSamples,
  tolerance: ({ inputs: [x, y] }) => {
    const depth = x.shape[x.shape.length - 1];
    return { ulps: 1, atol: summationError(depth, magnitude(x) * magnitude(y)) };
  },
};

export const combiningSpecs = { matmul, gather, scatterAdd, scatterReduce } satisfies {
  readonly [Name in OpNameOfKind<"contract" | "index">]: OpSpec<AttrsOf<Name>>;
};

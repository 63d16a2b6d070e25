import fc from "fast-check";
import * as functional from "../../../nn/functional/index.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { awayFromZero, distinctTensorOf, tensorOf } from "../arbitraries.ts";
import {
  each,
  type FunctionSample,
  type FunctionSampleOptions,
  type FunctionSpec,
  int,
  sampleOf,
  tensorsOf,
} from "./spec.ts";

const image = fc.tuple(
  int(2, 3),
  int(1, 3),
  fc.integer({ min: 0, max: 2 }).chain((n) => each(n, int(2, 3))),
);

const affine = (on: boolean, [weight, bias]: readonly Tensor[]): functional.ChannelAffine =>
  on ? { weight, bias } : {};

/** x without equal elements, so that no variance is near 0, and vectors of the given length. */
function normal(
  options: FunctionSampleOptions,
  shape: readonly number[],
  channels: number,
  vectors: number,
): fc.Arbitrary<ReturnType<typeof Array.of<FunctionSample["inputs"][number]>>> {
  const others = tensorsOf(
    options,
    Array.from({ length: vectors }, () => [channels]),
  );
  return fc.tuple(distinctTensorOf(shape, options.dtype), others).map(([x, rest]) => [x, ...rest]);
}

const groupNorm: FunctionSpec["samples"] = (options) =>
  fc.tuple(image, int(1, 2), fc.boolean()).chain(([[batch, each_, sizes], numGroups, on]) => {
    const channels = 2 * each_;
    const shape = [batch, channels, ...sizes];
    return sampleOf(normal(options, shape, channels, 2), { numGroups, on }, ([x, ...rest], given) =>
      functional.groupNorm(x, given.numGroups, { ...affine(given.on, rest), eps: 1e-3 }),
    );
  });

const batchNorm: FunctionSpec["samples"] = (options) =>
  fc.tuple(image, fc.boolean(), fc.boolean()).chain(([[batch, channels, sizes], training, on]) =>
    sampleOf(
      normal(options, [batch, channels, ...sizes], channels, 4),
      { training, on },
      ([x, mean, root, ...rest], given) =>
        functional.batchNorm(x, {
          ...affine(given.on, rest),
          runningMean: mean,
          runningVar: root.square().add(0.1),
          training: given.training,
          eps: 1e-3,
        }),
    ),
  );

const instanceNorm: FunctionSpec["samples"] = (options) =>
  fc
    .tuple(image, int(2, 3), fc.boolean())
    .chain(([[batch, channels, sizes], last, on]) =>
      sampleOf(normal(options, [batch, channels, ...sizes, last], channels, 2), on, ([x, ...rest], given) =>
        functional.instanceNorm(x, { ...affine(given, rest), eps: 1e-3 }),
      ),
    );

const rmsNorm: FunctionSpec["samples"] = (options) =>
  fc
    .tuple(
      int(0, 3),
      int(2, 5),
      fc.constantFrom<"inside" | "outside">("inside", "outside"),
      fc.constantFrom(1, 0.5),
    )
    .chain(([rows, width, epsPlace, partial]) => {
      const x = tensorOf([rows, width], options.dtype, awayFromZero(0.25, 2));
      const inputs = fc
        .tuple(x, tensorsOf(options, [[width], [width]]))
        .map(([first, rest]) => [first, ...rest]);
      return sampleOf(inputs, { epsPlace, partial }, ([input, weight, bias], given) =>
        functional.rmsNorm(input, [width], { weight, bias, eps: 1e-3, ...given }),
      );
    });

const vectors = (
  apply: (x: Tensor, rest: readonly Tensor[]) => Tensor,
  others: readonly (readonly number[])[],
): FunctionSpec["samples"] => {
  return (options) =>
    fc.tuple(int(0, 3), int(2, 4)).chain(([rows, width]) => {
      const x = tensorOf([rows, width], options.dtype, awayFromZero(0.25, 2));
      const inputs = fc.tuple(x, tensorsOf(options, others)).map(([first, rest]) => [first, ...rest]);
      return sampleOf(inputs, undefined, ([input, ...rest]) => apply(input, rest));
    });
};

export const normalizationSpecs = {
  groupNorm: { doc: "Groups of channels at mean 0 and variance 1.", secondOrder: true, samples: groupNorm },
  batchNorm: { doc: "Channels at mean 0 and variance 1.", secondOrder: true, samples: batchNorm },
  instanceNorm: {
    doc: "Each example's channels at mean 0 and variance 1.",
    secondOrder: true,
    samples: instanceNorm,
  },
  localResponseNorm: {
    doc: "Channels divided by the activity of their neighbours.",
    secondOrder: true,
    samples: (options) =>
      fc
        .tuple(image, int(1, 4))
        .chain(([[batch, channels, sizes], size]) =>
          sampleOf(tensorsOf(options, [[batch, channels, ...sizes]]), size, ([x], given) =>
            functional.localResponseNorm(x, given, { alpha: 0.5 }),
          ),
        ),
  },
  rmsNorm: { doc: "Trailing dims divided by their root mean square.", secondOrder: true, samples: rmsNorm },
  unitLength: {
    doc: "Vectors divided by their length.",
    secondOrder: true,
    samples: vectors((x) => functional.unitLength(x, 0.125), []),
  },
  scaleNorm: {
    doc: "Vectors at one learned length.",
    secondOrder: true,
    samples: vectors((x, [g]) => functional.scaleNorm(x, g, 0.125), [[1]]),
  },
  glu: {
    doc: "One half times the sigmoid of the other.",
    secondOrder: true,
    samples: (options) =>
      fc
        .tuple(int(0, 3), int(1, 3), fc.boolean())
        .chain(([rows, half, first]) =>
          sampleOf(
            tensorsOf(options, [first ? [2 * half, rows] : [rows, 2 * half]]),
            first ? 0 : -1,
            ([x], dim) => functional.glu(x, dim),
          ),
        ),
  },
  gatedFeedForward: {
    doc: "A feed-forward layer of which one half gates the other.",
    secondOrder: true,
    samples: (options) =>
      fc
        .tuple(
          int(0, 3),
          int(1, 3),
          int(1, 3),
          fc.constantFrom<functional.GateName>("glu", "bilinear", "geglu", "geglu_tanh", "swiglu"),
        )
        .chain(([rows, width, hidden, activation]) => {
          const shapes = [[rows, width], [hidden, width], [hidden, width], [width, hidden], [hidden]];
          return sampleOf(tensorsOf(options, shapes), activation, ([x, gate, value, output, bias], name) =>
            functional.gatedFeedForward(x, name, { gate, value, output, gateBias: bias, valueBias: bias }),
          );
        }),
  },
  prelu: {
    doc: "Numbers below 0 times a learned factor.",
    secondOrder: true,
    samples: (options) =>
      fc.tuple(int(1, 3), int(0, 3), fc.boolean()).chain(([channels, rows, shared]) => {
        const x = tensorOf([rows, channels, 2], options.dtype, awayFromZero(0.1, 2));
        const inputs = fc
          .tuple(x, tensorsOf(options, [[shared ? 1 : channels]]))
          .map(([first, rest]) => [first, ...rest]);
        return sampleOf(inputs, undefined, ([input, weight]) => functional.prelu(input, weight));
      }),
  },
} satisfies Record<string, FunctionSpec>;

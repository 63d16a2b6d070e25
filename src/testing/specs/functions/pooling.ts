import fc from "fast-check";
import * as functional from "../../../nn/functional/index.ts";
import { distinctTensorOf } from "../arbitraries.ts";
import {
  each,
  type FunctionSample,
  type FunctionSampleOptions,
  type FunctionSpec,
  int,
  sampleOf,
  tensorsOf,
} from "./spec.ts";

type Dims = 1 | 2 | 3;

const windowing = (dims: number) =>
  fc
    .record({
      kernel: each(dims, int(1, dims === 3 ? 2 : 3)),
      stride: each(dims, int(1, 3)),
      dilation: each(dims, int(1, 2)),
      pad: each(dims, int(0, 2)),
      extra: each(dims, int(0, dims === 3 ? 1 : 3)),
      ceilMode: fc.boolean(),
    })
    .map(({ extra, pad, ...windows }) => {
      const spans = windows.kernel.map((size, i) => (size - 1) * windows.dilation[i] + 1);
      const padding = pad.map((n, i) => Math.min(n, Math.floor(spans[i] / 2)));
      // As large as the dilation: then no window lies in the padding altogether, where the largest is -infinity.
      const sizes = extra.map((n, i) => Math.max(windows.dilation[i], spans[i] - 2 * padding[i] + n));
      return { ...windows, padding, sizes };
    });

/** Numbers without ties, for what chooses the largest. */
const distinct = ({ dtype }: FunctionSampleOptions, shape: readonly number[]) =>
  distinctTensorOf(shape, dtype).map((x) => [x]);

const maxPools = [functional.maxPool1d, functional.maxPool2d, functional.maxPool3d];
const avgPools = [functional.avgPool1d, functional.avgPool2d, functional.avgPool3d];

const maxPool = (dims: Dims): FunctionSpec => ({
  doc: `The largest element of each window over ${dims} spatial dims.`,
  secondOrder: true,
  samples: (options) =>
    fc.tuple(windowing(dims), int(0, 2)).chain(([{ kernel, sizes, ...windows }, batch]) =>
      sampleOf(distinct(options, [batch, 2, ...sizes]), { kernel, ...windows }, ([x], given) => {
        const { output, indices } = functional.maxPoolWithIndices(x, dims, given.kernel, given);
        return [maxPools[dims - 1](x, given.kernel, given), output, indices];
      }),
    ),
});

const avgPool = (dims: Dims): FunctionSpec => ({
  doc: `The mean of each window over ${dims} spatial dims.`,
  secondOrder: true,
  samples: (options) =>
    fc
      .tuple(windowing(dims), int(0, 2), fc.boolean(), fc.constantFrom(undefined, 2, -3))
      .chain(([{ kernel, dilation: _, sizes, ...windows }, batch, countIncludePad, divisorOverride]) => {
        // Means have no dilation: a window spans its own elements.
        const padding = windows.padding.map((n, i) => Math.min(n, Math.floor(kernel[i] / 2)));
        const fitting = sizes.map((size, i) => Math.max(size, kernel[i] - 2 * padding[i]));
        const given = { ...windows, kernel, padding, countIncludePad, divisorOverride };
        return sampleOf(tensorsOf(options, [[batch, 2, ...fitting]]), given, ([x], form) =>
          avgPools[dims - 1](x, form.kernel, form),
        );
      }),
});

function adaptive(
  options: FunctionSampleOptions,
  dims: Dims,
  apply: (
    x: Parameters<FunctionSample["apply"]>[0][number],
    sizes: (number | null)[],
  ) => ReturnType<FunctionSample["apply"]>,
): fc.Arbitrary<FunctionSample> {
  const wanted = fc.array(fc.oneof(int(1, dims === 1 ? 7 : 3), fc.constant(null)), {
    minLength: dims,
    maxLength: dims,
  });
  return fc
    .tuple(each(dims, int(1, dims === 1 ? 6 : dims === 2 ? 4 : 2)), wanted)
    .chain(([sizes, outputSize]) =>
      sampleOf(distinct(options, [1, 2, ...sizes]), { outputSize }, ([x], given) =>
        apply(x, given.outputSize),
      ),
    );
}

const modes = { 1: ["linear"], 2: ["bilinear", "bicubic"], 3: ["trilinear"] } as const;

function interpolateSamples(options: FunctionSampleOptions): fc.Arbitrary<FunctionSample> {
  return fc.constantFrom<Dims>(1, 2, 2, 3).chain((dims) => {
    const mode = fc.constantFrom<functional.InterpolationMode>(
      "nearest",
      "nearest-exact",
      "area",
      ...modes[dims],
      ...modes[dims],
    );
    const target = fc.oneof(
      fc.record({ size: each(dims, int(1, 6)) }),
      fc.record({ scaleFactor: fc.constantFrom(1, 1.5, 2, 2.3), recomputeScaleFactor: fc.boolean() }),
    );
    return fc.tuple(mode, target, each(dims, int(1, 4)), fc.boolean()).chain(([chosen, to, sizes, align]) => {
      const alignCorners = align && (modes[dims] as readonly string[]).includes(chosen);
      const given = { ...to, mode: chosen, alignCorners };
      return sampleOf(tensorsOf(options, [[1, 2, ...sizes]]), given, ([x], form) =>
        functional.interpolate(x, form),
      );
    });
  });
}

export const poolingSpecs = {
  maxPool1d: maxPool(1),
  maxPool2d: maxPool(2),
  maxPool3d: maxPool(3),
  avgPool1d: avgPool(1),
  avgPool2d: avgPool(2),
  avgPool3d: avgPool(3),
  adaptiveAvgPool: {
    doc: "Means of windows that cover each dim.",
    secondOrder: true,
    samples: (options) =>
      fc
        .constantFrom<Dims>(1, 2, 3)
        .chain((dims) => adaptive(options, dims, (x, sizes) => [functional.adaptiveAvgPool(x, dims, sizes)])),
  },
  adaptiveMaxPool: {
    doc: "The largest elements of windows that cover each dim.",
    secondOrder: true,
    samples: (options) =>
      fc.constantFrom<Dims>(1, 2, 3).chain((dims) =>
        adaptive(options, dims, (x, sizes) => {
          const { output, indices } = functional.adaptiveMaxPoolWithIndices(x, dims, sizes);
          return [functional.adaptiveMaxPool(x, dims, sizes), output, indices];
        }),
      ),
  },
  interpolate: {
    doc: "An image at other sizes, by its nearest elements, by lines or by cubics.",
    secondOrder: true,
    samples: interpolateSamples,
  },
  pixelShuffle: {
    doc: "Channels become space, and space channels.",
    secondOrder: true,
    samples: (options) =>
      fc.tuple(int(1, 3), each(2, int(1, 3)), int(0, 2)).chain(([factor, sizes, batch]) =>
        sampleOf(
          tensorsOf(options, [
            [batch, factor * factor, ...sizes],
            [1, ...sizes.map((size) => size * factor)],
          ]),
          factor,
          ([deep, wide], r) => [functional.pixelShuffle(deep, r), functional.pixelUnshuffle(wide, r)],
        ),
      ),
  },
} satisfies Record<string, FunctionSpec>;

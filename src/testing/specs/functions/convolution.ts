import fc from "fast-check";
import * as functional from "../../../nn/functional/index.ts";
import {
  each,
  type FunctionSample,
  type FunctionSampleOptions,
  type FunctionSpec,
  int,
  sampleOf,
  tensorsOf,
} from "./spec.ts";

/** Windows that fit, with the sizes that they fit in: each along one dim. */
const windowing = (dims: number) =>
  fc
    .record({
      kernel: each(dims, int(1, dims === 3 ? 2 : 3)),
      stride: each(dims, int(1, 3)),
      dilation: each(dims, int(1, 2)),
      padding: each(dims, int(0, 2)),
      extra: each(dims, int(0, dims === 3 ? 1 : 3)),
    })
    .map(({ extra, ...windows }) => ({
      ...windows,
      sizes: extra.map((n, i) =>
        Math.max(1, (windows.kernel[i] - 1) * windows.dilation[i] + 1 - 2 * windows.padding[i] + n),
      ),
    }));

const channels = fc.record({
  batch: int(0, 2),
  single: fc.boolean(),
  groups: int(1, 3),
  inputs: int(1, 2),
  outputs: int(1, 2),
  bias: fc.boolean(),
});

const forwards = [functional.conv1d, functional.conv2d, functional.conv3d];
const transposes = [functional.convTranspose1d, functional.convTranspose2d, functional.convTranspose3d];

function convolutionSamples(options: FunctionSampleOptions, dims: 1 | 2 | 3): fc.Arbitrary<FunctionSample> {
  return fc
    .tuple(windowing(dims), channels, int(0, 5))
    .chain(([{ kernel, sizes, stride, padding, dilation }, form, mode]) => {
      const { batch, single, groups, inputs, outputs, bias } = form;
      const x = [...(single ? [] : [batch]), groups * inputs, ...sizes];
      const shapes = [x, [groups * outputs, inputs, ...kernel], [groups * outputs]];
      const same = mode === 0 && { stride: 1, padding: "same" as const };
      return sampleOf(
        tensorsOf(options, shapes.slice(0, bias ? 3 : 2)),
        { stride, padding, dilation, groups, ...same },
        ([input, weight, added], given) => forwards[dims - 1](input, weight, added, given),
      );
    });
}

function transposeSamples(options: FunctionSampleOptions, dims: 1 | 2 | 3): fc.Arbitrary<FunctionSample> {
  return fc
    .tuple(windowing(dims), channels, each(dims, int(1, dims === 3 ? 2 : 3)), each(dims, int(0, 2)))
    .chain(([{ kernel, stride, dilation, padding }, form, sizes, wanted]) => {
      const { batch, single, groups, inputs, outputs, bias } = form;
      const spans = kernel.map((size, i) => (sizes[i] - 1) * stride[i] + (size - 1) * dilation[i] + 1);
      const outputPadding = wanted.map((n, i) => Math.min(n, Math.max(stride[i], dilation[i]) - 1));
      // Something must be left.
      const cut = padding.map((n, i) => Math.min(n, Math.floor((spans[i] + outputPadding[i] - 1) / 2)));
      const x = [...(single ? [] : [batch]), groups * inputs, ...sizes];
      const shapes = [x, [groups * inputs, outputs, ...kernel], [groups * outputs]];
      return sampleOf(
        tensorsOf(options, shapes.slice(0, bias ? 3 : 2)),
        { stride, padding: cut, outputPadding, dilation, groups },
        ([input, weight, added], given) => transposes[dims - 1](input, weight, added, given),
      );
    });
}

const convolution = (dims: 1 | 2 | 3): FunctionSpec => ({
  doc: `Cross-correlation over ${dims} spatial dims.`,
  secondOrder: true,
  samples: (options) => convolutionSamples(options, dims),
});

const transpose = (dims: 1 | 2 | 3): FunctionSpec => ({
  doc: `The transpose of a convolution over ${dims} spatial dims.`,
  secondOrder: true,
  samples: (options) => transposeSamples(options, dims),
});

export const convolutionSpecs = {
  conv1d: convolution(1),
  conv2d: convolution(2),
  conv3d: convolution(3),
  convTranspose1d: transpose(1),
  convTranspose2d: transpose(2),
  convTranspose3d: transpose(3),
  unfold: {
    doc: "Windows of an image as columns.",
    secondOrder: true,
    samples: (options) =>
      fc
        .tuple(windowing(2), int(0, 2), int(1, 2))
        .chain(([{ kernel, sizes, ...windows }, batch, count]) =>
          sampleOf(tensorsOf(options, [[batch, count, ...sizes]]), { kernel, ...windows }, ([x], given) =>
            functional.unfold(x, given.kernel, given),
          ),
        ),
  },
  fold: {
    doc: "Columns laid back onto an image, where windows overlap they are summed.",
    secondOrder: true,
    samples: (options) =>
      fc.tuple(windowing(2), int(0, 2), int(1, 2)).chain(([{ kernel, sizes, ...windows }, batch, count]) => {
        const { stride, padding, dilation } = windows;
        const places = sizes.map((size, i) => {
          const room = size + 2 * padding[i] - (kernel[i] - 1) * dilation[i] - 1;
          return Math.floor(room / stride[i]) + 1;
        });
        const shape = [batch, count * kernel[0] * kernel[1], places[0] * places[1]];
        return sampleOf(tensorsOf(options, [shape]), { kernel, sizes, ...windows }, ([x], given) =>
          functional.fold(x, given.sizes, given.kernel, given),
        );
      }),
  },
} satisfies Record<string, FunctionSpec>;

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError, ShapeError } from "../../../src/graph/errors.ts";
import {
  conv1d,
  conv2d,
  convTranspose1d,
  convTranspose2d,
  fold,
  unfold,
} from "../../../src/nn/functional/index.ts";
import { WasmDevice } from "../../../src/runtime/wasm/device.ts";
import { compile } from "../../../src/tensor/compile.ts";
import { randn, tensor } from "../../../src/tensor/create.ts";
import { explain } from "../../../src/tensor/explain.ts";
import { Parameter } from "../../../src/tensor/parameter.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { convolutionSpecs } from "../../../src/testing/specs/functions/convolution.ts";
import { onReferenceDevice } from "../reference.ts";
import { checkFunctions } from "./checkFunctions.ts";

checkFunctions(convolutionSpecs);

onReferenceDevice();

/** Of one example along each spatial dim. */
interface Form {
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
}

const form = fc.record({
  stride: fc.integer({ min: 1, max: 3 }),
  padding: fc.integer({ min: 0, max: 2 }),
  dilation: fc.integer({ min: 1, max: 2 }),
});

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => ((i * 37) % 19) - 9);
const shaped = (shape: readonly number[]): Tensor =>
  tensor(numbers(shape.reduce((a, n) => a * n, 1)), { dtype: "f64" }).reshape(shape);

/** Every product that a convolution of [N, G I, H, W] with [G O, I, KH, KW] sums, where the input is not padding. */
function forEachProduct(
  x: readonly number[],
  w: readonly number[],
  groups: number,
  { stride, padding, dilation }: Form,
  visit: (at: { input: number; weight: number; output: number }) => void,
): readonly [height: number, width: number] {
  const [batch, channels, height, width] = x;
  const [outputs, each, kh, kw] = w;
  const sizeOf = (size: number, k: number): number =>
    Math.floor((size + 2 * padding - dilation * (k - 1) - 1) / stride) + 1;
  const [oh, ow] = [sizeOf(height, kh), sizeOf(width, kw)];
  for (let n = 0; n < batch; n++)
    for (let o = 0; o < outputs; o++)
      for (let i = 0; i < each; i++)
        for (let p = 0; p < oh; p++)
          for (let q = 0; q < ow; q++)
            for (let r = 0; r < kh; r++)
              for (let s = 0; s < kw; s++) {
                const [y, z] = [p * stride + r * dilation - padding, q * stride + s * dilation - padding];
                if (y < 0 || y >= height || z < 0 || z >= width) continue;
                const channel = Math.floor(o / (outputs / groups)) * each + i;
                visit({
                  input: ((n * channels + channel) * height + y) * width + z,
                  weight: ((o * each + i) * kh + r) * kw + s,
                  output: ((n * outputs + o) * oh + p) * ow + q,
                });
              }
  return [oh, ow];
}

describe("in plain loops", () => {
  const shapes = fc.record({
    batch: fc.integer({ min: 1, max: 2 }),
    groups: fc.integer({ min: 1, max: 2 }),
    inputs: fc.integer({ min: 1, max: 2 }),
    outputs: fc.integer({ min: 1, max: 2 }),
    kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    extra: fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 4 })),
  });

  it("conv2d sums the products of each window, and its gradient gives them back", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, form, async ({ batch, groups, inputs, outputs, kernel, extra }, how) => {
        const sizes = kernel.map((k, i) => (k - 1) * how.dilation + 1 + extra[i]);
        const [x, w] = [
          [batch, groups * inputs, ...sizes],
          [groups * outputs, inputs, ...kernel],
        ];
        const [left, right] = [new Parameter(shaped(x)), new Parameter(shaped(w))];
        const result = conv2d(left, right, undefined, { ...how, groups });
        const cotangent = numbers(result.numel);
        const wanted = new Array<number>(result.numel).fill(0);
        const dx = new Array<number>(left.numel).fill(0);
        const dw = new Array<number>(right.numel).fill(0);
        const [xs, ws] = [numbers(left.numel), numbers(right.numel)];
        const size = forEachProduct(x, w, groups, how, ({ input, weight, output }) => {
          wanted[output] += xs[input] * ws[weight];
          dx[input] += cotangent[output] * ws[weight];
          dw[weight] += cotangent[output] * xs[input];
        });
        expect(result.shape).toEqual([batch, groups * outputs, ...size]);
        result.backward(tensor(cotangent, { dtype: "f64" }).reshape(result.shape));
        expect([...(await result.data())]).toEqual(wanted);
        expect([...((await left.grad?.data()) ?? [])]).toEqual(dx);
        expect([...((await right.grad?.data()) ?? [])]).toEqual(dw);
      }),
      { numRuns: 25 },
    );
  });

  it("convTranspose2d lays each element's window onto the result", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, form, async ({ batch, groups, inputs, outputs, kernel, extra }, how) => {
        // The transpose of a convolution from the larger image to the smaller one.
        const sizes = extra.map((n) => n + 1);
        const span = (i: number): number =>
          (sizes[i] - 1) * how.stride + (kernel[i] - 1) * how.dilation + 1 - 2 * how.padding;
        const large = [batch, groups * outputs, span(0), span(1)];
        if (large.some((n) => n < 1)) return;
        const w = [groups * inputs, outputs, ...kernel];
        const x = shaped([batch, groups * inputs, ...sizes]);
        const [xs, ws] = [numbers(x.numel), numbers(w.reduce((a, n) => a * n, 1))];
        const result = convTranspose2d(x, shaped(w), undefined, { ...how, groups });
        const wanted = new Array<number>(result.numel).fill(0);
        forEachProduct(large, w, groups, how, ({ input, weight, output }) => {
          wanted[input] += xs[output] * ws[weight];
        });
        expect(result.shape).toEqual(large);
        expect([...(await result.data())]).toEqual(wanted);
      }),
      { numRuns: 25 },
    );
  });

  it('padding "same" keeps sizes and puts an odd zero behind, outputPadding adds places at the end', async () => {
    const kernel = tensor([1, 10]).reshape([1, 1, 2]);
    const x = tensor([1, 2, 3]).reshape([1, 3]);
    expect(await conv1d(x, kernel, undefined, { padding: "same" }).array()).toEqual([[21, 32, 3]]);
    const dilated = conv1d(x, kernel, undefined, { padding: "same", dilation: 3 });
    expect(await dilated.array()).toEqual([[30, 1, 2]]);
    const laid = convTranspose1d(x, kernel, tensor([0.5]), { stride: 2, outputPadding: 1 });
    expect(await laid.array()).toEqual([[1.5, 10.5, 2.5, 20.5, 3.5, 30.5, 0.5]]);
  });

  it("paddings of other kinds are the input's own elements", async () => {
    const kernel = tensor([1, 10, 100]).reshape([1, 1, 3]);
    const x = tensor([1, 2, 3]).reshape([1, 3]);
    const padded = async (paddingMode: "reflect" | "replicate" | "circular"): Promise<unknown> =>
      conv1d(x, kernel, undefined, { padding: 1, paddingMode }).array();
    expect(await padded("reflect")).toEqual([[212, 321, 232]]);
    expect(await padded("replicate")).toEqual([[211, 321, 332]]);
    expect(await padded("circular")).toEqual([[213, 321, 132]]);
  });

  it("fold sums what unfold has taken apart, as often as windows cover it", async () => {
    const x = shaped([1, 2, 4, 3]);
    const columns = unfold(x, [2, 2], { padding: 1, stride: [1, 2] });
    expect(columns.shape).toEqual([1, 8, 10]);
    const back = fold(columns, [4, 3], [2, 2], { padding: 1, stride: [1, 2] });
    // Along the height every place lies in two windows, along the width in one.
    expect(await back.data()).toEqual(await x.mul(2).data());
  });
});

describe("refusals", () => {
  const x = (): Tensor => shaped([1, 4, 5, 5]);

  it("name the op, the shapes and what is wanted", () => {
    expect(() => conv2d(x(), shaped([2, 3, 3, 3]))).toThrow(
      "conv2d: input [1, 4, 5, 5], weight [2, 3, 3, 3] and 1 groups",
    );
    expect(() => conv2d(x(), shaped([2, 4, 6, 3]))).toThrow(
      "a window over 6 elements is larger than dim 2 of [1, 4, 5, 5]",
    );
    expect(() => conv2d(x(), shaped([2, 4, 3, 3]), shaped([3]))).toThrow("bias [3], wanted [2]");
    expect(() => conv1d(x(), shaped([2, 4, 3]))).toThrow("wanted [N, C, L] or [C, L]");
    expect(() => conv2d(x(), shaped([3, 2, 1, 1]), undefined, { groups: 2 })).toThrow(ShapeError);
    expect(() => fold(shaped([1, 8, 9]), [4, 3], [2, 2])).toThrow("wanted [N, C x 4, 3 x 2]");
  });

  it("of options that are no sizes", () => {
    const w = shaped([2, 4, 3, 3]);
    expect(() => conv2d(x(), w, undefined, { stride: 0 })).toThrow("stride [0, 0]");
    expect(() => conv2d(x(), w, undefined, { padding: [1, 2, 3] })).toThrow(ArgumentError);
    expect(() => conv2d(x(), w, undefined, { padding: "same", stride: 2 })).toThrow("it needs stride 1");
    expect(() => conv2d(x(), w, undefined, { groups: 1.5 })).toThrow(ArgumentError);
    expect(() =>
      convTranspose2d(x(), shaped([4, 2, 3, 3]), undefined, { stride: 2, outputPadding: 2 }),
    ).toThrow("outputPadding 2 is not below stride 2");
    expect(() => convTranspose2d(x(), shaped([4, 2, 1, 1]), undefined, { padding: 3 })).toThrow(
      "leaves nothing",
    );
  });
});

describe("kernels", () => {
  it("a convolution is one product that reads its windows from the input", async () => {
    const device = new WasmDevice();
    const run = compile((x: Tensor, w: Tensor) => conv2d(x, w, undefined, { padding: 1 }).relu());
    const on = { device };
    const y = run(randn([1, 8, 10, 10], on), randn([6, 8, 3, 3], on));
    expect((await y.data()).length).toBe(600);
    const { kernels, peakBytes } = explain(run);
    expect(kernels.length).toBe(1);
    // A matrix of all windows would be 28,800 bytes; eight of its columns at a time are staged.
    expect(peakBytes).toBeLessThan(14_400);
  });
});

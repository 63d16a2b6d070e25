import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/graph/errors.ts";
import { DynamicConvolution, DynamicConvolutionConfig, modelFor } from "../../src/models/index.ts";
import { glu } from "../../src/nn/functional/index.ts";
import { normal } from "../../src/nn/init.ts";
import { causalMask, paddingMask } from "../../src/nn/masks.ts";
import { randn } from "../../src/tensor/create.ts";
import { onReferenceDevice } from "../nn/reference.ts";
import { i32, ids, mask, tinyConfig } from "./tiny.ts";

onReferenceDevice();

const convolution = (width: number, heads: number, kernelSize: number): DynamicConvolution =>
  new DynamicConvolution({ width, heads, kernelSize, dropout: 0, weightInit: normal(0.5) }).eval();

describe("DynamicConvolution", () => {
  it("is the paper's sum over taps, written out", async () => {
    const sizes = fc.record({
      heads: fc.constantFrom(1, 2),
      side: fc.integer({ min: 0, max: 3 }),
      length: fc.integer({ min: 1, max: 5 }),
    });
    await fc.assert(
      fc.asyncProperty(sizes, async ({ heads, side, length }) => {
        const [width, taps] = [4, 2 * side + 1];
        const layer = convolution(width, heads, taps);
        const x = randn([1, length, width]);
        const gated = glu(layer.input.forward(x));
        const [values] = (await gated.array()) as number[][][];
        const [logits] = (await layer.kernel.forward(gated).array()) as number[][][];
        const mixed = values.map((_, t) =>
          values[t].map((_, channel) => {
            const head = Math.floor((channel * heads) / width);
            const row = logits[t].slice(head * taps, (head + 1) * taps).map(Math.exp);
            const total = row.reduce((sum, weight) => sum + weight);
            return row.reduce((sum, w, j) => sum + (w / total) * (values[t + j - side]?.[channel] ?? 0), 0);
          }),
        );
        const weight = (await layer.output.weight.array()) as number[][];
        const { output, probabilities } = layer.forward(x);
        const [found] = (await output.array()) as number[][][];
        const [bands] = (await probabilities.array()) as number[][][][];
        for (const [t, row] of mixed.entries()) {
          for (const [out, weights] of weight.entries()) {
            const expected = weights.reduce((sum, w, i) => sum + w * row[i], 0);
            expect(found[t][out]).toBeCloseTo(expected, 4);
          }
          for (const [s] of values.entries()) {
            if (Math.abs(s - t) > side) expect(bands[0][t][s]).toBe(0);
            else expect(bands[0][t][s]).toBeGreaterThan(0);
          }
        }
      }),
      { numRuns: 15 },
    );
  });

  it("does not see padding", async () => {
    const layer = convolution(4, 2, 3);
    const x = randn([1, 4, 4]);
    const short = await layer.forward(x.narrow(1, 0, 3)).output.data();
    const padded = layer.forward(x, { mask: paddingMask(i32([[1, 1, 1, 0]])) }).output.narrow(1, 0, 3);
    for (const [i, value] of (await padded.data()).entries()) expect(value).toBeCloseTo(short[i], 5);
    expect(() => layer.forward(x, { mask: causalMask(4) })).toThrow(/mask padding only/);
  });

  it("keeps an encoder from seeing padding", async () => {
    const { create } = modelFor("DynamicConvolutionForMaskedLM");
    const model = create({ ...tinyConfig("dynamic_convolution"), kernel_size: 3 });
    model.train(false);
    const logits = async (rows: number[][]) => {
      const output = model.forward(i32(rows), { attentionMask: i32(mask) }) as { logits: typeof ones };
      return (await output.logits.array()) as number[][][];
    };
    const ones = randn([1]);
    const before = await logits(ids);
    const after = await logits([[...ids[0].slice(0, 3), 9], ids[1]]);
    expect(after[0].slice(0, 3)).toEqual(before[0].slice(0, 3));
  });

  it("refuses kernels without a middle, and to look only one way", () => {
    expect(() => convolution(4, 2, 4)).toThrow(ArgumentError);
    expect(() => convolution(4, 3, 3)).toThrow(ArgumentError);
    const config = tinyConfig("dynamic_convolution");
    expect(() => DynamicConvolutionConfig.from({ ...config, kernel_size: 2 })).toThrow(/odd/);
    expect(() => DynamicConvolutionConfig.from({ ...config, is_decoder: true })).toThrow(/both sides/);
  });
});

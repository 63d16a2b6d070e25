import { describe, expect, it } from "vitest";
import { currentEngine } from "../../src/engine/current.ts";
import { layerNorm } from "../../src/nn/functional/basic.ts";
import { Linear } from "../../src/nn/linear.ts";
import * as optim from "../../src/nn/optim/index.ts";
import { compile } from "../../src/tensor/compile.ts";
import { ones, randn, tensor, zeros } from "../../src/tensor/create.ts";
import { explain } from "../../src/tensor/explain.ts";
import { Buffer, Parameter } from "../../src/tensor/parameter.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { eachTestAlone } from "./worlds.ts";

eachTestAlone();

describe("explain", () => {
  it("changes no state, of a plain function or a compiled one", async () => {
    const p = new Parameter(tensor([1, 2]), { name: "p" });
    const counter = new Buffer(zeros([1]));
    const adamw = new optim.AdamW([p], { lr: 0.1 });
    const body = (scale: number): Tensor => {
      counter.assign(counter.add(1));
      const loss = p
        .mul(randn([2]))
        .mul(scale)
        .sum();
      loss.backward();
      adamw.step();
      return loss;
    };
    const step = compile(body);
    step(1);
    const engine = currentEngine();
    const { counters } = engine.defaultDevice;
    const state = async (): Promise<unknown> => [
      [engine.generator.draws, adamw.steps, p.cell.version, counter.cell.version, step.traces],
      [await p.array(), await counter.array(), await p.grad?.array(), counters.launches],
      [engine.trace, engine.gradEnabled],
    ];
    const before = await state();
    expect(explain(body, 2).kernels.length).toBeGreaterThan(0);
    expect(explain(step).kernels.length).toBe(explain(step, 1).kernels.length);
    explain(step, 3);
    expect(() => explain(async () => p)).toThrow("async");
    expect(await state()).toEqual(before);
  });

  it("does not touch what has never been computed", async () => {
    const p = new Parameter(randn([2]));
    const { counters } = currentEngine().defaultDevice;
    explain(() => p.mul(2).sum());
    expect(counters.launches).toBe(0);
    expect(await p.mul(2).array()).toEqual(((await p.array()) as number[]).map((value) => 2 * value));
  });

  it("lists kernels with their ops, bytes, operations and source", () => {
    const { kernels, bytes, flops, peakBytes } = explain((x: Tensor) => x.matmul(x), ones([8, 8]));
    expect(kernels.flatMap(({ ops }) => ops)).toContain("matmul");
    expect(flops).toBeGreaterThanOrEqual(2 * 8 ** 3);
    expect(bytes).toBeGreaterThanOrEqual(2 * 64 * 4);
    expect(peakBytes).toBeGreaterThan(0);
    expect(kernels[0].source).toContain("f32x4");
  });
});

describe("kernels on wasm", () => {
  const count = <Args extends readonly unknown[]>(fn: (...args: Args) => unknown, ...args: Args): number =>
    explain(fn, ...args).kernels.length;

  it("softmax is one", () => {
    expect(count((x: Tensor) => x.softmax(-1), ones([4, 16]))).toBe(1);
    expect(count((x: Tensor) => x.mul(0.5).add(1).softmax(-1).mul(2), ones([4, 16]))).toBe(1);
  });

  it("layerNorm is one, with weight and bias", () => {
    const [weight, bias] = [new Parameter(ones([16])), new Parameter(zeros([16]))];
    expect(count((x: Tensor) => layerNorm(x, [16], weight, bias), ones([4, 16]))).toBe(1);
  });

  it("linear with bias and GELU is one", () => {
    const linear = new Linear(16, 32);
    expect(count((x: Tensor) => linear.forward(x).gelu(), ones([4, 16]))).toBe(1);
  });

  it("a step of AdamW over many parameters is one for each decay group", () => {
    const layers = Array.from({ length: 6 }, () => new Linear(8, 8));
    const weights = layers.map(({ weight }) => weight);
    const biases = layers.flatMap(({ bias }) => bias ?? []);
    const adamw = new optim.AdamW([
      { params: weights, weightDecay: 0.1 },
      { params: biases, weightDecay: 0 },
    ]);
    // Gradients are given, so that the listing holds the step alone.
    const before = compile(() => {
      let sum = zeros([]);
      for (const parameter of [...weights, ...biases]) sum = sum.add(parameter.square().sum());
      sum.backward();
    });
    before();
    const { kernels } = explain(() => adamw.step());
    expect(kernels.map(({ template }) => template)).toEqual(["map", "map"]);
  });
});

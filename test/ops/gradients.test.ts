import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd/gradients.ts";
import { isFloat } from "../../src/graph/dtype.ts";
import type { Value } from "../../src/graph/node.ts";
import * as b from "../../src/ops/builders.ts";
import { opTable } from "../../src/ops/table.ts";
import { ReferenceDevice } from "../../src/runtime/reference/device.ts";
import {
  applySample,
  evaluateOn,
  gradcheck,
  gradgradcheck,
  opNames,
  samplesOf,
  specOf,
} from "../../src/testing/index.ts";

const differentiable = opNames.filter((name) => specOf(name).differentiable);
const samples = (name: (typeof opNames)[number], maxElements: number) =>
  samplesOf(name, { dtype: "f64", smooth: true, maxElements });

describe("gradients agree with central differences", () => {
  it.each(differentiable)("%s", async (name) => {
    await fc.assert(
      fc.asyncProperty(samples(name, 24), (sample) =>
        gradcheck((inputs) => applySample(name, sample, inputs), sample.inputs),
      ),
      { numRuns: 50 },
    );
  });
});

describe("second-order gradients agree with central differences", () => {
  it.each(differentiable.filter((name) => specOf(name).secondOrder))("%s", async (name) => {
    await fc.assert(
      fc.asyncProperty(samples(name, 10), (sample) =>
        gradgradcheck((inputs) => applySample(name, sample, inputs), sample.inputs),
      ),
      { numRuns: 25 },
    );
  });
});

describe("the table and the specs agree", () => {
  it("on what differentiates", () => {
    for (const name of opNames) {
      const { gradient } = opTable[name];
      const declared = typeof gradient === "function" || gradient === "decomposition";
      expect(`${name}: ${specOf(name).differentiable}`).toBe(`${name}: ${declared}`);
    }
  });

  it("on what gradients stop at: results do not require them", () => {
    for (const name of opNames) {
      const { gradient } = opTable[name];
      if (gradient !== "zero" || !specOf(name).dtypes.includes("f64")) continue;
      const [sample] = fc.sample(samplesOf(name, { dtype: "f64" }), { numRuns: 1, seed: 1 });
      const leaves = sample.inputs.map(({ shape, dtype, data }) =>
        b.constant(shape, dtype, data, isFloat(dtype)),
      );
      const flows = applySample(name, sample, leaves).some((output) => output.requiresGrad);
      expect(`${name}: ${flows}`).toBe(`${name}: false`);
    }
  });
});

describe("gradients at kinks and special points", () => {
  const device = new ReferenceDevice();

  /** Gradients of each vector for cotangents of 1. */
  async function gradientsAt(fn: (...inputs: Value[]) => Value, ...data: number[][]): Promise<number[][]> {
    const leaves = data.map((numbers) =>
      b.constant([numbers.length], "f64", Float64Array.from(numbers), true),
    );
    const output = fn(...leaves);
    const found = gradients([output], [b.full(output.shape, "f64", 1)], leaves);
    const defined = found.map((value, i) => value ?? b.full(leaves[i].shape, "f64", 0));
    return (await evaluateOn(device, defined)).map((array) => Array.from(array, (x) => x + 0));
  }

  it("abs and relu have gradient 0 at 0", async () => {
    expect(await gradientsAt(b.abs, [-2, 0, 2])).toEqual([[-1, 0, 1]]);
    expect(await gradientsAt((x) => b.unary("relu", x), [-2, 0, 2])).toEqual([[0, 0, 1]]);
  });

  it("equal operands of maximum and minimum share the gradient; NaN takes it", async () => {
    expect(await gradientsAt(b.maximum, [1, 2, 3, NaN, 0], [1, 3, 2, 0, NaN])).toEqual([
      [0.5, 0, 1, 1, 0],
      [0.5, 1, 0, 0, 1],
    ]);
    expect(await gradientsAt((x, y) => b.binary("minimum", x, y), [1, 2, 3], [1, 3, 2])).toEqual([
      [0.5, 1, 0],
      [0.5, 0, 1],
    ]);
  });

  it("equal extrema share the gradient", async () => {
    expect(await gradientsAt((x) => b.reduce("max", x, [0]), [4, 1, 4])).toEqual([[0.5, 0, 0.5]]);
    expect(await gradientsAt((x) => b.reduce("min", x, [0]), [4, 1, 4])).toEqual([[0, 1, 0]]);
  });

  it("prod counts zeros", async () => {
    const prod = (x: Value) => b.reduce("prod", x, [0]);
    expect(await gradientsAt(prod, [2, 3, 5])).toEqual([[15, 10, 6]]);
    expect(await gradientsAt(prod, [2, 0, 5])).toEqual([[0, 10, 0]]);
    expect(await gradientsAt(prod, [2, 0, 0])).toEqual([[0, 0, 0]]);
  });

  it("pow is finite at 0", async () => {
    expect(await gradientsAt(b.pow, [0, 0, 0], [0, 1, 2])).toEqual([
      [0, 1, 0],
      [0, 0, 0],
    ]);
  });

  it("where keeps the NaN of the branch not taken out", async () => {
    const safeLog = (x: Value) => b.where(b.gt(x, b.scalarLike(x, 0)), b.log(x), b.scalarLike(x, 0));
    expect(await gradientsAt(safeLog, [-1, 2])).toEqual([[0, 0.5]]);
  });

  it("values that appear twice get both gradients", async () => {
    expect(await gradientsAt((x) => b.mul(x, x), [3])).toEqual([[6]]);
    expect(await gradientsAt((x) => b.concat([x, b.mul(x, x)], 0), [3])).toEqual([[7]]);
  });

  it("detach stops the gradient", async () => {
    expect(await gradientsAt((x) => b.mul(x, b.detach(x)), [3])).toEqual([[3]]);
  });

  it("casts between floats keep the operand's dtype; through integers none flows", async () => {
    const x = b.constant([2], "f32", Float32Array.of(1, 2), true);
    const wide = b.cast(x, "f64");
    const [g] = gradients([wide], [b.full([2], "f64", 3)], [x]);
    expect(g?.dtype).toBe("f32");
    expect(b.cast(b.cast(x, "i32"), "f32").requiresGrad).toBe(false);
  });

  it("ignored rows of crossEntropy get none", async () => {
    const logits = b.constant([2, 2], "f64", Float64Array.of(0, 0, 5, 1), true);
    const loss = b.crossEntropy(logits, b.constant([2], "i32", Int32Array.of(1, -100)), -100);
    const [g] = gradients([loss], [b.full([2], "f64", 1)], [logits]);
    expect([...(await evaluateOn(device, [g as Value]))[0]].map((x) => x + 0)).toEqual([0.5, -0.5, 0, 0]);
  });
});

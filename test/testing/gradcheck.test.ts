import { describe, expect, it } from "vitest";
import { GradientError } from "../../src/graph/errors.ts";
import type { Value } from "../../src/graph/node.ts";
import * as b from "../../src/ops/builders.ts";
import { gradcheck, gradgradcheck, type HostTensor } from "../../src/testing/index.ts";

const vector = (...data: number[]): HostTensor => ({
  shape: [data.length],
  dtype: "f64",
  data: Float64Array.from(data),
});

describe("gradcheck", () => {
  it("passes a right gradient, of several inputs and outputs, of which some are no floats", async () => {
    const index: HostTensor = { shape: [3], dtype: "i32", data: Int32Array.of(0, 0, 1) };
    await gradcheck(
      ([x, y, at]) => [b.mul(x, y), b.gather(b.exp(x), 0, at), b.gt(x, y)],
      [vector(1, 2), vector(3, -1), index],
    );
  });

  it("finds a wrong gradient and names it", async () => {
    const wrong = gradcheck(([, x]) => b.mul(x, b.detach(x)), [vector(0), vector(1, 3)]);
    await expect(wrong).rejects.toThrow(GradientError);
    await expect(wrong).rejects.toThrow(/input 1 \[2\] at element 0/);
  });

  it("finds a gradient that is missing altogether", async () => {
    await expect(gradcheck(([x]) => b.detach(x), [vector(1, 3)])).rejects.toThrow(/is 0, central/);
  });

  it("takes NaN for a wrong gradient", async () => {
    await expect(gradcheck(([x]) => b.sqrt(x), [vector(-1)])).rejects.toThrow(/NaN/);
  });

  it("passes inputs that no output reads", async () => {
    await gradcheck(([x]) => b.neg(x), [vector(1), vector(2)]);
  });

  it("widens f32 inputs", async () => {
    const x: HostTensor = { shape: [2], dtype: "f32", data: Float32Array.of(0.1, 2) };
    await gradcheck((inputs) => b.sin(inputs[0]), [x]);
  });
});

describe("gradgradcheck", () => {
  it("passes smooth functions, linear ones included", async () => {
    await gradgradcheck(([x, y]) => b.mul(b.sin(x), b.exp(y)), [vector(1, 2), vector(0.5, -1)]);
    await gradgradcheck(([x]) => b.neg(x), [vector(1, 2)]);
  });

  it("finds a gradient that cannot be differentiated again", async () => {
    // The gradient of x * constant^2 is constant^2; detached, its own gradient is missing.
    const detached = ([x]: readonly Value[]): Value => b.mul(b.mul(b.detach(x), b.detach(x)), x);
    await expect(gradgradcheck(detached, [vector(1, 2)])).rejects.toThrow(GradientError);
  });
});

import { describe, expect, it } from "vitest";
import { ArgumentError, DTypeError, ShapeError } from "../../../src/graph/errors.ts";
import {
  batchNorm,
  fixNorm,
  gatedFeedForward,
  glu,
  groupNorm,
  instanceNorm,
  localResponseNorm,
  prelu,
  rmsNorm,
  scaleNorm,
  unitLength,
} from "../../../src/nn/functional/index.ts";
import { randn, tensor, zeros } from "../../../src/tensor/create.ts";
import { Parameter } from "../../../src/tensor/parameter.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { normalizationSpecs } from "../../../src/testing/specs/functions/normalization.ts";
import { onReferenceDevice } from "../reference.ts";
import { checkFunctions } from "./checkFunctions.ts";

checkFunctions(normalizationSpecs);
onReferenceDevice();

const f64 = { dtype: "f64" } as const;
const numbers = async (x: Tensor | undefined): Promise<number[]> => [...((await x?.data()) ?? [])];

async function expectClose(actual: Tensor | undefined, wanted: readonly number[]): Promise<void> {
  const found = await numbers(actual);
  expect(found.length).toBe(wanted.length);
  found.forEach((x, i) => {
    expect(x).toBeCloseTo(wanted[i], 10);
  });
}

/** (x - mean) / sqrt(var + eps) of some elements, and back in their places. */
function standardized(data: readonly number[], sets: readonly (readonly number[])[], eps: number): number[] {
  const result = [...data];
  for (const set of sets) {
    const values = set.map((at) => data[at]);
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
    for (const at of set) result[at] = (data[at] - mean) / Math.sqrt(variance + eps);
  }
  return result;
}

describe("norms over sets of elements, in plain loops", () => {
  // [N, C, L] = [2, 4, 3]
  const at = (n: number, c: number, l: number): number => (n * 4 + c) * 3 + l;
  const all = Array.from(
    { length: 24 },
    (_, i) => [Math.floor(i / 12), Math.floor(i / 3) % 4, i % 3] as const,
  );
  const setsBy = (key: (n: number, c: number) => number): number[][] => {
    const sets: number[][] = [];
    for (const [n, c, l] of all) {
      sets[key(n, c)] ??= [];
      sets[key(n, c)].push(at(n, c, l));
    }
    return sets;
  };

  it("groupNorm takes an example's channels together, batchNorm the batch's, instanceNorm neither", async () => {
    const x = randn([2, 4, 3], f64);
    const data = await numbers(x);
    const same = tensor(data, f64).reshape([2, 4, 3]);
    const eps = 0.01;
    await expectClose(
      groupNorm(same, 2, { eps }),
      standardized(
        data,
        setsBy((n, c) => n * 2 + Math.floor(c / 2)),
        eps,
      ),
    );
    await expectClose(
      batchNorm(same, { training: true, eps }),
      standardized(
        data,
        setsBy((_, c) => c),
        eps,
      ),
    );
    await expectClose(
      instanceNorm(same, { eps }),
      standardized(
        data,
        setsBy((n, c) => 4 * n + c),
        eps,
      ),
    );
    const [weight, bias] = [tensor([1, 2, 3, 4], f64), tensor([5, 6, 7, 8], f64)];
    const scaled = standardized(
      data,
      setsBy((n, c) => 4 * n + c),
      eps,
    );
    await expectClose(
      instanceNorm(same, { weight, bias, eps }),
      scaled.map((value, i) => value * (1 + (Math.floor(i / 3) % 4)) + 5 + (Math.floor(i / 3) % 4)),
    );
  });

  it("batchNorm keeps tensors that are no buffers as they are", async () => {
    const mean = tensor([1, 2], f64);
    batchNorm(randn([3, 2], f64), { training: true, runningMean: mean });
    expect(await numbers(mean)).toEqual([1, 2]);
  });
});

describe("forms of RMSNorm and of vectors' lengths", () => {
  it("differ in where eps stands and in what is counted", async () => {
    const x = tensor([3, 4, 12, 84], f64);
    const mean = (9 + 16 + 144 + 7056) / 4;
    const by = (scale: number): number[] => [3, 4, 12, 84].map((n) => n / scale);
    await expectClose(rmsNorm(x, [4], { eps: 2 }), by(Math.sqrt(mean + 2)));
    await expectClose(rmsNorm(x, [4], { eps: 2, epsPlace: "outside" }), by(Math.sqrt(mean) + 2));
    await expectClose(rmsNorm(x, [4], { eps: 0, partial: 0.5 }), by(Math.sqrt(12.5)));
    await expectClose(unitLength(x), by(85));
    await expectClose(fixNorm(x), by(85 / 2));
    await expectClose(scaleNorm(x, tensor([5], f64)), by(17));
  });

  it("give zeros and finite gradients for zeros", async () => {
    for (const normed of [
      (x: Tensor) => rmsNorm(x, [2], { epsPlace: "outside", eps: 0.5 }),
      (x: Tensor) => unitLength(x, 0.5),
    ]) {
      const x = new Parameter(zeros([1, 2], f64));
      const y = normed(x);
      y.backward(tensor([[1, 3]], f64));
      expect(await y.array()).toEqual([[0, 0]]);
      // The length's own gradient is taken as 0 there: what is left is x / eps.
      expect(await x.grad?.array()).toEqual([[2, 6]]);
    }
  });
});

describe("glu, gates and prelu", () => {
  it("multiply by what the other half lets through", async () => {
    const x = tensor([1, 2, 0, Math.log(3)], f64);
    await expectClose(glu(x), [0.5, 1.5]);
    const one = tensor([[1]], f64);
    const weights = { gate: one, value: one.mul(2), output: one.mul(3) };
    const at = (name: Parameters<typeof gatedFeedForward>[1], value: number) =>
      gatedFeedForward(tensor([value], f64), name, weights);
    await expectClose(at("bilinear", -2), [24]);
    await expectClose(at("reglu", -2), [0]);
    await expectClose(at("glu", -2), [(1 / (1 + Math.exp(2))) * -4 * 3]);
    await expectClose(at("swiglu", -2), [(-2 / (1 + Math.exp(2))) * -4 * 3]);
    const channels = tensor([-1, -1, 2, -3], f64).reshape([1, 2, 2]);
    await expectClose(prelu(channels, tensor([0.5, 2], f64)), [-0.5, -0.5, 2, -6]);
  });
});

describe("refusals", () => {
  it("name the op and the shapes", () => {
    const x = zeros([2, 4, 3]);
    expect(() => groupNorm(x, 3)).toThrow("groupNorm: 3 groups do not divide 4 channels");
    expect(() => groupNorm(x, 2, { weight: zeros([3]) })).toThrow("weight [3] for an input [2, 4, 3]");
    expect(() => batchNorm(x)).toThrow(ArgumentError);
    expect(() => batchNorm(zeros([2, 4, 3], { dtype: "i32" }), { training: true })).toThrow(DTypeError);
    expect(() => instanceNorm(zeros([2, 4, 1]))).toThrow("one place a channel");
    expect(() => rmsNorm(x, [4])).toThrow("rmsNorm: input [2, 4, 3] does not end in [4]");
    expect(() => rmsNorm(x, [3], { partial: 0.1 })).toThrow(ArgumentError);
    expect(() => localResponseNorm(x, 0)).toThrow(ArgumentError);
    expect(() => glu(x)).toThrow("glu: dim -1 of [2, 4, 3] has no two halves");
    expect(() => prelu(x, zeros([3]))).toThrow(ShapeError);
  });
});

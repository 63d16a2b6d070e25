import { describe, expect, it } from "vitest";
import { ArgumentError, DTypeError, IndexOutOfRangeError, ShapeError } from "../../src/graph/errors.ts";
import { Dropout } from "../../src/nn/dropout.ts";
import { Embedding } from "../../src/nn/embedding.ts";
import * as functional from "../../src/nn/functional/index.ts";
import * as init from "../../src/nn/init.ts";
import { LayerNorm } from "../../src/nn/layerNorm.ts";
import { Linear } from "../../src/nn/linear.ts";
import { compile } from "../../src/tensor/compile.ts";
import { arange, full, manualSeed, ones, tensor } from "../../src/tensor/create.ts";
import { onReferenceDevice } from "./reference.ts";

onReferenceDevice();

const i32 = { dtype: "i32" } as const;

describe("Linear", () => {
  it("is x Wᵀ + b over the last dim", async () => {
    const layer = new Linear(2, 3);
    const weight = { shape: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) };
    layer.loadStateDict(
      new Map([["weight", weight] as const, ["bias", { shape: [3], data: Float32Array.of(10, 20, 30) }]]),
    );
    expect(await layer.forward(tensor([[[1, 1]], [[0, 2]]])).array()).toEqual([
      [[13, 27, 41]],
      [[14, 28, 42]],
    ]);
  });

  it("names both shapes when they do not fit", () => {
    expect(() => new Linear(2, 3).forward(ones([4, 3]))).toThrow(ShapeError);
    expect(() => new Linear(2, 3).forward(ones([4, 3]))).toThrow("input [4, 3] and weight [3, 2]");
  });
});

describe("Embedding", () => {
  it("looks rows up and sums gradients of repeated ones, but none for the padding row", async () => {
    const table = new Embedding(4, 2, { paddingIdx: 1 });
    expect((await table.weight.array()) as number[][]).toHaveProperty("1", [0, 0]);
    const ids = tensor(
      [
        [0, 1, 3],
        [3, 1, 0],
      ],
      i32,
    );
    const rows = table.forward(ids);
    expect(rows.shape).toEqual([2, 3, 2]);
    rows
      .mul(
        tensor([
          [[1], [10], [100]],
          [[1000], [1e4], [1e5]],
        ]),
      )
      .sum()
      .backward();
    expect(await table.weight.grad?.array()).toEqual([
      [100001, 100001],
      [0, 0],
      [0, 0],
      [1100, 1100],
    ]);
  });

  it("checks indices that the host knows", () => {
    const table = new Embedding(4, 2);
    expect(() => table.forward(tensor([[0, 4]], i32))).toThrow(IndexOutOfRangeError);
    expect(() => table.forward(tensor([-1], i32))).toThrow(IndexOutOfRangeError);
    expect(() => table.forward(tensor([1.5]))).toThrow(DTypeError);
    expect(() => new Embedding(4, 2, { paddingIdx: 4 })).toThrow(ArgumentError);
  });
});

describe("LayerNorm", () => {
  it("normalises the trailing dims", async () => {
    const layer = new LayerNorm([2, 2], { eps: 0 });
    const y = (await layer
      .forward(
        tensor([
          [
            [1, 2],
            [3, 6],
          ],
        ]),
      )
      .data()) as Float32Array;
    const std = Math.sqrt((4 + 1 + 0 + 9) / 4);
    [-2, -1, 0, 3].forEach((centered, i) => {
      expect(y[i]).toBeCloseTo(centered / std, 5);
    });
    expect(() => layer.forward(ones([3, 2]))).toThrow(ShapeError);
  });

  it("can have a bias without a weight", async () => {
    expect(await functional.layerNorm(tensor([1, 1]), [2], undefined, tensor([5, 6])).array()).toEqual([
      5, 6,
    ]);
  });
});

describe("Dropout", () => {
  it("keeps 1 - p of the elements, scaled, and their gradient", async () => {
    const layer = new Dropout(0.25);
    const x = ones([20000]);
    const data = (await layer.forward(x).data()) as Float32Array;
    const kept = data.filter((value) => value !== 0);
    expect(new Set(kept)).toEqual(new Set([Math.fround(4 / 3)]));
    expect(Math.abs(kept.length / 20000 - 0.75)).toBeLessThan(4 * Math.sqrt((0.25 * 0.75) / 20000));

    const leaf = tensor([1, 2, 3, 4, 5, 6, 7, 8], { requiresGrad: true });
    const dropped = layer.forward(leaf);
    dropped.sum().backward();
    const values = await dropped.data();
    const slopes = await leaf.grad?.data();
    values.forEach((value, i) => {
      expect(slopes?.[i]).toBe(value === 0 ? 0 : Math.fround(4 / 3));
    });
  });

  it("is the identity in evaluation and at p = 0, and zero at p = 1", async () => {
    const x = ones([8]);
    expect(new Dropout(0.5).eval().forward(x)).toBe(x);
    expect(new Dropout(0).forward(x)).toBe(x);
    expect(await new Dropout(1).forward(x).array()).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    expect(() => new Dropout(1.5)).toThrow(ArgumentError);
    expect(() => functional.dropout(x, Number.NaN)).toThrow(ArgumentError);
  });

  it("draws anew in each call, compiled as plain", async () => {
    const layer = new Dropout(0.5);
    const plain = (): Promise<unknown>[] =>
      Array.from({ length: 3 }, () => layer.forward(ones([32])).array());
    manualSeed(3);
    const expected = await Promise.all(plain());
    expect(expected[0]).not.toEqual(expected[1]);
    manualSeed(3);
    const compiled = compile(() => layer.forward(ones([32])));
    const found = [await compiled().array(), await compiled().array(), await compiled().array()];
    expect(found).toEqual(expected);
  });
});

describe("init", () => {
  const moments = (data: ArrayLike<number>): { mean: number; std: number; low: number; high: number } => {
    const values = Array.from(data);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const std = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length);
    return { mean, std, low: Math.min(...values), high: Math.max(...values) };
  };

  it("draws from the engine's generator: one seed, one model", async () => {
    const draw = async (seed: number): Promise<unknown> => {
      manualSeed(seed);
      const layer = new Linear(3, 2);
      return [await layer.weight.array(), await layer.bias?.array()];
    };
    expect(await draw(5)).toEqual(await draw(5));
    expect(await draw(5)).not.toEqual(await draw(6));
  });

  it("has the moments it names", async () => {
    const shape = [100, 200];
    const normal = moments(await init.normal(0.5, 3)(shape).data());
    expect(normal.mean).toBeCloseTo(3, 1);
    expect(normal.std).toBeCloseTo(0.5, 1);
    const uniform = moments(await init.uniform(-2, 4)(shape).data());
    expect(uniform.low).toBeGreaterThanOrEqual(-2);
    expect(uniform.high).toBeLessThan(4);
    expect(uniform.mean).toBeCloseTo(1, 1);
    const bound = Math.sqrt(6 / 300);
    const xavier = moments(await init.xavierUniform()(shape).data());
    expect(xavier.high).toBeLessThanOrEqual(Math.fround(bound));
    expect(xavier.high).toBeGreaterThan(bound * 0.98);
    expect(moments(await init.xavierNormal()(shape).data()).std).toBeCloseTo(Math.sqrt(2 / 300), 2);
    expect(await init.constant(4)([2]).array()).toEqual([4, 4]);
    expect(() => init.xavierUniform()([3])).toThrow(ArgumentError);
  });

  it("truncates a normal distribution without changing its shape inside", async () => {
    const bound = 2;
    const data = (await init.truncatedNormal(0.02, 1, bound)([40000]).data()) as Float32Array;
    const z = Array.from(data, (value) => (value - 1) / 0.02).sort((a, b) => a - b);
    expect(z[0]).toBeGreaterThanOrEqual(-bound - 1e-4);
    expect(z[z.length - 1]).toBeLessThanOrEqual(bound + 1e-4);
    // Variance of a normal cut at ±2: 1 - 4 φ(2) / (2 Φ(2) - 1) = 0.7737.
    expect(moments(z).std ** 2).toBeCloseTo(0.7737, 1);
    // Largest distance of the distribution functions (Kolmogorov): 1.63 / sqrt(n) is the 1% point.
    const e = (await full([], 0)
      .add(tensor(z.map((value) => value * Math.SQRT1_2)))
      .erf()
      .data()) as Float32Array;
    const mass = 0.9544997361036416;
    const distance = Math.max(
      ...Array.from(e, (value, i) => Math.abs((value / mass + 1) / 2 - (i + 0.5) / z.length)),
    );
    expect(distance).toBeLessThan(1.63 / Math.sqrt(z.length));
    expect(() => init.truncatedNormal(1, 0, 6)).toThrow(ArgumentError);
  });
});

describe("activations", () => {
  it("have their names' values", async () => {
    const x = tensor([-2, 0, 1.5]);
    expect(await functional.activations.relu(x).array()).toEqual([0, 0, 1.5]);
    const silu = (await functional.silu(x).data()) as Float32Array;
    expect(silu[2]).toBeCloseTo(1.5 / (1 + Math.exp(-1.5)), 6);
    const [exact, approximate] = [
      await functional.activations.gelu(x).data(),
      await functional.activations.gelu_new(x).data(),
    ];
    expect(exact[2]).toBeCloseTo(1.39978921, 5);
    expect(approximate[2]).not.toBe(exact[2]);
    expect(approximate[2]).toBeCloseTo(exact[2], 3);
    expect(await functional.softmax(arange(3).to("f32"), 0).sum().item()).toBeCloseTo(1, 6);
  });
});

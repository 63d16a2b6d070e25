import { describe, expect, it } from "vitest";
import { ArgumentError, DTypeError, ShapeError } from "../../src/graph/errors.ts";
import {
  allclose,
  arange,
  broadcastTensors,
  corrcoef,
  cov,
  cross,
  equal,
  grad,
  hstack,
  isclose,
  isin,
  meshgrid,
  nanmean,
  nansum,
  quantile,
  type Tensor,
  tensor,
  trapezoid,
  vstack,
} from "../../src/index.ts";
import { onReferenceDevice } from "../nn/reference.ts";

onReferenceDevice();

const doubles = (data: number[] | number[][], requiresGrad = false): Tensor =>
  tensor(data, { dtype: "f64", requiresGrad });
const rows = [
  [1, 4, -2],
  [0.5, 2, 3],
];

/** Compares the gradient of the sum of squares with central differences. */
async function checkGradient(fn: (x: Tensor) => Tensor, data: number[]): Promise<void> {
  const loss = (x: Tensor): Tensor => fn(x).square().sum();
  const x = doubles(data, true);
  const gradient = await grad(loss(x), [x])[0].data();
  for (let i = 0; i < data.length; i++) {
    const moved = (by: number): Promise<number> =>
      loss(doubles(data.map((value, k) => (k === i ? value + by : value)))).item();
    const slope = ((await moved(1e-6)) - (await moved(-1e-6))) / 2e-6;
    expect(Math.abs(gradient[i] - slope)).toBeLessThan(1e-5 + 1e-3 * Math.abs(slope));
  }
}

describe("comparing", () => {
  it("isclose takes rtol of the second, equal infinities, and NaN if asked", async () => {
    const x = tensor([1, 1, Infinity, Infinity, NaN, 0]);
    const y = tensor([1.000009, 1.00002, Infinity, 5, NaN, -Infinity]);
    expect(await isclose(x, y).array()).toEqual([true, false, true, false, false, false]);
    expect(await isclose(x, y, { equalNan: true, rtol: 1e-4 }).array()).toEqual([
      true,
      true,
      true,
      false,
      true,
      false,
    ]);
  });

  it("allclose and equal read one truth", async () => {
    expect(await allclose(tensor([1, 2]), tensor([1, 2.00001]))).toBe(true);
    expect(await allclose(tensor([1, 2]), tensor([1, 2.1]))).toBe(false);
    expect(await equal(tensor([1, 2]), tensor([1, 2]))).toBe(true);
    expect(await equal(tensor([1, 2]), tensor([[1, 2]]))).toBe(false);
    expect(await equal(tensor([NaN]), tensor([NaN]))).toBe(false);
    expect(await equal(tensor([]), tensor([]))).toBe(true);
  });

  it("isin finds candidates of any shape", async () => {
    const found = isin(
      tensor([
        [1, 2],
        [3, 4],
      ]),
      tensor([[4], [1]]),
    );
    expect(await found.array()).toEqual([
      [true, false],
      [false, true],
    ]);
    expect(await isin(tensor([1]), tensor([])).array()).toEqual([false]);
  });
});

describe("combining", () => {
  it("hstack and vstack put tensors beside and below each other", async () => {
    expect(await hstack([tensor([1]), tensor([2, 3])]).array()).toEqual([1, 2, 3]);
    expect(await hstack([tensor([[1], [2]]), tensor([[3], [4]])]).array()).toEqual([
      [1, 3],
      [2, 4],
    ]);
    expect(
      await vstack([
        tensor([1, 2]),
        tensor([
          [3, 4],
          [5, 6],
        ]),
      ]).array(),
    ).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
  });

  it("broadcastTensors and meshgrid give whole grids", async () => {
    const [a, b] = broadcastTensors([tensor([[1], [2]]), tensor([3, 4, 5])]);
    expect([a.shape, b.shape]).toEqual([
      [2, 3],
      [2, 3],
    ]);
    const [x, y] = meshgrid([tensor([1, 2]), tensor([3, 4, 5])]);
    expect(await x.array()).toEqual([
      [1, 1, 1],
      [2, 2, 2],
    ]);
    expect(await y.array()).toEqual([
      [3, 4, 5],
      [3, 4, 5],
    ]);
    expect(meshgrid([arange(2), arange(3), arange(4)], { indexing: "xy" })[2].shape).toEqual([3, 2, 4]);
    expect(() => meshgrid([tensor(rows)])).toThrow(ShapeError);
  });
});

describe("estimates", () => {
  it("cross is perpendicular to both", async () => {
    const [x, y] = [doubles(rows[0]), doubles(rows[1])];
    expect(await cross(x, y).array()).toEqual([16, -4, 0]);
    expect(() => cross(tensor([1, 2]), tensor([1, 2]))).toThrow(ShapeError);
    await checkGradient((z) => cross(z, doubles(rows[1])), rows[0]);
  });

  it("trapezoid sums areas, with even and uneven steps", async () => {
    expect(await trapezoid(doubles([1, 5, 10])).item()).toBe(10.5);
    expect(await trapezoid(doubles([1, 5, 10]), { dx: 2 }).item()).toBe(21);
    expect(await trapezoid(doubles([1, 5, 10]), { x: doubles([1, 3, 6]) }).item()).toBe(28.5);
    expect(await trapezoid(doubles(rows), { dim: 0, x: doubles([0, 2]) }).array()).toEqual([1.5, 6, 1]);
    expect(await trapezoid(doubles([3])).item()).toBe(0);
    await checkGradient((y) => trapezoid(y, { x: doubles([1, 3, 6]) }), [1, 5, 10]);
  });

  it("nansum and nanmean pass NaN by, gradients too", async () => {
    const x = tensor(
      [
        [1, NaN],
        [3, 5],
      ],
      { requiresGrad: true },
    );
    expect(await nansum(x, { dim: 1 }).array()).toEqual([1, 8]);
    expect(await nanmean(x).item()).toBe(3);
    expect(await nanmean(tensor([NaN])).item()).toBeNaN();
    expect(await grad(nansum(x), [x])[0].array()).toEqual([
      [1, 0],
      [1, 1],
    ]);
  });

  it("cov and corrcoef are those of rows", async () => {
    const x = doubles([
      [0, 1, 2],
      [2, 1, 0],
    ]);
    expect(await cov(x).array()).toEqual([
      [1, -1],
      [-1, 1],
    ]);
    expect(await cov(x, { correction: 0 }).array()).toEqual([
      [2 / 3, -2 / 3],
      [-2 / 3, 2 / 3],
    ]);
    expect(await cov(doubles([1, 2, 4])).item()).toBeCloseTo(7 / 3, 12);
    const [[one, r]] = (await corrcoef(doubles(rows)).array()) as number[][];
    expect(one).toBeCloseTo(1, 12);
    // Deviations 0, 3, -3 and -4/3, 1/6, 7/6: the sum of their products over the root of the sums of squares.
    expect(r).toBeCloseTo(-3 / Math.sqrt(18 * (19 / 6)), 12);
    await checkGradient((y) => cov(y.reshape([2, 3])), rows.flat());
    expect(() => cov(tensor([[[1]]]))).toThrow(ShapeError);
  });

  it("quantile lies between neighbours in order", async () => {
    const x = doubles([3, 1, 4, 1.5]);
    expect(await quantile(x, 0.5).item()).toBe(2.25);
    expect(await quantile(x, 1).item()).toBe(4);
    expect(await quantile(x, 0.1).item()).toBeCloseTo(1.15, 12);
    expect(await quantile(doubles(rows), 0.5, { dim: 1, keepdim: true }).array()).toEqual([[1], [2]]);
    expect(await quantile(tensor([1, NaN, 2]), 0).item()).toBeNaN();
    expect(() => quantile(x, 1.5)).toThrow(ArgumentError);
    await checkGradient((y) => quantile(y, 0.3), [3, 1, 4, 1.5]);
  });
});

describe("functions of integers", () => {
  it("are computed as f32 where there are no whole values, as in PyTorch", async () => {
    const x = tensor([1, 4], { dtype: "i32" });
    expect(x.sqrt().dtype).toBe("f32");
    expect(await x.sqrt().array()).toEqual([1, 2]);
    expect(await tensor([true, false]).exp().array()).toEqual([Math.fround(Math.E), 1]);
    for (const name of [
      "log",
      "sin",
      "cos",
      "tanh",
      "erf",
      "sigmoid",
      "rsqrt",
      "reciprocal",
      "atan",
    ] as const)
      expect(x[name]().dtype, name).toBe("f32");
  });

  it("stay integers where values are whole; means are asked of floats", async () => {
    const x = tensor([-1, 4], { dtype: "i32" });
    for (const name of ["floor", "ceil", "round", "trunc", "abs", "neg", "sign"] as const)
      expect(x[name]().dtype, name).toBe("i32");
    expect(await x.round().array()).toEqual([-1, 4]);
    expect(() => x.mean()).toThrow(DTypeError);
    expect(await tensor([true, true]).sum().item()).toBe(2);
    expect(tensor([true]).sum().dtype).toBe("i32");
  });
});

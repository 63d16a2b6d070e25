import { describe, expect, it } from "vitest";
import {
  ArgumentError,
  DeviceError,
  DTypeError,
  IndexOutOfRangeError,
  ShapeError,
} from "../../src/graph/errors.ts";
import { ReferenceDevice } from "../../src/runtime/reference/device.ts";
import {
  arange,
  bernoulli,
  full,
  manualSeed,
  ones,
  rand,
  randn,
  tensor,
  zeros,
} from "../../src/tensor/create.ts";
import { concat, stack, type Tensor, where } from "../../src/tensor/tensor.ts";
import { onReferenceDevice } from "../nn/reference.ts";

onReferenceDevice();

const i32 = { dtype: "i32" } as const;

describe("creation", () => {
  it("takes nested arrays and typed arrays", async () => {
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect([x.shape, x.dtype, x.numel, x.ndim, x.size(-1)]).toEqual([[2, 3], "f32", 6, 2, 3]);
    expect(await x.array()).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(tensor([true, false]).dtype).toBe("bool");
    expect(tensor(Int32Array.of(1, 2)).dtype).toBe("i32");
    expect(await tensor(Float64Array.of(1, 2, 3, 4), { shape: [2, 2] }).array()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(await tensor(3).item()).toBe(3);
    expect(await tensor([]).array()).toEqual([]);
    expect(await tensor([1, 0, -2], { dtype: "bool" }).array()).toEqual([true, false, true]);
  });

  it("copies what it is given", async () => {
    const data = Float32Array.of(1, 2);
    const x = tensor(data);
    data[0] = 9;
    expect(await x.array()).toEqual([1, 2]);
  });

  it("refuses ragged arrays, misfits, and numbers that the dtype does not hold", () => {
    expect(() => tensor([[1, 2], [3]])).toThrow(ShapeError);
    expect(() => tensor([1, 2, 3], { shape: [2, 2] })).toThrow("shape [2, 2] needs 4 elements, got 3");
    expect(() => tensor([1.5], i32)).toThrow(DTypeError);
    expect(() => tensor([-1], { dtype: "u32" })).toThrow(DTypeError);
    expect(() => tensor([1], { ...i32, requiresGrad: true })).toThrow(DTypeError);
    expect(() => zeros([-1])).toThrow(ShapeError);
  });

  it("fills, counts, and draws", async () => {
    expect(await full([2], 7, i32).array()).toEqual([7, 7]);
    expect(await ones([1, 2]).array()).toEqual([[1, 1]]);
    expect(await arange(4).array()).toEqual([0, 1, 2, 3]);
    expect(await arange(5, 0, -2).array()).toEqual([5, 3, 1]);
    expect(await arange(0, 1, 0.25).array()).toEqual([0, 0.25, 0.5, 0.75]);
    const u = await rand([1000]).data();
    expect(Math.min(...u)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...u)).toBeLessThan(1);
    const n = await randn([1000]).mean().item();
    expect(Math.abs(n)).toBeLessThan(0.15);
    const p = (await bernoulli([1000], 0.2).to("i32").sum().item()) / 1000;
    expect(Math.abs(p - 0.2)).toBeLessThan(0.06);
    expect(() => bernoulli([1], 2)).toThrow(ArgumentError);
  });

  it("draws the same from the same seed, and something new each time", async () => {
    manualSeed(11);
    const [a, b] = [await rand([4]).array(), await rand([4]).array()];
    manualSeed(11);
    expect(await rand([4]).array()).toEqual(a);
    expect(await rand([4]).array()).toEqual(b);
    expect(a).not.toEqual(b);
  });
});

describe("arithmetic", () => {
  const x = (): Tensor => tensor([1, -2, 3]);

  it("broadcasts", async () => {
    expect(
      await tensor([[1], [10]])
        .mul(x())
        .array(),
    ).toEqual([
      [1, -2, 3],
      [10, -20, 30],
    ]);
    expect(
      await tensor([[1, 2]])
        .add(tensor([[10], [20]]))
        .array(),
    ).toEqual([
      [11, 12],
      [21, 22],
    ]);
    expect(
      (
        await ones([2, 0])
          .add(ones([2, 1]))
          .data()
      ).length,
    ).toBe(0);
  });

  it("takes number literals for the tensor's dtype", async () => {
    const n = tensor([1, 2], i32);
    expect([n.add(1).dtype, n.mul(0.5).dtype, n.div(2).dtype, n.add(tensor([0.5])).dtype]).toEqual([
      "i32",
      "f32",
      "f32",
      "f32",
    ]);
    expect(await n.div(2).array()).toEqual([0.5, 1]);
    expect(x().add(true).dtype).toBe("f32");
    expect(tensor([true]).add(1).dtype).toBe("i32");
  });

  it("floors integer division and remainder, as PyTorch does", async () => {
    const n = tensor([7, -7], i32);
    expect(await n.floorDivide(2).array()).toEqual([3, -4]);
    expect(await n.remainder(3).array()).toEqual([1, 2]);
    expect(await tensor([-7.5]).remainder(2).array()).toEqual([0.5]);
  });

  it("compares, selects and clamps", async () => {
    expect(await x().gt(0).array()).toEqual([true, false, true]);
    expect(await where(x().lt(0), 0, x()).array()).toEqual([1, 0, 3]);
    expect(await where(tensor([true, false]), 1, 2).array()).toEqual([1, 2]);
    expect(await x().clamp({ min: -1, max: 2 }).array()).toEqual([1, -1, 2]);
    expect(await x().maskedFill(x().eq(3), 8).array()).toEqual([1, -2, 8]);
    expect(await x().eq(1).logicalOr(x().eq(3)).logicalNot().array()).toEqual([false, true, false]);
    expect(await tensor([1, Number.NaN]).isnan().array()).toEqual([false, true]);
  });

  it("rounds half to even and truncates casts", async () => {
    expect(await tensor([0.5, 1.5, -0.6]).round().abs().array()).toEqual([0, 2, 1]);
    expect(await tensor([1.9, -1.9]).to("i32").array()).toEqual([1, -1]);
    expect(await tensor([0, 0.1]).to("bool").array()).toEqual([false, true]);
  });

  it("reads a result once however often it is used", async () => {
    const y = x().exp().realize();
    expect(await y.sub(y).array()).toEqual([0, 0, 0]);
  });
});

describe("reductions", () => {
  const x = (): Tensor =>
    tensor([
      [1, 2, 3],
      [4, 5, 9],
    ]);

  it("reduce all dims, one, or several, and keep them on request", async () => {
    expect(await x().sum().item()).toBe(24);
    expect(await x().sum({ dim: 0 }).array()).toEqual([5, 7, 12]);
    expect(await x().mean({ dim: -1, keepdim: true }).array()).toEqual([[2], [6]]);
    expect(x().sum({ dim: [0, 1], keepdim: true }).shape).toEqual([1, 1]);
    expect(await x().prod({ dim: 1 }).array()).toEqual([6, 180]);
    expect(await x().amax({ dim: 0 }).array()).toEqual([4, 5, 9]);
    expect(await x().amin().item()).toBe(1);
    expect(await x().var({ dim: 1 }).array()).toEqual([1, 7]);
    expect(await x().var({ dim: 1, correction: 0 }).sum().item()).toBeCloseTo(2 / 3 + 14 / 3, 5);
    expect(await x().argmax(1).array()).toEqual([2, 2]);
    expect(await tensor([3, 7, 7]).argmax(0).item()).toBe(1);
    expect(await x().gt(4).any({ dim: 1 }).array()).toEqual([false, true]);
    expect(await x().gt(0).all().item()).toBe(1);
    expect(await x().gt(2).sum().item()).toBe(4);
  });

  it("define what nothing reduces to", async () => {
    expect(await zeros([0]).sum().item()).toBe(0);
    expect(await zeros([0]).prod().item()).toBe(1);
    expect(await zeros([0]).mean().item()).toBeNaN();
    expect(() => zeros([0]).amax()).toThrow(ShapeError);
  });

  it("softmax rows", async () => {
    const y = (await x().softmax(-1).array()) as number[][];
    for (const row of y) expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
    const logs = (await x().logSoftmax(1).array()) as number[][];
    expect(Math.exp(logs[1][2])).toBeCloseTo(y[1][2], 6);
  });
});

describe("movement and indexing", () => {
  const x = (): Tensor => arange(6).reshape([2, 3]);

  it("moves elements without changing them", async () => {
    expect(await x().t().array()).toEqual([
      [0, 3],
      [1, 4],
      [2, 5],
    ]);
    expect(await x().reshape([3, -1]).array()).toEqual([
      [0, 1],
      [2, 3],
      [4, 5],
    ]);
    expect(x().reshape([1, 2, 3]).permute([2, 0, 1]).shape).toEqual([3, 1, 2]);
    expect(x().unsqueeze(-1).shape).toEqual([2, 3, 1]);
    expect(ones([1, 2, 1]).squeeze().shape).toEqual([2]);
    expect(ones([1, 2, 1]).squeeze(0).shape).toEqual([2, 1]);
    expect(ones([2, 3, 4]).flatten(1).shape).toEqual([2, 12]);
    expect(await x().flip(1).array()).toEqual([
      [2, 1, 0],
      [5, 4, 3],
    ]);
    expect(
      await tensor([[1], [2]])
        .expand([3, -1, 2])
        .sum({ dim: 0 })
        .array(),
    ).toEqual([
      [3, 3],
      [6, 6],
    ]);
    expect(await x().narrow(1, 1, 2).array()).toEqual([
      [1, 2],
      [4, 5],
    ]);
    expect(await x().select(0, -1).array()).toEqual([3, 4, 5]);
    expect(await tensor([1, 2]).pad([1, 2]).array()).toEqual([0, 1, 2, 0, 0]);
  });

  it("joins", async () => {
    expect(await concat([x(), x().slice([0, 1])]).array()).toEqual([
      [0, 1, 2],
      [3, 4, 5],
      [0, 1, 2],
    ]);
    expect(await stack([tensor([1, 2]), tensor([3, 4])], 1).array()).toEqual([
      [1, 3],
      [2, 4],
    ]);
    expect(() => concat([])).toThrow(ArgumentError);
    expect(() => stack([ones([2]), ones([3])])).toThrow(ShapeError);
  });

  it("gathers and scatters", async () => {
    expect(
      await x()
        .gather(
          1,
          tensor(
            [
              [2, 0],
              [1, 1],
            ],
            i32,
          ),
        )
        .array(),
    ).toEqual([
      [2, 0],
      [4, 4],
    ]);
    expect(
      await x()
        .indexSelect(0, tensor([1, 0, 1], i32))
        .array(),
    ).toEqual([
      [3, 4, 5],
      [0, 1, 2],
      [3, 4, 5],
    ]);
    expect(
      await zeros([3])
        .scatterAdd(0, tensor([0, 2, 0], i32), tensor([1, 2, 4]))
        .array(),
    ).toEqual([5, 0, 2]);
    expect(() => x().gather(1, tensor([[3], [0]], i32))).toThrow(IndexOutOfRangeError);
    expect(() => x().indexSelect(0, tensor([[0]], i32))).toThrow(ShapeError);
  });

  it("multiplies matrices as PyTorch does", async () => {
    expect(
      await tensor([1, 2])
        .matmul(tensor([3, 4]))
        .item(),
    ).toBe(11);
    expect(
      await tensor([[1, 2]])
        .matmul(tensor([3, 4]))
        .array(),
    ).toEqual([11]);
    expect(ones([5, 1, 2, 3]).matmul(ones([4, 3, 6])).shape).toEqual([5, 4, 2, 6]);
  });
});

describe("errors", () => {
  it("name the operation and the shapes at the call", () => {
    expect(() => ones([2, 3]).add(ones([4]))).toThrow("add: shapes [2, 3] and [4] do not broadcast");
    expect(() => ones([2, 3]).matmul(ones([2, 3]))).toThrow("matmul: [2, 3] times [2, 3]");
    expect(() => ones([2, 3]).reshape([4, -1])).toThrow("reshape: [2, 3] does not fit [4, -1]");
    expect(() => ones([2]).sum({ dim: 1 })).toThrow(ArgumentError);
    expect(() => ones([2]).logicalNot()).toThrow(DTypeError);
    expect(() => tensor([1], i32).mean()).toThrow(DTypeError);
    expect(() => ones([2]).slice(2)).toThrow("slice: index 2 is outside dim 0 of [2]");
    expect(() => ones([2]).narrow(0, 1, 2)).toThrow(ArgumentError);
    expect(() => ones([2, 3, 4]).t()).toThrow(ShapeError);
  });

  it("come of two devices in one operation", () => {
    const elsewhere = ones([1], { device: new ReferenceDevice() });
    expect(() => ones([1]).add(elsewhere)).toThrow(DeviceError);
    expect(() => where(ones([1]).gt(0), elsewhere, 0)).toThrow(DeviceError);
    expect(() => concat([ones([1]), elsewhere])).toThrow(DeviceError);
  });

  it("reject a reading that asks for one element of several", async () => {
    await expect(ones([2]).item()).rejects.toThrow(ShapeError);
  });

  it("follow a dispose", () => {
    const x = ones([2]);
    x.dispose();
    expect(() => x.add(1)).toThrow("disposed");
  });
});

import { describe, expect, it } from "vitest";
import { ArgumentError, ShapeError } from "../../src/graph/errors.ts";
import * as nn from "../../src/nn/index.ts";
import { compile } from "../../src/tensor/compile.ts";
import { randn, tensor, zeros } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { onReferenceDevice } from "./reference.ts";

onReferenceDevice();

const f64 = { dtype: "f64" } as const;
const shapesOf = (module: nn.Module): Record<string, readonly number[]> =>
  Object.fromEntries([...module.stateDict()].map(([name, value]) => [name, value.shape]));
const numbers = async (x: Tensor | undefined): Promise<number[]> => [...((await x?.data()) ?? [])];

describe("convolutions", () => {
  it("have PyTorch's weights, drawn within ±1 / sqrt(inputs of a window)", async () => {
    const layer = new nn.Conv2d(8, 6, [3, 1], { groups: 2, stride: 2 });
    expect(shapesOf(layer)).toEqual({ weight: [6, 4, 3, 1], bias: [6] });
    const bound = 1 / Math.sqrt(12);
    for (const parameter of layer.parameters()) {
      const drawn = (await numbers(parameter)).map(Math.abs);
      expect(Math.max(...drawn)).toBeLessThanOrEqual(bound);
      expect(Math.max(...drawn)).toBeGreaterThan(bound / 2);
    }
    expect(layer.forward(zeros([5, 8, 9, 4])).shape).toEqual([5, 6, 4, 2]);
    expect(shapesOf(new nn.ConvTranspose1d(4, 6, 5, { groups: 2, bias: false }))).toEqual({
      weight: [4, 3, 5],
    });
    expect(new nn.Conv1d(2, 3, 3).forward(zeros([2, 7])).shape).toEqual([3, 5]);
    expect(new nn.Conv3d(1, 2, 2).forward(zeros([1, 1, 3, 3, 3])).shape).toEqual([1, 2, 2, 2, 2]);
    expect(new nn.ConvTranspose2d(2, 4, 3, { stride: 2 }).forward(zeros([1, 2, 3, 3])).shape).toEqual([
      1, 4, 7, 7,
    ]);
    expect(new nn.ConvTranspose3d(2, 1, 2).forward(zeros([1, 2, 2, 2, 2])).shape).toEqual([1, 1, 3, 3, 3]);
  });

  it("refuse groups that do not divide the channels", () => {
    expect(() => new nn.Conv1d(4, 6, 3, { groups: 3 })).toThrow(ArgumentError);
    expect(() => new nn.Conv1d(6, 4, 3, { groups: 3 })).toThrow("3 groups do not divide 4 channels");
  });
});

describe("BatchNorm", () => {
  const batch = (): Tensor => tensor([1, 2, 3, 6, 5, 4, 0, 2], f64).reshape([4, 2]);
  const means = [9 / 4, 14 / 4];
  const variances = [14.75 / 3, 11 / 3];

  it("moves its running statistics while training, towards the mean and the unbiased variance", async () => {
    const layer = new nn.BatchNorm1d(2, f64);
    expect(Object.keys(shapesOf(layer)).sort()).toEqual([
      "bias",
      "num_batches_tracked",
      "running_mean",
      "running_var",
      "weight",
    ]);
    const y = layer.forward(batch());
    for (const mean of await numbers(y.mean({ dim: 0 }))) expect(mean).toBeCloseTo(0, 12);
    for (const v of await numbers(y.var({ dim: 0, correction: 0 }))) expect(v).toBeCloseTo(1, 4);
    (await numbers(layer.runningMean)).forEach((mean, i) => {
      expect(mean).toBeCloseTo(0.1 * means[i], 12);
    });
    (await numbers(layer.runningVar)).forEach((v, i) => {
      expect(v).toBeCloseTo(0.9 + 0.1 * variances[i], 12);
    });
    expect(await numbers(layer.numBatchesTracked)).toEqual([1]);
  });

  it("uses them after training, and leaves them alone", async () => {
    const layer = new nn.BatchNorm1d(2, { ...f64, eps: 0, affine: false }).eval();
    layer.runningMean?.assign(tensor([1, 2], f64));
    layer.runningVar?.assign(tensor([4, 9], f64));
    const y = await numbers(layer.forward(batch()));
    expect(y.slice(0, 4)).toEqual([0, 0, 1, 4 / 3]);
    expect(await numbers(layer.runningMean)).toEqual([1, 2]);
    expect(await numbers(layer.numBatchesTracked)).toEqual([0]);
  });

  it("averages all batches with momentum null", async () => {
    const layer = new nn.BatchNorm1d(2, { ...f64, momentum: null });
    layer.forward(batch());
    layer.forward(batch().mul(3));
    (await numbers(layer.runningMean)).forEach((mean, i) => {
      expect(mean).toBeCloseTo(2 * means[i], 12);
    });
  });

  it("trains in a compiled step as in a plain one", async () => {
    const [plain, compiled] = [new nn.BatchNorm2d(3), new nn.BatchNorm2d(3)];
    const step = compile((x: Tensor) => compiled.forward(x));
    for (let i = 0; i < 3; i++) {
      const x = randn([2, 3, 2, 2]).add(i);
      const values = tensor(await x.data()).reshape(x.shape);
      const wanted = await numbers(plain.forward(values));
      (await numbers(step(values))).forEach((y, k) => {
        expect(y).toBeCloseTo(wanted[k], 5);
      });
    }
    const wanted = await numbers(plain.runningVar);
    (await numbers(compiled.runningVar)).forEach((v, k) => {
      expect(v).toBeCloseTo(wanted[k], 5);
    });
    expect(await numbers(compiled.numBatchesTracked)).toEqual([3]);
  });

  it("refuses other dims and channels, and a single value, before it counts the batch", async () => {
    const layer = new nn.BatchNorm1d(2);
    expect(() => layer.forward(zeros([2, 2, 2, 2]))).toThrow("BatchNorm1d: input [2, 2, 2, 2]");
    expect(() => layer.forward(zeros([2, 3]))).toThrow(ShapeError);
    expect(() => layer.forward(zeros([1, 2]))).toThrow("one value a channel");
    expect(await numbers(layer.numBatchesTracked)).toEqual([0]);
  });
});

describe("other norms", () => {
  it("InstanceNorm has neither affine nor statistics unless asked", async () => {
    expect(shapesOf(new nn.InstanceNorm2d(3))).toEqual({});
    const layer = new nn.InstanceNorm1d(2, { affine: true, trackRunningStats: true, ...f64 });
    expect(shapesOf(layer).weight).toEqual([2]);
    const y = layer.forward(tensor([1, 3, 5, 9], f64).reshape([2, 2]));
    (await numbers(y)).forEach((value, i) => {
      expect(value).toBeCloseTo(i % 2 === 0 ? -1 : 1, 4);
    });
    expect((await numbers(layer.runningMean))[1]).toBeCloseTo(0.7, 12);
  });

  it("GroupNorm over one group is a LayerNorm of all channels", async () => {
    const x = randn([2, 4, 3], f64);
    const group = new nn.GroupNorm(1, 4, f64).forward(x);
    const layer = new nn.LayerNorm([4, 3], { ...f64, affine: false }).forward(x);
    const wanted = await numbers(layer);
    (await numbers(group)).forEach((y, i) => {
      expect(y).toBeCloseTo(wanted[i], 12);
    });
    expect(() => new nn.GroupNorm(3, 4)).toThrow(ArgumentError);
  });

  it("RMSNorm, ScaleNorm and LocalResponseNorm", async () => {
    const x = tensor([3, 4], f64);
    const rms = await numbers(new nn.RMSNorm(2, { ...f64, eps: 0 }).forward(x));
    expect(rms[0]).toBeCloseTo(3 / Math.sqrt(12.5), 12);
    const scaled = await numbers(new nn.ScaleNorm(2, f64).forward(x));
    expect(scaled[1]).toBeCloseTo(Math.SQRT2 * 0.8, 12);
    const image = tensor([1, 2, 3], f64).reshape([1, 3, 1]);
    const response = await numbers(new nn.LocalResponseNorm(2, { alpha: 1, beta: 1 }).forward(image));
    [1 / 1.5, 2 / 3.5, 3 / 7.5].forEach((wanted, i) => {
      expect(response[i]).toBeCloseTo(wanted, 12);
    });
  });
});

describe("pooling modules", () => {
  it("call the function of their name", () => {
    const image = zeros([1, 2, 6, 8]);
    const shapes = [
      new nn.MaxPool2d(2).forward(image),
      new nn.AvgPool2d([3, 2], { stride: 1 }).forward(image),
      new nn.AdaptiveAvgPool2d([null, 3]).forward(image),
      new nn.AdaptiveMaxPool2d(1).forward(image),
    ].map(({ shape }) => shape);
    expect(shapes).toEqual([
      [1, 2, 3, 4],
      [1, 2, 4, 7],
      [1, 2, 6, 3],
      [1, 2, 1, 1],
    ]);
    const line = zeros([2, 6]);
    expect(new nn.MaxPool1d(3, { stride: 2, ceilMode: true }).forward(line).shape).toEqual([2, 3]);
    expect(new nn.AvgPool1d(2).forward(line).shape).toEqual([2, 3]);
    expect(new nn.AdaptiveAvgPool1d(4).forward(line).shape).toEqual([2, 4]);
    expect(new nn.AdaptiveMaxPool1d(4).forward(line).shape).toEqual([2, 4]);
    const cube = zeros([1, 4, 4, 4]);
    expect(new nn.MaxPool3d(2).forward(cube).shape).toEqual([1, 2, 2, 2]);
    expect(new nn.AvgPool3d(2).forward(cube).shape).toEqual([1, 2, 2, 2]);
    expect(new nn.AdaptiveAvgPool3d(1).forward(cube).shape).toEqual([1, 1, 1, 1]);
    expect(new nn.AdaptiveMaxPool3d(2).forward(cube).shape).toEqual([1, 2, 2, 2]);
  });
});

describe("GatedFeedForward and PReLU", () => {
  it("have three matrices, and one factor", async () => {
    const layer = new nn.GatedFeedForward(4, 6, { activation: "reglu" });
    expect(shapesOf(layer)).toEqual({
      "gate.weight": [6, 4],
      "value.weight": [6, 4],
      "output.weight": [4, 6],
    });
    expect(layer.forward(zeros([2, 3, 4])).shape).toEqual([2, 3, 4]);
    expect(await numbers(new nn.PReLU().forward(tensor([-2, 3])))).toEqual([-0.5, 3]);
  });
});

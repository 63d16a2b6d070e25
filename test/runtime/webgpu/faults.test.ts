import { describe, expect, it } from "vitest";
import { currentEngine, withEngine } from "../../../src/engine/current.ts";
import { Engine } from "../../../src/engine/engine.ts";
import { DeviceError, DeviceLostError } from "../../../src/graph/errors.ts";
import { numel } from "../../../src/graph/shape.ts";
import { captureTraining, restoreTraining } from "../../../src/io/trainingCheckpoint.ts";
import { Dropout } from "../../../src/nn/dropout.ts";
import { mseLoss } from "../../../src/nn/functional/loss.ts";
import { Linear } from "../../../src/nn/linear.ts";
import { Module } from "../../../src/nn/module.ts";
import { AdamW } from "../../../src/nn/optim/index.ts";
import * as b from "../../../src/ops/builders.ts";
import { WebGpuDevice, webgpu } from "../../../src/runtime/webgpu/node/index.ts";
import { compile } from "../../../src/tensor/compile.ts";
import { tensor } from "../../../src/tensor/create.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { evaluateOn } from "../../../src/testing/index.ts";
import { openGpu } from "./gpu.ts";

class Net extends Module {
  readonly up = new Linear(3, 6);
  readonly dropout = new Dropout(0.2);
  readonly down = new Linear(6, 1);

  forward(x: Tensor): Tensor {
    return this.down.forward(this.dropout.forward(this.up.forward(x).tanh()));
  }
}

type Saved = Awaited<ReturnType<typeof captureTraining>> & { readonly draws: number };

/** Steps of a training in a world of its own: from the start, or from what was saved. */
function train(device: WebGpuDevice, steps: number, saved: Saved | undefined, losses: number[]) {
  return withEngine(new Engine(() => device, 3), async (): Promise<Saved> => {
    const model = new Net();
    const optimizer = new AdamW(model.parameters(), { lr: 0.05 });
    if (saved) {
      restoreTraining({ model, optimizer }, saved);
      currentEngine().generator.draws = saved.draws;
    }
    const step = compile((x: Tensor, target: Tensor) => {
      optimizer.zeroGrad();
      const loss = mseLoss(model.forward(x), target);
      loss.backward();
      optimizer.step();
      return loss;
    });
    const x = tensor([
      [1, 2, 3],
      [-1, 0, 2],
    ]);
    for (let i = 0; i < steps; i++) losses.push(await step(x, tensor([[1], [-1]])).item());
    const state = await captureTraining({ model, optimizer });
    return { ...state, draws: currentEngine().generator.draws };
  });
}

describe("a device that is lost", () => {
  it("rejects what is being read, and every use after, and says what to do", async () => {
    const device = await openGpu();
    const values = [b.mul(b.iota(1000, "f32"), b.full([], "f32", 2))];
    const block = device.createBlock(64);
    const region = { kind: "region", block, byteOffset: 0, dtype: "f32", length: 16 } as const;
    const reading = device.read(region);
    // As a driver would: past the device that fusegrad knows.
    device.gpu.destroy();
    await expect(reading).rejects.toThrow(DeviceLostError);
    await expect(evaluateOn(device, values)).rejects.toThrow(
      /was lost .*make a new one with webgpu\(\).*saved/,
    );
    expect(() => device.createBlock(16)).toThrow(DeviceLostError);
  });

  it("loses a training nothing that was saved: it goes on elsewhere with the same losses", async () => {
    const undisturbed: number[] = [];
    const whole = await openGpu();
    await train(whole, 10, undefined, undisturbed);
    whole.destroy();
    const losses: number[] = [];
    let saved: Saved | undefined;
    for (let part = 0; part < 5; part++) {
      const device = await openGpu();
      saved = await train(device, 2, saved, losses);
      device.gpu.destroy();
      await device.gpu.lost;
    }
    expect(losses).toEqual(undisturbed);
  }, 120_000);
});

/** A device of the same GPU that believes in other limits. */
async function limited(limits: Readonly<Record<string, number>>): Promise<WebGpuDevice> {
  const { gpu, owner } = await webgpu({ limits: {} });
  const believed = new Proxy(gpu.limits, {
    get: (of, name) => limits[String(name)] ?? Reflect.get(of, name, of),
  });
  Object.defineProperty(gpu, "limits", { value: believed });
  return new WebGpuDevice(gpu, owner);
}

const grid = (shape: readonly number[], scale: number) =>
  b.constant(
    shape,
    "f32",
    Float32Array.from({ length: numel(shape) }, (_, i) => scale * Math.sin(1.3 * i)),
  );

describe("a device's limits", () => {
  it.each([
    ["WebGPU's defaults", {}],
    [
      "compatibility mode's",
      {
        maxStorageBuffersPerShaderStage: 4,
        maxComputeInvocationsPerWorkgroup: 128,
        maxComputeWorkgroupStorageSize: 16_352,
      },
    ],
  ])(
    "of %s are kept by every kernel",
    async (_, limits) => {
      const device = await limited(limits);
      const [x, w] = [grid([70, 48], 1), grid([48, 60], 0.1)];
      const product = b.matmul(x, w);
      const sums = b.sum(b.unary("exp", product), [1]);
      const operands = [grid([2, 40, 8], 1), grid([2, 40, 8], 0.5), grid([2, 40, 8], 2)] as const;
      const [attended] = b.attention(operands, { scale: 0.3, emptyRow: "nan" });
      const many = b.concat(
        Array.from({ length: 9 }, (_, i) => grid([4], i)),
        0,
      );
      const values = [product, sums, attended, b.add(many, many)];
      const full = await openGpu();
      const [kept, wanted] = [await evaluateOn(device, values), await evaluateOn(full, values)];
      kept.forEach((array, i) => {
        array.forEach((value, at) => {
          expect(Math.abs(value - wanted[i][at])).toBeLessThan(1e-4 * Math.max(1, Math.abs(wanted[i][at])));
        });
      });
      device.destroy();
      full.destroy();
    },
    60_000,
  );

  it("refuse a tensor that no kernel can bind, naming both sizes", async () => {
    const device = await limited({ maxStorageBufferBindingSize: 4096 });
    const sum = evaluateOn(device, [b.sum(grid([2000], 1), [0])]);
    await expect(sum).rejects.toThrow(DeviceError);
    await expect(sum).rejects.toThrow(/8000 bytes.* 4096 bytes/);
    device.destroy();
  });
});

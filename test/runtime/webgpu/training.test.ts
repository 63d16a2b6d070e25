import { expect, it } from "vitest";
import { withEngine } from "../../../src/engine/current.ts";
import { Engine } from "../../../src/engine/engine.ts";
import { DeviceError } from "../../../src/graph/errors.ts";
import { Dropout } from "../../../src/nn/dropout.ts";
import { mseLoss } from "../../../src/nn/functional/loss.ts";
import { Linear } from "../../../src/nn/linear.ts";
import { Module } from "../../../src/nn/module.ts";
import * as optim from "../../../src/nn/optim/index.ts";
import type { Device } from "../../../src/runtime/device.ts";
import { WasmDevice } from "../../../src/runtime/wasm/device.ts";
import { compile } from "../../../src/tensor/compile.ts";
import { randn } from "../../../src/tensor/create.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { openGpu } from "./gpu.ts";

class Net extends Module {
  readonly up = new Linear(4, 8);
  readonly dropout = new Dropout(0.2);
  readonly down = new Linear(8, 2);

  forward(x: Tensor): Tensor {
    return this.down.forward(this.dropout.forward(this.up.forward(x).gelu()));
  }
}

/** The losses of `steps` compiled steps, and what the device counted in the last half of them. */
function train(device: Device, steps: number) {
  return withEngine(new Engine(() => device, 7), async () => {
    const net = new Net();
    const adamw = new optim.AdamW(net.parameters(), { lr: 0.02 });
    const step = compile((x: Tensor, target: Tensor) => {
      adamw.zeroGrad();
      const loss = mseLoss(net.forward(x), target);
      loss.backward();
      adamw.step();
      return loss;
    });
    const [x, target] = [randn([6, 4]).realize(), randn([6, 2]).realize()];
    const losses: number[] = [];
    let before = { ...device.counters };
    for (let i = 0; i < steps; i++) {
      if (i === steps / 2) before = { ...device.counters };
      losses.push(await step(x, target).item());
    }
    const { prepared, launches, bytes } = device.counters;
    return {
      losses,
      prepared: prepared - before.prepared,
      launches: launches - before.launches,
      grown: bytes - before.bytes,
    };
  });
}

it("training on a GPU has wasm's losses, from the same random bits, and prepares nothing anew", async () => {
  const gpu = await openGpu();
  const submit = gpu.gpu.queue.submit.bind(gpu.gpu.queue);
  let submits = 0;
  gpu.gpu.queue.submit = (buffers) => {
    submits += 1;
    return submit(buffers);
  };
  const onGpu = await train(gpu, 20);
  const onWasm = await train(new WasmDevice(), 20);
  expect(Math.abs(onGpu.losses[0] - onWasm.losses[0])).toBeLessThan(1e-4);
  onGpu.losses.forEach((loss, i) => {
    expect(Math.abs(loss - onWasm.losses[i])).toBeLessThan(1e-3);
  });
  expect(onGpu.prepared).toBe(0);
  // Ten results of one number each are all that ten steps may leave; each step is a submit, and so is each reading.
  expect(onGpu.grown).toBeLessThanOrEqual(10 * 16);
  expect(submits).toBeLessThanOrEqual(20 * 2 + 10);
}, 120_000);

it("a device that is gone says so at every use, and other devices' memory is refused", async () => {
  const [gpu, other] = [await openGpu(), await openGpu()];
  const block = other.createBlock(16);
  const region = { kind: "region", block, byteOffset: 0, dtype: "f32", length: 4 } as const;
  await expect(gpu.read(region)).rejects.toThrow(DeviceError);
  expect(() => gpu.createBlock(2 ** 50)).toThrow(/a block needs 1125899906842624 bytes/);
  block.release();
  await expect(other.read(region)).rejects.toThrow("released");
  other.destroy();
  expect(() => other.createBlock(16)).toThrow("make a new one with webgpu()");
  gpu.destroy();
}, 60_000);

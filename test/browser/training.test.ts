import { describe, expect, it } from "vitest";
import { withEngine } from "../../src/engine/current.ts";
import { Engine } from "../../src/engine/engine.ts";
import { BertConfig, BertForMaskedLM } from "../../src/models/index.ts";
import { AdamW, clipGradNorm } from "../../src/nn/optim/index.ts";
import type { Device } from "../../src/runtime/device.ts";
import { WasmDevice } from "../../src/runtime/wasm/device.ts";
import { webgpu } from "../../src/runtime/webgpu/index.ts";
import { compile } from "../../src/tensor/compile.ts";
import { randint, tensor } from "../../src/tensor/create.ts";

const config = BertConfig.from({
  vocab_size: 64,
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 64,
  max_position_embeddings: 16,
});

/** The losses of 20 compiled steps of BERT with dropout, on the same tokens each time. */
function losses(device: Device): Promise<number[]> {
  return withEngine(new Engine(() => device, 11), async () => {
    const model = new BertForMaskedLM(config);
    model.train();
    const adamw = new AdamW(model.parameters(), { lr: 5e-3 });
    const maskedPositions = tensor(
      [
        [1, 5],
        [1, 14],
      ],
      { dtype: "i32" },
    );
    const labels = tensor(
      [
        [3, 9],
        [27, 60],
      ],
      { dtype: "i32" },
    );
    const inputIds = randint(0, 64, [2, 16]).realize();
    const step = compile(() => {
      adamw.zeroGrad();
      const { loss } = model.forward(inputIds, { maskedPositions, labels });
      if (loss === undefined) throw new Error("labels were given");
      loss.backward();
      clipGradNorm(model.parameters(), 1);
      adamw.step();
      return loss;
    });
    const found: number[] = [];
    for (let i = 0; i < 20; i++) found.push(await step().item());
    return found;
  });
}

describe("BERT in a page", () => {
  it("has the same losses on a GPU as on the CPU, and learns", { timeout: 120_000 }, async () => {
    const onWasm = await losses(new WasmDevice());
    const onGpu = await losses(await webgpu());
    expect(Math.abs(onGpu[0] - onWasm[0])).toBeLessThan(1e-4);
    onGpu.forEach((loss, i) => {
      expect(Math.abs(loss - onWasm[i])).toBeLessThan(1e-3);
    });
    expect(onWasm[19]).toBeLessThan(onWasm[0] - 0.5);
  });

  it("is isolated, so that threads may share memory", () => {
    expect(globalThis.crossOriginIsolated).toBe(true);
  });
});

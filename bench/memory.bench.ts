import { bench, describe } from "vitest";
import { TransfoXLConfig, TransfoXLModel } from "../src/models/index.ts";
import { compile } from "../src/tensor/compile.ts";
import { randn, tensor, zeros } from "../src/tensor/create.ts";
import { noGrad } from "../src/tensor/grad.ts";
import type { Tensor } from "../src/tensor/tensor.ts";

// What a memory saves in evaluation: states of 32 next tokens, each of which depends on so many tokens before it. With a
// memory of those it is one pass over 32 tokens; without one, a pass over the whole window for every token.

const tokens = 32;
const batch = 4;
const few = { iterations: 5, time: 0, warmupIterations: 1, warmupTime: 0 };

for (const context of [32, 64, 128]) {
  describe(`${tokens} tokens, each with ${context} before it`, () => {
    const { remember, slide } = evaluations(context);
    bench("memory", async () => void (await remember()), few);
    bench("sliding window", async () => void (await slide()), few);
  });
}

function evaluations(context: number) {
  const model = new TransfoXLModel(
    TransfoXLConfig.from({
      ...{ vocab_size: 1000, cutoffs: [], div_val: 1, same_length: true, clamp_len: -1 },
      ...{ d_model: 128, d_embed: 128, n_head: 4, d_head: 32, d_inner: 512, n_layer: 3, mem_len: context },
    }),
  ).eval();
  const ids = (length: number): Tensor =>
    tensor(
      Int32Array.from({ length: batch * length }, (_, i) => (7 * i) % 1000),
      { shape: [batch, length] },
    );
  const states = compile((inputIds: Tensor, mems: readonly Tensor[]) =>
    noGrad(() => model.forward(inputIds, { mems }).lastHiddenState.select(1, -1)),
  );
  const memory = Array.from({ length: 3 }, () => randn([context, batch, 128]));
  const nothing = Array.from({ length: 3 }, () => zeros([0, batch, 128]));
  const [segment, window] = [ids(tokens), ids(context)];
  return {
    remember: () => states(segment, memory).data(),
    slide: async () => {
      for (let i = 0; i < tokens; i++) await states(window, nothing).data();
    },
  };
}

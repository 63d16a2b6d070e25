import { describe, expect, it } from "vitest";
import { ArgumentError, IndexOutOfRangeError } from "../../src/graph/errors.ts";
import {
  SynthesizerForConditionalGeneration,
  SynthesizerTransformerConfig,
  synthesizerComponents,
} from "../../src/models/index.ts";
import { AdamW } from "../../src/nn/optim/index.ts";
import { compile } from "../../src/tensor/compile.ts";
import { onReferenceDevice } from "../nn/reference.ts";
import { i32, tinyConfig } from "./tiny.ts";

onReferenceDevice();

const modelOf = (more: object = {}): SynthesizerForConditionalGeneration =>
  new SynthesizerForConditionalGeneration(
    SynthesizerTransformerConfig.from({ ...tinyConfig("synthesizer_encdec"), ...more }),
  );

async function logitsOf(model: SynthesizerForConditionalGeneration, source: number[], target: number[]) {
  const output = model.forward(i32([source]), { decoderInputIds: i32([target]) });
  return (await output.logits.array()) as number[][][];
}

describe("the encoder-decoder with synthetic attention", () => {
  it.each(["encoder", "decoder", "both"])("has it in %s, and vanilla cross-attention", (stacks) => {
    const names = modelOf({ synthesizer_stacks: stacks })
      .namedParameters()
      .map(([name]) => name);
    for (const stack of ["encoder", "decoder"]) {
      const prefix = `${stack}.layers.0.self_attn.`;
      const synthetic = stacks === "both" || stacks === stack;
      expect(names.includes(`${prefix}random.scores`)).toBe(synthetic);
      expect(names.includes(`${prefix}q_proj.weight`)).toBe(!synthetic);
    }
    expect(names).toContain("decoder.layers.0.encoder_attn.q_proj.weight");
  });

  it.each(synthesizerComponents)("lets a target token see none that follow: %s", async (component) => {
    const model = modelOf({ synthesizer_components: [component] }).eval();
    const before = await logitsOf(model, [2, 5, 7], [1, 4, 6]);
    const later = await logitsOf(model, [2, 5, 7], [1, 4, 9]);
    expect(later[0].slice(0, 2)).toEqual(before[0].slice(0, 2));
    expect(later[0][2]).not.toEqual(before[0][2]);
    const other = await logitsOf(model, [2, 5, 8], [1, 4, 6]);
    for (const t of [0, 1, 2]) expect(other[0][t]).not.toEqual(before[0][t]);
  });

  it("learns to turn a sequence around, and finds it by search", async () => {
    // Where each token goes depends on its place alone: random scores are enough.
    const model = modelOf({ d_model: 16, d_ff: 32, dropout: 0, synthesizer_components: ["random"] });
    const optimizer = new AdamW(model.parameters(), { lr: 1e-2 });
    const rows = [3, 4, 5, 6, 7, 8].map((a, i) => [a, 3 + ((i * 5 + 1) % 6), 3 + ((i * 3 + 2) % 6)]);
    const turned = rows.map((row) => [...row].reverse());
    const step = compile(() => {
      optimizer.zeroGrad();
      const decoderInputIds = i32(turned.map((row) => [1, ...row.slice(0, -1)]));
      const { loss, nllLoss } = model.forward(i32(rows), { decoderInputIds, labels: i32(turned) });
      loss?.backward();
      optimizer.step();
      return nllLoss;
    });
    for (let i = 0; i < 120; i++) await step()?.item();
    model.eval();
    const found = await model.generate(i32(rows), {}, { maxLength: 4, beams: 2 });
    expect(found).toEqual(turned.map((row) => [1, ...row]));
  });

  it("refuses what is longer than its scores, and stacks that there are not", () => {
    const model = modelOf();
    const long = i32([[1, 2, 3, 4, 5, 6, 7]]);
    expect(() => model.forward(long, { decoderInputIds: i32([[1]]) })).toThrow(IndexOutOfRangeError);
    expect(() => modelOf({ synthesizer_stacks: "all" })).toThrow(ArgumentError);
    expect(() => modelOf({ factor_dims: [2, 2] })).toThrow(/factor_dims/);
  });
});

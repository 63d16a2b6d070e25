import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { currentEngine } from "../../src/engine/current.ts";
import { ArgumentError } from "../../src/graph/errors.ts";
import {
  beamSearch,
  TransformerConfig,
  TransformerForConditionalGeneration,
} from "../../src/models/index.ts";
import { onReferenceDevice } from "../nn/reference.ts";
import { i32, ids, mask, tinyConfig, tokenLabels } from "./tiny.ts";

onReferenceDevice();

const tiny = TransformerConfig.from(tinyConfig("transformer_encdec"));

describe("the encoder-decoder", () => {
  it("has as many parameters as the paper's base model with a vocabulary of 37,000", () => {
    const model = new TransformerForConditionalGeneration(TransformerConfig.base);
    expect(model.parameters().reduce((sum, { numel }) => sum + numel, 0)).toBe(63_082_496);
  });

  it.each([false, true])(
    "lets a target token see none that follow, and all of the source (norm first: %s)",
    async (norm_first) => {
      const model = new TransformerForConditionalGeneration({ ...tiny, norm_first }).eval();
      const logits = async (source: number[], target: number[]) =>
        (await model
          .forward(i32([source]), { decoderInputIds: i32([target]) })
          .logits.array()) as number[][][];
      const before = await logits([2, 5, 7], [1, 4, 6]);
      const later = await logits([2, 5, 7], [1, 4, 9]);
      expect(later[0].slice(0, 2)).toEqual(before[0].slice(0, 2));
      expect(later[0][2]).not.toEqual(before[0][2]);
      const other = await logits([2, 5, 8], [1, 4, 6]);
      for (const t of [0, 1, 2]) expect(other[0][t]).not.toEqual(before[0][t]);
    },
  );

  it("does not see padding of the source", async () => {
    const model = new TransformerForConditionalGeneration(tiny).eval();
    const decoderInputIds = i32([[1, 4, 6]]);
    const short = await model.forward(i32([[2, 5]]), { decoderInputIds }).logits.data();
    const padded = { decoderInputIds, attentionMask: i32([[1, 1, 0]]) };
    const long = await model.forward(i32([[2, 5, 9]]), padded).logits.data();
    for (const [i, value] of short.entries()) expect(long[i]).toBeCloseTo(value, 5);
  });

  it("gives its one table the gradients of source, target and output", async () => {
    // With tables of their own, the three gradients sum to that of the one.
    const tied = new TransformerForConditionalGeneration(tiny).eval();
    const untied = new TransformerForConditionalGeneration({ ...tiny, tie_word_embeddings: false }).eval();
    const state = tied.stateDict();
    const table = state.get("shared.weight");
    if (!table) throw new Error("no table");
    untied.loadStateDict(new Map([...state, ["lm_head.weight", table]]));
    const inputs = { decoderInputIds: i32(ids), labels: i32(tokenLabels), attentionMask: i32(mask) };
    for (const model of [tied, untied]) {
      model.forward(i32(ids), inputs).loss?.backward();
      currentEngine().settleGradients(model.parameters().map(({ cell }) => cell));
    }
    const whole = await tied.shared.weight.grad?.data();
    const lookups = await untied.shared.weight.grad?.data();
    const output = await untied.output?.grad?.data();
    for (const [i, value] of whole?.entries() ?? []) {
      expect(value).toBeCloseTo((lookups?.[i] ?? Number.NaN) + (output?.[i] ?? Number.NaN), 5);
    }
    expect(whole?.some((value) => value !== 0)).toBe(true);
  });

  it("smooths labels in both forms, and neither without smoothing", async () => {
    const inputs = { decoderInputIds: i32(ids), labels: i32(tokenLabels) };
    const plain = new TransformerForConditionalGeneration({ ...tiny, label_smoothing: 0 }).eval();
    const output = plain.forward(i32(ids), inputs);
    const nll = (await output.nllLoss?.item()) ?? Number.NaN;
    expect(await output.lossUniform?.item()).toBeCloseTo(nll, 6);
    expect(await output.lossT2t?.item()).toBeCloseTo(nll, 6);
    const smooth = new TransformerForConditionalGeneration({ ...tiny, label_smoothing_form: "t2t" }).eval();
    const smoothed = smooth.forward(i32(ids), inputs);
    expect(await smoothed.loss?.item()).toBe(await smoothed.lossT2t?.item());
    expect(await smoothed.lossT2t?.item()).not.toBe(await smoothed.lossUniform?.item());
  });
});

describe("beam search", () => {
  const classes = 4;
  /** Logits that depend on all tokens so far, by a hash of them. */
  function logitsOf(tokens: readonly number[], seed: number): number[] {
    return Array.from({ length: classes }, (_, token) => {
      let hash = seed;
      for (const each of [...tokens, token]) hash = Math.imul(hash ^ (each + 17), 0x9e3779b1) >>> 7;
      return (hash % 1000) / 250;
    });
  }

  function logProbability(tokens: readonly number[], seed: number): number {
    let sum = 0;
    for (let i = 1; i < tokens.length; i++) {
      const logits = logitsOf(tokens.slice(0, i), seed);
      sum += logits[tokens[i]] - Math.log(logits.reduce((total, value) => total + Math.exp(value), 0));
    }
    return sum;
  }

  const next = (seed: number) => async (rows: readonly (readonly number[])[]) =>
    rows.flatMap((row) => logitsOf(row, seed));

  it("finds the likeliest of all outputs when it follows every one", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1e6 }), async (seed) => {
        const [best] = await beamSearch(next(seed), 1, 0, { maxLength: 4, beams: classes ** 3 });
        let most = Number.NEGATIVE_INFINITY;
        for (let code = 0; code < classes ** 3; code++) {
          const tokens = [
            0,
            code % classes,
            Math.floor(code / classes) % classes,
            Math.floor(code / classes ** 2),
          ];
          most = Math.max(most, logProbability(tokens, seed));
        }
        expect(logProbability(best, seed)).toBeCloseTo(most, 9);
      }),
      { numRuns: 30 },
    );
  });

  it("takes the likeliest token at each step with one beam, and stops at the end token", async () => {
    const [greedy] = await beamSearch(next(7), 1, 0, { maxLength: 6 });
    for (let i = 1; i < greedy.length; i++) {
      const logits = logitsOf(greedy.slice(0, i), 7);
      expect(logits[greedy[i]]).toBe(Math.max(...logits));
    }
    const [ended] = await beamSearch(next(7), 1, 0, { maxLength: 6, endToken: greedy[2] });
    expect(ended).toEqual(greedy.slice(0, greedy.indexOf(greedy[2], 1) + 1));
  });

  it("searches several inputs at once as it does one by one", async () => {
    const many = async (rows: readonly (readonly number[])[], sources: readonly number[]) =>
      rows.flatMap((row, i) => logitsOf(row, 5 + sources[i]));
    const options = { maxLength: 5, beams: 3, endToken: 2 };
    const together = await beamSearch(many, 3, 0, options);
    for (const source of [0, 1, 2]) {
      const [alone] = await beamSearch(next(5 + source), 1, 0, options);
      expect(together[source]).toEqual(alone);
    }
  });

  it("of a model gives what greedy decoding gives step by step", async () => {
    const model = new TransformerForConditionalGeneration(tiny).eval();
    const attentionMask = i32(mask);
    const found = await model.generate(i32(ids), { attentionMask }, { maxLength: 5 });
    const rows = ids.map(() => [1]);
    for (let length = 1; length < 5; length++) {
      const inputs = { decoderInputIds: i32(rows), attentionMask };
      const logits = (await model.forward(i32(ids), inputs).logits.array()) as number[][][];
      rows.forEach((row, b) => {
        const last = logits[b][length - 1];
        row.push(last.indexOf(Math.max(...last)));
      });
    }
    expect(found).toEqual(rows);
    await expect(model.generate(i32(ids), {}, { maxLength: 0 })).rejects.toThrow(ArgumentError);
  });
});

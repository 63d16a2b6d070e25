import { describe, expect, it } from "vitest";
import { ArgumentError, IndexOutOfRangeError } from "../../src/graph/errors.ts";
import {
  type SynthesizerAttention,
  type SynthesizerComponent,
  SynthesizerConfig,
  SynthesizerForMaskedLM,
  SynthesizerLMHeadModel,
  synthesizerAttention,
  synthesizerComponents,
} from "../../src/models/index.ts";
import { randn } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { onReferenceDevice } from "../nn/reference.ts";
import { i32, ids, mask, tinyConfig } from "./tiny.ts";

onReferenceDevice();

function configOf(components: readonly SynthesizerComponent[], more: object = {}): SynthesizerConfig {
  return SynthesizerConfig.from({
    ...tinyConfig("synthesizer"),
    synthesizer_components: components,
    synthesizer_max_length: 6,
    ...more,
  });
}

function attentionOf(...components: SynthesizerComponent[]): SynthesizerAttention {
  return synthesizerAttention(configOf(components), {}).eval();
}

const rows = async (x: Tensor): Promise<number[][][][]> => (await x.array()) as number[][][][];

describe("synthetic scores", () => {
  it.each(["random", "factorized_random"] as const)(
    "that are %s are the same for every input",
    async (kind) => {
      const attention = attentionOf(kind);
      const first = await rows(attention.forward(randn([1, 5, 4])).probabilities);
      const second = await rows(attention.forward(randn([1, 5, 4])).probabilities);
      expect(second).toEqual(first);
    },
  );

  it.each(["dense", "factorized_dense", "vanilla"] as const)(
    "that are %s depend on the input",
    async (kind) => {
      const attention = attentionOf(kind);
      const first = await rows(attention.forward(randn([1, 5, 4])).probabilities);
      const second = await rows(attention.forward(randn([1, 5, 4])).probabilities);
      expect(second).not.toEqual(first);
    },
  );

  it.each(["dense", "factorized_dense"] as const)(
    "that are %s depend on the query's token alone",
    async (kind) => {
      const attention = attentionOf(kind);
      const x = randn([1, 5, 4]);
      const all = await rows(attention.scores(x));
      // The scores of a shorter sequence are the first columns of the same rows.
      const some = await rows(attention.scores(x.narrow(1, 0, 3)));
      for (const head of [0, 1]) {
        for (const t of [0, 1, 2]) expect(some[0][head][t]).toEqual(all[0][head][t].slice(0, 3));
      }
    },
  );

  it("that are factorised are all products of two factors, each pair once", async () => {
    const attention = synthesizerAttention(configOf(["factorized_dense"], { factor_dims: [2, 3] }), {});
    const scores = (await rows(attention.scores(randn([1, 6, 4]))))[0][0];
    for (const row of scores) {
      // [a0 b0, a0 b1, a0 b2, a1 b0, a1 b1, a1 b2] has rank 1 as a 2 x 3 matrix.
      for (const [i, j] of [
        [0, 1],
        [0, 2],
        [1, 2],
      ]) {
        expect(row[i] * row[3 + j]).toBeCloseTo(row[j] * row[3 + i], 6);
      }
    }
  });

  it("of several kinds are mixed by weights that sum to one", async () => {
    const mixture = attentionOf(...synthesizerComponents);
    const x = randn([2, 5, 4]);
    const parts = [
      mixture.vanilla,
      mixture.dense,
      mixture.random,
      mixture.factorizedDense,
      mixture.factorizedRandom,
    ];
    // The logits start at 0: the mean of all.
    const mean = parts
      .reduce((sum, part) => sum.add(part?.forward(x) ?? Number.NaN), randn([1]).mul(0))
      .div(5);
    const found = await mixture.scores(x).data();
    for (const [i, value] of (await mean.data()).entries()) expect(found[i]).toBeCloseTo(value, 5);
  });

  it("leave out what the mask forbids", async () => {
    const model = new SynthesizerForMaskedLM(configOf(["random", "dense"])).eval();
    const { attentions } = model.forward(i32(ids), { attentionMask: i32(mask), outputAttentions: true });
    for (const layer of attentions ?? []) {
      const probabilities = await rows(layer);
      for (const head of probabilities[0]) for (const row of head) expect(row[3]).toBe(0);
    }
    expect(attentions).toHaveLength(2);
  });

  it("let a decoder see nothing that comes later", async () => {
    const model = new SynthesizerLMHeadModel(configOf(["dense", "random"], { is_decoder: true })).eval();
    const before = (await model.forward(i32([[2, 5, 7, 4]])).logits.array()) as number[][][];
    const after = (await model.forward(i32([[2, 5, 7, 9]])).logits.array()) as number[][][];
    expect(after[0].slice(0, 3)).toEqual(before[0].slice(0, 3));
    expect(after[0][3]).not.toEqual(before[0][3]);
  });

  it("that are fixed are a buffer, which no optimizer sees", () => {
    const fixed = synthesizerAttention(configOf(["random"], { random_trainable: false }), {});
    expect(fixed.namedBuffers().map(([name]) => name)).toEqual(["random.scores"]);
    expect(fixed.namedParameters().some(([name]) => name === "random.scores")).toBe(false);
  });

  it("exist up to their length, and are made of what there is", () => {
    expect(() => attentionOf("random").forward(randn([1, 7, 4]))).toThrow(IndexOutOfRangeError);
    expect(() => configOf(["dense"], { factor_dims: [2, 2] })).toThrow(ArgumentError);
    expect(() => configOf(["dense", "dense"])).toThrow(/each at most once/);
    expect(() => configOf([])).toThrow(/synthesizer_components/);
    expect(configOf(["dense"], { synthesizer_max_length: 24 }).factor_dims).toEqual([4, 6]);
  });
});

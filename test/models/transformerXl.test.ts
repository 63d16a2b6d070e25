import { describe, expect, it } from "vitest";
import { ArgumentError, IndexOutOfRangeError, ShapeError } from "../../src/graph/errors.ts";
import {
  TransfoXLConfig,
  TransfoXLForSequenceClassification,
  TransfoXLLMHeadModel,
  TransfoXLModel,
} from "../../src/models/index.ts";
import { AdamW } from "../../src/nn/optim/index.ts";
import { compile } from "../../src/tensor/compile.ts";
import { randn, tensor, zeros } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { onReferenceDevice } from "../nn/reference.ts";
import { i32 } from "./tiny.ts";

onReferenceDevice();

const tiny = {
  ...{ vocab_size: 13, cutoffs: [], div_val: 1, d_model: 4, d_embed: 4, d_inner: 6, n_head: 2, d_head: 3 },
  ...{ n_layer: 2, mem_len: 4, clamp_len: -1, same_length: false, init_std: 0.5 },
};
const config = (change: object = {}): TransfoXLConfig => TransfoXLConfig.from({ ...tiny, ...change });
/** A memory of nothing, for a first segment. */
const nothing = (): Tensor[] => [zeros([0, 1, 4]), zeros([0, 1, 4])];

async function rowsOf(x: Tensor): Promise<number[][]> {
  return ((await x.array()) as number[][][])[0];
}

function expectClose(found: readonly number[][], wanted: readonly number[][]): void {
  expect(found.length).toBe(wanted.length);
  for (const [i, row] of wanted.entries())
    for (const [d, x] of row.entries()) expect(found[i][d]).toBeCloseTo(x, 5);
}

describe("parameters", () => {
  it("are those of the paper's model of WikiText-103", () => {
    const count = (model: TransfoXLModel | TransfoXLLMHeadModel): number =>
      model.parameters().reduce((total, { numel }) => total + numel, 0);
    const { n_layer, d_model, d_inner } = TransfoXLConfig.large;
    // q, k, v, r and o without biases, two biases of attention, the feed-forward network, two norms.
    const layer = 5 * d_model ** 2 + 2 * d_model + 2 * d_model * d_inner + d_inner + d_model + 4 * d_model;
    const tables = [20_000, 20_000, 160_000, 67_735].reduce(
      (sum, ids, i) => sum + (ids + d_model) * (1024 / 4 ** i),
      0,
    );
    expect(count(new TransfoXLModel(TransfoXLConfig.large))).toBe(n_layer * layer + tables);
    // The first projection is not tied; a bias a token; three entries of the other clusters.
    expect(count(new TransfoXLLMHeadModel(TransfoXLConfig.large))).toBe(
      n_layer * layer + tables + d_model * 1024 + 267_735 + 3 * 1024 + 3,
    );
  });

  it("share both biases of attention among the layers without untie_r", () => {
    const names = new TransfoXLModel(config({ untie_r: false })).namedParameters().map(([name]) => name);
    expect(names.filter((name) => name.endsWith("_bias")).sort()).toEqual(["r_r_bias", "r_w_bias"]);
  });
});

describe("TransfoXLModel", () => {
  it("reads two segments with a memory as it reads them as one", async () => {
    for (const change of [{}, { pre_lnorm: true }, { untie_r: false }]) {
      const model = new TransfoXLModel(config(change)).eval();
      const whole = model.forward(i32([[5, 6, 7, 8, 9]]), { mems: nothing() });
      const first = model.forward(i32([[5, 6, 7]]), { mems: nothing() });
      const second = model.forward(i32([[8, 9]]), { mems: first.mems });
      expectClose(await rowsOf(first.lastHiddenState), (await rowsOf(whole.lastHiddenState)).slice(0, 3));
      expectClose(await rowsOf(second.lastHiddenState), (await rowsOf(whole.lastHiddenState)).slice(3));
      expect(second.mems?.map(({ shape }) => shape)).toEqual([
        [4, 1, 4],
        [4, 1, 4],
      ]);
    }
  });

  it("sees no later token, to the bit, and every remembered one", async () => {
    const model = new TransfoXLModel(config()).eval();
    const mems = [randn([2, 1, 4]), randn([2, 1, 4])];
    const { lastHiddenState, attentions = [] } = model.forward(i32([[5, 6, 7]]), {
      mems,
      outputAttentions: true,
    });
    const before = await rowsOf(lastHiddenState);
    const after = await rowsOf(model.forward(i32([[5, 6, 11]]), { mems }).lastHiddenState);
    expect(after.slice(0, 2)).toEqual(before.slice(0, 2));
    expect(after[2]).not.toEqual(before[2]);
    const [[rows]] = (await attentions[0].array()) as number[][][][];
    expect(rows.map((row) => row.map((p) => Number(p > 0)))).toEqual([
      [1, 1, 1, 0, 0],
      [1, 1, 1, 1, 0],
      [1, 1, 1, 1, 1],
    ]);
  });

  it("passes no gradient into the memory", async () => {
    const model = new TransfoXLModel(config()).eval();
    const past = tensor(await randn([2, 1, 4]).data(), { shape: [2, 1, 4], requiresGrad: true });
    const { mems } = model.forward(i32([[5, 6]]), { mems: [past, past] });
    expect(mems?.some(({ requiresGrad }) => requiresGrad)).toBe(false);
    const next = model.forward(i32([[7]]), { mems });
    next.lastHiddenState.square().sum().backward();
    expect(past.grad).toBeUndefined();
  });

  it("attends mem_len zeros where it is given no memory, and equally many keys with same_length", async () => {
    const model = new TransfoXLModel(config({ same_length: true })).eval();
    const { attentions = [], mems } = model.forward(i32([[5, 6, 7]]), { outputAttentions: true });
    const [[rows]] = (await attentions[0].array()) as number[][][][];
    expect(rows.map((row) => row.map((p) => Number(p > 0)))).toEqual([
      [0, 1, 1, 1, 1, 0, 0],
      [0, 0, 1, 1, 1, 1, 0],
      [0, 0, 0, 1, 1, 1, 1],
    ]);
    expect(mems?.[0].shape).toEqual([4, 1, 4]);
    expect(new TransfoXLModel(config({ mem_len: 0 })).eval().forward(i32([[5]])).mems).toBeUndefined();
  });

  it("takes greater distances for the greatest with clamp_len", async () => {
    const near = new TransfoXLModel(config({ clamp_len: 1 })).eval();
    const far = new TransfoXLModel(config({ clamp_len: 9 })).eval();
    far.loadStateDict(near.stateDict());
    const run = async (model: TransfoXLModel, ids: number[]): Promise<number[][]> =>
      rowsOf(model.forward(i32([ids]), { mems: nothing() }).lastHiddenState);
    expectClose(await run(far, [5, 6]), await run(near, [5, 6]));
    expect(await run(far, [5, 6, 7, 8])).not.toEqual(await run(near, [5, 6, 7, 8]));
  });

  it("refuses what does not fit", () => {
    const model = new TransfoXLModel(config());
    expect(() => model.forward(i32([[5]]), { mems: [zeros([1, 1, 4])] })).toThrow(ShapeError);
    expect(() => model.forward(i32([[13]]))).toThrow(IndexOutOfRangeError);
    expect(() => TransfoXLConfig.from({ attn_type: 1 })).toThrow(ArgumentError);
    expect(() => TransfoXLConfig.from({ sample_softmax: 5 })).toThrow(ArgumentError);
    expect(() => TransfoXLConfig.from({ cutoffs: 3 })).toThrow(ArgumentError);
  });
});

describe("TransfoXLLMHeadModel", () => {
  it("predicts each next token; losses come cluster by cluster", async () => {
    const model = new TransfoXLLMHeadModel(config({ cutoffs: [4, 8], div_val: 2 })).eval();
    const ids = [
      [5, 9, 2, 6, 1],
      [3, 10, 12, 0, 7],
    ];
    const labels = [
      [-100, 9, 2, 6, -100],
      [3, 10, 12, 0, 7],
    ];
    const output = model.forward(i32(ids), { labels: i32(labels) });
    const scores = (await output.predictionScores.array()) as number[][][];
    const wanted = labels.flatMap((row, b) =>
      row.slice(1).map((label, i) => ({ label, loss: label < 0 ? 0 : -scores[b][i][label] })),
    );
    const clusterOf = (label: number): number => (label < 0 ? 3 : label < 4 ? 0 : label < 8 ? 1 : 2);
    const sorted = [...wanted].sort((a, b) => clusterOf(a.label) - clusterOf(b.label));
    const found = Array.from((await output.losses?.data()) ?? []);
    expectClose([found], [sorted.map(({ loss }) => loss)]);
    const total = wanted.reduce((sum, { loss }) => sum + loss, 0);
    expect(await output.loss?.item()).toBeCloseTo(total / 7, 5);
    const next = i32(labels.map((row) => [...row.slice(1), -100]));
    const same = model.forward(i32(ids), { nextTokens: next });
    expect(await same.loss?.item()).toBeCloseTo(total / 7, 5);
    expect(() => model.forward(i32(ids), { labels: next, nextTokens: next })).toThrow(ArgumentError);
  });

  it("learns inside a compiled step that is given a memory and gives the next", async () => {
    const model = new TransfoXLLMHeadModel(config({ dropout: 0 }));
    const adamw = new AdamW(model.parameters(), { lr: 1e-2 });
    const step = compile((inputIds: Tensor, nextTokens: Tensor, mems: readonly Tensor[]) => {
      adamw.zeroGrad();
      const output = model.forward(inputIds, { mems, nextTokens });
      output.loss?.backward();
      adamw.step();
      return { loss: output.loss as Tensor, mems: output.mems ?? [] };
    });
    let mems: readonly Tensor[] = [zeros([4, 1, 4]), zeros([4, 1, 4])];
    const losses: number[] = [];
    for (let i = 0; i < 60; i++) {
      const [ids, next] =
        i % 2 === 0
          ? [
              [5, 6, 7],
              [6, 7, 8],
            ]
          : [
              [8, 9, 10],
              [9, 10, 5],
            ];
      const result = step(i32([ids]), i32([next]), mems);
      mems = result.mems;
      losses.push(await result.loss.item());
    }
    expect(step.traces).toBe(1);
    expect(losses.at(-1)).toBeLessThan(losses[0] / 2);
  });
});

describe("TransfoXLForSequenceClassification", () => {
  it("scores the last token that is no padding", async () => {
    const model = new TransfoXLForSequenceClassification(config({ pad_token_id: 0 })).eval();
    const run = async (ids: number[]): Promise<number[]> =>
      ((await model.forward(i32([ids])).logits.array()) as number[][])[0];
    expectClose([await run([5, 6, 0, 0])], [await run([5, 6])]);
    expect(await run([5, 6, 7])).not.toEqual(await run([5, 6, 0]));
    const unpadded = new TransfoXLForSequenceClassification(config());
    expect(() => unpadded.forward(i32([[5], [6]]))).toThrow(ArgumentError);
    expect(unpadded.forward(i32([[5, 6]])).logits.shape).toEqual([1, 2]);
  });
});

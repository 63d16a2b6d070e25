import { describe, expect, it } from "vitest";
import { currentEngine } from "../../src/engine/current.ts";
import type { TypedArray } from "../../src/graph/dtype.ts";
import { ArgumentError, IndexOutOfRangeError, ShapeError, StateDictError } from "../../src/graph/errors.ts";
import {
  BertConfig,
  BertForMaskedLM,
  BertForPreTraining,
  BertModel,
  bertCheckpoint,
  loadCheckpoint,
} from "../../src/models/index.ts";
import type { Module } from "../../src/nn/module.ts";
import { AdamW } from "../../src/nn/optim/index.ts";
import type { StateEntry } from "../../src/nn/state.ts";
import { compile } from "../../src/tensor/compile.ts";
import { full, ones, tensor, zeros } from "../../src/tensor/create.ts";
import { noGrad } from "../../src/tensor/grad.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { onReferenceDevice } from "../nn/reference.ts";

onReferenceDevice();

const tiny = BertConfig.from({
  vocab_size: 11,
  hidden_size: 4,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 6,
  max_position_embeddings: 8,
  initializer_range: 0.5,
});
const still = { ...tiny, hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 };
const ids = (): Tensor =>
  tensor(
    [
      [1, 5, 7, 0],
      [2, 5, 10, 3],
    ],
    { dtype: "i32" },
  );

function count(model: Module): number {
  return model.parameters().reduce((total, parameter) => total + parameter.numel, 0);
}

describe("parameters", () => {
  it("are as many as the paper's", () => {
    expect(count(new BertModel(BertConfig.base))).toBe(109_482_240);
    expect(count(new BertModel(BertConfig.large))).toBe(335_141_888);
    // Without pooler (590,592); the head adds d² + d, a norm's 2 d, and a bias a token. The decoder is tied.
    expect(count(new BertForMaskedLM(BertConfig.base))).toBe(
      109_482_240 - 590_592 + 768 * 768 + 3 * 768 + 30522,
    );
    expect(count(new BertForMaskedLM({ ...BertConfig.base, tie_word_embeddings: false }))).toBe(
      109_482_240 - 590_592 + 768 * 768 + 3 * 768 + 30522 + 30522 * 768,
    );
  });

  it("have Hugging Face's names", () => {
    const layer = (i: number): string[] =>
      [
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
        "attention.output.LayerNorm",
        "intermediate.dense",
        "output.dense",
        "output.LayerNorm",
      ].map((name) => `bert.encoder.layer.${i}.${name}`);
    const modules = [
      "bert.embeddings.LayerNorm",
      ...layer(0),
      ...layer(1),
      "bert.pooler.dense",
      "cls.predictions.transform.dense",
      "cls.predictions.transform.LayerNorm",
      "cls.seq_relationship",
    ];
    const tables = ["word", "position", "token_type"].map(
      (name) => `bert.embeddings.${name}_embeddings.weight`,
    );
    const wanted = [
      ...tables,
      ...modules.flatMap((name) => [`${name}.weight`, `${name}.bias`]),
      "cls.predictions.bias",
    ];
    const names = new BertForPreTraining(tiny).namedParameters().map(([name]) => name);
    expect(names.sort()).toEqual(wanted.sort());
  });

  it("start as the paper says", async () => {
    const state = new BertForPreTraining(BertConfig.from({ ...tiny, initializer_range: 0.02 })).stateDict();
    for (const [name, value] of state) {
      const data = await value.data();
      const norm = name.endsWith("LayerNorm.weight");
      if (norm) expect(new Set(data)).toEqual(new Set([1]));
      else if (name.endsWith("bias")) expect(new Set(data)).toEqual(new Set([0]));
      else expect(Math.max(...data.map(Math.abs))).toBeLessThanOrEqual(0.0401);
    }
  });
});

describe("forward", () => {
  it("gives outputs of the documented shapes", () => {
    const model = new BertForPreTraining(tiny).eval();
    const output = model.forward(ids(), { outputHiddenStates: true, outputAttentions: true });
    expect(output.lastHiddenState.shape).toEqual([2, 4, 4]);
    expect(output.poolerOutput?.shape).toEqual([2, 4]);
    expect(output.predictionLogits.shape).toEqual([2, 4, 11]);
    expect(output.seqRelationshipLogits.shape).toEqual([2, 2]);
    expect(output.hiddenStates?.map(({ shape }) => shape)).toEqual([
      [2, 4, 4],
      [2, 4, 4],
      [2, 4, 4],
    ]);
    expect(output.attentions?.map(({ shape }) => shape)).toEqual([
      [2, 2, 4, 4],
      [2, 2, 4, 4],
    ]);
    expect(output.loss).toBeUndefined();
    expect(new BertModel(tiny, { pooler: false }).forward(ids()).poolerOutput).toBeUndefined();
  });

  it("does not see padding, and survives a row of nothing else", async () => {
    const model = new BertModel(tiny).eval();
    const attentionMask = tensor(
      [
        [1, 1, 1, 0],
        [0, 0, 0, 0],
      ],
      { dtype: "i32" },
    );
    const first = (await model.forward(ids(), { attentionMask }).lastHiddenState.array()) as number[][][];
    const other = tensor(
      [
        [1, 5, 7, 9],
        [2, 5, 10, 3],
      ],
      { dtype: "i32" },
    );
    const second = (await model.forward(other, { attentionMask }).lastHiddenState.array()) as number[][][];
    expect(second[0].slice(0, 3)).toEqual(first[0].slice(0, 3));
    expect(second[0][3]).not.toEqual(first[0][3]);
    expect(first[1].flat().every(Number.isFinite)).toBe(true);
  });

  it("takes default segments and positions for the ones that they are", async () => {
    const model = new BertModel(tiny).eval();
    const tokenTypeIds = zeros([2, 4], { dtype: "i32" });
    const positionIds = tensor(
      [
        [0, 1, 2, 3],
        [0, 1, 2, 3],
      ],
      { dtype: "i32" },
    );
    const explicit = model.forward(ids(), { tokenTypeIds, positionIds, attentionMask: ones([2, 4]).gt(0) });
    expect(await explicit.lastHiddenState.array()).toEqual(
      await model.forward(ids()).lastHiddenState.array(),
    );
    const swapped = model.forward(ids(), { tokenTypeIds: tokenTypeIds.add(1) });
    expect(await swapped.lastHiddenState.array()).not.toEqual(await explicit.lastHiddenState.array());
  });

  it("refuses what does not fit, positions beyond the last included", () => {
    const model = new BertModel(tiny).eval();
    expect(() => model.forward(zeros([1, 9], { dtype: "i32" }))).toThrow(IndexOutOfRangeError);
    expect(() => model.forward(ids(), { positionIds: full([2, 4], 8, { dtype: "i32" }) })).not.toThrow();
    expect(() => model.forward(tensor([[11]], { dtype: "i32" }))).toThrow(IndexOutOfRangeError);
    expect(() => model.forward(tensor([1], { dtype: "i32" }))).toThrow(ShapeError);
    expect(() => model.forward(ids(), { attentionMask: ones([2, 3]) })).toThrow(ShapeError);
    expect(() => model.forward(ids(), { tokenTypeIds: zeros([1, 4], { dtype: "i32" }) })).toThrow(ShapeError);
  });
});

describe("the heads", () => {
  it("predict at chosen positions what they predict everywhere", async () => {
    const model = new BertForMaskedLM(tiny).eval();
    const maskedPositions = tensor(
      [
        [1, 3],
        [2, 0],
      ],
      { dtype: "i32" },
    );
    const labels = tensor(
      [
        [4, 7],
        [9, -100],
      ],
      { dtype: "i32" },
    );
    const everywhere = tensor(
      [
        [-100, 4, -100, 7],
        [-100, -100, 9, -100],
      ],
      { dtype: "i32" },
    );
    const few = model.forward(ids(), { maskedPositions, labels });
    const all = model.forward(ids(), { labels: everywhere });
    const rows = (await all.logits.array()) as number[][][];
    expect(await few.logits.array()).toEqual([
      [rows[0][1], rows[0][3]],
      [rows[1][2], rows[1][0]],
    ]);
    expect(await few.loss?.item()).toBeCloseTo((await all.loss?.item()) ?? Number.NaN, 6);
    expect(() => model.forward(ids(), { labels })).toThrow(ShapeError);
    expect(() => model.forward(ids(), { maskedPositions: tensor([[4], [0]], { dtype: "i32" }) })).toThrow(
      IndexOutOfRangeError,
    );
  });

  it("decode with the token table, whose gradient is of both uses", async () => {
    const model = new BertForMaskedLM(still);
    const labels = tensor(
      [
        [-100, 4, -100, -100],
        [-100, -100, -100, -100],
      ],
      { dtype: "i32" },
    );
    model.forward(ids(), { labels }).loss?.backward();
    const gradient = (await model.bert.embeddings.token.weight.grad?.array()) as number[][];
    // Every row is an output class; the padding row (0) gets the decoder's gradient alone.
    expect(gradient.every((row) => row.some((x) => x !== 0))).toBe(true);
  });

  it("have gradients that agree with finite differences in float64", async () => {
    const model = new BertForPreTraining({ ...still, num_hidden_layers: 1 }, { dtype: "f64" });
    const inputs = {
      attentionMask: tensor(
        [
          [1, 1, 1, 0],
          [1, 1, 1, 1],
        ],
        { dtype: "i32" },
      ),
      tokenTypeIds: tensor(
        [
          [0, 0, 1, 1],
          [0, 1, 1, 1],
        ],
        { dtype: "i32" },
      ),
      labels: tensor(
        [
          [-100, 4, -100, -100],
          [3, -100, 9, -100],
        ],
        { dtype: "i32" },
      ),
      nextSentenceLabel: tensor([0, 1], { dtype: "i32" }),
    };
    const loss = (): Tensor => model.forward(ids(), inputs).loss as Tensor;
    const at = async (): Promise<number> => noGrad(loss).item();
    loss().backward();
    // Before any parameter moves: gradients of old values cannot be computed afterwards.
    const parameters = model.namedParameters();
    currentEngine().settleGradients(parameters.map(([, { cell }]) => cell));
    const gradients = new Map<string, TypedArray | undefined>();
    for (const [name, { grad }] of parameters) gradients.set(name, await grad?.data());
    // For each parameter some direction: the slope along it is the gradient's part in it.
    for (const [name, parameter] of parameters) {
      // Its padding row gets no gradient from lookups, on purpose.
      if (name === "bert.embeddings.word_embeddings.weight") continue;
      const value = Float64Array.from(await parameter.data());
      const gradient = gradients.get(name);
      const direction = value.map((_, i) => Math.sin(12.9898 * (i + 1) + value.length));
      const move = async (step: number): Promise<number> => {
        parameter.assign(
          tensor(
            value.map((x, i) => x + step * direction[i]),
            { shape: parameter.shape },
          ),
        );
        return at();
      };
      const eps = 1e-5;
      const numeric = ((await move(eps)) - (await move(-eps))) / (2 * eps);
      await move(0);
      const analytic = direction.reduce((sum, d, i) => sum + d * (gradient?.[i] ?? Number.NaN), 0);
      expect(Math.abs(numeric - analytic), name).toBeLessThan(1e-7 * Math.max(1, Math.abs(analytic)));
    }
  });

  it("learn a batch by heart, compiled with dropout", async () => {
    const model = new BertForMaskedLM({ ...tiny, hidden_dropout_prob: 0.05 });
    const optimizer = new AdamW(model.parameters(), { lr: 0.04 });
    const step = compile((inputIds: Tensor, labels: Tensor) => {
      optimizer.zeroGrad();
      const loss = model.forward(inputIds, { labels }).loss as Tensor;
      loss.backward();
      optimizer.step();
      return loss;
    });
    const labels = tensor(
      [
        [-100, 4, -100, -100],
        [3, -100, 9, -100],
      ],
      { dtype: "i32" },
    );
    const losses: number[] = [];
    for (let i = 0; i < 30; i++) losses.push(await step(ids(), labels).item());
    expect(step.traces).toBe(1);
    expect(losses[0]).toBeGreaterThan(1);
    expect(losses[29]).toBeLessThan(0.4 * losses[0]);
  });
});

describe("files", () => {
  const host = async (model: Module): Promise<Map<string, StateEntry>> => {
    const state = new Map<string, StateEntry>();
    for (const [name, value] of model.stateDict())
      state.set(name, { shape: value.shape, data: await value.data() });
    return state;
  };

  it("load under older names, with tied duplicates and id buffers", async () => {
    const from = new BertForMaskedLM(tiny).eval();
    const state = await host(from);
    const old = new Map(
      [...state].map(([name, entry]) => [
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"),
        entry,
      ]),
    );
    const table = state.get("bert.embeddings.word_embeddings.weight");
    const bias = state.get("cls.predictions.bias");
    if (table && bias)
      old.set("cls.predictions.decoder.weight", table).set("cls.predictions.decoder.bias", bias);
    old.delete("bert.embeddings.word_embeddings.weight");
    old.set("bert.embeddings.position_ids", { shape: [1, 8], data: new Int32Array(8) });
    const to = new BertForMaskedLM(tiny).eval();
    expect(loadCheckpoint(to, old, bertCheckpoint)).toEqual({ missing: [], unexpected: [] });
    expect(await to.forward(ids()).logits.array()).toEqual(await from.forward(ids()).logits.array());
  });

  it("of a head model load into the base model, and the other way round", async () => {
    const full = new BertForPreTraining(tiny).eval();
    const state = await host(full);
    const base = new BertModel(tiny).eval();
    expect(() => loadCheckpoint(base, state, bertCheckpoint)).toThrow(StateDictError);
    const { missing, unexpected } = loadCheckpoint(base, state, bertCheckpoint, { strict: false });
    expect(missing).toEqual([]);
    expect(unexpected.every((name) => name.startsWith("cls."))).toBe(true);
    expect(await base.forward(ids()).lastHiddenState.array()).toEqual(
      await full.forward(ids()).lastHiddenState.array(),
    );
    const back = loadCheckpoint(new BertForPreTraining(tiny), await host(base), bertCheckpoint, {
      strict: false,
    });
    expect(back.unexpected).toEqual([]);
    expect(back.missing.every((name) => name.startsWith("cls."))).toBe(true);
  });
});

describe("BertConfig", () => {
  it("fills in BERT-base and lets unknown fields be", () => {
    expect(BertConfig.from({ model_type: "bert", torch_dtype: "float32" })).toEqual(BertConfig.base);
    expect(BertConfig.base.num_hidden_layers).toBe(12);
  });

  it.each([
    [
      { hidden_size: 10, num_attention_heads: 4 },
      "num_attention_heads is 4, wanted a divisor of hidden_size 10",
    ],
    [{ vocab_size: "9" }, 'vocab_size is "9", wanted an integer of at least 1'],
    [{ hidden_act: "sine" }, 'hidden_act is "sine"'],
    [{ hidden_dropout_prob: 2 }, "hidden_dropout_prob is 2, wanted a probability"],
    [{ position_embedding_type: "relative" }, "position_embedding_type"],
    [{ add_cross_attention: true }, "add_cross_attention"],
    [{ pad_token_id: 30522 }, "pad_token_id"],
    [[], "no object"],
  ])("refuses %j", (json, message) => {
    expect(() => BertConfig.from(json)).toThrow(ArgumentError);
    expect(() => BertConfig.from(json)).toThrow(message);
  });
});

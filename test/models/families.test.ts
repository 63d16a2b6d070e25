import { describe, expect, it } from "vitest";
import { ArgumentError, IndexOutOfRangeError, ShapeError, StateDictError } from "../../src/graph/errors.ts";
import type { SafetensorsEntry } from "../../src/io/index.ts";
import {
  AlbertConfig,
  AlbertModel,
  BertConfig,
  BertForNextSentencePrediction,
  BertForQuestionAnswering,
  BertForSequenceClassification,
  BertLMHeadModel,
  BertModel,
  DistilBertConfig,
  DistilBertModel,
  ElectraConfig,
  ElectraForPreTraining,
  ElectraModel,
  fromPretrained,
  modelFor,
  RobertaConfig,
  RobertaModel,
  savePretrained,
  TtaConfig,
  TtaForLanguageAutoencoding,
} from "../../src/models/index.ts";
import type { Module } from "../../src/nn/module.ts";
import { tensor } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { onReferenceDevice } from "../nn/reference.ts";
import { i32, ids, mask, tinyConfig } from "./tiny.ts";

onReferenceDevice();

function count(model: Module): number {
  return model.parameters().reduce((total, parameter) => total + parameter.numel, 0);
}

describe("parameters", () => {
  it("are as many as the papers'", () => {
    expect(count(new BertModel(BertConfig.base))).toBe(109_482_240);
    expect(count(new BertModel(BertConfig.large))).toBe(335_141_888);
    expect(count(new AlbertModel(AlbertConfig.base))).toBe(11_683_584);
    expect(count(new AlbertModel(AlbertConfig.large))).toBe(17_683_968);
    expect(count(new AlbertModel(AlbertConfig.xlarge))).toBe(58_724_864);
    expect(count(new AlbertModel(AlbertConfig.xxlarge))).toBe(222_595_584);
    expect(count(new RobertaModel(RobertaConfig.base))).toBe(124_645_632);
    expect(count(new RobertaModel(RobertaConfig.large))).toBe(355_359_744);
    expect(count(new TtaForLanguageAutoencoding(TtaConfig.base))).toBe(24_936_282);
    expect(count(new ElectraModel(ElectraConfig.small))).toBe(13_483_008);
    expect(count(new ElectraForPreTraining(ElectraConfig.small))).toBe(13_483_008 + 66_049);
    // BERT-base without pooler and segments, of half the depth.
    expect(count(new DistilBertModel(DistilBertConfig.base))).toBe(
      109_482_240 - 590_592 - 2 * 768 - 6 * 7_087_872,
    );
  });
});

describe("files", () => {
  it("of a base model load into one with a head, and what is missing is named", async () => {
    const base = modelFor("RobertaModel").create(tinyConfig("roberta"));
    const { config, tensors: saved } = await savePretrained(base);
    const tensors = new Map<string, SafetensorsEntry>();
    for (const [key, value] of saved) tensors.set(key, { ...value, name: key });
    const { model, missing, unexpected } = fromPretrained(
      { config, tensors },
      { architecture: "RobertaForMaskedLM" },
    );
    expect([...missing].sort()).toEqual([
      "lm_head.bias",
      "lm_head.dense.bias",
      "lm_head.dense.weight",
      "lm_head.layer_norm.bias",
      "lm_head.layer_norm.weight",
    ]);
    expect([...unexpected].sort()).toEqual(["pooler.dense.bias", "pooler.dense.weight"]);
    const table = model.namedParameters().find(([key]) => key.endsWith("word_embeddings.weight"))?.[1];
    const own = base.namedParameters().find(([key]) => key.endsWith("word_embeddings.weight"))?.[1];
    expect(await table?.data()).toEqual(await own?.data());
    expect(() =>
      fromPretrained({ config, tensors }, { architecture: "RobertaForMaskedLM", strict: true }),
    ).toThrow(StateDictError);
  });

  it("hold a decoder's own table where it is not tied", async () => {
    const config = { ...tinyConfig("electra"), tie_word_embeddings: false };
    const model = modelFor("ElectraForMaskedLM").create(config);
    const { tensors } = await savePretrained(model);
    expect(tensors.get("generator_lm_head.weight")?.shape).toEqual([11, 3]);
    const tied = await savePretrained(modelFor("ElectraForMaskedLM").create(tinyConfig("electra")));
    expect(tied.tensors.has("generator_lm_head.weight")).toBe(false);
  });

  it("name a class that there is", () => {
    expect(modelFor({ architectures: ["AlbertForPreTraining"] }).modelType).toBe("albert");
    expect(() => modelFor("NoModel")).toThrow("there is no class NoModel");
    expect(() => modelFor({})).toThrow(ArgumentError);
  });
});

describe("a decoder", () => {
  it("sees no later token, and learns the next", async () => {
    const model = new BertLMHeadModel(BertConfig.from({ ...tinyConfig("bert"), is_decoder: true })).eval();
    const rows = async (last: number): Promise<number[][]> =>
      ((await model.forward(i32([[2, 5, 7, last]])).logits.array()) as number[][][])[0];
    const first = await rows(3);
    const second = await rows(9);
    expect(second.slice(0, 3)).toEqual(first.slice(0, 3));
    expect(second[3]).not.toEqual(first[3]);
    const loss = model.forward(i32([[2, 5, 7, 3]]), { labels: i32([[2, 5, -100, 3]]) }).loss;
    const nll = (row: number[], label: number): number =>
      Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[label];
    expect(await loss?.item()).toBeCloseTo((nll(first[0], 5) + nll(first[2], 3)) / 2, 5);
  });
});

describe("a query that may attend nothing", () => {
  it("attends everything evenly", async () => {
    const model = new BertModel(BertConfig.from(tinyConfig("bert"))).eval();
    const inputs = { attentionMask: i32([[0, 0, 0, 0]]), outputAttentions: true };
    const [first] = model.forward(i32([ids[0]]), inputs).attentions ?? [];
    expect(new Set(await first.data())).toEqual(new Set([0.25]));
  });
});

describe("relative positions", () => {
  it.each(["relative_key", "relative_key_query"])(
    "add the distance's vector to the scores: %s",
    async (kind) => {
      const config = { ...tinyConfig("bert"), num_hidden_layers: 1, position_embedding_type: kind };
      const model = new BertModel(BertConfig.from(config)).eval();
      const state = new Map<string, number[][]>();
      for (const [name, value] of model.stateDict()) state.set(name, (await value.array()) as number[][]);
      const { hiddenStates, attentions } = model.forward(i32(ids), {
        outputHiddenStates: true,
        outputAttentions: true,
      });
      const hidden = (await hiddenStates?.[0].array()) as number[][][];
      const found = (await attentions?.[0].array()) as number[][][][];
      const of = (name: string): number[][] =>
        state.get(`encoder.layer.0.attention.self.${name}.weight`) ?? [];
      const dot = (a: number[], b: number[]): number => a.reduce((sum, x, i) => sum + x * b[i], 0);
      // Biases are 0 at the start.
      const project = (x: number[], name: string, head: number): number[] =>
        of(name)
          .slice(2 * head, 2 * head + 2)
          .map((row) => dot(row, x));
      for (const [b, rows] of hidden.entries()) {
        for (const head of [0, 1]) {
          for (const i of rows.keys()) {
            const query = project(rows[i], "query", head);
            const scores = rows.map((row, j) => {
              const key = project(row, "key", head);
              const distance = of("distance_embedding")[i - j + 8];
              const both = kind === "relative_key_query" ? dot(key, distance) : 0;
              return (dot(query, key) + dot(query, distance) + both) / Math.sqrt(2);
            });
            const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
            for (const [j, score] of scores.entries()) {
              expect(found[b][head][i][j]).toBeCloseTo(Math.exp(score) / total, 5);
            }
          }
        }
      }
      // The table of positions is not used.
      const positionIds = i32([
        [8, 7, 6, 5],
        [1, 1, 1, 1],
      ]);
      expect(await model.forward(i32(ids), { positionIds }).lastHiddenState.array()).toEqual(
        await model.forward(i32(ids)).lastHiddenState.array(),
      );
      expect(() => model.forward(i32([[1, 1, 1, 1, 1, 1, 1, 1, 1, 1]]))).toThrow(IndexOutOfRangeError);
    },
  );
});

describe("RoBERTa", () => {
  it("counts positions from behind the padding token, padding left out", async () => {
    const model = new RobertaModel(RobertaConfig.from(tinyConfig("roberta"))).eval();
    const inputIds = i32([
      [2, 5, 1, 1],
      [1, 1, 5, 7],
    ]);
    const positionIds = i32([
      [2, 3, 1, 1],
      [1, 1, 2, 3],
    ]);
    expect(await model.forward(inputIds).lastHiddenState.array()).toEqual(
      await model.forward(inputIds, { positionIds }).lastHiddenState.array(),
    );
    // 9 rows, of which 0 and 1 are no positions.
    expect(() => model.forward(i32([[2, 2, 2, 2, 2, 2, 2]]))).not.toThrow();
    expect(() => model.forward(i32([[2, 2, 2, 2, 2, 2, 2, 2]]))).toThrow(IndexOutOfRangeError);
    expect(() => RobertaConfig.from({ pad_token_id: null })).toThrow(ArgumentError);
  });
});

describe("ALBERT", () => {
  it("applies a group of layers again and again", async () => {
    const config = {
      ...tinyConfig("albert"),
      num_hidden_layers: 4,
      num_hidden_groups: 2,
      inner_group_num: 2,
    };
    const model = new AlbertModel(AlbertConfig.from(config)).eval();
    const names = model.namedParameters().map(([name]) => name);
    const layers = names.filter((name) => name.endsWith(".ffn.weight"));
    expect(layers).toEqual(
      ["0.albert_layers.0", "0.albert_layers.1", "1.albert_layers.0", "1.albert_layers.1"].map(
        (path) => `encoder.albert_layer_groups.${path}.ffn.weight`,
      ),
    );
    const output = model.forward(i32(ids), { outputHiddenStates: true, outputAttentions: true });
    expect(output.hiddenStates).toHaveLength(5);
    expect(output.attentions).toHaveLength(8);
    expect(() => AlbertConfig.from({ num_hidden_layers: 2, num_hidden_groups: 3 })).toThrow(
      "num_hidden_groups",
    );
  });
});

describe("ELECTRA's discriminator", () => {
  it("learns from what the mask holds", async () => {
    const model = new ElectraForPreTraining(ElectraConfig.from(tinyConfig("electra"))).eval();
    const labels = i32([
      [0, 1, 0, 0],
      [1, 0, 0, 1],
    ]);
    const { logits, loss } = model.forward(i32(ids), { attentionMask: i32(mask), labels });
    const scores = ((await logits.array()) as number[][]).flat();
    const targets = [0, 1, 0, 0, 1, 0, 0, 1];
    const losses = scores.map((x, i) => Math.log(1 + Math.exp(x)) - x * targets[i]);
    const counted = losses.filter((_, i) => mask.flat()[i] === 1);
    expect(await loss?.item()).toBeCloseTo(counted.reduce((a, b) => a + b) / 7, 5);
  });
});

describe("DistilBERT", () => {
  it("may have positions that are sines and are not trained", async () => {
    const config = { ...tinyConfig("distilbert"), sinusoidal_pos_embds: true };
    const model = new DistilBertModel(DistilBertConfig.from(config)).eval();
    model.forward(i32(ids)).lastHiddenState.square().sum().backward();
    const table = model.embeddings.position.weight;
    expect(table.grad).toBeUndefined();
    expect(model.embeddings.token.weight.grad).toBeDefined();
    const [, , third] = (await table.array()) as number[][];
    [Math.sin(2), Math.cos(2), Math.sin(0.02), Math.cos(0.02)].forEach((x, i) => {
      expect(third[i]).toBeCloseTo(x, 6);
    });
  });

  it("knows no segments", () => {
    const model = new DistilBertModel(DistilBertConfig.from(tinyConfig("distilbert")));
    expect(() => model.forward(i32(ids), { tokenTypeIds: i32(ids) })).toThrow(ArgumentError);
    expect(() => DistilBertConfig.from({ dim: 10, n_heads: 4 })).toThrow(
      "n_heads is 4, wanted a divisor of dim 10",
    );
  });
});

describe("the losses of sequence classification", () => {
  const classify = (classes: number, problem_type?: string): BertForSequenceClassification => {
    const id2label = Object.fromEntries(Array.from({ length: classes }, (_, i) => [i, `class ${i}`]));
    return new BertForSequenceClassification(
      BertConfig.from({ ...tinyConfig("bert"), id2label, problem_type }),
    ).eval();
  };

  it("are of what the configuration says, or the labels", async () => {
    const [one, three] = [classify(1), classify(3)];
    const logits = async (model: BertForSequenceClassification): Promise<number[]> => [
      ...(await model.forward(i32(ids)).logits.data()),
    ];
    const lossOf = async (model: BertForSequenceClassification, labels: Tensor): Promise<number> =>
      (await model.forward(i32(ids), { labels }).loss?.item()) ?? Number.NaN;
    const mean = (values: number[]): number => values.reduce((a, b) => a + b) / values.length;

    const ratings = await logits(one);
    expect(await lossOf(one, tensor([0.5, -1]))).toBeCloseTo(
      mean([(ratings[0] - 0.5) ** 2, (ratings[1] + 1) ** 2]),
      5,
    );
    const scores = await logits(three);
    const targets = [1, 0, 1, 0, 0, 1];
    expect(
      await lossOf(
        three,
        tensor([
          [1, 0, 1],
          [0, 0, 1],
        ]),
      ),
    ).toBeCloseTo(mean(scores.map((x, i) => Math.log(1 + Math.exp(x)) - x * targets[i])), 5);
    const nll = (row: number[], label: number): number =>
      Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[label];
    expect(await lossOf(three, i32([2, 0]))).toBeCloseTo(
      mean([nll(scores.slice(0, 3), 2), nll(scores.slice(3), 0)]),
      5,
    );
    const regression = classify(2, "regression");
    const [a, b, c, d] = await logits(regression);
    const wanted = tensor([
      [1, 2],
      [3, 4],
    ]);
    expect(await lossOf(regression, wanted)).toBeCloseTo(
      mean([(a - 1) ** 2, (b - 2) ** 2, (c - 3) ** 2, (d - 4) ** 2]),
      4,
    );
    expect(() => classify(3, "ranking")).toThrow("problem_type");
  });

  it("classify pairs whatever the configuration says", async () => {
    const config = BertConfig.from({ ...tinyConfig("bert"), problem_type: "regression", num_labels: 1 });
    const model = new BertForNextSentencePrediction(config).eval();
    const { logits, loss } = model.forward(i32(ids), { labels: i32([0, 1]) });
    expect(logits.shape).toEqual([2, 2]);
    expect(await loss?.item()).toBeGreaterThan(0);
  });
});

describe("spans", () => {
  it("beyond the sequence count for nothing", async () => {
    const model = new BertForQuestionAnswering(BertConfig.from(tinyConfig("bert"))).eval();
    const lossOf = async (start: number[], end: number[]): Promise<number> => {
      const spans = { startPositions: i32(start), endPositions: i32(end) };
      return (await model.forward(i32(ids), spans).loss?.item()) ?? Number.NaN;
    };
    const { startLogits, endLogits } = model.forward(i32(ids));
    const [starts, ends] = (await Promise.all([startLogits.array(), endLogits.array()])) as number[][][];
    const nll = (row: number[], label: number): number =>
      Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[label];
    expect(await lossOf([1, 4], [100, 3])).toBeCloseTo((nll(starts[0], 1) + nll(ends[1], 3)) / 2, 5);
    // As Hugging Face's: what lies before the sequence is its first token.
    expect(await lossOf([-3, 4], [9, 3])).toBeCloseTo((nll(starts[0], 0) + nll(ends[1], 3)) / 2, 5);
  });
});

describe("multiple choice", () => {
  it("takes [B, choices, T]", () => {
    const model = modelFor("BertForMultipleChoice").create(tinyConfig("bert"));
    expect(() => model.forward(i32(ids))).toThrow(ShapeError);
  });
});

import { describe, expect, it } from "vitest";
import { ArgumentError, ShapeError } from "../../src/graph/errors.ts";
import { BertConfig, BertForMaskedLM, distillationLoss, studentOf } from "../../src/models/index.ts";
import { randn, tensor } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { onReferenceDevice } from "../nn/reference.ts";

onReferenceDevice();

const config = BertConfig.from({
  vocab_size: 11,
  hidden_size: 4,
  num_hidden_layers: 3,
  num_attention_heads: 2,
  intermediate_size: 6,
  max_position_embeddings: 8,
  initializer_range: 0.5,
});

describe("a student", () => {
  it("starts with the teacher's tables, head and every second layer", async () => {
    const teacher = new BertForMaskedLM(config);
    const student = studentOf(teacher);
    const [from, to] = [teacher.stateDict(), student.stateDict()];
    const pairs = {
      "distilbert.embeddings.word_embeddings.weight": "bert.embeddings.word_embeddings.weight",
      "distilbert.embeddings.position_embeddings.weight": "bert.embeddings.position_embeddings.weight",
      "distilbert.embeddings.LayerNorm.bias": "bert.embeddings.LayerNorm.bias",
      "distilbert.transformer.layer.0.attention.q_lin.weight":
        "bert.encoder.layer.0.attention.self.query.weight",
      "distilbert.transformer.layer.1.attention.v_lin.bias": "bert.encoder.layer.2.attention.self.value.bias",
      "distilbert.transformer.layer.1.ffn.lin2.weight": "bert.encoder.layer.2.output.dense.weight",
      "vocab_transform.weight": "cls.predictions.transform.dense.weight",
      "vocab_projector.bias": "cls.predictions.bias",
    };
    for (const [own, its] of Object.entries(pairs)) {
      expect(await to.get(own)?.data(), own).toEqual(await from.get(its)?.data());
    }
    expect(student.config.n_layers).toBe(2);
    // Its own from now on.
    const [first] = student.parameters();
    expect(teacher.parameters()).not.toContain(first);
  });

  it("is not made of a teacher that has what it lacks", () => {
    const relative = new BertForMaskedLM({ ...config, position_embedding_type: "relative_key" });
    expect(() => studentOf(relative)).toThrow(ArgumentError);
  });
});

describe("the triple loss", () => {
  const labels = (): Tensor =>
    tensor(
      [
        [3, -100],
        [1, 4],
      ],
      { dtype: "i32" },
    );
  const attentionMask = (): Tensor =>
    tensor(
      [
        [1, 1, 0],
        [1, 1, 1],
      ],
      { dtype: "i32" },
    );
  const prediction = () => ({
    logits: randn([2, 2, 5]).realize(),
    lastHiddenState: randn([2, 3, 4]).realize(),
  });

  it("is the sum that its parts say", async () => {
    const [student, teacher] = [prediction(), prediction()];
    const loss = distillationLoss({ ...student, loss: tensor(0.7) }, teacher, {
      labels: labels(),
      attentionMask: attentionMask(),
    });
    const rows = async (x: Tensor, width: number): Promise<number[][]> => {
      const data = [...(await x.data())];
      return Array.from({ length: data.length / width }, (_, i) => data.slice(i * width, (i + 1) * width));
    };
    const softmax = (row: number[]): number[] => {
      const powers = row.map((value) => Math.exp(value / 2));
      return powers.map((power) => power / powers.reduce((sum, other) => sum + other));
    };
    const [p, q] = (await Promise.all([teacher, student].map(({ logits }) => rows(logits, 5)))).map((all) =>
      all.map(softmax),
    );
    // Slot 1 is unused.
    const divergences = [0, 2, 3].map((slot) =>
      p[slot].reduce((sum, value, i) => sum + value * Math.log(value / q[slot][i]), 0),
    );
    const soft = (4 * divergences.reduce((sum, value) => sum + value)) / 3;
    const dot = (a: number[], b: number[]): number => a.reduce((sum, value, i) => sum + value * b[i], 0);
    const [a, b] = await Promise.all(
      [student, teacher].map(({ lastHiddenState }) => rows(lastHiddenState, 4)),
    );
    // Token 2 is padding.
    const apart = [0, 1, 3, 4, 5].map(
      (i) => 1 - dot(a[i], b[i]) / Math.sqrt(dot(a[i], a[i]) * dot(b[i], b[i])),
    );
    const cosine = apart.reduce((sum, value) => sum + value) / 5;
    expect(await loss.item()).toBeCloseTo(5 * soft + 2 * 0.7 + cosine, 4);
  });

  it("is twice the masked loss for a student that is its teacher", async () => {
    const same = prediction();
    const loss = distillationLoss({ ...same, loss: tensor(0.7) }, same, { labels: labels() });
    expect(await loss.item()).toBeCloseTo(1.4, 5);
  });

  it("sends no gradient to the teacher", () => {
    const [teacher, student] = [new BertForMaskedLM(config), new BertForMaskedLM(config)];
    const ids = tensor(
      [
        [2, 5, 7],
        [2, 9, 3],
      ],
      { dtype: "i32" },
    );
    const maskedPositions = tensor(
      [
        [1, 0],
        [1, 2],
      ],
      { dtype: "i32" },
    );
    const own = student.forward(ids, { maskedPositions, labels: labels() });
    if (own.loss === undefined) throw new TypeError("labels were given");
    const its = teacher.forward(ids, { maskedPositions });
    distillationLoss({ ...own, loss: own.loss }, its, { labels: labels() }).backward();
    expect(teacher.parameters().every(({ grad }) => grad === undefined)).toBe(true);
    expect(student.parameters().some(({ grad }) => grad !== undefined)).toBe(true);
  });

  it("refuses a teacher of another width", () => {
    const student = { ...prediction(), loss: tensor(0) };
    const teacher = { ...prediction(), lastHiddenState: randn([2, 3, 6]) };
    expect(() => distillationLoss(student, teacher, { labels: labels() })).toThrow(ShapeError);
  });
});

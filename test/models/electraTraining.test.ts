import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/graph/errors.ts";
import { corrupt, ElectraConfig, ElectraTraining } from "../../src/models/index.ts";
import { tensor } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { electraMasking, maskBatch, replaceTokens, sampleReplacements } from "../../src/text/index.ts";
import { onReferenceDevice } from "../nn/reference.ts";

onReferenceDevice();

const [vocabSize, rows, columns] = [12, 3, 10];
const masking = electraMasking(
  { vocabSize, maskTokenId: 4, specialTokenIds: [0, 1, 2, 3, 4], seed: 3 },
  columns,
  0.4,
);
const original = Int32Array.from({ length: rows * columns }, (_, i) =>
  i % columns === 0 ? 2 : 5 + ((i * 3) % 7),
);
// Rows of 10, 7 and 4 tokens: the last two have unused slots.
const lengths = [10, 7, 4];
for (const [row, length] of lengths.entries()) original.fill(0, row * columns + length, (row + 1) * columns);
const batch = maskBatch({ ids: original, sequenceLength: columns, lengths }, [0, 1, 2], [0, 0, 0], masking);
const slots = batch.maxPredictions;

const matrix = (values: Int32Array, width: number): Tensor => tensor(values, { shape: [rows, width] });
const inputs = () => ({
  maskedPositions: matrix(batch.positions, slots),
  labels: matrix(batch.labels, slots),
  attentionMask: matrix(batch.attentionMask, columns),
});
const maskedIds = (): Tensor => matrix(batch.inputIds, columns);

const config = ElectraConfig.from({
  vocab_size: vocabSize,
  embedding_size: 6,
  hidden_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 8,
  max_position_embeddings: columns,
  hidden_dropout_prob: 0,
  attention_probs_dropout_prob: 0,
  initializer_range: 0.5,
});
const small = ElectraConfig.from({ ...config, hidden_size: 4, num_attention_heads: 1, intermediate_size: 4 });

describe("what the discriminator sees", () => {
  const corrupted = async (logitOf: (slot: number, id: number) => number) => {
    const logits = Float32Array.from({ length: rows * slots * vocabSize }, (_, i) =>
      logitOf(Math.floor(i / vocabSize), i % vocabSize),
    );
    const { maskedPositions, labels } = inputs();
    const result = corrupt(
      maskedIds(),
      maskedPositions,
      labels,
      tensor(logits, { shape: [rows, slots, vocabSize] }),
    );
    return { logits, ids: [...(await result.ids.data())], replaced: [...(await result.replaced.data())] };
  };

  it("is what replacing on the host makes of a generator that is sure", async () => {
    const { logits, ids, replaced } = await corrupted((slot, id) => (id === 5 + (slot % 7) ? 100 : -100));
    const sampled = sampleReplacements(logits, batch, { seed: 0, examples: [0, 1, 2], visits: [0, 0, 0] });
    const expected = replaceTokens(batch, sampled);
    expect(ids).toEqual([...expected.inputIds]);
    // Padding is 0 here, and left to the attention mask.
    expect(replaced).toEqual([...expected.labels].map((label) => Math.max(0, label)));
  });

  it("is the original where the generator is right", async () => {
    const { ids, replaced } = await corrupted((slot, id) => (id === batch.labels[slot] ? 100 : -100));
    expect(ids).toEqual([...original]);
    expect(replaced.every((flag) => flag === 0)).toBe(true);
  });

  it("is drawn with the generator's probabilities", async () => {
    // Ids 5, 6 and 7 with 1/2, 1/3 and 1/6.
    const logitOf = (_: number, id: number) => ({ 5: Math.log(3), 6: Math.log(2), 7: 0 })[id] ?? -100;
    const counts = new Map<number, number>();
    let draws = 0;
    for (let i = 0; i < 300; i++) {
      const { ids } = await corrupted(logitOf);
      for (const [slot, label] of batch.labels.entries()) {
        if (label === -100) continue;
        const id = ids[Math.floor(slot / slots) * columns + batch.positions[slot]];
        counts.set(id, (counts.get(id) ?? 0) + 1);
        draws++;
      }
    }
    expect([...counts.keys()].sort()).toEqual([5, 6, 7]);
    for (const [id, share] of [
      [5, 1 / 2],
      [6, 1 / 3],
      [7, 1 / 6],
    ]) {
      const spread = Math.sqrt((share * (1 - share)) / draws);
      expect(Math.abs((counts.get(id) ?? 0) / draws - share)).toBeLessThan(5 * spread);
    }
  });
});

describe("generator and discriminator", () => {
  it("share their token and position tables, and nothing else", () => {
    const { generator, discriminator } = new ElectraTraining(config, small);
    const common = new Set(generator.parameters());
    const shared = discriminator.parameters().filter((parameter) => common.has(parameter));
    const { token, position } = discriminator.base.embeddings;
    expect(new Set(shared)).toEqual(new Set([token.weight, position.weight]));
  });

  it("are refused when their tables differ", () => {
    expect(() => new ElectraTraining(config, ElectraConfig.from({ ...small, embedding_size: 4 }))).toThrow(
      ArgumentError,
    );
  });

  it("have the loss L_MLM + 50 L_Disc, each over what counts", async () => {
    const model = new ElectraTraining(config, small);
    const output = model.forward(maskedIds(), inputs());
    const [loss, generator, discriminator] = await Promise.all(
      [output.loss, output.generatorLoss, output.discriminatorLoss].map((part) => part.item()),
    );
    expect(loss).toBeCloseTo(generator + 50 * discriminator, 4);
    const [logits, replaced] = [await output.discriminatorLogits.data(), await output.replaced.data()];
    let [sum, count] = [0, 0];
    for (const [i, isToken] of batch.attentionMask.entries()) {
      if (isToken === 0) continue;
      sum += Math.log1p(Math.exp(replaced[i] === 1 ? -logits[i] : logits[i]));
      count++;
    }
    expect(count).toBe(21);
    expect(discriminator).toBeCloseTo(sum / count, 4);
  });

  it("pass no gradient from the discriminator to the generator's body", () => {
    const model = new ElectraTraining(config, small);
    model.forward(maskedIds(), inputs()).discriminatorLoss.backward();
    const shared = new Set(model.discriminator.parameters());
    for (const parameter of model.generator.parameters()) {
      expect(parameter.grad === undefined).toBe(!shared.has(parameter));
    }
  });
});

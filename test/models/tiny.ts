import type { ModelClass, PretrainedModel } from "../../src/models/index.ts";
import { tensor } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

// Models of every class, as small as they can be, and something to feed them with.

export const i32 = (data: number[] | number[][] | number[][][]): Tensor => tensor(data, { dtype: "i32" });

/** The smallest configuration of each family, in its own words. */
export function tinyConfig(modelType: string): object {
  const shared = { vocab_size: 11, max_position_embeddings: 9, initializer_range: 0.5 };
  if (modelType === "synthesizer-unofficial") return { in_dims: 4, sentence_length: 4 };
  if (modelType === "transformer_encdec") {
    const layers = { encoder_layers: 1, decoder_layers: 1 };
    return { vocab_size: 11, d_model: 4, d_ff: 6, num_attention_heads: 2, ...layers };
  }
  if (modelType === "distilbert") return { ...shared, dim: 4, n_layers: 2, n_heads: 2, hidden_dim: 6 };
  return {
    ...shared,
    hidden_size: 4,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 6,
    embedding_size: 3,
    pad_token_id: modelType === "roberta" ? 1 : 0,
  };
}

export const ids = [
  [2, 5, 7, 0],
  [2, 5, 10, 3],
];
export const mask = [
  [1, 1, 1, 0],
  [1, 1, 1, 1],
];
export const tokenLabels = [
  [-100, 1, 0, -100],
  [1, -100, 1, 0],
];

/** Inputs with every label that a class of this name takes. */
function inputsFor(
  name: string,
  modelType: string,
): { readonly main: Tensor; readonly inputs: Record<string, Tensor> } {
  if (modelType === "synthesizer-unofficial") {
    const x = Array.from({ length: 32 }, (_, i) => Math.sin(3 * i));
    return { main: tensor(x, { shape: [2, 4, 4] }), inputs: {} };
  }
  if (name.endsWith("MultipleChoice")) {
    return { main: i32([ids, ids]), inputs: { attentionMask: i32([mask, mask]), labels: i32([1, 0]) } };
  }
  const shared = { attentionMask: i32(mask) };
  if (modelType === "transformer_encdec") {
    const decoderInputIds = i32(ids.map((row) => [1, ...row.slice(1)]));
    return { main: i32(ids), inputs: { ...shared, decoderInputIds, labels: i32(tokenLabels) } };
  }
  const labels = /Sequence|NextSentence/.test(name) ? i32([1, 0]) : i32(tokenLabels);
  const spans = { startPositions: i32([0, 1]), endPositions: i32([2, 9]) };
  const pairs = { nextSentenceLabel: i32([0, 1]), sentenceOrderLabel: i32([1, 0]) };
  const electra = name.startsWith("Electra") && name.endsWith("PreTraining");
  const all = name.endsWith("PreTraining") && !electra ? { ...pairs, labels } : { labels };
  return { main: i32(ids), inputs: { ...shared, ...(name.endsWith("Answering") ? spans : all) } };
}

/** The loss, or the sum of the squares of what a base model gives. */
export function objective(model: PretrainedModel, { name, modelType }: ModelClass): Tensor {
  const { main, inputs } = inputsFor(name, modelType);
  const output = model.forward(main, inputs) as Readonly<Record<string, Tensor | undefined>>;
  if (output.loss) return output.loss;
  const { lastHiddenState, poolerOutput, output0 } = output;
  const parts = [lastHiddenState, poolerOutput, output0].flatMap((part) =>
    part ? [part.square().sum()] : [],
  );
  return parts.reduce((sum, part) => sum.add(part));
}

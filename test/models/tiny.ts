import type { ModelClass, PretrainedModel } from "../../src/models/index.ts";
import { tensor } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

// Models of every class, as small as they can be, and something to feed them with.

export const i32 = (data: number[] | number[][] | number[][][]): Tensor => tensor(data, { dtype: "i32" });

/** The smallest configuration of each family, in its own words. */
export function tinyConfig(modelType: string): object {
  const shared = { vocab_size: 11, max_position_embeddings: 9, initializer_range: 0.5 };
  if (modelType === "synthesizer-unofficial") return { in_dims: 4, sentence_length: 4 };
  if (modelType === "transformer_encdec" || modelType === "synthesizer_encdec") {
    const layers = { encoder_layers: 1, decoder_layers: 1 };
    const scores = { synthesizer_components: ["dense", "random"], synthesizer_max_length: 6 };
    const synthetic = modelType === "synthesizer_encdec" ? scores : {};
    return { vocab_size: 11, d_model: 4, d_ff: 6, num_attention_heads: 2, ...layers, ...synthetic };
  }
  if (modelType === "transfo-xl") {
    const memory = { mem_len: 3, clamp_len: -1, pad_token_id: 0 };
    const widths = { d_model: 4, d_embed: 4, d_inner: 6, n_head: 2, d_head: 3 };
    return { vocab_size: 11, cutoffs: [4, 7], div_val: 2, n_layer: 2, init_std: 0.5, ...memory, ...widths };
  }
  if (modelType === "xlnet") {
    return { ...shared, d_model: 4, n_layer: 2, n_head: 2, d_inner: 6, start_n_top: 2, end_n_top: 2 };
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

/** What brings all parameters of an XLNet into play: segments, and a query stream that predicts every token. */
function xlnetInputs(batch: number): Record<string, Tensor> {
  const every = <T>(row: T): T[] => Array.from({ length: batch }, () => row);
  const identity = ids[0].map((_, i) => ids[0].map((_, j) => Number(i === j)));
  const segments = every([0, 0, 1, 1]);
  const tokenTypeIds = i32(batch === 2 ? segments : [segments.slice(0, 2), segments.slice(2)]);
  const answers = { clsIndex: i32([3, 3]), isImpossible: i32([0, 1]) };
  return { tokenTypeIds, targetMapping: i32(every(identity)), ...answers };
}

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
    const inputs = { attentionMask: i32([mask, mask]), labels: i32([1, 0]) };
    return {
      main: i32([ids, ids]),
      inputs: modelType === "xlnet" ? { ...inputs, ...xlnetInputs(4) } : inputs,
    };
  }
  const shared = { attentionMask: i32(mask), ...(modelType === "xlnet" && xlnetInputs(2)) };
  if (modelType === "transformer_encdec" || modelType === "synthesizer_encdec") {
    const decoderInputIds = i32(ids.map((row) => [1, ...row.slice(1)]));
    return { main: i32(ids), inputs: { ...shared, decoderInputIds, labels: i32(tokenLabels) } };
  }
  const labels = /Sequence|NextSentence/.test(name) ? i32([1, 0]) : i32(tokenLabels);
  const spans = { startPositions: i32([0, 1]), endPositions: i32(modelType === "xlnet" ? [2, 3] : [2, 9]) };
  const pairs = { nextSentenceLabel: i32([0, 1]), sentenceOrderLabel: i32([1, 0]) };
  const electra = name.startsWith("Electra") && name.endsWith("PreTraining");
  const all = name.endsWith("PreTraining") && !electra ? { ...pairs, labels } : { labels };
  return { main: i32(ids), inputs: { ...shared, ...(name.includes("Answering") ? spans : all) } };
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

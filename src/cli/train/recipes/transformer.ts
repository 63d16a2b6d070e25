import { TransformerConfig, TransformerForConditionalGeneration } from "../../../models/index.ts";
import { concat, type Tensor } from "../../../tensor/tensor.ts";
import { lossOf, tallyTokens } from "../objectives.ts";
import type { Recipe } from "../recipe.ts";
import { type WholeInputs, wholeBatches } from "../wholeBatches.ts";

/** Vaswani et al. (2017): the encoder reads the first half of an example, and the decoder continues it. */
export const transformer: Recipe = {
  title: "Transformer",
  tokenizer: "wordpiece",
  prepare: (setting) => {
    const { corpus, sizes, sequenceLength } = setting;
    const model = new TransformerForConditionalGeneration(
      TransformerConfig.from({
        vocab_size: corpus.tokenizer.vocabSize,
        d_model: sizes.width,
        d_ff: sizes.intermediate,
        encoder_layers: sizes.layers,
        decoder_layers: sizes.layers,
        num_attention_heads: sizes.heads,
        dropout: sizes.dropout,
        norm_first: true,
        decoder_start_token_id: corpus.special.cls,
        pad_token_id: corpus.special.pad,
      }),
    );
    const half = Math.floor(sequenceLength / 2);
    const forward = ({ inputIds, labels }: WholeInputs) => {
      const parts = halves(inputIds, labels, half);
      const decoderInputIds = shiftedRight(parts.target, corpus.special.cls);
      return {
        ...model.forward(parts.source, { decoderInputIds, labels: parts.labels }),
        labels: parts.labels,
      };
    };
    return {
      model,
      ...wholeBatches(setting, { from: half }),
      loss: (inputs: WholeInputs) => lossOf(forward(inputs)),
      measure: (inputs: WholeInputs) => {
        const { logits, labels } = forward(inputs);
        return { next: tallyTokens(logits, labels) };
      },
      saved: { "": model },
    };
  },
};

/** The first `half` columns of [B, T], and the others with their labels. */
function halves(ids: Tensor, labels: Tensor, half: number) {
  const rest = ids.size(1) - half;
  return {
    source: ids.narrow(1, 0, half),
    target: ids.narrow(1, half, rest),
    labels: labels.narrow(1, half, rest),
  };
}

/** [B, T] with the start token in front and without the last. */
function shiftedRight(ids: Tensor, start: number): Tensor {
  const [, length] = ids.shape;
  return concat([ids.narrow(1, 0, 1).mul(0).add(start), ids.narrow(1, 0, length - 1)], 1);
}

import { tokenLoss } from "../../models/heads.ts";
import type { EncoderInputs, TaskOutput } from "../../models/index.ts";
import type { Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { IGNORED_LABEL, packExamples, type Tokenizer } from "../../text/index.ts";
import type { Filler } from "../fillMask.ts";
import type { ExampleSets, MaskedInputs } from "./batches.ts";
import type { ModelSizes, Setting, Tally } from "./recipe.ts";

// What several recipes do alike.

/** A model that predicts masked tokens at given positions. */
export interface MaskedPredictor extends Module {
  forward(
    inputIds: Tensor,
    inputs: EncoderInputs & { readonly maskedPositions?: Tensor; readonly labels?: Tensor },
  ): Pick<TaskOutput, "logits" | "loss" | "lastHiddenState">;
}

/** The loss of a model that is given labels. */
export function lossOf(output: { readonly loss: Tensor | undefined }): Tensor {
  if (output.loss === undefined) throw new TypeError("a model that is given labels gives a loss");
  return output.loss;
}

/** How well masked tokens are predicted: logits [B, P, V], labels [B, P]. */
export function tallyTokens(logits: Tensor, labels: Tensor): Tally {
  return {
    loss: tokenLoss(logits, labels),
    count: labels.ne(IGNORED_LABEL).sum(),
    right: logits.argmax(-1).eq(labels).sum(),
  };
}

export function fillerOf(model: MaskedPredictor, room: number): Filler {
  return {
    model,
    room,
    logits: (inputIds, maskedPositions) => model.forward(inputIds, { maskedPositions }).logits,
  };
}

/** A recipe's `loss` and `measure` for a model that predicts masked tokens and nothing else. */
export function maskedObjective(model: MaskedPredictor) {
  const forward = ({ pairLabels: _, ...rest }: MaskedInputs) => {
    const { inputIds, ...inputs } = rest;
    return model.forward(inputIds, inputs);
  };
  return {
    loss: (inputs: MaskedInputs) => lossOf(forward(inputs)),
    measure: (inputs: MaskedInputs) => ({ tokens: tallyTokens(forward(inputs).logits, inputs.labels) }),
  };
}

/** Examples of one length, each filled to its end, across the borders of sentences and documents. */
export function packedExamples({ corpus, sequenceLength }: Setting): ExampleSets {
  const { special } = corpus;
  const pack = (documents: readonly (readonly ArrayLike<number>[])[]) =>
    packExamples(documents.flat(), {
      sequenceLength,
      clsTokenId: special.cls,
      sepTokenId: special.sep,
    });
  return { training: pack(corpus.training), heldOut: pack(corpus.heldOut) };
}

/** What of a configuration comes from the text. */
interface TextSizes {
  readonly vocabSize: number;
  readonly positions: number;
  readonly padding: number;
}

/** The fields of configurations in which BERT's relatives agree. */
export function encoderFields({ vocabSize, positions, padding }: TextSizes, sizes: ModelSizes) {
  return {
    vocab_size: vocabSize,
    hidden_size: sizes.width,
    num_hidden_layers: sizes.layers,
    num_attention_heads: sizes.heads,
    intermediate_size: sizes.intermediate,
    hidden_dropout_prob: sizes.dropout,
    attention_probs_dropout_prob: sizes.dropout,
    max_position_embeddings: positions,
    pad_token_id: padding,
    initializer_range: initializerRange(sizes),
  };
}

/** The same for a setting. */
export function fieldsOf({ corpus, sizes, sequenceLength }: Setting) {
  const { tokenizer, special } = corpus;
  return encoderFields(
    { vocabSize: tokenizer.vocabSize, positions: sequenceLength, padding: special.pad },
    sizes,
  );
}

/** BERT-base's 0.02 at its width: with it, narrower models pass on less, and take long to use their attention. */
export function initializerRange({ width }: Pick<ModelSizes, "width">): number {
  return 0.02 * Math.sqrt(768 / width);
}

/** Where pieces mark a space before them, those that do not go on with the word; else those that begin with "##". */
export function continuesWord(tokenizer: Tokenizer): (id: number) => boolean {
  const tokens = Array.from({ length: tokenizer.vocabSize }, (_, id) => tokenizer.idToToken(id));
  const marksSpaces = tokens.some((token) => token?.startsWith("▁"));
  const flags = tokens.map((token) => token?.startsWith(marksSpaces ? "▁" : "##") === !marksSpaces);
  return (id) => flags[id];
}

import { ShapeError } from "../graph/errors.ts";
import { formatShape } from "../graph/shape.ts";
import { crossEntropy } from "../nn/functional/index.ts";
import { Module } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { EncoderInputs, EncoderModel, EncoderOutput, Names } from "./encoder.ts";
import type { ProblemType } from "./encoderConfig.ts";
import {
  atPositions,
  type Classifier,
  type LanguageModelHead,
  nextTokenLoss,
  sequenceLoss,
  spanLoss,
  tokenLoss,
} from "./heads.ts";

// The tasks that every family's encoder is put to. A family's own classes give the encoder, the head and the names.

/** What models with labels return: the encoder's output, logits, and the loss where labels were given. */
export interface TaskOutput extends EncoderOutput {
  readonly loss: Tensor | undefined;
  readonly logits: Tensor;
}

/** An encoder with a head on it. */
export abstract class HeadModel<Base extends EncoderModel, Head extends Module> extends Module {
  readonly base: Base;
  readonly head: Head;
  readonly #names: Names;

  protected override get names(): Names {
    return { base: this.base.prefix, ...this.#names };
  }

  /** The encoder's own configuration. */
  get config(): Base["config"] {
    return this.base.config;
  }

  /** `names` are those of the head's fields in files: `{ "head.output": "classifier" }`. */
  constructor(base: Base, head: Head, names: Names) {
    super();
    this.base = base;
    this.head = head;
    this.#names = names;
  }
}

/** Inputs of the masked language model. */
export interface MaskedLMInputs extends EncoderInputs {
  /**
   * [B, P] positions in each row at which to predict; everywhere by default. Few positions save most of the head's work.
   * Unused slots may hold 0, with label -100.
   */
  readonly maskedPositions?: Tensor;
  /** [B, T], or [B, P] with `maskedPositions`: the original ids; -100 counts for nothing. */
  readonly labels?: Tensor;
}

/** Predicts tokens that were masked; BERT, section 3.1, task 1. */
export class MaskedLM<Base extends EncoderModel> extends HeadModel<Base, LanguageModelHead> {
  /** logits are [B, T, vocab_size], or [B, P, vocab_size] at `maskedPositions`. */
  forward(inputIds: Tensor, inputs: MaskedLMInputs = {}): TaskOutput {
    const output = this.base.forward(inputIds, inputs);
    const hidden = atPositions(output.lastHiddenState, inputs.maskedPositions);
    const logits = this.head.forward(hidden, this.base.embeddings.token.weight);
    return { ...output, logits, loss: inputs.labels && tokenLoss(logits, inputs.labels) };
  }
}

/** Inputs of models that are trained with labels. */
export interface LabelledInputs extends EncoderInputs {
  readonly labels?: Tensor;
}

/** Predicts each next token, from those before it where the configuration says `is_decoder`. */
export class CausalLM<Base extends EncoderModel> extends HeadModel<Base, LanguageModelHead> {
  /** logits are [B, T, vocab_size]; labels [B, T] are the ids themselves (-100 counts for nothing), shifted here. */
  forward(inputIds: Tensor, inputs: LabelledInputs = {}): TaskOutput {
    const output = this.base.forward(inputIds, inputs);
    const logits = this.head.forward(output.lastHiddenState, this.base.embeddings.token.weight);
    return { ...output, logits, loss: inputs.labels && nextTokenLoss(logits, inputs.labels) };
  }
}

/** Masked language model and a judgement of sentence pairs at once, from one encoder. */
export abstract class PreTrainingModel<Base extends EncoderModel> extends HeadModel<Base, LanguageModelHead> {
  readonly pairs: Classifier;

  constructor(base: Base, head: LanguageModelHead, pairs: Classifier, names: Names) {
    super(base, head, names);
    this.pairs = pairs;
  }

  /** The loss is the sum of both; undefined unless both labels were given. */
  protected predict(inputIds: Tensor, inputs: MaskedLMInputs, pairLabels: Tensor | undefined) {
    const output = this.base.forward(inputIds, inputs);
    const hidden = atPositions(output.lastHiddenState, inputs.maskedPositions);
    const predictionLogits = this.head.forward(hidden, this.base.embeddings.token.weight);
    const pairLogits = this.pairs.forward(summaryOf(output));
    const loss =
      inputs.labels && pairLabels
        ? tokenLoss(predictionLogits, inputs.labels).add(
            crossEntropy(pairLogits, pairLabels.reshape([pairLogits.shape[0]])),
          )
        : undefined;
    return { output, loss, predictionLogits, pairLogits };
  }
}

/** [B, width]: the pooler's output, or the first token's where there is no pooler. */
function summaryOf(output: EncoderOutput): Tensor {
  return output.poolerOutput ?? output.lastHiddenState.select(1, 0);
}

/** Classifies sequences, or rates them; see `sequenceLoss`. */
export class SequenceClassifier<Base extends EncoderModel> extends HeadModel<Base, Classifier> {
  /** What the labels are; null where they tell themselves. */
  protected get problem(): ProblemType | null {
    return this.base.encoder.problem_type;
  }

  /** logits are [B, classes]. */
  forward(inputIds: Tensor, inputs: LabelledInputs = {}): TaskOutput {
    const output = this.base.forward(inputIds, inputs);
    const logits = this.head.forward(summaryOf(output));
    const { labels } = inputs;
    return { ...output, logits, loss: labels && sequenceLoss(logits, labels, this.problem) };
  }
}

/** Classifies sequences by labels [B] that are classes, whatever the configuration says. */
export class PairClassifier<Base extends EncoderModel> extends SequenceClassifier<Base> {
  protected override get problem(): ProblemType {
    return "single_label_classification";
  }
}

/** Classifies each token. */
export class TokenClassifier<Base extends EncoderModel> extends HeadModel<Base, Classifier> {
  /** logits are [B, T, classes], labels [B, T]; -100 counts for nothing. */
  forward(inputIds: Tensor, inputs: LabelledInputs = {}): TaskOutput {
    const output = this.base.forward(inputIds, inputs);
    const logits = this.head.forward(output.lastHiddenState);
    return { ...output, logits, loss: inputs.labels && tokenLoss(logits, inputs.labels) };
  }
}

export interface SpanInputs extends EncoderInputs {
  /** [B]: where the answer begins and ends (its last token); beyond the sequence: not in it. */
  readonly startPositions?: Tensor;
  readonly endPositions?: Tensor;
}

export interface SpanOutput extends EncoderOutput {
  /** The mean of both cross-entropies; undefined unless both positions were given. */
  readonly loss: Tensor | undefined;
  /** [B, T] */
  readonly startLogits: Tensor;
  readonly endLogits: Tensor;
}

/** Finds the span that answers a question; BERT, section 4.2. */
export class QuestionAnswerer<Base extends EncoderModel> extends HeadModel<Base, Classifier> {
  forward(inputIds: Tensor, inputs: SpanInputs = {}): SpanOutput {
    const output = this.base.forward(inputIds, inputs);
    const logits = this.head.forward(output.lastHiddenState);
    const startLogits = logits.select(2, 0);
    const endLogits = logits.select(2, 1);
    const { startPositions, endPositions } = inputs;
    const loss =
      startPositions && endPositions
        ? spanLoss(
            { logits: startLogits, labels: startPositions },
            { logits: endLogits, labels: endPositions },
          )
        : undefined;
    return { ...output, loss, startLogits, endLogits };
  }
}

/** Picks one of several continuations, each encoded with what it continues; BERT, section 4.4. */
export class MultipleChoiceModel<Base extends EncoderModel> extends HeadModel<Base, Classifier> {
  /**
   * All inputs are [B, choices, T]; the encoder's outputs are those of B choices sequences. logits are [B, choices],
   * labels [B].
   */
  forward(inputIds: Tensor, inputs: LabelledInputs = {}): TaskOutput {
    if (inputIds.ndim !== 3) {
      throw new ShapeError(
        `${this.base.prefix}: input ids ${formatShape(inputIds.shape)}, wanted [B, choices, T]`,
      );
    }
    const [batch, choices, length] = inputIds.shape;
    const flat = (ids: Tensor | undefined): Tensor | undefined => ids?.reshape([batch * choices, length]);
    const output = this.base.forward(inputIds.reshape([batch * choices, length]), {
      ...inputs,
      attentionMask: flat(inputs.attentionMask),
      tokenTypeIds: flat(inputs.tokenTypeIds),
      positionIds: flat(inputs.positionIds),
    });
    const logits = this.head.forward(summaryOf(output)).reshape([batch, choices]);
    const { labels } = inputs;
    return { ...output, logits, loss: labels && crossEntropy(logits, labels.reshape([batch])) };
  }
}

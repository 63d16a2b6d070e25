import { ShapeError } from "../graph/errors.ts";
import { formatShape } from "../graph/shape.ts";
import { Dropout } from "../nn/dropout.ts";
import { crossEntropy, linear } from "../nn/functional/index.ts";
import { normal, zeros } from "../nn/init.ts";
import type { Linear } from "../nn/linear.ts";
import { Module } from "../nn/module.ts";
import type { CreateOptions } from "../tensor/create.ts";
import { Parameter } from "../tensor/parameter.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { hiddenActivations } from "./activation.ts";
import type { Names } from "./encoder.ts";
import { labelCount } from "./encoderConfig.ts";
import { sequenceLoss, spanLoss, tokenLoss } from "./heads.ts";
import { XLNetModel, type XLNetOutput, xlnetLinear } from "./xlnet.ts";
import type { XLNetConfig } from "./xlnetConfig.ts";
import type { XLNetInputs } from "./xlnetInputs.ts";

// The tasks that XLNet is put to, but for question answering with candidates, which is in xlnetAnswers.ts.

export interface XLNetLabelledInputs extends XLNetInputs {
  readonly labels?: Tensor;
}

export interface XLNetTaskOutput extends XLNetOutput {
  readonly loss: Tensor | undefined;
  readonly logits: Tensor;
}

/** The content or query stream, under the name that it has in files. */
export abstract class XLNetHeadModel extends Module {
  readonly transformer: XLNetModel;

  get config(): XLNetConfig {
    return this.transformer.config;
  }

  constructor(config: XLNetConfig, options: CreateOptions) {
    super();
    this.transformer = new XLNetModel(config, options);
  }
}

/** The permutation language model: predicts the tokens that the target mapping names; section 2.2. */
export class XLNetLMHeadModel extends XLNetHeadModel {
  readonly bias: Parameter;
  /** The decoder's own table, where it is not the token table. */
  readonly decoder: Parameter | undefined;

  protected override get names(): Names {
    return { bias: "lm_loss.bias", decoder: "lm_loss.weight" };
  }

  constructor(config: XLNetConfig, options: CreateOptions = {}) {
    super(config, options);
    const { vocab_size, d_model, initializer_range } = config;
    this.bias = new Parameter(zeros([vocab_size], options), { name: "bias" });
    this.decoder = config.tie_word_embeddings
      ? undefined
      : new Parameter(normal(initializer_range)([vocab_size, d_model], options), { name: "decoder" });
  }

  /** logits are [B, P, vocab_size] and labels [B, P]: the ids of the named tokens themselves; -100 counts for nothing. */
  forward(inputIds: Tensor, inputs: XLNetLabelledInputs = {}): XLNetTaskOutput {
    const output = this.transformer.forward(inputIds, inputs);
    const table = this.decoder ?? this.transformer.wordEmbedding.weight;
    const logits = linear(output.lastHiddenState, table, this.bias);
    return { ...output, logits, loss: inputs.labels && tokenLoss(logits, inputs.labels) };
  }
}

/** One vector of a sequence: of its last token ([CLS] in XLNet's layout), its first, or the mean; then a dense layer. */
class SequenceSummary extends Module {
  readonly summary: Linear | undefined;
  readonly firstDropout: Dropout;
  readonly lastDropout: Dropout;
  readonly #config: XLNetConfig;

  constructor(config: XLNetConfig, options: CreateOptions) {
    super();
    const { d_model } = config;
    this.summary = config.summary_use_proj ? xlnetLinear(d_model, d_model, config, options) : undefined;
    this.firstDropout = new Dropout(config.summary_first_dropout);
    this.lastDropout = new Dropout(config.summary_last_dropout);
    this.#config = config;
  }

  /** [B, T, d_model] gives [B, d_model]. */
  forward(hidden: Tensor): Tensor {
    const { summary_activation } = this.#config;
    const vector = this.firstDropout.forward(this.#vector(hidden));
    const dense = this.summary ? this.summary.forward(vector) : vector;
    return this.lastDropout.forward(hiddenActivations[summary_activation ?? "linear"](dense));
  }

  #vector(hidden: Tensor): Tensor {
    switch (this.#config.summary_type) {
      case "first":
        return hidden.select(1, 0);
      case "mean":
        return hidden.mean({ dim: 1 });
      // The classifier token is the last one where nobody says which it is.
      case "last":
      case "cls_index":
        return hidden.select(1, -1);
    }
  }
}

/** A summary of the sequence, and scores of it. */
abstract class SummaryModel extends XLNetHeadModel {
  readonly summary: SequenceSummary;
  readonly output: Linear;

  protected override get names(): Names {
    return { summary: "sequence_summary", output: "logits_proj" };
  }

  constructor(config: XLNetConfig, classes: number, options: CreateOptions) {
    super(config, options);
    this.summary = new SequenceSummary(config, options);
    this.output = xlnetLinear(config.d_model, classes, config, options);
  }

  protected score(output: XLNetOutput): Tensor {
    return this.output.forward(this.summary.forward(output.lastHiddenState));
  }
}

/** Classes of sequences, or ratings; see `sequenceLoss` for what the labels are. */
export class XLNetForSequenceClassification extends SummaryModel {
  constructor(config: XLNetConfig, options: CreateOptions = {}) {
    super(config, labelCount(config), options);
  }

  /** logits are [B, classes]. */
  forward(inputIds: Tensor, inputs: XLNetLabelledInputs = {}): XLNetTaskOutput {
    const output = this.transformer.forward(inputIds, inputs);
    const logits = this.score(output);
    const { labels } = inputs;
    return { ...output, logits, loss: labels && sequenceLoss(logits, labels, this.config.problem_type) };
  }
}

/** The likeliest of several continuations, each encoded with what it continues. */
export class XLNetForMultipleChoice extends SummaryModel {
  constructor(config: XLNetConfig, options: CreateOptions = {}) {
    super(config, 1, options);
  }

  /**
   * Ids, masks and segments are [B, choices, T]; other inputs and the model's outputs are those of B choices sequences.
   * logits are [B, choices], labels [B].
   */
  forward(inputIds: Tensor, inputs: XLNetLabelledInputs = {}): XLNetTaskOutput {
    if (inputIds.ndim !== 3) {
      throw new ShapeError(`xlnet: input ids ${formatShape(inputIds.shape)}, wanted [B, choices, T]`);
    }
    const [batch, choices, length] = inputIds.shape;
    const flat = (ids: Tensor | undefined): Tensor | undefined => ids?.reshape([batch * choices, length]);
    const output = this.transformer.forward(inputIds.reshape([batch * choices, length]), {
      ...inputs,
      attentionMask: flat(inputs.attentionMask),
      inputMask: flat(inputs.inputMask),
      tokenTypeIds: flat(inputs.tokenTypeIds),
    });
    const logits = this.score(output).reshape([batch, choices]);
    const { labels } = inputs;
    return { ...output, logits, loss: labels && crossEntropy(logits, labels.reshape([batch])) };
  }
}

/** Classes of tokens. */
export class XLNetForTokenClassification extends XLNetHeadModel {
  readonly classifier: Linear;

  constructor(config: XLNetConfig, options: CreateOptions = {}) {
    super(config, options);
    this.classifier = xlnetLinear(config.d_model, labelCount(config), config, options);
  }

  /** logits are [B, T, classes], labels [B, T]; -100 counts for nothing. */
  forward(inputIds: Tensor, inputs: XLNetLabelledInputs = {}): XLNetTaskOutput {
    const output = this.transformer.forward(inputIds, inputs);
    const logits = this.classifier.forward(output.lastHiddenState);
    return { ...output, logits, loss: inputs.labels && tokenLoss(logits, inputs.labels) };
  }
}

export interface XLNetSpanInputs extends XLNetInputs {
  /** [B]: where the answer begins and ends (its last token); beyond the sequence: not in it. */
  readonly startPositions?: Tensor;
  readonly endPositions?: Tensor;
}

export interface XLNetSpanOutput extends XLNetOutput {
  /** The mean of both cross-entropies; undefined unless both positions were given. */
  readonly loss: Tensor | undefined;
  /** [B, T] */
  readonly startLogits: Tensor;
  readonly endLogits: Tensor;
}

/** The first and the last token of the answer to a question, each for itself, as in BERT. */
export class XLNetForQuestionAnsweringSimple extends XLNetHeadModel {
  readonly output: Linear;

  protected override get names(): Names {
    return { output: "qa_outputs" };
  }

  constructor(config: XLNetConfig, options: CreateOptions = {}) {
    super(config, options);
    this.output = xlnetLinear(config.d_model, 2, config, options);
  }

  forward(inputIds: Tensor, inputs: XLNetSpanInputs = {}): XLNetSpanOutput {
    const output = this.transformer.forward(inputIds, inputs);
    const logits = this.output.forward(output.lastHiddenState);
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

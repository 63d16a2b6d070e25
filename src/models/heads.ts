import { isFloat } from "../graph/dtype.ts";
import { ShapeError } from "../graph/errors.ts";
import { formatShape, sameShape } from "../graph/shape.ts";
import { Dropout } from "../nn/dropout.ts";
import { binaryCrossEntropyWithLogits, crossEntropy, linear, mseLoss } from "../nn/functional/index.ts";
import { truncatedNormal, zeros } from "../nn/init.ts";
import type { LayerNorm } from "../nn/layerNorm.ts";
import type { Linear } from "../nn/linear.ts";
import { Module } from "../nn/module.ts";
import type { CreateOptions } from "../tensor/create.ts";
import { Parameter } from "../tensor/parameter.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type HiddenActivation, hiddenActivations } from "./activation.ts";
import { dense, norm } from "./encoder.ts";
import type { EncoderConfig, ProblemType } from "./encoderConfig.ts";

// What stands on top of an encoder, and the losses; with the meanings of Hugging Face's models.

/** The language-model head: a dense layer with activation and norm, then scores against the token table. */
export class LanguageModelHead extends Module {
  readonly dense: Linear;
  readonly norm: LayerNorm;
  readonly bias: Parameter;
  /** The decoder's own table, where it is not the token table. */
  readonly decoder: Parameter | undefined;
  readonly #activation: (x: Tensor) => Tensor;

  /** `width` is the token table's, `activation` the configuration's unless given. */
  constructor(
    config: EncoderConfig,
    options: CreateOptions,
    { width = config.hidden_size, activation = config.hidden_act as HiddenActivation } = {},
  ) {
    super();
    const { vocab_size, hidden_size } = config;
    this.dense = dense(hidden_size, width, config, options);
    this.norm = norm(width, config, options);
    this.bias = new Parameter(zeros([vocab_size], options), { name: "bias" });
    this.decoder = config.tie_word_embeddings
      ? undefined
      : new Parameter(truncatedNormal(config.initializer_range)([vocab_size, width], options), {
          name: "decoder",
        });
    this.#activation = hiddenActivations[activation];
  }

  /** [..., hidden_size] gives logits [..., vocab_size]. */
  forward(hidden: Tensor, tokenTable: Tensor): Tensor {
    const transformed = this.norm.forward(this.#activation(this.dense.forward(hidden)));
    return linear(transformed, this.decoder ?? tokenTable, this.bias);
  }
}

export interface ClassifierOptions extends CreateOptions {
  /** Dropout before each linear layer. Default 0. */
  readonly dropout?: number;
  /** A dense layer with this activation before the last; none by default. */
  readonly dense?: HiddenActivation;
  /** Whether the input is dropped from. Default true. */
  readonly dropInput?: boolean;
}

/** Scores of classes: a linear layer, or a dense layer with activation and a linear layer. */
export class Classifier extends Module {
  readonly dense: Linear | undefined;
  readonly output: Linear;
  readonly dropout: Dropout;
  readonly #dropInput: boolean;
  readonly #activation: (x: Tensor) => Tensor;

  constructor(config: EncoderConfig, classes: number, options: ClassifierOptions = {}) {
    super();
    const { dropout = 0, dense: activation, dropInput = true, ...create } = options;
    const { hidden_size: width } = config;
    this.dense = activation === undefined ? undefined : dense(width, width, config, create);
    this.output = dense(width, classes, config, create);
    this.dropout = new Dropout(dropout);
    this.#dropInput = dropInput;
    this.#activation = hiddenActivations[activation ?? "linear"];
  }

  /** [..., hidden_size] gives logits [..., classes]. */
  forward(x: Tensor): Tensor {
    const input = this.#dropInput ? this.dropout.forward(x) : x;
    if (this.dense === undefined) return this.output.forward(input);
    return this.output.forward(this.dropout.forward(this.#activation(this.dense.forward(input))));
  }
}

/** The hidden states at `positions` [B, P] of each row; all without. */
export function atPositions(hidden: Tensor, positions: Tensor | undefined): Tensor {
  if (positions === undefined) return hidden;
  const [batch, , width] = hidden.shape;
  if (positions.ndim !== 2 || positions.shape[0] !== batch) {
    throw new ShapeError(
      `language model: masked positions ${formatShape(positions.shape)}, wanted [${batch}, P]`,
    );
  }
  return hidden.gather(1, positions.unsqueeze(2).expand([batch, positions.shape[1], width]));
}

/** Mean cross-entropy of logits [B, T, C] over the labels [B, T] that are not -100; NaN when there are none. */
export function tokenLoss(logits: Tensor, labels: Tensor): Tensor {
  const [batch, length, classes] = logits.shape;
  if (!sameShape(labels.shape, [batch, length])) {
    throw new ShapeError(
      `loss: labels ${formatShape(labels.shape)} for predictions at ${formatShape([batch, length])}`,
    );
  }
  return crossEntropy(logits.reshape([batch * length, classes]), labels.reshape([batch * length]));
}

/** Mean cross-entropy of each token's logits [B, T, C] against the next of the labels [B, T]. */
export function nextTokenLoss(logits: Tensor, labels: Tensor): Tensor {
  if (labels.ndim !== 2) throw new ShapeError(`loss: labels ${formatShape(labels.shape)}, wanted [B, T]`);
  const length = logits.shape[1];
  return tokenLoss(logits.narrow(1, 0, length - 1), labels.narrow(1, 1, labels.shape[1] - 1));
}

/**
 * The loss of sequence classification for logits [B, C]: the squared difference to f32 labels [B] or [B, C], cross-entropy
 * against classes [B], or sigmoid cross-entropy against f32 labels [B, C]. Without a type, one class means regression
 * and labels that are no floats mean classes.
 */
export function sequenceLoss(logits: Tensor, labels: Tensor, problem: ProblemType | null): Tensor {
  const [batch, classes] = logits.shape;
  const guess = isFloat(labels.dtype) ? "multi_label_classification" : "single_label_classification";
  switch (problem ?? (classes === 1 ? "regression" : guess)) {
    case "regression": {
      const target = labels.to(logits.dtype);
      return classes === 1
        ? mseLoss(logits.reshape([batch]), target.reshape([batch]))
        : mseLoss(logits, target);
    }
    case "single_label_classification":
      return crossEntropy(logits, labels.reshape([batch]));
    case "multi_label_classification":
      return binaryCrossEntropyWithLogits(logits, labels.to(logits.dtype));
  }
}

/**
 * The mean of the cross-entropies of a span's first and last token, for logits and labels of each: [B, T] and [B].
 * A label beyond the sequence counts for nothing; one below 0 is 0.
 */
export function spanLoss(
  start: { readonly logits: Tensor; readonly labels: Tensor },
  end: { readonly logits: Tensor; readonly labels: Tensor },
): Tensor {
  const [first, last] = [start, end].map(({ logits, labels }) => {
    const [batch, length] = logits.shape;
    const within = labels.reshape([batch]).clamp({ min: 0, max: length });
    return crossEntropy(logits, within, { ignoreIndex: length });
  });
  return first.add(last).div(2);
}

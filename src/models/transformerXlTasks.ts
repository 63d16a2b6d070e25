import { ArgumentError } from "../graph/errors.ts";
import { numel } from "../graph/shape.ts";
import { AdaptiveLogSoftmax } from "../nn/adaptiveSoftmax.ts";
import type { Linear } from "../nn/linear.ts";
import { Module } from "../nn/module.ts";
import { arange, type CreateOptions } from "../tensor/create.ts";
import { type Tensor, where } from "../tensor/tensor.ts";
import type { Names } from "./encoder.ts";
import { labelCount } from "./encoderConfig.ts";
import { sequenceLoss } from "./heads.ts";
import {
  adaptiveOptions,
  type TransfoXLInputs,
  TransfoXLModel,
  type TransfoXLOutput,
  transfoXLLinear,
} from "./transformerXl.ts";
import type { TransfoXLConfig } from "./transformerXlConfig.ts";

// The tasks that Transformer-XL is put to.

export interface TransfoXLLabelledInputs extends TransfoXLInputs {
  readonly labels?: Tensor;
}

export interface TransfoXLLMInputs extends TransfoXLLabelledInputs {
  /**
   * [B, T]: the token behind each, where the batch knows it, so that the last one is predicted, too; -100 counts for
   * nothing. In place of labels, which are the ids themselves.
   */
  readonly nextTokens?: Tensor;
}

export interface TransfoXLLMOutput extends TransfoXLOutput {
  /** The mean of the losses that are not 0; undefined without labels. */
  readonly loss: Tensor | undefined;
  /**
   * [B, T - 1] of the labels but the first, or [B, T] of the next tokens; undefined without either. As in Hugging Face's model not in their order: row by
   * row, first those of the first cluster, then of the second and so on, at last zeros for labels of -100.
   */
  readonly losses: Tensor | undefined;
  /** [B, T, vocab_size] log-probabilities of each next token. */
  readonly predictionScores: Tensor;
}

/** The language model, with an adaptive softmax. */
export class TransfoXLLMHeadModel extends Module {
  readonly transformer: TransfoXLModel;
  readonly softmax: AdaptiveLogSoftmax;

  protected override get names(): Names {
    return {
      softmax: "crit",
      "softmax.clusterWeight": "crit.cluster_weight",
      "softmax.clusterBias": "crit.cluster_bias",
      "softmax.layers": "crit.out_layers",
      "softmax.projections": "crit.out_projs",
    };
  }

  get config(): TransfoXLConfig {
    return this.transformer.config;
  }

  constructor(config: TransfoXLConfig, options: CreateOptions = {}) {
    super();
    this.transformer = new TransfoXLModel(config, options);
    const { tables, projections } = this.transformer.embedding;
    this.softmax = new AdaptiveLogSoftmax(adaptiveOptions(config, options), {
      tables: config.tie_word_embeddings ? tables.map(({ weight }) => weight) : undefined,
      // Where all clusters share a table, they share its projection, too.
      projections: config.tie_projs.map((tied, i) =>
        tied ? projections[config.div_val === 1 ? 0 : i] : undefined,
      ),
    });
  }

  /**
   * labels [B, T] are the ids themselves, shifted here; -100 counts for nothing.
   * @throws ArgumentError for labels and next tokens at once.
   */
  forward(inputIds: Tensor, inputs: TransfoXLLMInputs = {}): TransfoXLLMOutput {
    const { labels, nextTokens } = inputs;
    if (labels && nextTokens) {
      throw new ArgumentError("transfo-xl: labels and nextTokens say the same; give one of them");
    }
    const output = this.transformer.forward(inputIds, inputs);
    const { lastHiddenState: hidden } = output;
    const predictionScores = this.softmax.forward(hidden);
    const length = labels ? inputIds.shape[1] - 1 : inputIds.shape[1];
    const targets = labels ? labels.narrow(1, 1, length) : nextTokens;
    if (targets === undefined) return { ...output, predictionScores, loss: undefined, losses: undefined };
    const losses = this.softmax.losses(hidden.narrow(1, 0, length), targets);
    const counted = losses.ne(0).sum().to(losses.dtype);
    const loss = losses.sum().div(counted);
    return { ...output, predictionScores, loss, losses: this.#byCluster(losses, targets) };
  }

  /** Losses, sorted by their targets' clusters. */
  #byCluster(losses: Tensor, targets: Tensor): Tensor {
    const { clusterWeight } = this.softmax;
    if (clusterWeight === undefined) return losses;
    const count = numel(targets.shape);
    const flat = targets.reshape([count]);
    const cluster = where(flat.lt(0), clusterWeight.shape[0] + 1, this.softmax.clusterOf(flat));
    const [mine, other] = [cluster.unsqueeze(1), cluster.unsqueeze(0)];
    const at = arange(0, count, 1, { device: targets.device });
    const earlier = mine.eq(other).logicalAnd(at.unsqueeze(0).lt(at.unsqueeze(1)));
    const place = other.lt(mine).logicalOr(earlier).sum({ dim: 1 });
    const sorted = losses
      .reshape([count])
      .mul(0)
      .scatterAdd(0, place, losses.reshape([count]));
    return sorted.reshape(losses.shape);
  }
}

export interface TransfoXLClassOutput extends TransfoXLOutput {
  readonly loss: Tensor | undefined;
  /** [B, classes] */
  readonly logits: Tensor;
}

/** Classes of sequences by their last token: the last that is no padding, where the configuration has a padding token. */
export class TransfoXLForSequenceClassification extends Module {
  readonly transformer: TransfoXLModel;
  readonly score: Linear;

  get config(): TransfoXLConfig {
    return this.transformer.config;
  }

  constructor(config: TransfoXLConfig, options: CreateOptions = {}) {
    super();
    this.transformer = new TransfoXLModel(config, options);
    this.score = transfoXLLinear(config.d_embed, labelCount(config), config, { ...options, bias: false });
  }

  /**
   * For labels see `sequenceLoss`. Padding stands right.
   * @throws ArgumentError for several sequences without a padding token.
   */
  forward(inputIds: Tensor, inputs: TransfoXLLabelledInputs = {}): TransfoXLClassOutput {
    const output = this.transformer.forward(inputIds, inputs);
    const logits = lastToken(this.score.forward(output.lastHiddenState), inputIds, this.config.pad_token_id);
    const { labels } = inputs;
    return { ...output, logits, loss: labels && sequenceLoss(logits, labels, this.config.problem_type) };
  }
}

/** [B, C] of scores [B, T, C]: each sequence's as often as it has tokens. */
function lastToken(scores: Tensor, inputIds: Tensor, padding: number | null): Tensor {
  const [batch, length, classes] = scores.shape;
  if (padding === null) {
    if (batch === 1) return scores.select(1, -1);
    throw new ArgumentError(
      `transfo-xl: ${batch} sequences, but no pad_token_id in the configuration that says where each ends; set it`,
    );
  }
  const last = inputIds
    .ne(padding)
    .sum({ dim: 1 })
    .add(length - 1)
    .remainder(length);
  return scores.gather(1, last.reshape([batch, 1, 1]).expand([batch, 1, classes])).squeeze(1);
}

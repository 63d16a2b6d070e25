import { ShapeError } from "../graph/errors.ts";
import { formatShape, sameShape } from "../graph/shape.ts";
import type { AttendOptions } from "../nn/attention.ts";
import { crossEntropy } from "../nn/functional/index.ts";
import { allOf, diagonalMask, paddingMask } from "../nn/masks.ts";
import type { CreateOptions } from "../tensor/create.ts";
import { type Tensor, where } from "../tensor/tensor.ts";
import { bertLayerNames, predictionNames } from "./bert.ts";
import type { CheckpointRules } from "./checkpoint.ts";
import { ConfigReader } from "./config.ts";
import { checkInputs, type EncoderInputs, EncoderModel, type EncoderOutput } from "./encoder.ts";
import { type EncoderConfig, readEncoderConfig } from "./encoderConfig.ts";
import { HeadModel } from "./headModels.ts";
import { LanguageModelHead } from "./heads.ts";

// Shin, Lee, Yoon and Jung, Fast and Accurate Deep Bidirectional Language Representations for Unsupervised Learning
// (2020), "T-TA": each token is predicted from all others, for all tokens in one pass. Comments give the paper's names.

/** How files of T-TA differ from the names here. */
export const ttaCheckpoint: CheckpointRules = {
  base: "tta",
  ignored: [/embeddings\.position_ids$/],
  tied: [
    ["cls.predictions.decoder.weight", "tta.embeddings.word_embeddings.weight"],
    ["cls.predictions.decoder.bias", "cls.predictions.bias"],
  ],
};

/** What `config.json` says of a T-TA: an encoder's fields, and how its released code and its paper differ. */
export interface TtaConfig extends EncoderConfig {
  readonly mask_token_id: number;
  /** Whether queries start from the [MASK] token's vector beside their position, as in the released code. */
  readonly query_mask_token: boolean;
  /** Whether queries know their segment. */
  readonly query_token_type: boolean;
  /** The vector in the queries at padding, with `query_mask_token`: the [MASK] token's or that of token 0. */
  readonly query_padding_row: "mask_token" | "zero_id";
  /**
   * A query without any key to see: its context is zero; or, as in the released code, -10000 is added to every forbidden
   * score, which cancels in such a row: it attends to all, itself included.
   */
  readonly empty_row: "zero" | "additive_-10000";
  /** The loss is the mean over targets, or the sum divided by B T, padding included, as in the released code. */
  readonly loss_reduction: "mean_targets" | "mean_all";
}

/** @throws ArgumentError naming the field that is wrong. */
function from(json: unknown): TtaConfig {
  const reader = new ConfigReader("TtaConfig", json);
  const config: TtaConfig = {
    ...readEncoderConfig(reader, {
      vocab_size: 29530,
      hidden_size: 512,
      num_hidden_layers: 3,
      num_attention_heads: 8,
      intermediate_size: 2048,
      max_position_embeddings: 128,
      type_vocab_size: 0,
      pad_token_id: 0,
    }),
    mask_token_id: reader.integer("mask_token_id", 4, 0),
    query_mask_token: reader.boolean("query_mask_token", true),
    query_token_type: reader.boolean("query_token_type", true),
    query_padding_row: reader.choice("query_padding_row", ["mask_token", "zero_id"], "mask_token"),
    empty_row: reader.choice("empty_row", ["zero", "additive_-10000"], "zero"),
    loss_reduction: reader.choice("loss_reduction", ["mean_targets", "mean_all"], "mean_targets"),
  };
  if (config.mask_token_id >= config.vocab_size) {
    reader.fail("mask_token_id", `a token of the ${config.vocab_size}`);
  }
  return config;
}

export const TtaConfig = {
  from,
  /** The released model: 3 layers of width 512. */
  base: from({}),
};

export interface TtaInputs extends EncoderInputs {
  /** [B, T, hidden_size]: keys and values start from this instead of the tokens' embeddings. */
  readonly keyValueInput?: Tensor;
}

export interface TtaOutput extends EncoderOutput {
  /** [B, T, hidden_size]: what the keys and values of every layer are computed from. */
  readonly keyValueInput: Tensor;
}

/** The encoder. Hidden states are the queries'; the first is what they start from. */
export class TtaModel extends EncoderModel<TtaConfig> {
  /** Nothing is computed yet: parameters take their initial values when they are first used. */
  constructor(config: TtaConfig, options: CreateOptions = {}) {
    super(
      config,
      // Lookups train the padding token's row as any other: an empty row of the released code reads it.
      { ...config, pad_token_id: null },
      {
        prefix: "tta",
        names: { layers: "encoder.layer" },
        layerNames: bertLayerNames,
        pooler: false,
      },
      options,
    );
  }

  /** inputIds [B, T]. @throws as `EncoderModel.forward` does. */
  override forward(inputIds: Tensor, inputs: TtaInputs = {}): TtaOutput {
    checkInputs("tta", inputIds, inputs);
    const keyValueInput = inputs.keyValueInput ?? this.embeddings.forward(inputIds, inputs);
    let query = this.#firstQuery(inputIds, inputs);
    if (!sameShape(keyValueInput.shape, query.shape)) {
      throw new ShapeError(
        `tta: keyValueInput ${formatShape(keyValueInput.shape)}, wanted ${formatShape(query.shape)}`,
      );
    }
    // Input isolation: keys and values are those of the embeddings in every layer. Were they updated, a token would
    // reach its own prediction through its neighbours, from the second layer on.
    const options = { key: keyValueInput, ...this.#selfUnknown(inputIds, inputs.attentionMask) };
    const hiddenStates = [query];
    const attentions: Tensor[] = [];
    for (const layer of this.layers) {
      const step = layer.forward(query, options);
      query = step.output;
      hiddenStates.push(query);
      attentions.push(...step.attentions);
    }
    return {
      lastHiddenState: query,
      poolerOutput: undefined,
      hiddenStates: inputs.outputHiddenStates ? hiddenStates : undefined,
      attentions: inputs.outputAttentions ? attentions : undefined,
      keyValueInput,
    };
  }

  /** Q of the first layer: positions, and what is the same for all tokens. Nothing of the token itself. */
  #firstQuery(inputIds: Tensor, { attentionMask, tokenTypeIds, positionIds }: TtaInputs): Tensor {
    const { query_mask_token, query_token_type, hidden_size } = this.config;
    const { embeddings } = this;
    const positions = embeddings.positions(inputIds, positionIds).expand([...inputIds.shape, hidden_size]);
    return embeddings.finish([
      positions,
      query_token_type ? embeddings.segments(tokenTypeIds) : undefined,
      query_mask_token ? this.#maskRow(attentionMask) : undefined,
    ]);
  }

  /** The [MASK] token's vector, [1, hidden_size] or [B, T, hidden_size]. */
  #maskRow(attentionMask: Tensor | undefined): Tensor {
    const { mask_token_id, query_padding_row } = this.config;
    const row = (id: number): Tensor => this.embeddings.token.weight.slice([id, id + 1]);
    if (query_padding_row === "mask_token" || attentionMask?.ndim !== 2) return row(mask_token_id);
    return where(isToken(attentionMask).unsqueeze(2), row(mask_token_id), row(0));
  }

  /** The diagonal mask: no position sees its own key, nor padding. */
  #selfUnknown(inputIds: Tensor, attentionMask: Tensor | undefined): AttendOptions {
    const others = diagonalMask(inputIds.shape[1], { device: inputIds.device });
    const mask = allOf([others, attentionMask && paddingMask(attentionMask)]);
    if (this.config.empty_row === "zero" || mask === undefined) return { mask };
    return { scoreBias: where(mask, 0, -10000).to(this.embeddings.token.weight.dtype) };
  }
}

function isToken(attentionMask: Tensor): Tensor {
  return attentionMask.dtype === "bool" ? attentionMask : attentionMask.ne(0);
}

export interface TtaLabelledInputs extends TtaInputs {
  /** [B, T]: the tokens themselves, -100 where they count for nothing (padding). */
  readonly labels?: Tensor;
}

export interface TtaLanguageAutoencodingOutput extends TtaOutput {
  readonly loss: Tensor | undefined;
  /** [B, T, vocab_size] */
  readonly logits: Tensor;
  /** [B, T]: log p(x_t | all other tokens), 0 at padding. */
  readonly tokenLogProbs: Tensor;
  /** [B]: their sum, the score of a sentence in reranking. */
  readonly sentenceScore: Tensor;
}

/** Language autoencoding: every token from all others, in one pass; section 3. */
export class TtaForLanguageAutoencoding extends HeadModel<TtaModel, LanguageModelHead> {
  constructor(config: TtaConfig, options: CreateOptions = {}) {
    super(new TtaModel(config, options), new LanguageModelHead(config, options), predictionNames);
  }

  /** inputIds [B, T]. @throws as `EncoderModel.forward` does; ShapeError where labels do not fit. */
  forward(inputIds: Tensor, inputs: TtaLabelledInputs = {}): TtaLanguageAutoencodingOutput {
    const output = this.base.forward(inputIds, inputs);
    const logits = this.head.forward(output.lastHiddenState, this.base.embeddings.token.weight);
    const { attentionMask, labels } = inputs;
    const padding = attentionMask?.ndim === 2 ? isToken(attentionMask) : undefined;
    const scored = padding ? where(padding, inputIds, -100) : inputIds;
    const tokenLogProbs = tokenLosses(logits, scored).neg();
    return {
      ...output,
      logits,
      loss: labels && this.#loss(logits, labels),
      tokenLogProbs,
      sentenceScore: tokenLogProbs.sum({ dim: 1 }),
    };
  }

  #loss(logits: Tensor, labels: Tensor): Tensor {
    const losses = tokenLosses(logits, labels);
    if (this.config.loss_reduction === "mean_all") return losses.mean();
    return losses.sum().div(labels.ne(-100).sum().to(losses.dtype));
  }
}

/** [B, T]: the cross-entropy of logits [B, T, C] at each label; 0 where the label is -100. */
function tokenLosses(logits: Tensor, labels: Tensor): Tensor {
  const [batch, length, classes] = logits.shape;
  if (!sameShape(labels.shape, [batch, length])) {
    throw new ShapeError(
      `tta: labels ${formatShape(labels.shape)} for predictions at ${formatShape([batch, length])}`,
    );
  }
  const flat = logits.reshape([batch * length, classes]);
  return crossEntropy(flat, labels.reshape([batch * length]), { reduction: "none" }).reshape([batch, length]);
}

import { IndexOutOfRangeError, ShapeError } from "../graph/errors.ts";
import { formatShape, sameShape } from "../graph/shape.ts";
import { MultiHeadAttention } from "../nn/attention.ts";
import { Dropout } from "../nn/dropout.ts";
import { Embedding } from "../nn/embedding.ts";
import { activations, crossEntropy, linear } from "../nn/functional/index.ts";
import { truncatedNormal, zeros } from "../nn/init.ts";
import { LayerNorm } from "../nn/layerNorm.ts";
import { Linear } from "../nn/linear.ts";
import { paddingMask } from "../nn/masks.ts";
import { Module } from "../nn/module.ts";
import type { CreateOptions } from "../tensor/create.ts";
import { Parameter } from "../tensor/parameter.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { BertConfig } from "./bertConfig.ts";
import type { CheckpointRules } from "./checkpoint.ts";

// Devlin, Chang, Lee and Toutanova, BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding
// (2018). Comments give the paper's names and those of its code, google-research/bert. `names` are Hugging Face's.

/** How files of BERT differ from the names here. */
export const bertCheckpoint: CheckpointRules = {
  base: "bert",
  ignored: [/embeddings\.position_ids$/],
  tied: [
    ["cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"],
    ["cls.predictions.decoder.bias", "cls.predictions.bias"],
  ],
};

/** A linear layer as BERT starts it: truncated normal, no bias. */
function dense(inputs: number, outputs: number, config: BertConfig, options: CreateOptions): Linear {
  return new Linear(inputs, outputs, { ...startOf(config), ...options });
}

function startOf(config: BertConfig) {
  return { weightInit: truncatedNormal(config.initializer_range), biasInit: zeros };
}

function norm(config: BertConfig, options: CreateOptions): LayerNorm {
  return new LayerNorm(config.hidden_size, { eps: config.layer_norm_eps, ...options });
}

/** What a token sequence is besides its ids. */
export interface BertInputs {
  /** [B, T] or [B, T, T]: which keys may be attended; bool, or numbers of which 0 is padding. All by default. */
  readonly attentionMask?: Tensor;
  /** [B, T] segment of each token (sentence A = 0, B = 1). All 0 by default. */
  readonly tokenTypeIds?: Tensor;
  /** [B, T] position of each token. 0, 1, 2, ... by default. */
  readonly positionIds?: Tensor;
  /** Whether the result holds every layer's output. */
  readonly outputHiddenStates?: boolean;
  /** Whether the result holds every layer's attention probabilities. */
  readonly outputAttentions?: boolean;
}

/** Token + position + segment embedding, normalised; section 3 and figure 2. */
class BertEmbeddings extends Module {
  readonly token: Embedding;
  readonly position: Embedding;
  readonly segment: Embedding;
  readonly norm: LayerNorm;
  readonly dropout: Dropout;

  protected override get names() {
    return {
      token: "word_embeddings",
      position: "position_embeddings",
      segment: "token_type_embeddings",
      norm: "LayerNorm",
    };
  }

  constructor(config: BertConfig, options: CreateOptions) {
    super();
    const table = { weightInit: truncatedNormal(config.initializer_range), ...options };
    const { hidden_size: width, pad_token_id } = config;
    this.token = new Embedding(config.vocab_size, width, { ...table, paddingIdx: pad_token_id ?? undefined });
    this.position = new Embedding(config.max_position_embeddings, width, table);
    this.segment = new Embedding(config.type_vocab_size, width, table);
    this.norm = norm(config, options);
    this.dropout = new Dropout(config.hidden_dropout_prob);
  }

  forward(inputIds: Tensor, { tokenTypeIds, positionIds }: BertInputs): Tensor {
    const positions = positionIds
      ? this.position.forward(positionIds)
      : this.#firstPositions(inputIds.shape[1]);
    // Without segments every token is of segment 0.
    const segments = tokenTypeIds ? this.segment.forward(tokenTypeIds) : this.segment.weight.slice([0, 1]);
    const sum = this.token.forward(inputIds).add(positions).add(segments);
    return this.dropout.forward(this.norm.forward(sum));
  }

  #firstPositions(length: number): Tensor {
    const [rows] = this.position.weight.shape;
    if (length > rows) {
      throw new IndexOutOfRangeError(
        `BertModel: ${length} tokens, but max_position_embeddings is ${rows}; cut the sequence or give positionIds`,
      );
    }
    return this.position.weight.slice([0, length]);
  }
}

/** A Transformer block: self-attention and a feed-forward network, each with residual and then LayerNorm (post-norm). */
class BertLayer extends Module {
  readonly attention: MultiHeadAttention;
  readonly attentionNorm: LayerNorm;
  readonly up: Linear;
  readonly down: Linear;
  readonly outputNorm: LayerNorm;
  readonly dropout: Dropout;
  readonly #activation: (x: Tensor) => Tensor;

  protected override get names() {
    return {
      "attention.query": "attention.self.query",
      "attention.key": "attention.self.key",
      "attention.value": "attention.self.value",
      "attention.output": "attention.output.dense",
      attentionNorm: "attention.output.LayerNorm",
      up: "intermediate.dense",
      down: "output.dense",
      outputNorm: "output.LayerNorm",
    };
  }

  constructor(config: BertConfig, options: CreateOptions) {
    super();
    const { hidden_size: width, intermediate_size: inner } = config;
    this.attention = new MultiHeadAttention(width, config.num_attention_heads, {
      dropout: config.attention_probs_dropout_prob,
      ...startOf(config),
      ...options,
    });
    this.attentionNorm = norm(config, options);
    this.up = dense(width, inner, config, options);
    this.down = dense(inner, width, config, options);
    this.outputNorm = norm(config, options);
    this.dropout = new Dropout(config.hidden_dropout_prob);
    this.#activation = activations[config.hidden_act];
  }

  forward(x: Tensor, mask: Tensor | undefined): { readonly output: Tensor; readonly probabilities: Tensor } {
    const { output: attended, probabilities } = this.attention.forward(x, { mask });
    const middle = this.attentionNorm.forward(x.add(this.dropout.forward(attended)));
    const fed = this.down.forward(this.#activation(this.up.forward(middle)));
    return { output: this.outputNorm.forward(middle.add(this.dropout.forward(fed))), probabilities };
  }
}

export interface BertOutput {
  /** [B, T, hidden_size] the last layer's output; the paper's T_i. */
  readonly lastHiddenState: Tensor;
  /** [B, hidden_size] of the first token, through a dense layer and tanh; from the paper's C. Undefined without pooler. */
  readonly poolerOutput: Tensor | undefined;
  /** The embeddings' output and each layer's, on request. */
  readonly hiddenStates: readonly Tensor[] | undefined;
  /** Each layer's probabilities [B, heads, T, T] before dropout, on request. */
  readonly attentions: readonly Tensor[] | undefined;
}

/** The encoder that all BERTs share. */
export class BertModel extends Module {
  readonly config: BertConfig;
  readonly embeddings: BertEmbeddings;
  readonly layers: readonly BertLayer[];
  readonly pooler: Linear | undefined;

  protected override get names() {
    return { layers: "encoder.layer", pooler: "pooler.dense" };
  }

  /** Nothing is computed yet: parameters take their initial values when they are first used. */
  constructor(config: BertConfig, options: CreateOptions & { readonly pooler?: boolean } = {}) {
    super();
    const { pooler = true, ...create } = options;
    this.config = config;
    this.embeddings = new BertEmbeddings(config, create);
    this.layers = Array.from({ length: config.num_hidden_layers }, () => new BertLayer(config, create));
    this.pooler = pooler ? dense(config.hidden_size, config.hidden_size, config, create) : undefined;
  }

  /**
   * @param inputIds [B, T] token ids (i32).
   * @throws ShapeError unless all inputs fit; IndexOutOfRangeError for ids outside their tables, and for more tokens than
   *   positions.
   */
  forward(inputIds: Tensor, inputs: BertInputs = {}): BertOutput {
    checkInputs(inputIds, inputs);
    const mask = inputs.attentionMask && paddingMask(inputs.attentionMask);
    let hidden = this.embeddings.forward(inputIds, inputs);
    const hiddenStates = [hidden];
    const attentions: Tensor[] = [];
    for (const layer of this.layers) {
      const { output, probabilities } = layer.forward(hidden, mask);
      hidden = output;
      hiddenStates.push(output);
      attentions.push(probabilities);
    }
    return {
      lastHiddenState: hidden,
      // The first token is [CLS].
      poolerOutput: this.pooler?.forward(hidden.select(1, 0)).tanh(),
      hiddenStates: inputs.outputHiddenStates ? hiddenStates : undefined,
      attentions: inputs.outputAttentions ? attentions : undefined,
    };
  }
}

function checkInputs(inputIds: Tensor, { attentionMask, tokenTypeIds, positionIds }: BertInputs): void {
  if (inputIds.ndim !== 2)
    throw new ShapeError(`BertModel: input ids ${formatShape(inputIds.shape)}, wanted [B, T]`);
  for (const [name, ids] of Object.entries({ tokenTypeIds, positionIds })) {
    if (ids && !sameShape(ids.shape, inputIds.shape)) {
      throw new ShapeError(
        `BertModel: ${name} ${formatShape(ids.shape)} and input ids ${formatShape(inputIds.shape)} differ`,
      );
    }
  }
  const [batch, length] = inputIds.shape;
  const keys = attentionMask && [attentionMask.shape[0], attentionMask.size(-1)];
  if (keys && !sameShape(keys, [batch, length])) {
    throw new ShapeError(
      `BertModel: attention mask ${formatShape(attentionMask.shape)} does not fit input ids ${formatShape(inputIds.shape)}`,
    );
  }
}

/** The masked-language-model head: a dense layer with activation and norm, then scores against the token table. */
class BertPredictionHead extends Module {
  readonly dense: Linear;
  readonly norm: LayerNorm;
  readonly bias: Parameter;
  /** The decoder's own table, where it is not the token table. */
  readonly decoder: Parameter | undefined;
  readonly #activation: (x: Tensor) => Tensor;

  protected override get names() {
    return { dense: "transform.dense", norm: "transform.LayerNorm", decoder: "decoder.weight" };
  }

  constructor(config: BertConfig, options: CreateOptions) {
    super();
    const { vocab_size, hidden_size } = config;
    this.dense = dense(hidden_size, hidden_size, config, options);
    this.norm = norm(config, options);
    this.bias = new Parameter(zeros([vocab_size], options), { name: "bias" });
    this.decoder = config.tie_word_embeddings
      ? undefined
      : new Parameter(truncatedNormal(config.initializer_range)([vocab_size, hidden_size], options), {
          name: "decoder",
        });
    this.#activation = activations[config.hidden_act];
  }

  /** [..., hidden_size] gives logits [..., vocab_size]. */
  forward(hidden: Tensor, tokenTable: Tensor): Tensor {
    const transformed = this.norm.forward(this.#activation(this.dense.forward(hidden)));
    return linear(transformed, this.decoder ?? tokenTable, this.bias);
  }
}

/** Inputs of the masked language model. */
export interface BertMaskedLMInputs extends BertInputs {
  /**
   * [B, P] positions in each row at which to predict; everywhere by default. Few positions save most of the head's work.
   * Unused slots may hold 0, with label -100.
   */
  readonly maskedPositions?: Tensor;
  /** [B, T], or [B, P] with `maskedPositions`: the original ids; -100 counts for nothing. */
  readonly labels?: Tensor;
}

/** The hidden states at `positions` [B, P] of each row. */
function atPositions(hidden: Tensor, positions: Tensor | undefined): Tensor {
  if (positions === undefined) return hidden;
  const [batch, , width] = hidden.shape;
  if (positions.ndim !== 2 || positions.shape[0] !== batch) {
    throw new ShapeError(`BERT: masked positions ${formatShape(positions.shape)}, wanted [${batch}, P]`);
  }
  return hidden.gather(1, positions.unsqueeze(2).expand([batch, positions.shape[1], width]));
}

/** Mean cross-entropy over the labels that are not -100; NaN when there are none. */
function maskedLMLoss(logits: Tensor, labels: Tensor): Tensor {
  const [batch, length, classes] = logits.shape;
  if (!sameShape(labels.shape, [batch, length])) {
    throw new ShapeError(
      `BERT: labels ${formatShape(labels.shape)} for predictions at ${formatShape([batch, length])}`,
    );
  }
  return crossEntropy(logits.reshape([batch * length, classes]), labels.reshape([batch * length]));
}

/** BERT with the masked-language-model head; section 3.1, task 1. */
export class BertForMaskedLM extends Module {
  readonly bert: BertModel;
  readonly predictions: BertPredictionHead;

  protected override get names() {
    return { predictions: "cls.predictions" };
  }

  constructor(config: BertConfig, options: CreateOptions = {}) {
    super();
    this.bert = new BertModel(config, { ...options, pooler: false });
    this.predictions = new BertPredictionHead(config, options);
  }

  /** logits are [B, T, vocab_size], or [B, P, vocab_size] at `maskedPositions`. */
  forward(
    inputIds: Tensor,
    inputs: BertMaskedLMInputs = {},
  ): { readonly loss: Tensor | undefined; readonly logits: Tensor } & BertOutput {
    const output = this.bert.forward(inputIds, inputs);
    const hidden = atPositions(output.lastHiddenState, inputs.maskedPositions);
    const logits = this.predictions.forward(hidden, this.bert.embeddings.token.weight);
    return { ...output, logits, loss: inputs.labels && maskedLMLoss(logits, inputs.labels) };
  }
}

export interface BertPreTrainingInputs extends BertMaskedLMInputs {
  /** [B]: 0 where segment B follows A, 1 where it is from elsewhere. */
  readonly nextSentenceLabel?: Tensor;
}

export interface BertPreTrainingOutput extends BertOutput {
  /** Sum of the two losses; undefined unless both labels were given. */
  readonly loss: Tensor | undefined;
  readonly predictionLogits: Tensor;
  /** [B, 2] */
  readonly seqRelationshipLogits: Tensor;
}

/** BERT with both heads it is pre-trained with: masked language model and next-sentence prediction; section 3.1. */
export class BertForPreTraining extends Module {
  readonly bert: BertModel;
  readonly predictions: BertPredictionHead;
  readonly seqRelationship: Linear;

  protected override get names() {
    return { predictions: "cls.predictions", seqRelationship: "cls.seq_relationship" };
  }

  constructor(config: BertConfig, options: CreateOptions = {}) {
    super();
    this.bert = new BertModel(config, options);
    this.predictions = new BertPredictionHead(config, options);
    this.seqRelationship = dense(config.hidden_size, 2, config, options);
  }

  forward(inputIds: Tensor, inputs: BertPreTrainingInputs = {}): BertPreTrainingOutput {
    const output = this.bert.forward(inputIds, inputs);
    const hidden = atPositions(output.lastHiddenState, inputs.maskedPositions);
    const predictionLogits = this.predictions.forward(hidden, this.bert.embeddings.token.weight);
    const pooled = output.poolerOutput ?? output.lastHiddenState.select(1, 0);
    const seqRelationshipLogits = this.seqRelationship.forward(pooled);
    const { labels, nextSentenceLabel } = inputs;
    const loss =
      labels && nextSentenceLabel
        ? maskedLMLoss(predictionLogits, labels).add(crossEntropy(seqRelationshipLogits, nextSentenceLabel))
        : undefined;
    return { ...output, loss, predictionLogits, seqRelationshipLogits };
  }
}

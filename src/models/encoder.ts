import { ArgumentError, IndexOutOfRangeError, ShapeError } from "../graph/errors.ts";
import { formatShape, sameShape } from "../graph/shape.ts";
import { type AttendOptions, MultiHeadAttention } from "../nn/attention.ts";
import { Dropout } from "../nn/dropout.ts";
import { Embedding } from "../nn/embedding.ts";
import type { AttentionResult } from "../nn/functional/index.ts";
import { sinusoids, truncatedNormal, zeros } from "../nn/init.ts";
import { LayerNorm } from "../nn/layerNorm.ts";
import { Linear } from "../nn/linear.ts";
import { allOf, causalMask, paddingMask } from "../nn/masks.ts";
import { Module } from "../nn/module.ts";
import { arange, type CreateOptions } from "../tensor/create.ts";
import { type Tensor, where } from "../tensor/tensor.ts";
import { hiddenActivations } from "./activation.ts";
import type { EncoderConfig } from "./encoderConfig.ts";
import { RelativeAttention } from "./relativeAttention.ts";

// The encoder that BERT, RoBERTa, ALBERT, ELECTRA and DistilBERT share; what differs is an `EncoderSpec`.

/** Names in files by field (see `Module.names`). */
export type Names = Readonly<Record<string, string>>;

/** What sets a family's encoder apart. */
export interface EncoderSpec {
  /** The name of messages, and the field of head models that holds the encoder in files: "bert". */
  readonly prefix: string;
  /** Names of the fields of `EncoderModel` and of `EncoderLayer`. */
  readonly names: Names;
  readonly layerNames: Names;
  /** Width of the tables, where a linear layer leads from it to the layers' width. */
  readonly embeddingWidth?: number;
  /** The layers are applied over and over: so many groups, each of so many layers. */
  readonly shared?: { readonly groups: number; readonly layers: number; readonly names: Names };
  /** Positions count from `pad_token_id` + 1, tokens that are not padding only. */
  readonly positionsAfterPadding?: boolean;
  /** Positions start as those of the Transformer, and are not trained. */
  readonly sinusoidalPositions?: boolean;
  /** Whether the family has a pooler. */
  readonly pooler: boolean;
  /** Makes a layer's attention, where it is not that of the Transformer. */
  readonly attention?: (options: CreateOptions) => SelfAttention;
}

/** What mixes the tokens in a layer. */
export interface SelfAttention extends Module {
  /** x [B, T, width] gives the output [B, T, width] and the probabilities [B, heads, T, T], before dropout. */
  forward(x: Tensor, options: AttendOptions): AttentionResult;
}

/** What a token sequence is besides its ids. */
export interface EncoderInputs {
  /** [B, T] or [B, T, T]: which keys may be attended; bool, or numbers of which 0 is padding. All by default. */
  readonly attentionMask?: Tensor;
  /** [B, T] segment of each token (sentence A = 0, B = 1). All 0 by default. */
  readonly tokenTypeIds?: Tensor;
  /** [B, T] position of each token. 0, 1, 2, ... by default; RoBERTa's count from behind the padding token. */
  readonly positionIds?: Tensor;
  /** Whether the result holds every layer's output. */
  readonly outputHiddenStates?: boolean;
  /** Whether the result holds every layer's attention probabilities. */
  readonly outputAttentions?: boolean;
}

export interface EncoderOutput {
  /** [B, T, hidden_size] the last layer's output; the paper's T_i. */
  readonly lastHiddenState: Tensor;
  /** [B, hidden_size] of the first token, through a dense layer and tanh; from the paper's C. Undefined without pooler. */
  readonly poolerOutput: Tensor | undefined;
  /** The embeddings' output and each layer's, on request. */
  readonly hiddenStates: readonly Tensor[] | undefined;
  /** Each layer's probabilities [B, heads, T, T] before dropout, on request. */
  readonly attentions: readonly Tensor[] | undefined;
}

export function startOf(config: EncoderConfig) {
  return { weightInit: truncatedNormal(config.initializer_range), biasInit: zeros };
}

/** A linear layer as BERT starts it: truncated normal, no bias. */
export function dense(
  inputs: number,
  outputs: number,
  config: EncoderConfig,
  options: CreateOptions,
): Linear {
  return new Linear(inputs, outputs, { ...startOf(config), ...options });
}

export function norm(width: number, config: EncoderConfig, options: CreateOptions): LayerNorm {
  return new LayerNorm(width, { eps: config.layer_norm_eps, ...options });
}

/** Tables that one encoder may have in common with another. */
export interface EmbeddingTables {
  readonly token: Embedding;
  readonly position: Embedding;
}

/** Token + position + segment embedding, normalised; BERT, section 3 and figure 2. */
class Embeddings extends Module {
  readonly token: Embedding;
  /** Kept, but not used, by models that look up distances instead. */
  readonly position: Embedding;
  readonly segment: Embedding | undefined;
  readonly norm: LayerNorm;
  readonly dropout: Dropout;
  readonly #spec: EncoderSpec;
  readonly #absolute: boolean;

  protected override get names(): Names {
    return {
      token: "word_embeddings",
      position: "position_embeddings",
      segment: "token_type_embeddings",
      norm: "LayerNorm",
    };
  }

  constructor(
    config: EncoderConfig,
    spec: EncoderSpec,
    options: CreateOptions,
    tables: EmbeddingTables | undefined,
  ) {
    super();
    const table = { weightInit: truncatedNormal(config.initializer_range), ...options };
    const width = spec.embeddingWidth ?? config.hidden_size;
    const padded = { ...table, paddingIdx: config.pad_token_id ?? undefined };
    this.token = tables?.token ?? new Embedding(config.vocab_size, width, padded);
    this.position =
      tables?.position ??
      new Embedding(config.max_position_embeddings, width, {
        ...(spec.positionsAfterPadding ? padded : table),
        ...(spec.sinusoidalPositions && { weightInit: sinusoids }),
      });
    this.segment =
      config.type_vocab_size > 0 ? new Embedding(config.type_vocab_size, width, table) : undefined;
    this.norm = norm(width, config, options);
    this.dropout = new Dropout(config.hidden_dropout_prob);
    this.#spec = spec;
    this.#absolute = config.position_embedding_type === "absolute";
  }

  forward(inputIds: Tensor, inputs: EncoderInputs): Tensor {
    const { tokenTypeIds, positionIds } = inputs;
    if (tokenTypeIds && !this.segment) {
      throw new ArgumentError(`${this.#spec.prefix}: tokenTypeIds given, but the model knows no segments`);
    }
    const parts = [this.token.forward(inputIds), this.segments(tokenTypeIds)];
    if (this.#absolute) {
      const positions = this.positions(inputIds, positionIds);
      parts.push(this.#spec.sinusoidalPositions ? positions.detach() : positions);
    }
    return this.finish(parts);
  }

  /** The sum of those that there are [B, T, width], normalised, with dropout. */
  finish(parts: readonly (Tensor | undefined)[]): Tensor {
    const sum = parts.reduce((total, part) => (part && total ? total.add(part) : (total ?? part)));
    if (sum === undefined) throw new ArgumentError(`${this.#spec.prefix}: embeddings of nothing`);
    return this.dropout.forward(this.norm.forward(sum));
  }

  /** [B, T, width], or [1, width] of segment 0 without ids; undefined for a model without segments. */
  segments(tokenTypeIds: Tensor | undefined): Tensor | undefined {
    return tokenTypeIds ? this.segment?.forward(tokenTypeIds) : this.segment?.weight.slice([0, 1]);
  }

  /** [B, T, width], or [T, width] where all rows count alike. @throws IndexOutOfRangeError for more tokens than positions. */
  positions(inputIds: Tensor, positionIds: Tensor | undefined): Tensor {
    if (positionIds) return this.position.forward(positionIds);
    const [, length] = inputIds.shape;
    const { paddingIdx } = this.position;
    const first = paddingIdx === undefined ? 0 : paddingIdx + 1;
    const [rows] = this.position.weight.shape;
    if (first + length > rows) {
      const start = first === 0 ? "" : `, of which the first ${first} are no positions`;
      throw new IndexOutOfRangeError(
        `${this.#spec.prefix}: ${length} tokens, but max_position_embeddings is ${rows}${start}; ` +
          "cut the sequence or give positionIds",
      );
    }
    return paddingIdx === undefined
      ? this.position.weight.slice([0, length])
      : this.position.forward(positionsAfterPadding(inputIds, paddingIdx));
  }
}

/** [B, T]: the padding token's id at padding, and its successors at the other tokens in turn. */
function positionsAfterPadding(inputIds: Tensor, padding: number): Tensor {
  const [, length] = inputIds.shape;
  const tokens = inputIds.ne(padding);
  const at = arange(0, length, 1, { device: inputIds.device });
  // [i, j]: token j is not behind token i.
  const upTo = at.unsqueeze(0).le(at.unsqueeze(1));
  const count = tokens.unsqueeze(1).logicalAnd(upTo).to("i32").sum({ dim: -1 });
  return where(tokens, count, 0).add(padding);
}

function attentionOf(config: EncoderConfig, options: CreateOptions): SelfAttention {
  const { hidden_size: width, num_attention_heads: heads, position_embedding_type: positions } = config;
  const shared = { dropout: config.attention_probs_dropout_prob, ...startOf(config), ...options };
  if (positions === "absolute") return new MultiHeadAttention(width, heads, shared);
  const keys = positions === "relative_key_query";
  return new RelativeAttention(width, heads, {
    maxPositions: config.max_position_embeddings,
    keys,
    ...shared,
  });
}

/** A Transformer block: self-attention and a feed-forward network, each with residual and then LayerNorm (post-norm). */
export class EncoderLayer extends Module {
  readonly attention: SelfAttention;
  readonly attentionNorm: LayerNorm;
  readonly up: Linear;
  readonly down: Linear;
  readonly outputNorm: LayerNorm;
  readonly dropout: Dropout;
  readonly #activation: (x: Tensor) => Tensor;
  readonly #names: Names;

  protected override get names(): Names {
    return this.#names;
  }

  constructor(config: EncoderConfig, spec: EncoderSpec, options: CreateOptions) {
    super();
    const { hidden_size: width, intermediate_size: inner } = config;
    this.attention = spec.attention?.(options) ?? attentionOf(config, options);
    this.attentionNorm = norm(width, config, options);
    this.up = dense(width, inner, config, options);
    this.down = dense(inner, width, config, options);
    this.outputNorm = norm(width, config, options);
    this.dropout = new Dropout(config.hidden_dropout_prob);
    this.#activation = hiddenActivations[config.hidden_act];
    this.#names = spec.layerNames;
  }

  forward(x: Tensor, options: AttendOptions): LayerOutput {
    const { output: attended, probabilities } = this.attention.forward(x, options);
    const middle = this.attentionNorm.forward(x.add(this.dropout.forward(attended)));
    const fed = this.down.forward(this.#activation(this.up.forward(middle)));
    return {
      output: this.outputNorm.forward(middle.add(this.dropout.forward(fed))),
      attentions: [probabilities],
    };
  }
}

interface LayerOutput {
  readonly output: Tensor;
  readonly attentions: readonly Tensor[];
}

/** Layers that run one after the other as one step; what ALBERT shares. */
class LayerGroup extends Module {
  readonly layers: readonly EncoderLayer[];
  readonly #names: Names;

  protected override get names(): Names {
    return this.#names;
  }

  constructor(layers: readonly EncoderLayer[], names: Names) {
    super();
    this.layers = layers;
    this.#names = names;
  }

  forward(x: Tensor, options: AttendOptions): LayerOutput {
    let output = x;
    const attentions: Tensor[] = [];
    for (const layer of this.layers) {
      const step = layer.forward(output, options);
      output = step.output;
      attentions.push(...step.attentions);
    }
    return { output, attentions };
  }
}

/** The encoder of a family, without a head. */
export class EncoderModel<Config extends object = object> extends Module {
  /** The family's own configuration. */
  readonly config: Config;
  /** The same in the words of BERT's. */
  readonly encoder: EncoderConfig;
  readonly embeddings: Embeddings;
  /** From the tables' width to the layers'. */
  readonly projection: Linear | undefined;
  readonly layers: readonly (EncoderLayer | LayerGroup)[];
  readonly pooler: Linear | undefined;
  readonly #spec: EncoderSpec;

  protected override get names(): Names {
    return this.#spec.names;
  }

  /** The field of head models that holds this one, in files. */
  get prefix(): string {
    return this.#spec.prefix;
  }

  /**
   * Nothing is computed yet: parameters take their initial values when they are first used. `tables` are another
   * encoder's, of the same sizes, to share.
   */
  constructor(
    config: Config,
    encoder: EncoderConfig,
    spec: EncoderSpec,
    options: CreateOptions & { readonly pooler?: boolean; readonly tables?: EmbeddingTables } = {},
  ) {
    super();
    const { pooler = spec.pooler, tables, ...create } = options;
    const { hidden_size: width, num_hidden_layers: depth } = encoder;
    const { embeddingWidth, shared } = spec;
    this.#spec = spec;
    this.config = config;
    this.encoder = encoder;
    this.embeddings = new Embeddings(encoder, spec, create, tables);
    this.projection =
      embeddingWidth === undefined ? undefined : dense(embeddingWidth, width, encoder, create);
    const layersOf = (count: number): EncoderLayer[] =>
      Array.from({ length: count }, () => new EncoderLayer(encoder, spec, create));
    this.layers = shared
      ? Array.from({ length: shared.groups }, () => new LayerGroup(layersOf(shared.layers), shared.names))
      : layersOf(depth);
    this.pooler = pooler ? dense(width, width, encoder, create) : undefined;
  }

  /**
   * @param inputIds [B, T] token ids (i32).
   * @throws ShapeError unless all inputs fit; IndexOutOfRangeError for ids outside their tables, and for more tokens than
   *   positions.
   */
  forward(inputIds: Tensor, inputs: EncoderInputs = {}): EncoderOutput {
    checkInputs(this.prefix, inputIds, inputs);
    const embedded = this.embeddings.forward(inputIds, inputs);
    let hidden = this.projection ? this.projection.forward(embedded) : embedded;
    const scoreBias = this.#scoreBias(inputIds, inputs.attentionMask)?.to(hidden.dtype);
    const hiddenStates = [hidden];
    const attentions: Tensor[] = [];
    const depth = this.encoder.num_hidden_layers;
    for (let i = 0; i < depth; i++) {
      // The groups take equal parts of the depth; layers that are not shared, a step each.
      const layer = this.layers[Math.floor(i / (depth / this.layers.length))];
      const step = layer.forward(hidden, { scoreBias });
      hidden = step.output;
      hiddenStates.push(hidden);
      attentions.push(...step.attentions);
    }
    return {
      lastHiddenState: hidden,
      // The first token is [CLS].
      poolerOutput: this.pooler?.forward(hidden.select(1, 0)).tanh(),
      hiddenStates: inputs.outputHiddenStates ? hiddenStates : undefined,
      attentions: inputs.outputAttentions ? attentions : undefined,
    };
  }

  /**
   * 0 where a key may be attended and the lowest f32 elsewhere, which no score changes: so a query that may attend
   * nothing attends everything evenly, as in Hugging Face's models.
   */
  #scoreBias(inputIds: Tensor, attentionMask: Tensor | undefined): Tensor | undefined {
    const padding = attentionMask && paddingMask(attentionMask);
    // A mask of queries and keys says it all.
    const causal = this.encoder.is_decoder && attentionMask?.ndim !== 3;
    const order = causal ? causalMask(inputIds.shape[1], undefined, { device: inputIds.device }) : undefined;
    const allowed = allOf([padding, order]);
    return allowed && where(allowed, 0, lowest);
  }
}

const lowest = -3.4028234663852886e38;

export function checkInputs(
  model: string,
  inputIds: Tensor,
  { attentionMask, tokenTypeIds, positionIds }: EncoderInputs,
): void {
  if (inputIds.ndim !== 2)
    throw new ShapeError(`${model}: input ids ${formatShape(inputIds.shape)}, wanted [B, T]`);
  for (const [name, ids] of Object.entries({ tokenTypeIds, positionIds })) {
    if (ids && !sameShape(ids.shape, inputIds.shape)) {
      throw new ShapeError(
        `${model}: ${name} ${formatShape(ids.shape)} and input ids ${formatShape(inputIds.shape)} differ`,
      );
    }
  }
  const [batch, length] = inputIds.shape;
  const keys = attentionMask && [attentionMask.shape[0], attentionMask.size(-1)];
  if (keys && !sameShape(keys, [batch, length])) {
    throw new ShapeError(
      `${model}: attention mask ${formatShape(attentionMask.shape)} does not fit input ids ${formatShape(inputIds.shape)}`,
    );
  }
}

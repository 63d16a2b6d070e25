import { ShapeError } from "../graph/errors.ts";
import { formatShape } from "../graph/shape.ts";
import { type AttendOptions, MultiHeadAttention } from "../nn/attention.ts";
import { Dropout } from "../nn/dropout.ts";
import { Embedding } from "../nn/embedding.ts";
import { crossEntropy, linear } from "../nn/functional/index.ts";
import { normal, sinusoids, xavierUniform, zeros } from "../nn/init.ts";
import { LayerNorm } from "../nn/layerNorm.ts";
import { Linear } from "../nn/linear.ts";
import { allOf, causalMask, paddingMask } from "../nn/masks.ts";
import { Module } from "../nn/module.ts";
import type { CreateOptions } from "../tensor/create.ts";
import { Parameter } from "../tensor/parameter.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { hiddenActivations } from "./activation.ts";
import type { CheckpointRules } from "./checkpoint.ts";
import type { Names, SelfAttention } from "./encoder.ts";
import { type GenerateOptions, generateTokens } from "./generate.ts";
import type { TransformerConfig } from "./transformerConfig.ts";

// Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser and Polosukhin, Attention Is All You Need (2017): the encoder
// and the decoder, for translation. Comments give the paper's names. Names in files are those of Hugging Face's Marian.

export const transformerCheckpoint: CheckpointRules = {
  tied: [
    ["lm_head.weight", "shared.weight"],
    ["encoder.embed_tokens.weight", "shared.weight"],
    ["decoder.embed_tokens.weight", "shared.weight"],
  ],
};

const attentionNames: Names = { query: "q_proj", key: "k_proj", value: "v_proj", output: "out_proj" };

const layerNames: Names = {
  // What another kind of attention consists of.
  selfAttention: "self_attn",
  ...named("selfAttention", "self_attn"),
  ...named("crossAttention", "encoder_attn"),
  selfNorm: "self_attn_layer_norm",
  crossNorm: "encoder_attn_layer_norm",
  up: "fc1",
  down: "fc2",
  outputNorm: "final_layer_norm",
};

function named(field: string, name: string): Names {
  return Object.fromEntries(
    Object.entries(attentionNames).map(([inner, file]) => [`${field}.${inner}`, `${name}.${file}`]),
  );
}

/** Makes the self-attention of a layer, where it is not the paper's. */
export type SelfAttentionFactory = (options: CreateOptions) => SelfAttention;

/** Self-attention of another kind, in one of the stacks or in both. */
export interface SelfAttentionFactories {
  readonly encoder?: SelfAttentionFactory;
  readonly decoder?: SelfAttentionFactory;
}

/** Attention to the own sequence, in the decoder then to the encoder's output, then a feed-forward network. */
class Layer extends Module {
  readonly selfAttention: SelfAttention;
  readonly selfNorm: LayerNorm;
  /** In the decoder. */
  readonly crossAttention: MultiHeadAttention | undefined;
  readonly crossNorm: LayerNorm | undefined;
  readonly up: Linear;
  readonly down: Linear;
  readonly outputNorm: LayerNorm;
  readonly dropout: Dropout;
  readonly #activation: (x: Tensor) => Tensor;
  readonly #normFirst: boolean;

  protected override get names(): Names {
    return layerNames;
  }

  constructor(config: TransformerConfig, parts: StackParts, options: CreateOptions) {
    super();
    const { d_model: width, d_ff: inner, num_attention_heads: heads } = config;
    const start = { weightInit: xavierUniform(), biasInit: zeros, ...options };
    const attention = (): MultiHeadAttention => new MultiHeadAttention(width, heads, start);
    const norm = (): LayerNorm => new LayerNorm(width, { eps: config.layer_norm_eps, ...options });
    this.selfAttention = parts.selfAttention?.(options) ?? attention();
    this.selfNorm = norm();
    this.crossAttention = parts.decoder ? attention() : undefined;
    this.crossNorm = parts.decoder ? norm() : undefined;
    this.up = new Linear(width, inner, start);
    this.down = new Linear(inner, width, start);
    this.outputNorm = norm();
    this.dropout = new Dropout(config.dropout);
    this.#activation = hiddenActivations[config.activation];
    this.#normFirst = config.norm_first;
  }

  forward(x: Tensor, own: AttendOptions, source: AttendOptions): LayerResult {
    const self = this.#residual(x, this.selfNorm, (input) => this.selfAttention.forward(input, own));
    const { crossAttention, crossNorm } = this;
    const cross =
      crossAttention && crossNorm
        ? this.#residual(self.output, crossNorm, (input) => crossAttention.forward(input, source))
        : undefined;
    const fed = this.#residual((cross ?? self).output, this.outputNorm, (input) => ({
      output: this.down.forward(this.#activation(this.up.forward(input))),
      probabilities: undefined,
    }));
    return {
      output: fed.output,
      probabilities: self.probabilities,
      crossProbabilities: cross?.probabilities,
    };
  }

  /** LayerNorm(x + Sublayer(x)), section 3.1; with `norm_first` x + Sublayer(LayerNorm(x)). */
  #residual<P>(
    x: Tensor,
    norm: LayerNorm,
    sublayer: (input: Tensor) => { readonly output: Tensor; readonly probabilities: P },
  ): { readonly output: Tensor; readonly probabilities: P } {
    if (this.#normFirst) {
      const { output, probabilities } = sublayer(norm.forward(x));
      return { output: x.add(this.dropout.forward(output)), probabilities };
    }
    const { output, probabilities } = sublayer(x);
    return { output: norm.forward(x.add(this.dropout.forward(output))), probabilities };
  }
}

interface LayerResult {
  readonly output: Tensor;
  readonly probabilities: Tensor;
  readonly crossProbabilities: Tensor | undefined;
}

interface StackParts {
  readonly decoder: boolean;
  readonly selfAttention: SelfAttentionFactory | undefined;
}

interface StackOutput {
  readonly last: Tensor;
  readonly hiddenStates: readonly Tensor[];
  readonly attentions: readonly Tensor[];
  readonly crossAttentions: readonly Tensor[];
}

/** N layers, one upon the other; with `norm_first` a last norm. */
class Stack extends Module {
  readonly layers: readonly Layer[];
  readonly norm: LayerNorm | undefined;

  protected override get names(): Names {
    return { norm: "layer_norm" };
  }

  constructor(depth: number, config: TransformerConfig, parts: StackParts, options: CreateOptions) {
    super();
    this.layers = Array.from({ length: depth }, () => new Layer(config, parts, options));
    this.norm = config.norm_first
      ? new LayerNorm(config.d_model, { eps: config.layer_norm_eps, ...options })
      : undefined;
  }

  forward(x: Tensor, own: AttendOptions, source: AttendOptions): StackOutput {
    let hidden = x;
    const hiddenStates = [hidden];
    const attentions: Tensor[] = [];
    const crossAttentions: Tensor[] = [];
    for (const layer of this.layers) {
      const { output, probabilities, crossProbabilities } = layer.forward(hidden, own, source);
      hidden = output;
      hiddenStates.push(hidden);
      attentions.push(probabilities);
      if (crossProbabilities) crossAttentions.push(crossProbabilities);
    }
    const last = this.norm ? this.norm.forward(hidden) : hidden;
    hiddenStates[hiddenStates.length - 1] = last;
    return { last, hiddenStates, attentions, crossAttentions };
  }
}

/** The source sentences. */
export interface SourceInputs {
  /** [B, S]: which source tokens there are; bool, or numbers of which 0 is padding. All by default. */
  readonly attentionMask?: Tensor;
}

export interface TransformerInputs extends SourceInputs {
  /** [B, T]: the target, shifted right behind the start token. */
  readonly decoderInputIds: Tensor;
  /** [B, T]: which target tokens there are. All by default. */
  readonly decoderAttentionMask?: Tensor;
  /** [B, T]: the target; -100 counts for nothing. */
  readonly labels?: Tensor;
}

export interface TransformerOutput {
  /** The smoothed loss of the configuration's form, and both forms; undefined without labels. */
  readonly loss: Tensor | undefined;
  readonly lossUniform: Tensor | undefined;
  readonly lossT2t: Tensor | undefined;
  /** The cross-entropy without smoothing, which perplexity is computed from. */
  readonly nllLoss: Tensor | undefined;
  /** [B, T, vocab_size] */
  readonly logits: Tensor;
  /** [B, S, d_model] */
  readonly encoderLastHiddenState: Tensor;
  readonly encoderHiddenStates: readonly Tensor[];
  /** [B, heads, S, S] a layer */
  readonly encoderAttentions: readonly Tensor[];
  readonly decoderHiddenStates: readonly Tensor[];
  /** [B, heads, T, T] a layer */
  readonly decoderAttentions: readonly Tensor[];
  /** [B, heads, T, S] a layer */
  readonly crossAttentions: readonly Tensor[];
}

/** An encoder of the source and a decoder of the target that share one table of tokens; figure 1. */
export class TransformerForConditionalGeneration extends Module {
  readonly config: TransformerConfig;
  /** The one table of source, target and output; section 3.4. */
  readonly shared: Embedding;
  readonly encoder: Stack;
  readonly decoder: Stack;
  /** The output's own table, where it is not the tokens'. */
  readonly output: Parameter | undefined;
  readonly dropout: Dropout;

  protected override get names(): Names {
    return { output: "lm_head.weight" };
  }

  /** Nothing is computed yet: parameters take their initial values when they are first used. */
  constructor(
    config: TransformerConfig,
    options: CreateOptions = {},
    attention: SelfAttentionFactories = {},
  ) {
    super();
    const { vocab_size, d_model, encoder_layers, decoder_layers } = config;
    const tableInit = normal(d_model ** -0.5);
    this.config = config;
    this.shared = new Embedding(vocab_size, d_model, { weightInit: tableInit, ...options });
    this.encoder = new Stack(
      encoder_layers,
      config,
      { decoder: false, selfAttention: attention.encoder },
      options,
    );
    this.decoder = new Stack(
      decoder_layers,
      config,
      { decoder: true, selfAttention: attention.decoder },
      options,
    );
    this.output = config.tie_word_embeddings
      ? undefined
      : new Parameter(tableInit([vocab_size, d_model], options), { name: "lm_head" });
    this.dropout = new Dropout(config.dropout);
  }

  /**
   * inputIds [B, S] are the source.
   * @throws ShapeError unless all inputs fit; IndexOutOfRangeError for ids outside the table.
   */
  forward(inputIds: Tensor, inputs: TransformerInputs): TransformerOutput {
    const encoded = this.encode(inputIds, inputs);
    const decoded = this.#decode(inputs.decoderInputIds, encoded.last, inputs);
    const logits = this.#logits(decoded.last);
    return {
      ...this.#losses(logits, inputs.labels),
      logits,
      encoderLastHiddenState: encoded.last,
      encoderHiddenStates: encoded.hiddenStates,
      encoderAttentions: encoded.attentions,
      decoderHiddenStates: decoded.hiddenStates,
      decoderAttentions: decoded.attentions,
      crossAttentions: decoded.crossAttentions,
    };
  }

  /** The encoder alone, for inputIds [B, S]. */
  encode(inputIds: Tensor, { attentionMask }: SourceInputs = {}): StackOutput {
    const mask = attentionMask && paddingMask(attentionMask);
    return this.encoder.forward(this.#embed("encoder", inputIds), { mask }, {});
  }

  /** [B, T, vocab_size]: logits of the tokens behind decoderInputIds [B, T], given what the encoder made of the source. */
  decode(
    decoderInputIds: Tensor,
    encoded: Tensor,
    inputs: Omit<TransformerInputs, "decoderInputIds"> = {},
  ): Tensor {
    return this.#logits(this.#decode(decoderInputIds, encoded, inputs).last);
  }

  /**
   * The likeliest targets of inputIds [B, S] that greedy or beam search finds, each with the start token.
   * @throws ArgumentError for options that make no sense.
   */
  async generate(inputIds: Tensor, inputs: SourceInputs, options: GenerateOptions): Promise<number[][]> {
    return generateTokens(this, inputIds, inputs, {
      startToken: this.config.decoder_start_token_id,
      padToken: this.config.pad_token_id,
      ...options,
    });
  }

  #decode(
    ids: Tensor,
    encoded: Tensor,
    { attentionMask, decoderAttentionMask }: Omit<TransformerInputs, "decoderInputIds">,
  ): StackOutput {
    const embedded = this.#embed("decoder", ids);
    const order = causalMask(ids.shape[1], undefined, { device: ids.device });
    const own = allOf([order, decoderAttentionMask && paddingMask(decoderAttentionMask)]);
    const source = attentionMask && paddingMask(attentionMask);
    return this.decoder.forward(embedded, { mask: own }, { key: encoded, mask: source });
  }

  /** √d times the token's vector, plus sin and cos of its place; sections 3.4 and 3.5. */
  #embed(part: string, ids: Tensor): Tensor {
    if (ids.ndim !== 2)
      throw new ShapeError(`transformer: ${part} ids ${formatShape(ids.shape)}, wanted [B, T]`);
    const { d_model, scale_embedding } = this.config;
    const tokens = this.shared.forward(ids);
    const scaled = scale_embedding ? tokens.mul(Math.sqrt(d_model)) : tokens;
    const { dtype, device } = this.shared.weight;
    return this.dropout.forward(scaled.add(sinusoids([ids.shape[1], d_model], { dtype, device })));
  }

  #logits(hidden: Tensor): Tensor {
    return linear(hidden, this.output ?? this.shared.weight);
  }

  #losses(logits: Tensor, labels: Tensor | undefined) {
    const { label_smoothing: smoothing, label_smoothing_form: form } = this.config;
    if (labels === undefined) {
      return { loss: undefined, lossUniform: undefined, lossT2t: undefined, nllLoss: undefined };
    }
    const [batch, length, classes] = logits.shape;
    const rows = logits.reshape([batch * length, classes]);
    const flat = labels.reshape([batch * length]);
    const smoothed = (labelSmoothingForm: "uniform" | "t2t"): Tensor =>
      crossEntropy(rows, flat, { labelSmoothing: smoothing, labelSmoothingForm });
    const [uniform, t2t] = [smoothed("uniform"), smoothed("t2t")];
    return {
      loss: form === "uniform" ? uniform : t2t,
      lossUniform: uniform,
      lossT2t: t2t,
      nllLoss: crossEntropy(rows, flat),
    };
  }
}

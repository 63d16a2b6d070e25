import { ShapeError } from "../graph/errors.ts";
import { formatShape } from "../graph/shape.ts";
import { AdaptiveEmbedding, type AdaptiveOptions } from "../nn/adaptiveSoftmax.ts";
import { Dropout } from "../nn/dropout.ts";
import { type Initializer, normal, uniform, zeros } from "../nn/init.ts";
import { LayerNorm } from "../nn/layerNorm.ts";
import { Linear } from "../nn/linear.ts";
import { Module } from "../nn/module.ts";
import { arange, type CreateOptions, zeros as zerosTensor } from "../tensor/create.ts";
import { Parameter } from "../tensor/parameter.ts";
import { concat, type Tensor } from "../tensor/tensor.ts";
import type { CheckpointRules } from "./checkpoint.ts";
import type { Names } from "./encoder.ts";
import {
  distances,
  memoryLength,
  mergeHeads,
  notLater,
  relativeAttention,
  remember,
  sinusoids,
  splitHeads,
} from "./transformerXlAttention.ts";
import type { TransfoXLConfig } from "./transformerXlConfig.ts";

// Dai, Yang, Yang, Carbonell, Le and Salakhutdinov, Transformer-XL: Attentive Language Models beyond a Fixed-Length Context
// (2019). Comments give the paper's names. Names in files are Hugging Face's.

/** How files of Transformer-XL differ from the names here. */
export const transfoXLCheckpoint: CheckpointRules = {
  base: "transformer",
  ignored: [/pos_emb\.inv_freq$/],
};

function weightInit({ init, init_range, init_std }: TransfoXLConfig): Initializer {
  return init === "uniform" ? uniform(-init_range, init_range) : normal(init_std);
}

/** A linear layer as Transformer-XL starts it. */
export function transfoXLLinear(
  inputs: number,
  outputs: number,
  config: TransfoXLConfig,
  options: CreateOptions & { readonly bias?: boolean },
): Linear {
  return new Linear(inputs, outputs, { weightInit: weightInit(config), biasInit: zeros, ...options });
}

/** u and v, [n_head, d_head]: what the query is where it asks for content and where it asks for distance. */
interface RelativeBiases {
  readonly contentBias: Parameter;
  readonly positionBias: Parameter;
}

function relativeBiases(config: TransfoXLConfig, options: CreateOptions): RelativeBiases {
  const { n_head, d_head } = config;
  const start = weightInit(config);
  return {
    contentBias: new Parameter(start([n_head, d_head], options), { name: "r_w_bias" }),
    positionBias: new Parameter(start([n_head, d_head], options), { name: "r_r_bias" }),
  };
}

/** What all layers have in common. */
interface Surroundings {
  /** R [k + 1, d_model]. */
  readonly distances: Tensor;
  /** [q, k]: which keys each query may attend. */
  readonly allowed: Tensor;
}

/** Attention over the memory and the segment; section 3.3. */
class RelativeAttention extends Module implements RelativeBiases {
  readonly contentBias: Parameter;
  readonly positionBias: Parameter;
  /** W_q, W_k,E and W_v in one. */
  readonly queryKeyValue: Linear;
  readonly output: Linear;
  readonly norm: LayerNorm;
  /** W_k,R. */
  readonly position: Linear;
  readonly dropout: Dropout;
  readonly #config: TransfoXLConfig;

  protected override get names(): Names {
    return {
      contentBias: "r_w_bias",
      positionBias: "r_r_bias",
      queryKeyValue: "qkv_net",
      output: "o_net",
      norm: "layer_norm",
      position: "r_net",
    };
  }

  constructor(config: TransfoXLConfig, shared: RelativeBiases | undefined, options: CreateOptions) {
    super();
    const { d_model, n_head, d_head } = config;
    const { contentBias, positionBias } = shared ?? relativeBiases(config, options);
    const unbiased = { ...options, bias: false };
    this.contentBias = contentBias;
    this.positionBias = positionBias;
    this.queryKeyValue = transfoXLLinear(d_model, 3 * n_head * d_head, config, unbiased);
    this.output = transfoXLLinear(n_head * d_head, d_model, config, unbiased);
    this.norm = new LayerNorm(d_model, { eps: config.layer_norm_epsilon, ...options });
    this.position = transfoXLLinear(d_model, n_head * d_head, config, unbiased);
    this.dropout = new Dropout(config.dropout);
    this.#config = config;
  }

  forward(h: Tensor, memory: Tensor | undefined, { distances, allowed }: Surroundings) {
    const { n_head, d_head, pre_lnorm, dropatt } = this.#config;
    const length = h.shape[1];
    const all = memory ? concat([memory.transpose(0, 1), h], 1) : h;
    const heads = this.queryKeyValue.forward(pre_lnorm ? this.norm.forward(all) : all);
    const part = (i: number): Tensor =>
      splitHeads(heads.narrow(2, i * n_head * d_head, n_head * d_head), n_head);
    const { output, probabilities } = relativeAttention({
      query: part(0).narrow(2, all.shape[1] - length, length),
      key: part(1),
      value: part(2),
      position: splitHeads(this.position.forward(distances).unsqueeze(0), n_head).squeeze(0),
      contentBias: this.contentBias,
      positionBias: this.positionBias,
      allowed,
      emptyRow: "zero",
      dropout: dropatt,
      training: this.training,
    });
    const sum = h.add(this.dropout.forward(this.output.forward(mergeHeads(output))));
    return { output: pre_lnorm ? sum : this.norm.forward(sum), probabilities };
  }
}

class FeedForward extends Module {
  readonly up: Linear;
  readonly down: Linear;
  readonly norm: LayerNorm;
  readonly dropout: Dropout;
  readonly #normFirst: boolean;

  protected override get names(): Names {
    return { up: "CoreNet.0", down: "CoreNet.3", norm: "layer_norm" };
  }

  constructor(config: TransfoXLConfig, options: CreateOptions) {
    super();
    const { d_model, d_inner } = config;
    this.up = transfoXLLinear(d_model, d_inner, config, options);
    this.down = transfoXLLinear(d_inner, d_model, config, options);
    this.norm = new LayerNorm(d_model, { eps: config.layer_norm_epsilon, ...options });
    this.dropout = new Dropout(config.dropout);
    this.#normFirst = config.pre_lnorm;
  }

  forward(x: Tensor): Tensor {
    const input = this.#normFirst ? this.norm.forward(x) : x;
    const inner = this.dropout.forward(this.up.forward(input).relu());
    const sum = x.add(this.dropout.forward(this.down.forward(inner)));
    return this.#normFirst ? sum : this.norm.forward(sum);
  }
}

class TransfoXLLayer extends Module {
  readonly attention: RelativeAttention;
  readonly feedForward: FeedForward;

  protected override get names(): Names {
    return { attention: "dec_attn", feedForward: "pos_ff" };
  }

  constructor(config: TransfoXLConfig, shared: RelativeBiases | undefined, options: CreateOptions) {
    super();
    this.attention = new RelativeAttention(config, shared, options);
    this.feedForward = new FeedForward(config, options);
  }

  forward(h: Tensor, memory: Tensor | undefined, around: Surroundings) {
    const { output, probabilities } = this.attention.forward(h, memory, around);
    return { output: this.feedForward.forward(output), probabilities };
  }
}

/** What embedding and softmax have in common. */
export function adaptiveOptions(config: TransfoXLConfig, options: CreateOptions): AdaptiveOptions {
  return {
    vocabulary: config.vocab_size,
    embeddingWidth: config.d_embed,
    width: config.d_model,
    cutoffs: config.cutoffs,
    divisor: config.div_val,
    weightInit: weightInit(config),
    projectionInit: normal(config.proj_init_std),
    ...options,
  };
}

/** What a token sequence is besides its ids. */
export interface TransfoXLInputs {
  /**
   * For each layer, its input [m, B, d_model] at the m positions before these; the `mems` of the call with the segment
   * before. By default `mem_len` positions of zeros, which are attended, too; for no memory give tensors [0, B, d_model].
   */
  readonly mems?: readonly Tensor[];
  readonly outputHiddenStates?: boolean;
  readonly outputAttentions?: boolean;
}

export interface TransfoXLOutput {
  /** [B, T, d_model] */
  readonly lastHiddenState: Tensor;
  /** For each layer its input at the last `mem_len` positions, [m, B, d_model], without gradients; undefined with none. */
  readonly mems: readonly Tensor[] | undefined;
  /** The embeddings' output and each layer's, on request. */
  readonly hiddenStates: readonly Tensor[] | undefined;
  /** Each layer's probabilities [B, n_head, T, m + T], on request. */
  readonly attentions: readonly Tensor[] | undefined;
}

/** Segment-level recurrence with state reuse; section 3.2. */
export class TransfoXLModel extends Module {
  readonly config: TransfoXLConfig;
  readonly embedding: AdaptiveEmbedding;
  /** u and v where all layers share them. */
  readonly contentBias: Parameter | undefined;
  readonly positionBias: Parameter | undefined;
  readonly layers: readonly TransfoXLLayer[];
  readonly dropout: Dropout;

  protected override get names(): Names {
    return {
      embedding: "word_emb",
      "embedding.tables": "word_emb.emb_layers",
      "embedding.projections": "word_emb.emb_projs",
      contentBias: "r_w_bias",
      positionBias: "r_r_bias",
    };
  }

  /** Nothing is computed yet: parameters take their initial values when they are first used. */
  constructor(config: TransfoXLConfig, options: CreateOptions = {}) {
    super();
    const shared = config.untie_r ? undefined : relativeBiases(config, options);
    this.config = config;
    this.embedding = new AdaptiveEmbedding(adaptiveOptions(config, options));
    this.contentBias = shared?.contentBias;
    this.positionBias = shared?.positionBias;
    this.layers = Array.from({ length: config.n_layer }, () => new TransfoXLLayer(config, shared, options));
    this.dropout = new Dropout(config.dropout);
  }

  /**
   * @param inputIds [B, T] token ids (i32).
   * @throws ShapeError unless ids and memory fit; IndexOutOfRangeError for ids outside the vocabulary.
   */
  forward(inputIds: Tensor, inputs: TransfoXLInputs = {}): TransfoXLOutput {
    if (inputIds.ndim !== 2)
      throw new ShapeError(`transfo-xl: input ids ${formatShape(inputIds.shape)}, wanted [B, T]`);
    const [batch, length] = inputIds.shape;
    const { d_model, mem_len } = this.config;
    let h = this.dropout.forward(this.embedding.forward(inputIds));
    const { mems = this.#noMemory(batch, h) } = inputs;
    const wanted = { layers: this.layers.length, batch, width: d_model };
    const memory = memoryLength("transfo-xl", mems, wanted);
    const around: Surroundings = {
      distances: this.dropout.forward(this.#distances(memory + length, inputIds)),
      allowed: this.#allowed(length, memory, inputIds),
    };
    const states: Tensor[] = [];
    const attentions: Tensor[] = [];
    for (const [i, layer] of this.layers.entries()) {
      states.push(h);
      const step = layer.forward(h, mems?.[i], around);
      h = step.output;
      attentions.push(step.probabilities);
    }
    const lastHiddenState = this.dropout.forward(h);
    return {
      lastHiddenState,
      mems: mems?.map((memory, i) => remember(memory, states[i], mem_len)),
      hiddenStates: inputs.outputHiddenStates ? [...states, lastHiddenState] : undefined,
      attentions: inputs.outputAttentions ? attentions : undefined,
    };
  }

  /** What is attended before the first segment. */
  #noMemory(batch: number, { device, dtype }: Tensor): readonly Tensor[] | undefined {
    const { mem_len, d_model } = this.config;
    if (mem_len === 0) return undefined;
    return this.layers.map(() => zerosTensor([mem_len, batch, d_model], { device, dtype }));
  }

  #distances(keys: number, like: Tensor): Tensor {
    const { clamp_len, d_model } = this.config;
    const clamp = clamp_len > 0 ? clamp_len : undefined;
    return sinusoids(distances({ keys, last: 0, clamp }, like), d_model);
  }

  /** Which keys [q, k] are not later than the query; with `same_length` only the last `mem_len` of them. */
  #allowed(queries: number, memory: number, like: Tensor): Tensor {
    const { same_length, mem_len } = this.config;
    const keys = memory + queries;
    const causal = notLater(queries, keys, like);
    if (!same_length) return causal;
    const unseen = keys > mem_len ? mem_len - memory : queries;
    const first = arange(1 - unseen, queries + 1 - unseen, 1, { device: like.device }).unsqueeze(1);
    return causal.logicalAnd(arange(0, keys, 1, { device: like.device }).unsqueeze(0).ge(first));
  }
}

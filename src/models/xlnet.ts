import { ArgumentError } from "../graph/errors.ts";
import { Dropout } from "../nn/dropout.ts";
import { Embedding } from "../nn/embedding.ts";
import { linear } from "../nn/functional/index.ts";
import { normal, zeros } from "../nn/init.ts";
import { LayerNorm } from "../nn/layerNorm.ts";
import { Linear } from "../nn/linear.ts";
import { Module } from "../nn/module.ts";
import { type CreateOptions, full } from "../tensor/create.ts";
import { Parameter } from "../tensor/parameter.ts";
import { concat, stack, Tensor, where } from "../tensor/tensor.ts";
import { hiddenActivations } from "./activation.ts";
import type { CheckpointRules } from "./checkpoint.ts";
import type { Names } from "./encoder.ts";
import {
  distances,
  memoryLength,
  mergeHeads,
  relativeAttention,
  remember,
  sinusoids,
  splitHeads,
} from "./transformerXlAttention.ts";
import type { XLNetConfig } from "./xlnetConfig.ts";
import { attendable, checkInputs, differentSegments, type XLNetInputs } from "./xlnetInputs.ts";

// Yang, Dai, Yang, Carbonell, Salakhutdinov and Le, XLNet: Generalized Autoregressive Pretraining for Language
// Understanding (2019). Comments give the paper's names. Names in files are Hugging Face's.

/** How files of XLNet differ from the names here. */
export const xlnetCheckpoint: CheckpointRules = {
  base: "transformer",
  tied: [["lm_loss.weight", "transformer.word_embedding.weight"]],
};

/** A linear layer as XLNet starts it. */
export function xlnetLinear(
  inputs: number,
  outputs: number,
  { initializer_range }: XLNetConfig,
  options: CreateOptions & { readonly bias?: boolean },
): Linear {
  return new Linear(inputs, outputs, {
    weightInit: normal(initializer_range),
    biasInit: zeros,
    ...options,
  });
}

/** One of the two streams: its states, and which keys [B or 1, 1, q, k] each of its tokens may attend. */
interface Stream {
  readonly states: Tensor;
  readonly allowed: Tensor | undefined;
}

/** What both streams of all layers have in common. */
interface Surroundings {
  /** R: the encoded distances [R, d_model], or [B, R, d_model]. */
  readonly distances: Tensor;
  /** [B, 1, q, k]: whether query and key are of different segments. */
  readonly differ: Tensor | undefined;
  /** [B, P, q]: 1 where prediction p is of token i. */
  readonly targetMapping: Tensor | undefined;
}

interface Attended {
  readonly output: Tensor;
  readonly probabilities: Tensor;
}

/** Attention with relative positions and relative segments; sections 2.3 to 2.5. */
class RelativeAttention extends Module {
  readonly q: Parameter;
  readonly k: Parameter;
  readonly v: Parameter;
  readonly o: Parameter;
  readonly r: Parameter;
  /** Transformer-XL's u and v, and the paper's b of section 2.5. */
  readonly contentBias: Parameter;
  readonly positionBias: Parameter;
  readonly segmentBias: Parameter;
  /** s+ and s-: of tokens of the same segment, and of different ones. */
  readonly segments: Parameter;
  readonly norm: LayerNorm;
  readonly dropout: Dropout;
  readonly #config: XLNetConfig;

  protected override get names(): Names {
    return {
      contentBias: "r_w_bias",
      positionBias: "r_r_bias",
      segmentBias: "r_s_bias",
      segments: "seg_embed",
      norm: "layer_norm",
    };
  }

  constructor(config: XLNetConfig, options: CreateOptions) {
    super();
    const { d_model, n_head, d_head } = config;
    const parameter = (name: string, shape: readonly number[]): Parameter =>
      new Parameter(normal(config.initializer_range)(shape, options), { name });
    this.q = parameter("q", [d_model, n_head, d_head]);
    this.k = parameter("k", [d_model, n_head, d_head]);
    this.v = parameter("v", [d_model, n_head, d_head]);
    this.o = parameter("o", [d_model, n_head, d_head]);
    this.r = parameter("r", [d_model, n_head, d_head]);
    this.positionBias = parameter("r_r_bias", [n_head, d_head]);
    this.segmentBias = parameter("r_s_bias", [n_head, d_head]);
    this.contentBias = parameter("r_w_bias", [n_head, d_head]);
    this.segments = parameter("seg_embed", [2, n_head, d_head]);
    this.norm = new LayerNorm(d_model, { eps: config.layer_norm_eps, ...options });
    this.dropout = new Dropout(config.dropout);
    this.#config = config;
  }

  /** The content stream h attends [memory, h]; so does the query stream g, which has no keys of its own; section 2.3. */
  forward(h: Stream, g: Stream | undefined, memory: Tensor | undefined, around: Surroundings) {
    const content = memory ? concat([memory.transpose(0, 1), h.states], 1) : h.states;
    const key = this.#heads(content, this.k);
    const value = this.#heads(content, this.v);
    const position = this.#heads(around.distances, this.r);
    const attend = (query: Tensor, { allowed }: Stream): Attended =>
      relativeAttention({
        query,
        key,
        value,
        position,
        contentBias: this.contentBias,
        positionBias: this.positionBias,
        otherScores: around.differ && this.#segmentScores(query, around.differ),
        allowed,
        emptyRow: this.#config.empty_row,
        dropout: this.#config.dropout,
        training: this.training,
      });
    const ofH = attend(this.#heads(h.states, this.q), h);
    const outputH = this.#output(h.states, mergeHeads(ofH.output));
    if (g === undefined) return { h: outputH, g: undefined, probabilities: [ofH.probabilities] };
    // Each prediction asks from where its token stands.
    const mapping = around.targetMapping?.unsqueeze(1);
    const predictions = this.#heads(g.states, this.q);
    const ofG = attend(mapping ? mapping.transpose(2, 3).matmul(predictions) : predictions, g);
    const back = mergeHeads(mapping ? mapping.matmul(ofG.output) : ofG.output);
    return {
      h: outputH,
      g: this.#output(g.states, back),
      probabilities: [ofH.probabilities, ofG.probabilities],
    };
  }

  /** x [..., T, d_model] times a matrix [d_model, H, d] in heads: [..., H, T, d]. */
  #heads(x: Tensor, matrix: Parameter): Tensor {
    const { d_model, n_head } = this.#config;
    const projected = x.matmul(matrix.reshape([d_model, -1]));
    return x.ndim === 2
      ? splitHeads(projected.unsqueeze(0), n_head).squeeze(0)
      : splitHeads(projected, n_head);
  }

  /** (q + b) · s, with s+ or s- as query and key are of the same segment or not; section 2.5. */
  #segmentScores(query: Tensor, differ: Tensor): Tensor {
    const products = query.add(this.segmentBias.unsqueeze(1)).matmul(this.segments.permute([1, 2, 0]));
    return where(differ, products.narrow(-1, 1, 1), products.narrow(-1, 0, 1));
  }

  #output(residual: Tensor, attended: Tensor): Tensor {
    const { d_model } = this.#config;
    const projected = linear(attended, this.o.reshape([d_model, -1]));
    return this.norm.forward(this.dropout.forward(projected).add(residual));
  }
}

class FeedForward extends Module {
  readonly norm: LayerNorm;
  readonly up: Linear;
  readonly down: Linear;
  readonly dropout: Dropout;
  readonly #activation: (x: Tensor) => Tensor;

  protected override get names(): Names {
    return { norm: "layer_norm", up: "layer_1", down: "layer_2" };
  }

  constructor(config: XLNetConfig, options: CreateOptions) {
    super();
    const { d_model, d_inner } = config;
    this.norm = new LayerNorm(d_model, { eps: config.layer_norm_eps, ...options });
    this.up = xlnetLinear(d_model, d_inner, config, options);
    this.down = xlnetLinear(d_inner, d_model, config, options);
    this.dropout = new Dropout(config.dropout);
    this.#activation = hiddenActivations[config.ff_activation];
  }

  forward(x: Tensor): Tensor {
    const inner = this.dropout.forward(this.#activation(this.up.forward(x)));
    return this.norm.forward(this.dropout.forward(this.down.forward(inner)).add(x));
  }
}

/** One layer of both streams, which share its weights. */
class XLNetLayer extends Module {
  readonly attention: RelativeAttention;
  readonly feedForward: FeedForward;

  protected override get names(): Names {
    return { attention: "rel_attn", feedForward: "ff" };
  }

  constructor(config: XLNetConfig, options: CreateOptions) {
    super();
    this.attention = new RelativeAttention(config, options);
    this.feedForward = new FeedForward(config, options);
  }

  forward(h: Stream, g: Stream | undefined, memory: Tensor | undefined, around: Surroundings) {
    const attended = this.attention.forward(h, g, memory, around);
    return {
      h: this.feedForward.forward(attended.h),
      g: attended.g && this.feedForward.forward(attended.g),
      probabilities: attended.probabilities,
    };
  }
}

export interface XLNetOutput {
  /** [B, P, d_model] of the query stream with a target mapping, [B, T, d_model] of the content stream without. */
  readonly lastHiddenState: Tensor;
  /** For each layer the states [m, B, d_model] to attend in the next segment, without gradients. */
  readonly mems: readonly Tensor[] | undefined;
  /** The embeddings' output and each layer's, on request: with a query stream h and g in turn. */
  readonly hiddenStates: readonly Tensor[] | undefined;
  /** Each layer's probabilities [B, H, T, m + T], on request: with a query stream those of h and of g. */
  readonly attentions: readonly (Tensor | readonly Tensor[])[] | undefined;
}

/** Two-stream self-attention over a permuted factorisation order, with Transformer-XL's memory. */
export class XLNetModel extends Module {
  readonly config: XLNetConfig;
  /** The query stream's first states, w [1, 1, d_model]. */
  readonly maskEmbedding: Parameter;
  readonly wordEmbedding: Embedding;
  readonly layers: readonly XLNetLayer[];
  readonly dropout: Dropout;

  protected override get names(): Names {
    return { maskEmbedding: "mask_emb", wordEmbedding: "word_embedding", layers: "layer" };
  }

  /** Nothing is computed yet: parameters take their initial values when they are first used. */
  constructor(config: XLNetConfig, options: CreateOptions = {}) {
    super();
    const start = normal(config.initializer_range);
    this.config = config;
    this.maskEmbedding = new Parameter(start([1, 1, config.d_model], options), { name: "mask_emb" });
    this.wordEmbedding = new Embedding(config.vocab_size, config.d_model, { weightInit: start, ...options });
    this.layers = Array.from({ length: config.n_layer }, () => new XLNetLayer(config, options));
    this.dropout = new Dropout(config.dropout);
  }

  /**
   * @param inputIds [B, T] token ids (i32).
   * @throws ShapeError unless all inputs fit; ArgumentError for two masks of padding, or an odd batch with `bi_data`;
   *   IndexOutOfRangeError for ids outside the table.
   */
  forward(inputIds: Tensor, inputs: XLNetInputs = {}): XLNetOutput {
    checkInputs(inputIds, inputs);
    const { mems, targetMapping } = inputs;
    const [batch, length] = inputIds.shape;
    const memory = memoryLength("xlnet", mems, {
      layers: this.layers.length,
      batch,
      width: this.config.d_model,
    });
    const masks = attendable(inputIds, inputs, memory, this.config);
    let h = this.dropout.forward(this.wordEmbedding.forward(inputIds));
    let g =
      targetMapping &&
      this.dropout.forward(this.maskEmbedding.expand([batch, targetMapping.shape[1], this.config.d_model]));
    const around: Surroundings = {
      distances: this.dropout.forward(this.#distances(inputIds, memory + length)),
      differ: inputs.tokenTypeIds && differentSegments(inputs.tokenTypeIds, memory),
      targetMapping: targetMapping?.to(h.dtype),
    };
    const streams = [g ? [h, g] : [h]];
    const newMems: Tensor[] = [];
    const attentions: (Tensor | readonly Tensor[])[] = [];
    for (const [i, layer] of this.layers.entries()) {
      newMems.push(this.#remember(mems?.[i], h));
      const ofG = g && { states: g, allowed: masks.g };
      const step = layer.forward({ states: h, allowed: masks.h }, ofG, mems?.[i], around);
      h = step.h;
      g = step.g;
      streams.push(g ? [h, g] : [h]);
      attentions.push(g ? step.probabilities : step.probabilities[0]);
    }
    const { use_mems_train, use_mems_eval } = this.config;
    const useMems = inputs.useMems ?? (this.training ? use_mems_train : use_mems_eval);
    return {
      lastHiddenState: this.dropout.forward(g ?? h),
      mems: useMems ? newMems : undefined,
      hiddenStates: inputs.outputHiddenStates ? streams.flat() : undefined,
      attentions: inputs.outputAttentions ? attentions : undefined,
    };
  }

  /** R [R, d_model]; with `bi_data` [B, R, d_model], where the second half of the batch reads backwards. */
  #distances(inputIds: Tensor, keys: number): Tensor {
    const { d_model, attn_type, bi_data, clamp_len } = this.config;
    const [batch, length] = inputIds.shape;
    const last = attn_type === "bi" ? 1 - length : 0;
    const clamp = clamp_len > 0 ? clamp_len : undefined;
    const forwards = distances({ keys, last, clamp }, inputIds);
    const encoded = sinusoids(forwards, d_model);
    if (!bi_data) return encoded;
    if (batch % 2 !== 0) {
      throw new ArgumentError(
        `xlnet: bi_data wants an even batch, its second half reversed; got ${batch} sequences`,
      );
    }
    const both = stack([encoded, sinusoids(forwards.neg(), d_model)]).unsqueeze(1);
    const [columns] = encoded.shape;
    return both.expand([2, batch / 2, columns, d_model]).reshape([batch, columns, d_model]);
  }

  #remember(old: Tensor | undefined, h: Tensor): Tensor {
    const { mem_len, reuse_len } = this.config;
    const reused = Math.min(reuse_len || h.shape[1], h.shape[1]);
    return remember(old, h.narrow(1, 0, reused), mem_len || undefined);
  }
}

/** What both streams attend, for looking at: plain tensors. */
export interface XLNetAttention {
  /** [B, T, m + T] bool: what each token may attend in the content stream. */
  readonly contentMask: Tensor;
  /** The same in the query stream; undefined without one. */
  readonly queryMask: Tensor | undefined;
  /** Each layer's probabilities [B, H, T, m + T]. */
  readonly content: readonly Tensor[];
  readonly query: readonly Tensor[] | undefined;
}

/** The permutation's masks, and with what probabilities each layer of both streams follows them. */
export function xlnetAttention(
  model: XLNetModel,
  inputIds: Tensor,
  inputs: XLNetInputs = {},
): XLNetAttention {
  const { attentions = [] } = model.forward(inputIds, { ...inputs, outputAttentions: true });
  const [batch, length] = inputIds.shape;
  const memory = inputs.mems?.[0]?.shape[0] ?? 0;
  const masks = attendable(inputIds, inputs, memory, model.config);
  const { device } = inputIds;
  const shape = [batch, length, memory + length];
  const whole = (mask: Tensor | undefined): Tensor =>
    mask?.expand([batch, 1, length, memory + length]).squeeze(1) ?? full(shape, 1, { dtype: "bool", device });
  const streams = attentions.map((layer) => (layer instanceof Tensor ? [layer] : layer));
  const two = inputs.targetMapping !== undefined;
  return {
    contentMask: whole(masks.h),
    queryMask: two ? whole(masks.g) : undefined,
    content: streams.map(([content]) => content),
    query: two ? streams.map(([, query]) => query) : undefined,
  };
}

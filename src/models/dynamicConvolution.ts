import { ArgumentError } from "../graph/errors.ts";
import { formatShape } from "../graph/shape.ts";
import type { AttendOptions } from "../nn/attention.ts";
import { type AttentionResult, dropout, glu } from "../nn/functional/index.ts";
import { type Initializer, truncatedNormal, zeros } from "../nn/init.ts";
import { Linear } from "../nn/linear.ts";
import { allOf } from "../nn/masks.ts";
import { Module } from "../nn/module.ts";
import { arange, type CreateOptions } from "../tensor/create.ts";
import { Tensor } from "../tensor/tensor.ts";
import { bertLayerNames, predictionNames } from "./bert.ts";
import type { CheckpointRules } from "./checkpoint.ts";
import { ConfigReader } from "./config.ts";
import { EncoderModel } from "./encoder.ts";
import { type EncoderConfig, readEncoderConfig } from "./encoderConfig.ts";
import { MaskedLM } from "./headModels.ts";
import { LanguageModelHead } from "./heads.ts";

// Wu, Fan, Baevski, Dauphin and Auli, Pay Less Attention with Lightweight and Dynamic Convolutions (2019): each token says,
// by itself, how much of each of its k nearest neighbours it takes. Comments give the paper's names.

export interface DynamicConvolutionOptions extends CreateOptions {
  readonly width: number;
  /** H: channels in as many groups share a kernel. */
  readonly heads: number;
  /** k, odd: a token and its (k - 1) / 2 neighbours on either side. */
  readonly kernelSize: number;
  /** Dropout on the kernels, behind the softmax: the paper's DropConnect. */
  readonly dropout: number;
  readonly weightInit: Initializer;
}

/** Takes the place of self-attention in an encoder; its work grows with the length, not with its square. Section 4. */
export class DynamicConvolution extends Module {
  /** d to 2 d, of which GLU leaves d. */
  readonly input: Linear;
  /** W^Q: a token's H kernels of k weights. */
  readonly kernel: Linear;
  /** W^O */
  readonly output: Linear;
  readonly #options: DynamicConvolutionOptions;

  /** @throws ArgumentError for an even kernel, and heads that do not divide the width. */
  constructor(options: DynamicConvolutionOptions) {
    super();
    const { width, heads, kernelSize, weightInit, dtype, device } = options;
    if (kernelSize % 2 !== 1 || kernelSize < 1) {
      throw new ArgumentError(
        `DynamicConvolution: a kernel of ${kernelSize} taps has no middle; wanted an odd number`,
      );
    }
    if (width % heads !== 0) {
      throw new ArgumentError(`DynamicConvolution: ${heads} heads do not divide width ${width}`);
    }
    const create = { weightInit, biasInit: zeros, dtype, device };
    this.input = new Linear(width, 2 * width, create);
    this.kernel = new Linear(width, heads * kernelSize, { ...create, bias: false });
    this.output = new Linear(width, width, create);
    this.#options = options;
  }

  /**
   * x [B, T, width] gives the output [B, T, width] and the kernels as a band of probabilities [B, H, T, T]; beyond the ends
   * of the sequence there is nothing but zeros, which keep their share.
   * @throws ArgumentError for a mask or bias that is not one of keys alone: an order of tokens has no place here.
   */
  forward(x: Tensor, { mask, scoreBias }: AttendOptions = {}): AttentionResult {
    const { width, heads, kernelSize, dropout: rate } = this.#options;
    const [batch, length] = x.shape;
    const side = (kernelSize - 1) / 2;
    const gated = glu(this.input.forward(x));
    // softmax over the k taps, [B, T, H, 1, k]
    const kernels = this.kernel.forward(gated).reshape([batch, length, heads, 1, kernelSize]).softmax(-1);
    const present = keyWeights(mask, scoreBias);
    const values = present ? gated.mul(present) : gated;
    // [B, T, H, d, k]: the values around each token.
    const windows = values
      .pad([0, 0, side, side])
      .unfold(1, kernelSize, 1)
      .reshape([batch, length, heads, width / heads, kernelSize]);
    const mixed = windows.mul(dropout(kernels, rate, this.training)).sum({ dim: -1 });
    return {
      output: this.output.forward(mixed.reshape([batch, length, width])),
      probabilities: asBand(kernels.squeeze(3).transpose(1, 2), length),
    };
  }
}

/** [B or 1, T, 1]: 1 for keys that may be seen and 0 for others; a bias b of scores counts e^b. */
function keyWeights(mask: AttendOptions["mask"], scoreBias: AttendOptions["scoreBias"]): Tensor | undefined {
  const allowed = allOf(mask === undefined || mask instanceof Tensor ? [mask] : mask);
  const weights = [allowed?.to("f32"), scoreBias?.exp()].filter((part) => part !== undefined);
  for (const { shape } of weights) {
    if (shape.length === 4 && shape[1] === 1 && shape[2] === 1) continue;
    throw new ArgumentError(
      `DynamicConvolution: a mask ${formatShape(shape)} depends on the query, wanted [B, 1, 1, T]; mask padding only`,
    );
  }
  if (weights.length === 0) return undefined;
  return weights
    .reduce((all, part) => all.mul(part))
    .squeeze(1)
    .transpose(1, 2);
}

/** [B, H, T, T]: kernel j of the token at t [B, H, T, k] at column t + j - (k - 1) / 2. */
function asBand(kernels: Tensor, length: number): Tensor {
  const { device } = kernels;
  const taps = kernels.size(-1);
  const at = arange(0, length, 1, { device });
  const tap = at
    .unsqueeze(0)
    .sub(at.unsqueeze(1))
    .add((taps - 1) / 2)
    .unsqueeze(2);
  const chosen = tap.eq(arange(0, taps, 1, { device })).to(kernels.dtype);
  return kernels.unsqueeze(3).mul(chosen).sum({ dim: -1 });
}

/** How files of these models differ from the names here. */
export const dynamicConvolutionCheckpoint: CheckpointRules = {
  base: "encoder",
  tied: [
    ["cls.predictions.decoder.weight", "encoder.embeddings.word_embeddings.weight"],
    ["cls.predictions.decoder.bias", "cls.predictions.bias"],
  ],
};

/** An encoder's fields, and k. */
export interface DynamicConvolutionConfig extends EncoderConfig {
  readonly kernel_size: number;
}

/** @throws ArgumentError naming the field that is wrong. */
function from(json: unknown): DynamicConvolutionConfig {
  const reader = new ConfigReader("DynamicConvolutionConfig", json);
  const config = {
    ...readEncoderConfig(reader, {
      vocab_size: 30522,
      hidden_size: 512,
      num_hidden_layers: 6,
      num_attention_heads: 16,
      intermediate_size: 2048,
      pad_token_id: 0,
    }),
    kernel_size: reader.integer("kernel_size", 7),
  };
  if (config.kernel_size % 2 !== 1) reader.fail("kernel_size", "an odd number");
  if (config.is_decoder) reader.fail("is_decoder", "false: tokens see both sides");
  return config;
}

export const DynamicConvolutionConfig = { from };

/** BERT's encoder with dynamic convolutions in the place of self-attention. */
export class DynamicConvolutionModel extends EncoderModel<DynamicConvolutionConfig> {
  /** Nothing is computed yet: parameters take their initial values when they are first used. */
  constructor(config: DynamicConvolutionConfig, options: CreateOptions = {}) {
    const attention = (create: CreateOptions) =>
      new DynamicConvolution({
        width: config.hidden_size,
        heads: config.num_attention_heads,
        kernelSize: config.kernel_size,
        dropout: config.attention_probs_dropout_prob,
        weightInit: truncatedNormal(config.initializer_range),
        ...create,
      });
    const names = { layers: "encoder.layer" };
    const layerNames = { ...bertLayerNames, attention: "convolution" };
    super(config, config, { prefix: "encoder", names, layerNames, pooler: false, attention }, options);
  }
}

/** Predicts masked tokens, as BERT does. */
export class DynamicConvolutionForMaskedLM extends MaskedLM<DynamicConvolutionModel> {
  constructor(config: DynamicConvolutionConfig, options: CreateOptions = {}) {
    super(
      new DynamicConvolutionModel(config, options),
      new LanguageModelHead(config, options),
      predictionNames,
    );
  }
}

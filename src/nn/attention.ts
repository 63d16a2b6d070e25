import { ArgumentError, ShapeError } from "../graph/errors.ts";
import { formatShape } from "../graph/shape.ts";
import type { CreateOptions } from "../tensor/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import {
  type AttentionResult,
  attentionProbabilities,
  type ScoreOptions,
  scaledDotProductAttention,
} from "./functional/attention.ts";
import { checkProbability } from "./functional/basic.ts";
import type { Initializer } from "./init.ts";
import { Linear } from "./linear.ts";
import { Module } from "./module.ts";

export interface MultiHeadAttentionOptions extends CreateOptions {
  /** Whether the projections have biases. Default true. */
  readonly bias?: boolean;
  /** Dropout on the attention probabilities. Default 0. */
  readonly dropout?: number;
  /** Width of a head. Default width / heads. */
  readonly headWidth?: number;
  /** Width of what keys and values are computed from. Default width. */
  readonly keyWidth?: number;
  readonly weightInit?: Initializer;
  readonly biasInit?: Initializer;
}

export interface AttendOptions extends Omit<ScoreOptions, "scale"> {
  /** What to attend to [B, Tk, keyWidth]; the queries' own input by default. */
  readonly key?: Tensor;
  /** Where values come from; `key` by default. */
  readonly value?: Tensor;
}

/** Attention with several heads, each on its own projection of the input. Vaswani et al. (2017). */
export class MultiHeadAttention extends Module {
  readonly heads: number;
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  readonly output: Linear;
  readonly dropout: number;

  /** @throws ArgumentError unless the heads divide the width (or `headWidth` is given). */
  constructor(width: number, heads: number, options: MultiHeadAttentionOptions = {}) {
    super();
    const { headWidth = width / heads, keyWidth = width, dropout = 0, ...linear } = options;
    if (!Number.isInteger(headWidth) || headWidth < 1) {
      throw new ArgumentError(`MultiHeadAttention: ${heads} heads do not divide width ${width}`);
    }
    checkProbability("MultiHeadAttention", dropout);
    this.heads = heads;
    this.query = new Linear(width, heads * headWidth, linear);
    this.key = new Linear(keyWidth, heads * headWidth, linear);
    this.value = new Linear(keyWidth, heads * headWidth, linear);
    this.output = new Linear(heads * headWidth, width, linear);
    this.dropout = dropout;
  }

  /** x [B, Tq, width] gives the output [B, Tq, width] and the probabilities [B, heads, Tq, Tk], before dropout. */
  forward(x: Tensor, options: AttendOptions = {}): AttentionResult {
    const { key = x, value = key, ...score } = options;
    if (x.ndim !== 3)
      throw new ShapeError(`MultiHeadAttention: input ${formatShape(x.shape)}, wanted [B, T, width]`);
    return this.attend(
      splitHeads(this.query.forward(x), this.heads),
      splitHeads(this.key.forward(key), this.heads),
      splitHeads(this.value.forward(value), this.heads),
      score,
    );
  }

  /** From the heads' queries, keys and values [B, H, T, d] to the layer's output. */
  protected attend(query: Tensor, key: Tensor, value: Tensor, score: ScoreOptions): AttentionResult {
    const { dropout, training } = this;
    const mixed = scaledDotProductAttention(query, key, value, { ...score, dropout, training });
    return {
      output: this.output.forward(mergeHeads(mixed)),
      probabilities: attentionProbabilities(query, key, score),
    };
  }
}

/** [B, T, H d] to [B, H, T, d]. */
export function splitHeads(x: Tensor, heads: number): Tensor {
  const [batch, length, width] = x.shape;
  return x.reshape([batch, length, heads, width / heads]).transpose(1, 2);
}

/** [B, H, T, d] to [B, T, H d]. */
export function mergeHeads(x: Tensor): Tensor {
  const [batch, heads, length, width] = x.shape;
  return x.transpose(1, 2).reshape([batch, length, heads * width]);
}

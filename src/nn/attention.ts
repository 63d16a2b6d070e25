import { ArgumentError, ShapeError } from "../graph/errors.ts";
import { formatShape } from "../graph/shape.ts";
import type { CreateOptions } from "../tensor/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type AttentionResult, scaledDotProductAttention } from "./functional/attention.ts";
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

export interface AttendOptions {
  /** What to attend to [B, Tk, keyWidth]; the queries' own input by default. */
  readonly key?: Tensor;
  /** Where values come from; `key` by default. */
  readonly value?: Tensor;
  /** Allow-masks (bool, true = may attend), combined by AND: [B, 1 | H, 1 | Tq, Tk]. */
  readonly mask?: Tensor | readonly (Tensor | undefined)[];
  /** Added to the scores before masking, broadcast against [B, H, Tq, Tk]. */
  readonly scoreBias?: Tensor;
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
    const { key = x, value = key, mask, scoreBias } = options;
    if (x.ndim !== 3)
      throw new ShapeError(`MultiHeadAttention: input ${formatShape(x.shape)}, wanted [B, T, width]`);
    const { output, probabilities } = scaledDotProductAttention(
      splitHeads(this.query.forward(x), this.heads),
      splitHeads(this.key.forward(key), this.heads),
      splitHeads(this.value.forward(value), this.heads),
      { mask, scoreBias, dropout: this.dropout, training: this.training },
    );
    return { output: this.output.forward(mergeHeads(output)), probabilities };
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

import { Tensor, where } from "../../tensor/tensor.ts";
import { allOf } from "../masks.ts";
import { dropout } from "./basic.ts";

/** The lowest finite f32: exp of it minus anything is 0, and unlike -infinity it leaves no NaN in an empty row. */
const lowest = -3.4028234663852886e38;

/**
 * Softmax along the last dim over what the mask allows; elsewhere 0. A row without anything allowed is 0 throughout, and
 * so is its gradient.
 */
export function maskedSoftmax(scores: Tensor, allowed?: Tensor): Tensor {
  if (allowed === undefined) return scores.softmax(-1);
  return where(allowed, where(allowed, scores, lowest).softmax(-1), 0);
}

export interface ScaledDotProductOptions {
  /** Allow-masks (bool, true = may attend), combined by AND; each broadcasts against [B, H, Tq, Tk]. */
  readonly mask?: Tensor | readonly (Tensor | undefined)[];
  /** Added to the scores before masking (relative positions), broadcast. */
  readonly scoreBias?: Tensor;
  /** What q k is multiplied by; 1 / sqrt(width of a head) by default. */
  readonly scale?: number;
  /** Dropout on the probabilities; only with `training`. */
  readonly dropout?: number;
  readonly training?: boolean;
}

/** The context [..., Tq, d] and the probabilities [..., Tq, Tk] from which it was mixed, before dropout. */
export interface AttentionResult {
  readonly output: Tensor;
  readonly probabilities: Tensor;
}

/**
 * softmax(q kᵀ scale + scoreBias, masked) v, for q [..., Tq, dk], k [..., Tk, dk] and v [..., Tk, dv]. A query that may
 * attend nothing gives zeros and gets no gradient.
 * Vaswani et al., Attention Is All You Need (2017).
 */
export function scaledDotProductAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: ScaledDotProductOptions = {},
): AttentionResult {
  const { scale = 1 / Math.sqrt(query.size(-1)), scoreBias, mask } = options;
  const products = query.matmul(key.transpose(-1, -2)).mul(scale);
  const scores = scoreBias ? products.add(scoreBias) : products;
  const allowed = allOf(mask === undefined || mask instanceof Tensor ? [mask] : mask);
  const probabilities = maskedSoftmax(scores, allowed);
  const mixed = dropout(probabilities, options.dropout ?? 0, options.training ?? false);
  return { output: mixed.matmul(value), probabilities };
}

import { ShapeError } from "../../graph/errors.ts";
import { formatShape, normalizeDim } from "../../graph/shape.ts";
import { type Tensor, where } from "../../tensor/tensor.ts";
import { gelu, silu } from "./activation.ts";
import { linear } from "./basic.ts";

/** What one half of a gated layer passes through before it multiplies the other, by the layer's name. */
export const gates = {
  glu: (x: Tensor): Tensor => x.sigmoid(),
  bilinear: (x: Tensor): Tensor => x,
  reglu: (x: Tensor): Tensor => x.relu(),
  geglu: (x: Tensor): Tensor => gelu(x),
  geglu_tanh: (x: Tensor): Tensor => gelu(x, "tanh"),
  swiglu: silu,
} as const satisfies Record<string, (x: Tensor) => Tensor>;

export type GateName = keyof typeof gates;

/**
 * a sigmoid(b) for the two halves a and b of x along a dim. Dauphin et al., Gated Convolutional Networks (2017).
 * @throws ShapeError for an odd size.
 */
export function glu(x: Tensor, dim = -1): Tensor {
  const at = normalizeDim("glu", dim, x.ndim);
  const size = x.shape[at];
  if (x.ndim === 0 || size % 2 !== 0) {
    throw new ShapeError(`glu: dim ${dim} of ${formatShape(x.shape)} has no two halves`);
  }
  return x.narrow(at, 0, size / 2).mul(x.narrow(at, size / 2, size / 2).sigmoid());
}

/** Matrices [hidden, width] (W and V) and [width, hidden] (W2) of a gated layer, and their biases. */
export interface GatedFeedForwardWeights {
  readonly gate: Tensor;
  readonly gateBias?: Tensor;
  readonly value: Tensor;
  readonly valueBias?: Tensor;
  readonly output: Tensor;
  readonly outputBias?: Tensor;
}

/**
 * (act(x Wᵀ + b) (x Vᵀ + c)) W2ᵀ + b2 for x [..., width]. Shazeer, GLU Variants Improve Transformer (2020).
 * @throws ShapeError where the matrices do not fit.
 */
export function gatedFeedForward(x: Tensor, activation: GateName, weights: GatedFeedForwardWeights): Tensor {
  const gate = gates[activation](linear(x, weights.gate, weights.gateBias));
  const hidden = gate.mul(linear(x, weights.value, weights.valueBias));
  return linear(hidden, weights.output, weights.outputBias);
}

/**
 * x where it is positive, weight x elsewhere; weight is [1], or one a channel [C] of x [N, C, ...]. He et al. (2015).
 * @throws ShapeError for a weight of another shape.
 */
export function prelu(x: Tensor, weight: Tensor): Tensor {
  const channels = x.ndim > 1 ? x.shape[1] : 1;
  if (weight.ndim > 1 || (weight.numel !== 1 && weight.numel !== channels)) {
    throw new ShapeError(
      `prelu: weight ${formatShape(weight.shape)} for ${formatShape(x.shape)}, wanted [1] or [C]`,
    );
  }
  const behind = x.shape.slice(2).map(() => 1);
  const slope = weight.numel === 1 ? weight.reshape([]) : weight.reshape([channels, ...behind]);
  return where(x.gt(0), x, x.mul(slope));
}

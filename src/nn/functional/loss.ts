import { ArgumentError, ShapeError } from "../../graph/errors.ts";
import { formatShape } from "../../graph/shape.ts";
import { type Tensor, where } from "../../tensor/tensor.ts";
import { logSigmoid } from "./activation.ts";
import { checkSameShape, type LossOptions, type Reduction, reduceLoss } from "./reduction.ts";

/** max(x, 0) whose gradient at 0 is 1, as that of PyTorch's clamp; NaN stays. */
const aboveZero = (x: Tensor): Tensor => where(x.lt(0), 0, x);

/** The squared difference of tensors of one shape. @throws ShapeError where they differ. */
export function mseLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkSameShape("mseLoss", input, target);
  return reduceLoss(input.sub(target).square(), options.reduction);
}

/** The absolute difference of tensors of one shape. @throws ShapeError where they differ. */
export function l1Loss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkSameShape("l1Loss", input, target);
  return reduceLoss(input.sub(target).abs(), options.reduction);
}

/**
 * d²/2 / beta for differences |d| below beta, |d| - beta/2 from there on. With beta 0, `l1Loss`.
 * @throws ShapeError where shapes differ; ArgumentError for a negative beta.
 */
export function smoothL1Loss(
  input: Tensor,
  target: Tensor,
  options: LossOptions & { readonly beta?: number } = {},
): Tensor {
  const { beta = 1, reduction } = options;
  checkSameShape("smoothL1Loss", input, target);
  if (!(beta >= 0)) throw new ArgumentError(`smoothL1Loss: beta ${beta} is negative`);
  if (beta === 0) return l1Loss(input, target, { reduction });
  const difference = input.sub(target);
  const distance = difference.abs();
  const square = difference.square().mul(0.5 / beta);
  return reduceLoss(where(distance.lt(beta), square, distance.sub(beta / 2)), reduction);
}

/**
 * d²/2 for differences |d| up to delta, delta (|d| - delta/2) from there on. Huber (1964).
 * @throws ShapeError where shapes differ; ArgumentError unless delta is positive.
 */
export function huberLoss(
  input: Tensor,
  target: Tensor,
  options: LossOptions & { readonly delta?: number } = {},
): Tensor {
  const { delta = 1, reduction } = options;
  checkSameShape("huberLoss", input, target);
  if (!(delta > 0)) throw new ArgumentError(`huberLoss: delta ${delta} is not positive`);
  const difference = input.sub(target);
  const distance = difference.abs();
  const line = distance.sub(delta / 2).mul(delta);
  return reduceLoss(where(distance.le(delta), difference.square().mul(0.5), line), reduction);
}

export interface BinaryCrossEntropyOptions extends LossOptions {
  /** Factor of each element's loss, broadcast. */
  readonly weight?: Tensor;
}

/**
 * -(t log p + (1 - t) log(1 - p)) for probabilities p. Logarithms are cut off at -100, as in PyTorch; where p is exactly 0
 * or 1 the one cut off gives no gradient.
 * @throws ShapeError where shapes differ.
 */
export function binaryCrossEntropy(
  input: Tensor,
  target: Tensor,
  options: BinaryCrossEntropyOptions = {},
): Tensor {
  checkSameShape("binaryCrossEntropy", input, target);
  // The branch not taken has no infinite derivative, which would turn a gradient of 0 into NaN.
  const logOf = (p: Tensor): Tensor => {
    const positive = p.ne(0);
    return where(positive, where(positive, p, 1).log().clamp({ min: -100 }), -100);
  };
  const rest = input.neg().add(1);
  const losses = target
    .mul(logOf(input))
    .add(target.neg().add(1).mul(logOf(rest)))
    .neg();
  return reduceLoss(options.weight ? losses.mul(options.weight) : losses, options.reduction);
}

export interface BinaryCrossEntropyWithLogitsOptions extends BinaryCrossEntropyOptions {
  /** Factor of the losses of positive targets, broadcast. */
  readonly posWeight?: Tensor;
}

/**
 * Cross-entropy of sigmoid(logits) against probabilities, computed where neither exp overflows nor log loses digits.
 * @throws ShapeError where shapes differ.
 */
export function binaryCrossEntropyWithLogits(
  logits: Tensor,
  target: Tensor,
  options: BinaryCrossEntropyWithLogitsOptions = {},
): Tensor {
  checkSameShape("binaryCrossEntropyWithLogits", logits, target);
  const { weight, posWeight, reduction } = options;
  const negative = logSigmoid(logits).neg();
  const factor = posWeight ? posWeight.sub(1).mul(target).add(1) : undefined;
  // (1 - t) x + (1 + (p - 1) t) log(1 + exp(-x))
  const losses = logits.sub(logits.mul(target)).add(factor ? negative.mul(factor) : negative);
  return reduceLoss(weight ? losses.mul(weight) : losses, reduction);
}

export interface KlDivOptions {
  /** "batchmean" divides the sum by the first dim, as the divergence's definition asks. Default "mean". */
  readonly reduction?: Reduction | "batchmean";
  /** Whether targets are log-probabilities. Default false. */
  readonly logTarget?: boolean;
}

/**
 * Kullback-Leibler divergence t (log t - input) of log-probabilities `input` from probabilities t, element by element; 0
 * where t is 0.
 * @throws ShapeError where shapes differ.
 */
export function klDiv(input: Tensor, target: Tensor, options: KlDivOptions = {}): Tensor {
  const { reduction = "mean", logTarget = false } = options;
  checkSameShape("klDiv", input, target);
  const losses = logTarget ? target.exp().mul(target.sub(input)) : divergence(input, target);
  if (reduction !== "batchmean") return reduceLoss(losses, reduction);
  return losses.sum().div(input.ndim === 0 ? 1 : input.shape[0]);
}

function divergence(input: Tensor, target: Tensor): Tensor {
  const positive = target.ne(0);
  const logs = where(positive, target, 1).log().sub(input);
  return where(positive, target.mul(logs), 0);
}

/**
 * 1 - cos(a, b) for targets 1, max(0, cos(a, b) - margin) for targets -1; a and b are [N, D] with target [N], or [D] and [].
 * @throws ShapeError where shapes do not fit.
 */
export function cosineEmbeddingLoss(
  input1: Tensor,
  input2: Tensor,
  target: Tensor,
  options: LossOptions & { readonly margin?: number } = {},
): Tensor {
  const { margin = 0, reduction } = options;
  checkSameShape("cosineEmbeddingLoss", input1, input2);
  if (input1.ndim < 1 || input1.ndim > 2 || target.ndim !== input1.ndim - 1) {
    throw new ShapeError(
      `cosineEmbeddingLoss: inputs ${formatShape(input1.shape)} and target ${formatShape(target.shape)}; wanted [N, D] and [N]`,
    );
  }
  const dot = (x: Tensor, y: Tensor): Tensor => x.mul(y).sum({ dim: -1 });
  const lengths = dot(input1, input1).add(1e-12).mul(dot(input2, input2).add(1e-12));
  const cosine = dot(input1, input2).div(lengths.sqrt());
  const similar = where(target.eq(1), cosine.neg().add(1), 0);
  const apart = where(target.eq(-1), aboveZero(cosine.sub(margin)), 0);
  return reduceLoss(similar.add(apart), reduction);
}

export interface TripletMarginOptions extends LossOptions {
  /** Default 1. */
  readonly margin?: number;
  /** Of the norm by which distances are measured. Default 2. */
  readonly p?: number;
  /** Added to each difference. Default 1e-6. */
  readonly eps?: number;
  /** Whether the distance between positive and negative may stand for the anchor's. Balntas et al. (2016). */
  readonly swap?: boolean;
}

/**
 * max(0, d(anchor, positive) - d(anchor, negative) + margin) along the last dim.
 * @throws ShapeError where shapes differ.
 */
export function tripletMarginLoss(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  options: TripletMarginOptions = {},
): Tensor {
  const { margin = 1, p = 2, eps = 1e-6, swap = false, reduction } = options;
  checkSameShape("tripletMarginLoss", anchor, positive);
  checkSameShape("tripletMarginLoss", anchor, negative);
  const distance = (x: Tensor, y: Tensor): Tensor => lengthOf(x.sub(y).add(eps), p);
  const away = distance(anchor, negative);
  const least = swap ? away.minimum(distance(positive, negative)) : away;
  return reduceLoss(aboveZero(distance(anchor, positive).sub(least).add(margin)), reduction);
}

/** The p-norm along the last dim. @throws ArgumentError unless p is positive. */
function lengthOf(x: Tensor, p: number): Tensor {
  if (!(p > 0)) throw new ArgumentError(`tripletMarginLoss: p ${p} is not positive`);
  if (p === 2) return x.square().sum({ dim: -1 }).sqrt();
  const sizes = x.abs();
  if (p === 1) return sizes.sum({ dim: -1 });
  if (p === Number.POSITIVE_INFINITY) return sizes.amax({ dim: -1 });
  return sizes
    .pow(p)
    .sum({ dim: -1 })
    .pow(1 / p);
}

/**
 * max(0, margin - target (input1 - input2)): targets 1 want the first to be larger, -1 the second.
 * @throws ShapeError where shapes differ.
 */
export function marginRankingLoss(
  input1: Tensor,
  input2: Tensor,
  target: Tensor,
  options: LossOptions & { readonly margin?: number } = {},
): Tensor {
  const { margin = 0, reduction } = options;
  checkSameShape("marginRankingLoss", input1, input2);
  checkSameShape("marginRankingLoss", input1, target);
  return reduceLoss(aboveZero(target.neg().mul(input1.sub(input2)).add(margin)), reduction);
}

/**
 * x for targets 1, max(0, margin - x) for targets -1, for distances x.
 * @throws ShapeError where shapes differ.
 */
export function hingeEmbeddingLoss(
  input: Tensor,
  target: Tensor,
  options: LossOptions & { readonly margin?: number } = {},
): Tensor {
  const { margin = 1, reduction } = options;
  checkSameShape("hingeEmbeddingLoss", input, target);
  const near = where(target.ne(-1), input, 0);
  const far = where(target.ne(1), aboveZero(input.neg().add(margin)), 0);
  return reduceLoss(near.add(far), reduction);
}

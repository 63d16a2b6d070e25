import { ArgumentError, ShapeError } from "../../graph/errors.ts";
import { formatShape, numel, sameShape } from "../../graph/shape.ts";
import * as b from "../../ops/builders.ts";
import { checkHostIndex } from "../../tensor/hostIndex.ts";
import { Tensor, where } from "../../tensor/tensor.ts";

/** How the losses of all elements become one: their mean, their sum, or not at all. */
export type Reduction = "mean" | "sum" | "none";

function reduceLoss(losses: Tensor, reduction: Reduction): Tensor {
  switch (reduction) {
    case "mean":
      return losses.mean();
    case "sum":
      return losses.sum();
    case "none":
      return losses;
  }
}

export interface CrossEntropyOptions {
  /** Targets of this class count for nothing: no loss, no gradient, not in the mean. Default -100. */
  readonly ignoreIndex?: number;
  /** "mean" (the default) is over the targets that count; of none it is NaN, as in PyTorch. */
  readonly reduction?: Reduction;
  /** Share of the target's probability that is spread evenly over all classes. Default 0. */
  readonly labelSmoothing?: number;
}

/**
 * Cross-entropy in nats of logits [C], [N, C] or [N, C, ...] against i32 class indices [], [N] or [N, ...].
 * @throws ShapeError where they do not fit; IndexOutOfRangeError for a class outside [0, C) that is known on the host.
 */
export function crossEntropy(logits: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { ignoreIndex = -100, reduction = "mean", labelSmoothing = 0 } = options;
  const classDim = logits.ndim === 1 ? 0 : 1;
  const others = logits.shape.filter((_, dim) => dim !== classDim);
  if (logits.ndim === 0 || !sameShape(target.shape, others)) {
    throw new ShapeError(
      `crossEntropy: logits ${formatShape(logits.shape)} and target ${formatShape(target.shape)}; wanted [N, C, ...] and [N, ...]`,
    );
  }
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new ArgumentError(`crossEntropy: labelSmoothing ${labelSmoothing} is not in [0, 1]`);
  }
  checkHostIndex("crossEntropy", target.usable(), logits.shape, classDim, ignoreIndex);
  const classes = logits.shape[classDim];
  const order = [...logits.shape.keys()].filter((dim) => dim !== classDim);
  const rows = logits.permute([...order, classDim]).reshape([numel(others), classes]);
  const flat = target.reshape([numel(others)]);
  const likelihood = new Tensor(b.crossEntropy(rows.usable(), flat.usable(), ignoreIndex), logits.device);
  const counted = flat.ne(ignoreIndex);
  let losses = likelihood;
  if (labelSmoothing > 0) {
    const even = where(counted, rows.logSoftmax(-1).mean({ dim: -1 }).neg(), 0);
    losses = likelihood.mul(1 - labelSmoothing).add(even.mul(labelSmoothing));
  }
  if (reduction === "mean") return losses.sum().div(counted.sum().to(logits.dtype));
  return reduceLoss(losses.reshape(others), reduction);
}

/** The squared difference. */
export function mseLoss(input: Tensor, target: Tensor, reduction: Reduction = "mean"): Tensor {
  checkSameShape("mseLoss", input, target);
  return reduceLoss(input.sub(target).square(), reduction);
}

/** Cross-entropy of sigmoid(logits) against probabilities, computed where neither exp overflows nor log loses digits. */
export function binaryCrossEntropyWithLogits(
  logits: Tensor,
  target: Tensor,
  reduction: Reduction = "mean",
): Tensor {
  checkSameShape("binaryCrossEntropyWithLogits", logits, target);
  // max(x, 0) - x t + log(1 + exp(-|x|))
  const softplus = logits.abs().neg().exp().add(1).log();
  return reduceLoss(logits.relu().sub(logits.mul(target)).add(softplus), reduction);
}

function checkSameShape(op: string, input: Tensor, target: Tensor): void {
  if (sameShape(input.shape, target.shape)) return;
  throw new ShapeError(
    `${op}: input ${formatShape(input.shape)} and target ${formatShape(target.shape)} differ`,
  );
}

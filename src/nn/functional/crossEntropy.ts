import { isFloat, isInteger } from "../../graph/dtype.ts";
import { ArgumentError, DTypeError, ShapeError } from "../../graph/errors.ts";
import { formatShape, numel, type Shape, sameShape } from "../../graph/shape.ts";
import * as b from "../../ops/builders.ts";
import { checkHostIndex } from "../../tensor/hostIndex.ts";
import { Tensor, where } from "../../tensor/tensor.ts";
import { type LossOptions, type Reduction, reduceLoss } from "./reduction.ts";

export interface NllLossOptions extends LossOptions {
  /** Factor of each class's losses [C]; "mean" then divides by the sum of the factors of the targets. */
  readonly weight?: Tensor;
  /** Targets of this class count for nothing: no loss, no gradient, not in the mean. Default -100. */
  readonly ignoreIndex?: number;
}

export interface CrossEntropyOptions extends NllLossOptions {
  /** Share of the target's probability that is spread over the classes. Default 0. */
  readonly labelSmoothing?: number;
  /**
   * "uniform" (the default): over all classes, as in Szegedy et al. (2016) and PyTorch. "t2t": over all but the target's,
   * and less the entropy of that distribution, so that the least loss is 0, as in tensor2tensor.
   */
  readonly labelSmoothingForm?: "uniform" | "t2t";
}

/** Scores a row a target: classes in the last dim. */
interface Rows {
  readonly rows: Tensor;
  readonly classes: number;
  /** The input's shape without classes. */
  readonly others: Shape;
}

/** [C], [N, C] or [N, C, ...] as rows of classes. */
function rowsOf(op: string, input: Tensor, weight: Tensor | undefined): Rows {
  if (input.ndim === 0) throw new ShapeError(`${op}: input [], wanted [C], [N, C] or [N, C, ...]`);
  if (!isFloat(input.dtype)) throw new DTypeError(`${op}: input is ${input.dtype}, wanted a float`);
  const classDim = input.ndim === 1 ? 0 : 1;
  const classes = input.shape[classDim];
  if (weight && !sameShape(weight.shape, [classes])) {
    throw new ShapeError(`${op}: weight ${formatShape(weight.shape)}, wanted [${classes}]`);
  }
  const others = input.shape.filter((_, dim) => dim !== classDim);
  const order = [...input.shape.keys()].filter((dim) => dim !== classDim);
  const rows = input.permute([...order, classDim]).reshape([numel(others), classes]);
  return { rows, classes, others };
}

/** Targets as one row of class indices. */
interface Targets {
  readonly flat: Tensor;
  readonly counted: Tensor;
  /** Factor of each target's loss: its class's weight, or 1, and 0 where it does not count. */
  readonly factor: Tensor;
}

function targetsOf(
  op: string,
  input: Tensor,
  target: Tensor,
  { others }: Rows,
  { weight, ignoreIndex = -100 }: NllLossOptions,
): Targets {
  if (!sameShape(target.shape, others)) {
    throw new ShapeError(
      `${op}: input ${formatShape(input.shape)} and target ${formatShape(target.shape)}; wanted [N, C, ...] and [N, ...]`,
    );
  }
  if (!isInteger(target.dtype)) {
    throw new DTypeError(
      `${op}: target is ${target.dtype}, wanted i32 class indices; cast it with .to("i32")`,
    );
  }
  checkHostIndex(op, target.usable(), input.shape, input.ndim === 1 ? 0 : 1, { ignored: ignoreIndex });
  const flat = target.reshape([numel(others)]);
  const counted = flat.ne(ignoreIndex);
  const one = counted.to(input.dtype);
  const factor = weight ? weight.indexSelect(0, where(counted, flat, 0)).mul(one) : one;
  return { flat, counted, factor };
}

/** Of weighted losses; their mean is by the sum of the factors, NaN if that is 0, as in PyTorch. */
function reduceWeighted(
  losses: Tensor,
  factor: Tensor,
  others: Shape,
  reduction: Reduction = "mean",
): Tensor {
  return reduction === "mean"
    ? losses.sum().div(factor.sum())
    : reduceLoss(losses.reshape(others), reduction);
}

/**
 * Cross-entropy in nats of logits [C], [N, C] or [N, C, ...] against i32 class indices [], [N] or [N, ...], or against
 * probabilities of the logits' own shape.
 * @throws ShapeError or DTypeError where they do not fit; IndexOutOfRangeError for a class outside [0, C) that is known on
 *   the host; ArgumentError for a labelSmoothing outside [0, 1].
 */
export function crossEntropy(logits: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const {
    labelSmoothing = 0,
    labelSmoothingForm = "uniform",
    weight,
    reduction,
    ignoreIndex = -100,
  } = options;
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new ArgumentError(`crossEntropy: labelSmoothing ${labelSmoothing} is not in [0, 1]`);
  }
  if (isFloat(target.dtype)) return softCrossEntropy(logits, target, options);
  const given = rowsOf("crossEntropy", logits, weight);
  const { rows, classes, others } = given;
  const { flat, counted, factor } = targetsOf("crossEntropy", logits, target, given, options);
  const likelihood = new Tensor(b.crossEntropy(rows.usable(), flat.usable(), ignoreIndex), logits.device);
  const nll = weight ? likelihood.mul(factor) : likelihood;
  if (labelSmoothing === 0) return reduceWeighted(nll, factor, others, reduction);
  const logs = rows.logSoftmax(-1);
  const all = where(counted, (weight ? logs.mul(weight) : logs).sum({ dim: -1 }).neg(), 0);
  const losses =
    labelSmoothingForm === "uniform"
      ? nll.mul(1 - labelSmoothing).add(all.mul(labelSmoothing / classes))
      : t2tSmoothing(nll, all, factor, classes, labelSmoothing);
  return reduceWeighted(losses, factor, others, reduction);
}

/** `all` is the sum over all classes, the target's included. */
function t2tSmoothing(nll: Tensor, all: Tensor, factor: Tensor, classes: number, epsilon: number): Tensor {
  const high = 1 - epsilon;
  const low = epsilon / Math.max(1, classes - 1);
  const xlogx = (x: number): number => (x > 0 ? x * Math.log(x) : 0);
  const entropy = -(xlogx(high) + (classes - 1) * xlogx(low));
  return nll
    .mul(high - low)
    .add(all.mul(low))
    .sub(factor.mul(entropy));
}

function softCrossEntropy(logits: Tensor, target: Tensor, options: CrossEntropyOptions): Tensor {
  const { weight, reduction, labelSmoothing = 0, labelSmoothingForm = "uniform", ignoreIndex } = options;
  if (!sameShape(target.shape, logits.shape)) {
    throw new ShapeError(
      `crossEntropy: logits ${formatShape(logits.shape)} and probabilities ${formatShape(target.shape)} differ; ` +
        "class indices are i32",
    );
  }
  if (ignoreIndex !== undefined || labelSmoothingForm !== "uniform") {
    throw new ArgumentError("crossEntropy: ignoreIndex and t2t smoothing need class indices as targets");
  }
  const { rows, classes, others } = rowsOf("crossEntropy", logits, weight);
  const shares = rowsOf("crossEntropy", target, undefined).rows;
  const smooth = labelSmoothing > 0 ? shares.mul(1 - labelSmoothing).add(labelSmoothing / classes) : shares;
  const logs = rows.logSoftmax(-1).mul(smooth);
  const losses = (weight ? logs.mul(weight) : logs).sum({ dim: -1 }).neg();
  return reduceLoss(losses.reshape(others), reduction);
}

/**
 * The negative of the target's entry in log-probabilities [C], [N, C] or [N, C, ...], for i32 classes [], [N] or [N, ...].
 * @throws ShapeError or DTypeError where they do not fit; IndexOutOfRangeError for a class outside [0, C) that is known on
 *   the host.
 */
export function nllLoss(logProbabilities: Tensor, target: Tensor, options: NllLossOptions = {}): Tensor {
  const given = rowsOf("nllLoss", logProbabilities, options.weight);
  const { flat, counted, factor } = targetsOf("nllLoss", logProbabilities, target, given, options);
  const safe = where(counted, flat, 0).unsqueeze(1);
  const losses = where(counted, given.rows.gather(1, safe).squeeze(1).neg().mul(factor), 0);
  return reduceWeighted(losses, factor, given.others, options.reduction);
}

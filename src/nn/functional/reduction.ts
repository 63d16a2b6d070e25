import { ShapeError } from "../../graph/errors.ts";
import { formatShape, sameShape } from "../../graph/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** How the losses of all elements become one: their mean, their sum, or not at all. */
export type Reduction = "mean" | "sum" | "none";

export interface LossOptions {
  /** Default "mean". */
  readonly reduction?: Reduction;
}

export function reduceLoss(losses: Tensor, reduction: Reduction = "mean"): Tensor {
  switch (reduction) {
    case "mean":
      return losses.mean();
    case "sum":
      return losses.sum();
    case "none":
      return losses;
  }
}

/** @throws ShapeError unless the shapes are equal. */
export function checkSameShape(op: string, input: Tensor, target: Tensor): void {
  if (sameShape(input.shape, target.shape)) return;
  throw new ShapeError(
    `${op}: input ${formatShape(input.shape)} and target ${formatShape(target.shape)} differ`,
  );
}

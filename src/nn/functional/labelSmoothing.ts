import { ArgumentError } from "../../graph/errors.ts";
import { type Tensor, where } from "../../tensor/tensor.ts";
import { crossEntropy } from "./loss.ts";

export interface SmoothedCrossEntropy {
  /** Without smoothing: what perplexity is computed from. */
  readonly crossEntropy: Tensor;
  /** Against (1 - e) of the target and e / C of every class. Szegedy et al. (2016). */
  readonly uniform: Tensor;
  /**
   * Against 1 - e of the target and e / (C - 1) of every other class, less that distribution's entropy, so that a perfect
   * model has loss 0. The form of Tensor2Tensor.
   */
  readonly t2t: Tensor;
}

/**
 * Cross-entropies of logits [N, C] against classes [N] with a share `smoothing` of the target's probability spread over
 * the others: means over the targets that are not `ignoreIndex`, NaN of none.
 * @throws ArgumentError for a smoothing outside [0, 1); ShapeError where target and logits do not fit.
 */
export function smoothedCrossEntropy(
  logits: Tensor,
  target: Tensor,
  smoothing: number,
  { ignoreIndex = -100 }: { readonly ignoreIndex?: number } = {},
): SmoothedCrossEntropy {
  if (!(smoothing >= 0 && smoothing < 1)) {
    throw new ArgumentError(`smoothedCrossEntropy: smoothing ${smoothing} is not in [0, 1)`);
  }
  const classes = logits.size(-1);
  const counted = target.ne(ignoreIndex);
  const count = counted.sum().to(logits.dtype);
  const likelihoods = crossEntropy(logits, target, { ignoreIndex, reduction: "none" });
  const ofTarget = likelihoods.sum().div(count);
  const all = where(counted, logits.logSoftmax(-1).sum({ dim: -1 }).neg(), 0);
  const ofAll = all.sum().div(count);
  const even = smoothing / (classes - 1);
  const entropy =
    -(1 - smoothing) * Math.log(1 - smoothing) - (smoothing > 0 ? smoothing * Math.log(even) : 0);
  return {
    crossEntropy: ofTarget,
    uniform: ofTarget.mul(1 - smoothing).add(ofAll.mul(smoothing / classes)),
    t2t: ofTarget
      .mul(1 - smoothing)
      .add(ofAll.sub(ofTarget).mul(even))
      .sub(entropy),
  };
}

import { ArgumentError } from "../../graph/errors.ts";
import type { Parameter } from "../../tensor/parameter.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type GroupOptions, Optimizer, type ParameterGroup, type StepSettings } from "./optimizer.ts";

export interface AdamWOptions extends GroupOptions {
  /** Decay of the two moments. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Default 1e-8. */
  readonly eps?: number;
  /** Whether the moments are corrected for starting at 0. Default true; BERT trained without. */
  readonly correctBias?: boolean;
}

/** @throws ArgumentError unless betas are in [0, 1) and eps is at least 0. */
export function checkMoments(op: string, betas: readonly [number, number], eps: number): void {
  if (!betas.every((beta) => beta >= 0 && beta < 1))
    throw new ArgumentError(`${op}: betas ${betas.join(", ")} are not in [0, 1)`);
  if (!(eps >= 0)) throw new ArgumentError(`${op}: eps ${eps} is not at least 0`);
}

/**
 * Adam with decoupled weight decay. Loshchilov and Hutter (2019):
 * p ← p (1 - lr decay) - lr m̂ / (sqrt(v̂) + eps).
 *
 * With `correctBias: false`, eps 1e-6 and decay 0.01 it is the optimizer of BERT's code, where the update is
 * m / (sqrt(v) + eps) + decay p: its first step is (1 - β1) / sqrt(1 - β2), about 3.16, times larger.
 */
export class AdamW extends Optimizer {
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly correctBias: boolean;
  protected override readonly numberNames = ["adamw.shrink", "adamw.stepSize", "adamw.rootScale"];

  /** Learning rate 1e-3 and decay 0.01 by default, as in PyTorch. */
  constructor(params: readonly Parameter[] | readonly ParameterGroup[], options: AdamWOptions = {}) {
    super(params, { lr: options.lr ?? 1e-3, weightDecay: options.weightDecay ?? 0.01 }, [
      "expAvg",
      "expAvgSq",
    ]);
    this.betas = options.betas ?? [0.9, 0.999];
    this.eps = options.eps ?? 1e-8;
    this.correctBias = options.correctBias ?? true;
    checkMoments("AdamW", this.betas, this.eps);
  }

  protected override numbersOf({ lr, weightDecay, steps }: StepSettings): readonly number[] {
    const [missing1, missing2] = this.correctBias ? this.betas.map((beta) => 1 - beta ** steps) : [1, 1];
    return [1 - lr * weightDecay, lr / missing1, 1 / Math.sqrt(missing2)];
  }

  protected override update(
    value: Tensor,
    gradient: Tensor,
    [m, v]: readonly Tensor[],
    [shrink, stepSize, rootScale]: readonly Tensor[],
  ): readonly Tensor[] {
    const [beta1, beta2] = this.betas;
    const mean = m.mul(beta1).add(gradient.mul(1 - beta1));
    const square = v.mul(beta2).add(gradient.square().mul(1 - beta2));
    const denominator = square.sqrt().mul(rootScale).add(this.eps);
    return [value.mul(shrink).sub(mean.mul(stepSize).div(denominator)), mean, square];
  }
}

import type { Tensor } from "../../tensor/tensor.ts";
import { type AdamSettings, adamDefaults, adamMoments, adamStep } from "./adam.ts";
import { checkMoments } from "./checks.ts";
import { type GroupOptions, Optimizer, type Parameters, type StepSettings } from "./optimizer.ts";

export interface AdamWSettings extends AdamSettings {
  /** Whether the moments are corrected for starting at 0. Default true; BERT trained without. */
  readonly correctBias: boolean;
}

export type AdamWOptions = GroupOptions<AdamWSettings>;

/**
 * Adam with decoupled weight decay. Loshchilov and Hutter (2019):
 * p ← p (1 - lr decay) - lr m̂ / (sqrt(v̂) + eps).
 *
 * With `correctBias: false`, eps 1e-6 and decay 0.01 it is the optimizer of BERT's code, where the update is
 * m / (sqrt(v) + eps) + decay p: its first step is (1 - β1) / sqrt(1 - β2), about 3.16, times larger.
 */
export class AdamW extends Optimizer<AdamWSettings> {
  protected override readonly numberNames = ["adamw.shrink", "adamw.stepSize", "adamw.rootScale"];

  /** Learning rate 1e-3 and decay 0.01 by default, as in PyTorch. */
  constructor(params: Parameters<AdamWSettings>, options: AdamWOptions = {}) {
    super(params, { ...adamDefaults, weightDecay: 0.01, correctBias: true }, options, adamMoments);
    for (const { settings } of this.groups) checkMoments("AdamW", settings.betas, settings.eps);
  }

  protected override numbersOf(settings: StepSettings<AdamWSettings>): readonly number[] {
    const { lr, weightDecay, betas, steps, correctBias } = settings;
    const [missing1, missing2] = correctBias ? betas.map((beta) => 1 - beta ** steps) : [1, 1];
    return [1 - lr * weightDecay, lr / missing1, 1 / Math.sqrt(missing2)];
  }

  protected override update(
    value: Tensor,
    gradient: Tensor,
    moments: readonly Tensor[],
    [shrink, stepSize, rootScale]: readonly Tensor[],
    settings: AdamWSettings,
  ): readonly Tensor[] {
    const next = adamStep(gradient, moments, stepSize, rootScale, settings);
    return [value.mul(shrink).sub(next.step), ...next.moments];
  }
}

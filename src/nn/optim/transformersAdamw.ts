import type { Tensor } from "../../tensor/tensor.ts";
import { adamDefaults, adamMoments, runningMoments } from "./adam.ts";
import type { AdamWOptions, AdamWSettings } from "./adamw.ts";
import { checkMoments } from "./checks.ts";
import { Optimizer, type Parameters, type StepSettings } from "./optimizer.ts";

/**
 * AdamW as the library transformers had it up to version 4: eps is added before the moments are corrected, and the decay is
 * taken of the parameter that has made its step: p ← (p - lr sqrt(1 - β2^t) / (1 - β1^t) m / (sqrt(v) + eps)) (1 - lr decay).
 */
export class TransformersAdamW extends Optimizer<Omit<AdamWSettings, "amsgrad">> {
  protected override readonly numberNames = ["adamw.shrink", "adamw.stepSize"];

  /** Learning rate 1e-3, eps 1e-6 and no decay by default. */
  constructor(
    params: Parameters<Omit<AdamWSettings, "amsgrad">>,
    options: Omit<AdamWOptions, "amsgrad"> = {},
  ) {
    super(params, { ...adamDefaults, eps: 1e-6, correctBias: true }, options, () => adamMoments({}));
    for (const { settings } of this.groups) checkMoments("TransformersAdamW", settings.betas, settings.eps);
  }

  protected override numbersOf(settings: StepSettings<Omit<AdamWSettings, "amsgrad">>): readonly number[] {
    const { lr, weightDecay, betas, steps, correctBias } = settings;
    const [missing1, missing2] = correctBias ? betas.map((beta) => 1 - beta ** steps) : [1, 1];
    return [1 - lr * weightDecay, (lr * Math.sqrt(missing2)) / missing1];
  }

  protected override update(
    value: Tensor,
    gradient: Tensor,
    moments: readonly Tensor[],
    [shrink, stepSize]: readonly Tensor[],
    { betas, eps }: Omit<AdamWSettings, "amsgrad">,
  ): readonly Tensor[] {
    const [mean, square] = runningMoments(gradient, moments, betas);
    const moved = value.sub(mean.mul(stepSize).div(square.sqrt().add(eps)));
    return [moved.mul(shrink), mean, square];
  }
}

import type { Tensor } from "../../tensor/tensor.ts";
import { type AdamSettings, adamDefaults } from "./adam.ts";
import { checkMoments } from "./checks.ts";
import { type GroupOptions, Optimizer, type Parameters, type StepSettings } from "./optimizer.ts";

export type AdamaxSettings = Omit<AdamSettings, "amsgrad">;

export type AdamaxOptions = GroupOptions<AdamaxSettings>;

/** Adam with the largest recent gradient in the place of the root mean square. Kingma and Ba (2015), section 7.1. */
export class Adamax extends Optimizer<AdamaxSettings> {
  protected override readonly numberNames = ["adamax.stepSize", "adamax.weightDecay"];

  /** Learning rate 2e-3 by default, without decay. */
  constructor(params: Parameters<AdamaxSettings>, options: AdamaxOptions = {}) {
    super(params, { ...adamDefaults, lr: 2e-3 }, options, () => [{ name: "expAvg" }, { name: "expInf" }]);
    for (const { settings } of this.groups) checkMoments("Adamax", settings.betas, settings.eps);
  }

  protected override numbersOf({
    lr,
    weightDecay,
    betas,
    steps,
  }: StepSettings<AdamaxSettings>): readonly number[] {
    return [lr / (1 - betas[0] ** steps), weightDecay];
  }

  protected override update(
    value: Tensor,
    gradient: Tensor,
    [m, u]: readonly Tensor[],
    [stepSize, weightDecay]: readonly Tensor[],
    { betas: [beta1, beta2], eps }: AdamaxSettings,
  ): readonly Tensor[] {
    const decayed = gradient.add(value.mul(weightDecay));
    const mean = m.mul(beta1).add(decayed.mul(1 - beta1));
    const largest = u.mul(beta2).maximum(decayed.abs().add(eps));
    return [value.sub(mean.mul(stepSize).div(largest)), mean, largest];
  }
}

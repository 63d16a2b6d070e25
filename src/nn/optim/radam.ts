import type { Tensor } from "../../tensor/tensor.ts";
import { type AdamSettings, adamDefaults, adamMoments, runningMoments } from "./adam.ts";
import { checkMoments } from "./checks.ts";
import { type GroupOptions, Optimizer, type Parameters, type StepSettings } from "./optimizer.ts";

export type RAdamSettings = Omit<AdamSettings, "amsgrad">;

export type RAdamOptions = GroupOptions<RAdamSettings>;

/** Adam, rectified: plain momentum until the second moment is known well enough. Liu et al. (2020), algorithm 2. */
export class RAdam extends Optimizer<RAdamSettings> {
  protected override readonly numberNames = ["radam.adaptive", "radam.plain", "radam.weightDecay"];

  /** Learning rate 1e-3 by default, without decay. */
  constructor(params: Parameters<RAdamSettings>, options: RAdamOptions = {}) {
    super(params, adamDefaults, options, () => adamMoments({}));
    for (const { settings } of this.groups) checkMoments("RAdam", settings.betas, settings.eps);
  }

  protected override numbersOf({
    lr,
    weightDecay,
    betas,
    steps,
  }: StepSettings<RAdamSettings>): readonly number[] {
    const [beta1, beta2] = betas;
    const [missing1, missing2] = [1 - beta1 ** steps, 1 - beta2 ** steps];
    const longest = 2 / (1 - beta2) - 1;
    const length = longest - (2 * steps * beta2 ** steps) / missing2;
    if (length <= 5) return [0, lr / missing1, weightDecay];
    const rectification = Math.sqrt(
      ((length - 4) * (length - 2) * longest) / ((longest - 4) * (longest - 2) * length),
    );
    return [(lr * rectification * Math.sqrt(missing2)) / missing1, 0, weightDecay];
  }

  protected override update(
    value: Tensor,
    gradient: Tensor,
    moments: readonly Tensor[],
    [adaptive, plain, weightDecay]: readonly Tensor[],
    { betas, eps }: RAdamSettings,
  ): readonly Tensor[] {
    const decayed = gradient.add(value.mul(weightDecay));
    const [mean, square] = runningMoments(decayed, moments, betas);
    const rate = adaptive.div(square.sqrt().add(eps)).add(plain);
    return [value.sub(mean.mul(rate)), mean, square];
  }
}

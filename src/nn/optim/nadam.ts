import type { Tensor } from "../../tensor/tensor.ts";
import { type AdamSettings, adamDefaults, adamMoments, runningMoments } from "./adam.ts";
import { checkMoments, checkNotNegative } from "./checks.ts";
import { type GroupOptions, Optimizer, type Parameters, type StepSettings } from "./optimizer.ts";

export interface NAdamSettings extends Omit<AdamSettings, "amsgrad"> {
  /** How fast the momentum rises to β1. Default 4e-3. */
  readonly momentumDecay: number;
  /** Whether the mean is corrected by the next momentum twice, as in PyTorch before version 2. Default false. */
  readonly repeatNextMomentum: boolean;
}

export type NAdamOptions = GroupOptions<NAdamSettings>;

/** The momentum of step t. */
function momentumAt(t: number, beta1: number, decay: number): number {
  return beta1 * (1 - 0.5 * 0.96 ** (t * decay));
}

/** Adam with Nesterov's momentum. Dozat (2016), with a momentum that rises as in PyTorch. */
export class NAdam extends Optimizer<NAdamSettings> {
  protected override readonly numberNames = [
    "nadam.gradient",
    "nadam.mean",
    "nadam.rootScale",
    "nadam.weightDecay",
  ];
  /** The product of all momenta up to a step, of the settings last asked for. */
  #product = { steps: 0, beta1: 0, decay: 0, value: 1 };

  /** Learning rate 2e-3 by default, without decay. */
  constructor(params: Parameters<NAdamSettings>, options: NAdamOptions = {}) {
    super(
      params,
      { ...adamDefaults, lr: 2e-3, momentumDecay: 4e-3, repeatNextMomentum: false },
      options,
      () => adamMoments({}),
    );
    for (const { betas, eps, momentumDecay } of this.groups.map(({ settings }) => settings)) {
      checkMoments("NAdam", betas, eps);
      checkNotNegative("NAdam", { momentumDecay });
    }
  }

  protected override numbersOf(settings: StepSettings<NAdamSettings>): readonly number[] {
    const { lr, weightDecay, betas, momentumDecay, steps } = settings;
    const now = momentumAt(steps, betas[0], momentumDecay);
    const next = momentumAt(steps + 1, betas[0], momentumDecay);
    const product = this.#productOf(steps, betas[0], momentumDecay);
    const gradient = (lr * (1 - now)) / (1 - product);
    const productNext = product * (settings.repeatNextMomentum ? next ** 2 : next);
    return [gradient, (lr * next) / (1 - productNext), 1 / Math.sqrt(1 - betas[1] ** steps), weightDecay];
  }

  /** Goes on from the last product where it can; the same number either way. */
  #productOf(steps: number, beta1: number, decay: number): number {
    const known = this.#product;
    const goesOn = known.beta1 === beta1 && known.decay === decay && known.steps <= steps;
    let value = goesOn ? known.value : 1;
    for (let t = (goesOn ? known.steps : 0) + 1; t <= steps; t++) value *= momentumAt(t, beta1, decay);
    this.#product = { steps, beta1, decay, value };
    return value;
  }

  protected override update(
    value: Tensor,
    gradient: Tensor,
    moments: readonly Tensor[],
    [ofGradient, ofMean, rootScale, weightDecay]: readonly Tensor[],
    { betas, eps }: NAdamSettings,
  ): readonly Tensor[] {
    const decayed = gradient.add(value.mul(weightDecay));
    const [mean, square] = runningMoments(decayed, moments, betas);
    const direction = decayed.mul(ofGradient).add(mean.mul(ofMean));
    return [value.sub(direction.div(square.sqrt().mul(rootScale).add(eps))), mean, square];
  }
}

import type { Tensor } from "../../tensor/tensor.ts";
import { checkMoments } from "./checks.ts";
import {
  type GroupOptions,
  type Moment,
  Optimizer,
  type Parameters,
  type Settings,
  type StepSettings,
} from "./optimizer.ts";

export interface AdamSettings extends Settings {
  /** Decay of the two moments. Default [0.9, 0.999]. */
  readonly betas: readonly [number, number];
  /** Default 1e-8. */
  readonly eps: number;
  /** Whether the second moment never falls. Reddi et al. (2018). Default false. */
  readonly amsgrad: boolean;
}

export type AdamOptions = GroupOptions<AdamSettings>;

export const adamDefaults = {
  lr: 1e-3,
  weightDecay: 0,
  maximize: false,
  betas: [0.9, 0.999],
  eps: 1e-8,
  amsgrad: false,
} as const satisfies AdamSettings;

/** The two moments, and the largest second one where it counts. */
export function adamMoments({ amsgrad }: { readonly amsgrad?: boolean }): readonly Moment[] {
  const names = amsgrad ? ["expAvg", "expAvgSq", "maxExpAvgSq"] : ["expAvg", "expAvgSq"];
  return names.map((name) => ({ name }));
}

/** The running means of the gradient and of its square. */
export function runningMoments(
  gradient: Tensor,
  [m, v]: readonly Tensor[],
  [beta1, beta2]: readonly [number, number],
): readonly [mean: Tensor, square: Tensor] {
  return [m.mul(beta1).add(gradient.mul(1 - beta1)), v.mul(beta2).add(gradient.square().mul(1 - beta2))];
}

/** The step m̂ / (sqrt(v̂) + eps) times `stepSize`, and the next moments; `rootScale` is 1 / sqrt(1 - β2^t). */
export function adamStep(
  gradient: Tensor,
  moments: readonly Tensor[],
  stepSize: Tensor,
  rootScale: Tensor,
  { betas, eps, amsgrad }: AdamSettings,
): { readonly step: Tensor; readonly moments: readonly Tensor[] } {
  const [mean, square] = runningMoments(gradient, moments, betas);
  const largest = amsgrad ? moments[2].maximum(square) : square;
  const step = mean.mul(stepSize).div(largest.sqrt().mul(rootScale).add(eps));
  return { step, moments: amsgrad ? [mean, square, largest] : [mean, square] };
}

/** Adam, the decay being part of the gradient. Kingma and Ba (2015): p ← p - lr m̂ / (sqrt(v̂) + eps). */
export class Adam extends Optimizer<AdamSettings> {
  protected override readonly numberNames = ["adam.weightDecay", "adam.stepSize", "adam.rootScale"];

  /** Learning rate 1e-3 by default, without decay. */
  constructor(params: Parameters<AdamSettings>, options: AdamOptions = {}) {
    super(params, adamDefaults, options, adamMoments);
    for (const { settings } of this.groups) checkMoments("Adam", settings.betas, settings.eps);
  }

  protected override numbersOf({
    lr,
    weightDecay,
    betas,
    steps,
  }: StepSettings<AdamSettings>): readonly number[] {
    const [missing1, missing2] = betas.map((beta) => 1 - beta ** steps);
    return [weightDecay, lr / missing1, 1 / Math.sqrt(missing2)];
  }

  protected override update(
    value: Tensor,
    gradient: Tensor,
    moments: readonly Tensor[],
    [weightDecay, stepSize, rootScale]: readonly Tensor[],
    settings: AdamSettings,
  ): readonly Tensor[] {
    const decayed = gradient.add(value.mul(weightDecay));
    const next = adamStep(decayed, moments, stepSize, rootScale, settings);
    return [value.sub(next.step), ...next.moments];
  }
}

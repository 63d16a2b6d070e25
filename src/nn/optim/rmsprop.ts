import type { Tensor } from "../../tensor/tensor.ts";
import { checkNotNegative } from "./checks.ts";
import {
  type GroupOptions,
  Optimizer,
  type Parameters,
  type Settings,
  type StepSettings,
} from "./optimizer.ts";

export interface RMSpropSettings extends Settings {
  /** Decay of the mean square. Default 0.99. */
  readonly alpha: number;
  /** Default 1e-8. */
  readonly eps: number;
  /** Default 0. */
  readonly momentum: number;
  /** Whether to divide by the deviation instead of the root mean square. Default false. */
  readonly centered: boolean;
}

export type RMSpropOptions = GroupOptions<RMSpropSettings>;

/** Steps divided by the gradient's running root mean square. Hinton's lecture 6e (2012); momentum as in PyTorch. */
export class RMSprop extends Optimizer<RMSpropSettings> {
  protected override readonly numberNames = ["rmsprop.lr", "rmsprop.weightDecay"];

  /** Learning rate 1e-2 by default, without decay. */
  constructor(params: Parameters<RMSpropSettings>, options: RMSpropOptions = {}) {
    const defaults = {
      lr: 1e-2,
      weightDecay: 0,
      maximize: false,
      alpha: 0.99,
      eps: 1e-8,
      momentum: 0,
      centered: false,
    };
    super(params, defaults, options, ({ momentum, centered }) => [
      { name: "squareAvg" },
      ...(centered ? [{ name: "gradAvg" }] : []),
      ...(momentum === 0 ? [] : [{ name: "momentum" }]),
    ]);
    for (const { alpha, eps, momentum } of this.groups.map(({ settings }) => settings))
      checkNotNegative("RMSprop", { alpha, eps, momentum });
  }

  protected override numbersOf({ lr, weightDecay }: StepSettings<RMSpropSettings>): readonly number[] {
    return [lr, weightDecay];
  }

  protected override update(
    value: Tensor,
    gradient: Tensor,
    moments: readonly Tensor[],
    [lr, weightDecay]: readonly Tensor[],
    { alpha, eps, momentum, centered }: RMSpropSettings,
  ): readonly Tensor[] {
    const decayed = gradient.add(value.mul(weightDecay));
    const average = (before: Tensor, now: Tensor): Tensor => before.mul(alpha).add(now.mul(1 - alpha));
    const square = average(moments[0], decayed.square());
    const mean = centered ? [average(moments[1], decayed)] : [];
    const variance = centered ? square.sub(mean[0].square()) : square;
    const step = decayed.div(variance.sqrt().add(eps));
    if (momentum === 0) return [value.sub(step.mul(lr)), square, ...mean];
    const velocity = moments[moments.length - 1].mul(momentum).add(step);
    return [value.sub(velocity.mul(lr)), square, ...mean, velocity];
  }
}

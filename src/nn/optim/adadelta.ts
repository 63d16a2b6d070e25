import type { Tensor } from "../../tensor/tensor.ts";
import { checkNotNegative, checkShare } from "./checks.ts";
import {
  type GroupOptions,
  Optimizer,
  type Parameters,
  type Settings,
  type StepSettings,
} from "./optimizer.ts";

export interface AdadeltaSettings extends Settings {
  /** Decay of both mean squares. Default 0.9. */
  readonly rho: number;
  /** Default 1e-6. */
  readonly eps: number;
}

export type AdadeltaOptions = GroupOptions<AdadeltaSettings>;

/** Steps of the size of recent steps, by the size of recent gradients. Zeiler (2012). */
export class Adadelta extends Optimizer<AdadeltaSettings> {
  protected override readonly numberNames = ["adadelta.lr", "adadelta.weightDecay"];

  /** Learning rate 1 by default, without decay. */
  constructor(params: Parameters<AdadeltaSettings>, options: AdadeltaOptions = {}) {
    const defaults = { lr: 1, weightDecay: 0, maximize: false, rho: 0.9, eps: 1e-6 };
    super(params, defaults, options, () => [{ name: "squareAvg" }, { name: "accDelta" }]);
    for (const { rho, eps } of this.groups.map(({ settings }) => settings)) {
      checkShare("Adadelta", { rho });
      checkNotNegative("Adadelta", { eps });
    }
  }

  protected override numbersOf({ lr, weightDecay }: StepSettings<AdadeltaSettings>): readonly number[] {
    return [lr, weightDecay];
  }

  protected override update(
    value: Tensor,
    gradient: Tensor,
    [squares, deltas]: readonly Tensor[],
    [lr, weightDecay]: readonly Tensor[],
    { rho, eps }: AdadeltaSettings,
  ): readonly Tensor[] {
    const decayed = gradient.add(value.mul(weightDecay));
    const average = (before: Tensor, now: Tensor): Tensor => before.mul(rho).add(now.square().mul(1 - rho));
    const square = average(squares, decayed);
    const delta = deltas.add(eps).sqrt().div(square.add(eps).sqrt()).mul(decayed);
    return [value.sub(delta.mul(lr)), square, average(deltas, delta)];
  }
}

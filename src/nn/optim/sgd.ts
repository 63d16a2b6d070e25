import { ArgumentError } from "../../graph/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { checkNotNegative } from "./checks.ts";
import {
  type GroupOptions,
  Optimizer,
  type Parameters,
  type Settings,
  type StepSettings,
} from "./optimizer.ts";

export interface SGDSettings extends Settings {
  /** Share of the last step's direction that is kept. Default 0. */
  readonly momentum: number;
  /** Share of the gradient that the momentum leaves out, but for the first step. Default 0. */
  readonly dampening: number;
  /** Looks ahead along the momentum. Default false. */
  readonly nesterov: boolean;
}

export type SGDOptions = GroupOptions<SGDSettings>;

/** Stochastic gradient descent with momentum and (coupled) weight decay, as in PyTorch. */
export class SGD extends Optimizer<SGDSettings> {
  protected override readonly numberNames = ["sgd.lr", "sgd.weightDecay", "sgd.share"];

  /** Learning rate 1e-3 by default, without decay. */
  constructor(params: Parameters<SGDSettings>, options: SGDOptions = {}) {
    const defaults = {
      lr: 1e-3,
      weightDecay: 0,
      maximize: false,
      momentum: 0,
      dampening: 0,
      nesterov: false,
    };
    super(params, defaults, options, ({ momentum }) => (momentum === 0 ? [] : [{ name: "momentum" }]));
    for (const { momentum, dampening, nesterov } of this.groups.map(({ settings }) => settings)) {
      checkNotNegative("SGD", { momentum });
      if (nesterov && (momentum === 0 || dampening !== 0))
        throw new ArgumentError("SGD: nesterov needs a momentum and no dampening");
    }
  }

  protected override numbersOf({
    lr,
    weightDecay,
    dampening,
    steps,
  }: StepSettings<SGDSettings>): readonly number[] {
    return [lr, weightDecay, steps === 1 ? 1 : 1 - dampening];
  }

  protected override update(
    value: Tensor,
    gradient: Tensor,
    [buffer]: readonly Tensor[],
    [lr, weightDecay, share]: readonly Tensor[],
    { momentum, dampening, nesterov }: SGDSettings,
  ): readonly Tensor[] {
    const decayed = gradient.add(value.mul(weightDecay));
    if (momentum === 0) return [value.sub(decayed.mul(lr))];
    const velocity = buffer.mul(momentum).add(dampening === 0 ? decayed : decayed.mul(share));
    const direction = nesterov ? decayed.add(velocity.mul(momentum)) : velocity;
    return [value.sub(direction.mul(lr)), velocity];
  }
}

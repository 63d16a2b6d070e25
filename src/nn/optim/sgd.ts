import { ArgumentError } from "../../graph/errors.ts";
import type { Parameter } from "../../tensor/parameter.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type GroupOptions, Optimizer, type ParameterGroup, type StepSettings } from "./optimizer.ts";

export interface SGDOptions extends GroupOptions {
  /** Share of the last step's direction that is kept. Default 0. */
  readonly momentum?: number;
  /** Looks ahead along the momentum. Default false. */
  readonly nesterov?: boolean;
}

/** Stochastic gradient descent with momentum and (coupled) weight decay, as in PyTorch. */
export class SGD extends Optimizer {
  readonly momentum: number;
  readonly nesterov: boolean;
  protected override readonly numberNames = ["sgd.lr", "sgd.weightDecay"];

  /** Learning rate 1e-3 by default, without decay. */
  constructor(params: readonly Parameter[] | readonly ParameterGroup[], options: SGDOptions = {}) {
    const { momentum = 0, nesterov = false } = options;
    if (!(momentum >= 0)) throw new ArgumentError(`SGD: momentum ${momentum} is not at least 0`);
    if (nesterov && momentum === 0) throw new ArgumentError("SGD: nesterov needs a momentum");
    const defaults = { lr: options.lr ?? 1e-3, weightDecay: options.weightDecay ?? 0 };
    super(params, defaults, momentum === 0 ? [] : ["momentum"]);
    this.momentum = momentum;
    this.nesterov = nesterov;
  }

  protected override numbersOf({ lr, weightDecay }: StepSettings): readonly number[] {
    return [lr, weightDecay];
  }

  protected override update(
    value: Tensor,
    gradient: Tensor,
    moments: readonly Tensor[],
    [lr, weightDecay]: readonly Tensor[],
  ): readonly Tensor[] {
    const decayed = gradient.add(value.mul(weightDecay));
    if (this.momentum === 0) return [value.sub(decayed.mul(lr))];
    const velocity = moments[0].mul(this.momentum).add(decayed);
    const direction = this.nesterov ? decayed.add(velocity.mul(this.momentum)) : velocity;
    return [value.sub(direction.mul(lr)), velocity];
  }
}

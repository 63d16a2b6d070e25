import { type Tensor, where } from "../../tensor/tensor.ts";
import { checkNotNegative } from "./checks.ts";
import {
  type GroupOptions,
  Optimizer,
  type Parameters,
  type Settings,
  type StepSettings,
} from "./optimizer.ts";

export interface LARSSettings extends Settings {
  /** Default 0.9. */
  readonly momentum: number;
  /** The paper's eta: a step's length by the parameter's, at learning rate 1. Default 1e-3. */
  readonly trustCoefficient: number;
  /** Default 1e-8. */
  readonly eps: number;
}

export type LARSOptions = GroupOptions<LARSSettings>;

const norm = (x: Tensor): Tensor => x.square().sum().sqrt();

/** Momentum with a rate for each parameter, eta |p| / (|g| + decay |p|). You, Gitman and Ginsburg (2017), algorithm 1. */
export class LARS extends Optimizer<LARSSettings> {
  protected override readonly numberNames = ["lars.lr", "lars.weightDecay"];

  /** Learning rate 1e-1 by default, without decay. */
  constructor(params: Parameters<LARSSettings>, options: LARSOptions = {}) {
    const defaults = {
      lr: 0.1,
      weightDecay: 0,
      maximize: false,
      momentum: 0.9,
      trustCoefficient: 1e-3,
      eps: 1e-8,
    };
    super(params, defaults, options, () => [{ name: "momentum" }]);
    for (const { momentum, trustCoefficient, eps } of this.groups.map(({ settings }) => settings))
      checkNotNegative("LARS", { momentum, trustCoefficient, eps });
  }

  protected override numbersOf({ lr, weightDecay }: StepSettings<LARSSettings>): readonly number[] {
    return [lr, weightDecay];
  }

  protected override update(
    value: Tensor,
    gradient: Tensor,
    [buffer]: readonly Tensor[],
    [lr, weightDecay]: readonly Tensor[],
    { momentum, trustCoefficient, eps }: LARSSettings,
  ): readonly Tensor[] {
    const [size, slope] = [norm(value), norm(gradient)];
    const ratio = size.mul(trustCoefficient).div(slope.add(size.mul(weightDecay)).add(eps));
    const trust = where(size.gt(0).logicalAnd(slope.gt(0)), ratio, 1);
    const decayed = gradient.add(value.mul(weightDecay));
    const velocity = buffer.mul(momentum).add(decayed.mul(trust.mul(lr)));
    return [value.sub(velocity), velocity];
  }
}

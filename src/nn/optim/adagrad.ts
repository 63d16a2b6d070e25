import type { Tensor } from "../../tensor/tensor.ts";
import { checkNotNegative } from "./checks.ts";
import {
  type GroupOptions,
  Optimizer,
  type Parameters,
  type Settings,
  type StepSettings,
} from "./optimizer.ts";

export interface AdagradSettings extends Settings {
  /** The rate of step t is lr / (1 + (t - 1) lrDecay). Default 0. */
  readonly lrDecay: number;
  /** What the sums of squares start at. Default 0. */
  readonly initialAccumulatorValue: number;
  /** Default 1e-10. */
  readonly eps: number;
}

export type AdagradOptions = GroupOptions<AdagradSettings>;

/** Steps divided by the root of the sum of all squared gradients. Duchi, Hazan and Singer (2011). */
export class Adagrad extends Optimizer<AdagradSettings> {
  protected override readonly numberNames = ["adagrad.lr", "adagrad.weightDecay"];

  /** Learning rate 1e-2 by default, without decay. */
  constructor(params: Parameters<AdagradSettings>, options: AdagradOptions = {}) {
    const defaults = {
      lr: 1e-2,
      weightDecay: 0,
      maximize: false,
      lrDecay: 0,
      initialAccumulatorValue: 0,
      eps: 1e-10,
    };
    super(params, defaults, options, ({ initialAccumulatorValue }) => [
      { name: "sum", initial: initialAccumulatorValue },
    ]);
    for (const { lrDecay, initialAccumulatorValue, eps } of this.groups.map(({ settings }) => settings))
      checkNotNegative("Adagrad", { lrDecay, initialAccumulatorValue, eps });
  }

  protected override numbersOf({
    lr,
    weightDecay,
    lrDecay,
    steps,
  }: StepSettings<AdagradSettings>): readonly number[] {
    return [lr / (1 + (steps - 1) * lrDecay), weightDecay];
  }

  protected override update(
    value: Tensor,
    gradient: Tensor,
    [before]: readonly Tensor[],
    [lr, weightDecay]: readonly Tensor[],
    { eps }: AdagradSettings,
  ): readonly Tensor[] {
    const decayed = gradient.add(value.mul(weightDecay));
    const sum = before.add(decayed.square());
    return [value.sub(decayed.mul(lr).div(sum.sqrt().add(eps))), sum];
  }
}

import { ArgumentError } from "../../graph/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { checkNotNegative } from "./checks.ts";
import {
  type GroupOptions,
  type Moment,
  Optimizer,
  type Parameters,
  type Settings,
  type StepSettings,
} from "./optimizer.ts";

export interface AdafactorSettings extends Settings {
  /** Added to squared gradients, and the least scale of a parameter. Default [1e-30, 1e-3]. */
  readonly eps: readonly [number, number];
  /** The largest root mean square of an update. Default 1. */
  readonly clipThreshold: number;
  /** The second moment's decay at step t is 1 - t^decayRate. Default -0.8. */
  readonly decayRate: number;
  /** Decay of the first moment; none is kept unless given. */
  readonly beta1: number | undefined;
  /** Whether steps are in proportion to a parameter's root mean square. Default true. */
  readonly scaleParameter: boolean;
  /** Whether the rate is min(1e-2, 1 / sqrt(t)) instead of `lr`. Default true. */
  readonly relativeStep: boolean;
  /** Whether that rate rises from 1e-6 t. Default false. */
  readonly warmupInit: boolean;
}

export type AdafactorOptions = GroupOptions<AdafactorSettings>;

const rms = (x: Tensor): Tensor => x.square().mean().sqrt();

/**
 * Adam's second moment as a product of one vector of rows and one of columns, for parameters of two dims and more. Shazeer
 * and Stern (2018), with the settings of the library transformers.
 */
export class Adafactor extends Optimizer<AdafactorSettings> {
  protected override readonly numberNames = ["adafactor.lr", "adafactor.beta2", "adafactor.weightDecay"];

  /** Without decay, and with a rate of its own, by default. @throws ArgumentError for a `lr` beside `relativeStep`. */
  constructor(params: Parameters<AdafactorSettings>, options: AdafactorOptions = {}) {
    const defaults = {
      lr: 0,
      weightDecay: 0,
      maximize: false,
      eps: [1e-30, 1e-3],
      clipThreshold: 1,
      decayRate: -0.8,
      beta1: undefined,
      scaleParameter: true,
      relativeStep: true,
      warmupInit: false,
    } as const;
    super(params, defaults, options, (settings, { shape }) => momentsOf(settings, shape));
    for (const { lr, relativeStep, warmupInit, clipThreshold } of this.groups.map(
      ({ settings }) => settings,
    )) {
      checkNotNegative("Adafactor", { clipThreshold });
      if (lr !== 0 && relativeStep)
        throw new ArgumentError(
          "Adafactor: a learning rate counts for nothing; pass relativeStep: false with it",
        );
      if (warmupInit && !relativeStep) throw new ArgumentError("Adafactor: warmupInit needs relativeStep");
    }
  }

  protected override numbersOf(settings: StepSettings<AdafactorSettings>): readonly number[] {
    const { lr, weightDecay, steps, relativeStep, warmupInit, decayRate } = settings;
    const rate = relativeStep ? Math.min(warmupInit ? 1e-6 * steps : 1e-2, 1 / Math.sqrt(steps)) : lr;
    return [rate, 1 - steps ** decayRate, weightDecay];
  }

  protected override update(
    value: Tensor,
    gradient: Tensor,
    moments: readonly Tensor[],
    [lr, beta2, weightDecay]: readonly Tensor[],
    { eps, clipThreshold, beta1, scaleParameter }: AdafactorSettings,
  ): readonly Tensor[] {
    const rate = scaleParameter ? rms(value).maximum(eps[1]).mul(lr) : lr;
    const squared = gradient.square().add(eps[0]);
    const average = (before: Tensor, now: Tensor): Tensor =>
      before.mul(beta2).add(now.mul(beta2.neg().add(1)));
    const next: Tensor[] = [];
    let scale: Tensor;
    if (value.ndim < 2) {
      next.push(average(moments[0], squared));
      scale = next[0].rsqrt();
    } else {
      const row = average(moments[0], squared.mean({ dim: -1 }));
      const column = average(moments[1], squared.mean({ dim: -2 }));
      next.push(row, column);
      const rows = row.div(row.mean({ dim: -1, keepdim: true })).rsqrt();
      scale = rows.unsqueeze(-1).mul(column.unsqueeze(-2).rsqrt());
    }
    const direction = gradient.mul(scale);
    const clipped = direction.div(rms(direction).div(clipThreshold).maximum(1)).mul(rate);
    let step = clipped;
    if (beta1 !== undefined) {
      step = moments[moments.length - 1].mul(beta1).add(clipped.mul(1 - beta1));
      next.push(step);
    }
    const decayed = value.sub(value.mul(rate).mul(weightDecay));
    return [decayed.sub(step), ...next];
  }
}

function momentsOf({ beta1 }: AdafactorSettings, shape: readonly number[]): readonly Moment[] {
  const factored: readonly Moment[] = [
    { name: "expAvgSqRow", shape: shape.slice(0, -1) },
    { name: "expAvgSqCol", shape: [...shape.slice(0, -2), ...shape.slice(-1)] },
  ];
  const second = shape.length < 2 ? [{ name: "expAvgSq" }] : factored;
  return beta1 === undefined ? second : [...second, { name: "expAvg" }];
}

import type { Buffer } from "../../tensor/parameter.ts";
import { type Tensor, where } from "../../tensor/tensor.ts";
import { type AdamSettings, adamDefaults, adamMoments, runningMoments } from "./adam.ts";
import { checkMoments } from "./checks.ts";
import { type GroupOptions, Optimizer, type Parameters, type StepSettings } from "./optimizer.ts";

export interface LAMBSettings extends Omit<AdamSettings, "amsgrad"> {
  /** Whether the moments are corrected for starting at 0. Default true; ALBERT's code does without. */
  readonly correctBias: boolean;
  /** Whether the step is in proportion to the parameter's norm. Default true; ALBERT's code leaves biases and norms out. */
  readonly adapt: boolean;
  /** The least and the largest norm that count, the paper's phi. None by default. */
  readonly normBounds: readonly [number, number] | undefined;
}

export type LAMBOptions = GroupOptions<LAMBSettings>;

const norm = (x: Tensor): Tensor => x.square().sum().sqrt();

/**
 * Layerwise adaptive large-batch optimization. You et al. (2020), algorithm 2: r = m̂ / (sqrt(v̂) + eps) + decay p,
 * p ← p - lr phi(|p|) / |r| r; the ratio is 1 where a norm is 0. With `correctBias: false`, and groups of biases and norms
 * with `adapt: false` and no decay, it is what ALBERT was trained with.
 */
export class LAMB extends Optimizer<LAMBSettings> {
  protected override readonly numberNames = [
    "lamb.lr",
    "lamb.meanScale",
    "lamb.rootScale",
    "lamb.weightDecay",
  ];

  /** Learning rate 1e-3, eps 1e-6 and decay 0.01 by default. */
  constructor(params: Parameters<LAMBSettings>, options: LAMBOptions = {}) {
    const defaults = { ...adamDefaults, eps: 1e-6, weightDecay: 0.01, correctBias: true, adapt: true };
    super(params, { ...defaults, normBounds: undefined }, options, () => [
      ...adamMoments({}),
      { name: "trustRatio", shape: [], initial: 1 },
    ]);
    for (const { settings } of this.groups) checkMoments("LAMB", settings.betas, settings.eps);
  }

  /** The ratio by which each parameter's last step was scaled, in the order of the parameters. */
  get trustRatios(): readonly Tensor[] {
    return this.momentsNamed("trustRatio").filter((ratio): ratio is Buffer => ratio !== undefined);
  }

  protected override numbersOf(settings: StepSettings<LAMBSettings>): readonly number[] {
    const { lr, weightDecay, betas, steps, correctBias } = settings;
    const [missing1, missing2] = correctBias ? betas.map((beta) => 1 - beta ** steps) : [1, 1];
    return [lr, 1 / missing1, 1 / Math.sqrt(missing2), weightDecay];
  }

  protected override update(
    value: Tensor,
    gradient: Tensor,
    moments: readonly Tensor[],
    [lr, meanScale, rootScale, weightDecay]: readonly Tensor[],
    { betas, eps, adapt, normBounds }: LAMBSettings,
  ): readonly Tensor[] {
    const [mean, square] = runningMoments(gradient, moments, betas);
    const adam = mean.mul(meanScale).div(square.sqrt().mul(rootScale).add(eps));
    const direction = adam.add(value.mul(weightDecay));
    if (!adapt) return [value.sub(direction.mul(lr)), mean, square, moments[2]];
    const [size, length] = [norm(value), norm(direction)];
    const [min, max] = normBounds ?? [];
    const ratio = where(size.gt(0).logicalAnd(length.gt(0)), size.clamp({ min, max }).div(length), 1);
    return [value.sub(direction.mul(ratio).mul(lr)), mean, square, ratio];
  }
}

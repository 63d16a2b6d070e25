import { ArgumentError, ShapeError } from "../graph/errors.ts";
import { formatShape, type Shape } from "../graph/shape.ts";
import type { CreateOptions } from "../tensor/create.ts";
import { Buffer, Parameter } from "../tensor/parameter.ts";
import type { Tensor } from "../tensor/tensor.ts";
import {
  batchNorm,
  groupNorm,
  instanceNorm,
  localResponseNorm,
  type RmsNormOptions as RmsNormForm,
  rmsNorm,
  scaleNorm,
} from "./functional/normalization.ts";
import { constant, ones, zeros } from "./init.ts";
import { Module } from "./module.ts";

export interface ChannelNormOptions extends CreateOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** Whether there are a weight and a bias [C]. Default true, for instance norms false. */
  readonly affine?: boolean;
}

export interface RunningNormOptions extends ChannelNormOptions {
  /** Share of new statistics in the running ones; null averages all batches so far. Default 0.1. */
  readonly momentum?: number | null;
  /** Whether running statistics are kept, for use after training. Default true, for instance norms false. */
  readonly trackRunningStats?: boolean;
}

/** Weight, bias and running statistics by channel, under PyTorch's names. */
abstract class RunningNorm extends Module {
  readonly eps: number;
  readonly momentum: number | null;
  readonly weight: Parameter | undefined;
  readonly bias: Parameter | undefined;
  readonly runningMean: Buffer | undefined;
  readonly runningVar: Buffer | undefined;
  /** How many batches the running statistics have seen (i32). */
  readonly numBatchesTracked: Buffer | undefined;

  protected override get names(): Readonly<Record<string, string>> {
    return {
      runningMean: "running_mean",
      runningVar: "running_var",
      numBatchesTracked: "num_batches_tracked",
    };
  }

  constructor(
    channels: number,
    options: RunningNormOptions & { affine: boolean; trackRunningStats: boolean },
  ) {
    super();
    const { eps = 1e-5, momentum = 0.1, affine, trackRunningStats, ...create } = options;
    this.eps = eps;
    this.momentum = momentum;
    this.weight = affine ? new Parameter(ones([channels], create), { name: "weight" }) : undefined;
    this.bias = affine ? new Parameter(zeros([channels], create), { name: "bias" }) : undefined;
    if (!trackRunningStats) return;
    this.runningMean = new Buffer(zeros([channels], create), { name: "running_mean" });
    this.runningVar = new Buffer(ones([channels], create), { name: "running_var" });
    this.numBatchesTracked = new Buffer(zeros([], { ...create, dtype: "i32" }), {
      name: "num_batches_tracked",
    });
  }

  /**
   * Normalises by whether x's own statistics are used and by what share they move the running ones; counts the batch
   * while training, once it has been accepted.
   */
  protected normalized(apply: (own: boolean, momentum: number | Tensor) => Tensor): Tensor {
    const tracked = this.training ? this.numBatchesTracked : undefined;
    const own = this.training || this.runningMean === undefined;
    if (tracked === undefined) return apply(own, 0);
    const seen = tracked.add(1);
    const y = apply(own, this.momentum ?? seen.to(this.runningMean?.dtype ?? "f32").reciprocal());
    tracked.assign(seen);
    return y;
  }
}

abstract class BatchNorm extends RunningNorm {
  readonly #ranks: readonly number[];

  constructor(channels: number, ranks: readonly number[], options: RunningNormOptions) {
    super(channels, { affine: true, trackRunningStats: true, ...options });
    this.#ranks = ranks;
  }

  /** @throws ShapeError for another number of dims, before any statistic is changed. */
  forward(x: Tensor): Tensor {
    checkRank(this, x, this.#ranks);
    const { weight, bias, runningMean, runningVar, eps } = this;
    return this.normalized((training, momentum) =>
      batchNorm(x, { weight, bias, runningMean, runningVar, training, momentum, eps }),
    );
  }
}

abstract class InstanceNorm extends RunningNorm {
  readonly #rank: number;

  constructor(channels: number, rank: number, options: RunningNormOptions) {
    super(channels, { affine: false, trackRunningStats: false, ...options });
    this.#rank = rank;
  }

  /** @throws ShapeError for another number of dims, before any statistic is changed. */
  forward(x: Tensor): Tensor {
    const single = x.ndim === this.#rank - 1;
    const batch = single ? x.unsqueeze(0) : x;
    checkRank(this, batch, [this.#rank]);
    const { weight, bias, runningMean, runningVar, eps } = this;
    const y = this.normalized((useInputStats, momentum) =>
      instanceNorm(batch, { weight, bias, runningMean, runningVar, useInputStats, momentum, eps }),
    );
    return single ? y.squeeze(0) : y;
  }
}

function checkRank(
  module: Module & { readonly runningMean?: Tensor },
  x: Tensor,
  ranks: readonly number[],
): void {
  const channels = module.runningMean?.shape[0] ?? x.shape[1];
  if (ranks.includes(x.ndim) && x.shape[1] === channels) return;
  throw new ShapeError(
    `${module.constructor.name}: input ${formatShape(x.shape)}, wanted ${ranks.join(" or ")} dims` +
      (channels === undefined ? "" : ` and ${channels} channels`),
  );
}

/** Batch normalisation of [N, C] or [N, C, L]; running statistics while training, them afterwards. */
export class BatchNorm1d extends BatchNorm {
  constructor(channels: number, options: RunningNormOptions = {}) {
    super(channels, [2, 3], options);
  }
}

/** Batch normalisation of [N, C, H, W]. */
export class BatchNorm2d extends BatchNorm {
  constructor(channels: number, options: RunningNormOptions = {}) {
    super(channels, [4], options);
  }
}

/** Batch normalisation of [N, C, D, H, W]. */
export class BatchNorm3d extends BatchNorm {
  constructor(channels: number, options: RunningNormOptions = {}) {
    super(channels, [5], options);
  }
}

/** Instance normalisation of [N, C, L] or [C, L]. */
export class InstanceNorm1d extends InstanceNorm {
  constructor(channels: number, options: RunningNormOptions = {}) {
    super(channels, 3, options);
  }
}

/** Instance normalisation of [N, C, H, W] or [C, H, W]. */
export class InstanceNorm2d extends InstanceNorm {
  constructor(channels: number, options: RunningNormOptions = {}) {
    super(channels, 4, options);
  }
}

/** Instance normalisation of [N, C, D, H, W] or [C, D, H, W]. */
export class InstanceNorm3d extends InstanceNorm {
  constructor(channels: number, options: RunningNormOptions = {}) {
    super(channels, 5, options);
  }
}

/** `functional.groupNorm` with its own weight and bias [C]. */
export class GroupNorm extends Module {
  readonly numGroups: number;
  readonly eps: number;
  readonly weight: Parameter | undefined;
  readonly bias: Parameter | undefined;

  /** @throws ArgumentError unless the groups divide the channels. */
  constructor(numGroups: number, channels: number, options: ChannelNormOptions = {}) {
    super();
    const { eps = 1e-5, affine = true, ...create } = options;
    if (!Number.isInteger(numGroups) || numGroups < 1 || channels % numGroups !== 0) {
      throw new ArgumentError(`GroupNorm: ${numGroups} groups do not divide ${channels} channels`);
    }
    this.numGroups = numGroups;
    this.eps = eps;
    this.weight = affine ? new Parameter(ones([channels], create), { name: "weight" }) : undefined;
    this.bias = affine ? new Parameter(zeros([channels], create), { name: "bias" }) : undefined;
  }

  forward(x: Tensor): Tensor {
    return groupNorm(x, this.numGroups, { weight: this.weight, bias: this.bias, eps: this.eps });
  }
}

export interface RMSNormOptions extends CreateOptions, Pick<RmsNormForm, "eps" | "epsPlace" | "partial"> {
  /** Whether there is a weight. Default true. */
  readonly affine?: boolean;
  /** Whether there is a bias beside the weight. Default false. */
  readonly bias?: boolean;
}

/** `functional.rmsNorm` over the trailing dims, with its own weight. Zhang and Sennrich (2019). */
export class RMSNorm extends Module {
  readonly shape: Shape;
  readonly form: Pick<RmsNormForm, "eps" | "epsPlace" | "partial">;
  readonly weight: Parameter | undefined;
  readonly bias: Parameter | undefined;

  constructor(shape: number | Shape, options: RMSNormOptions = {}) {
    super();
    const { affine = true, bias = false, eps, epsPlace, partial, ...create } = options;
    this.shape = typeof shape === "number" ? [shape] : [...shape];
    this.form = { eps, epsPlace, partial };
    this.weight = affine ? new Parameter(ones(this.shape, create), { name: "weight" }) : undefined;
    this.bias = affine && bias ? new Parameter(zeros(this.shape, create), { name: "bias" }) : undefined;
  }

  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.shape, { ...this.form, weight: this.weight, bias: this.bias });
  }
}

/** `functional.scaleNorm` with its own scalar g [1], sqrt(width) at first. Nguyen and Salazar (2019). */
export class ScaleNorm extends Module {
  readonly g: Parameter;
  readonly eps: number;

  constructor(width: number, options: CreateOptions & { readonly eps?: number } = {}) {
    super();
    const { eps = 1e-5, ...create } = options;
    this.g = new Parameter(constant(Math.sqrt(width))([1], create), { name: "g" });
    this.eps = eps;
  }

  forward(x: Tensor): Tensor {
    return scaleNorm(x, this.g, this.eps);
  }
}

/** `functional.localResponseNorm`. */
export class LocalResponseNorm extends Module {
  readonly size: number;
  readonly options: NonNullable<Parameters<typeof localResponseNorm>[2]>;

  constructor(size: number, options: NonNullable<Parameters<typeof localResponseNorm>[2]> = {}) {
    super();
    this.size = size;
    this.options = options;
  }

  forward(x: Tensor): Tensor {
    return localResponseNorm(x, this.size, this.options);
  }
}

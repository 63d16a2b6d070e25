import { isFloat } from "../../graph/dtype.ts";
import { ArgumentError, DTypeError, ShapeError } from "../../graph/errors.ts";
import { formatShape, numel, type Shape, sameShape } from "../../graph/shape.ts";
import * as b from "../../ops/builders.ts";
import { noGrad } from "../../tensor/grad.ts";
import { Buffer } from "../../tensor/parameter.ts";
import { Tensor, where } from "../../tensor/tensor.ts";

/** What channels are scaled by and shifted by, after normalising: both [C]. */
export interface ChannelAffine {
  readonly weight?: Tensor;
  readonly bias?: Tensor;
}

export interface GroupNormOptions extends ChannelAffine {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
}

export interface BatchNormOptions extends GroupNormOptions {
  /** Means and variances [C] to normalise with unless `training`; buffers are updated while it is set. */
  readonly runningMean?: Tensor;
  readonly runningVar?: Tensor;
  /** Whether to use the statistics of x itself. Default false. */
  readonly training?: boolean;
  /** Share of the new statistics in the running ones: a number, or a tensor []. Default 0.1. */
  readonly momentum?: number | Tensor;
}

export interface InstanceNormOptions extends Omit<BatchNormOptions, "training"> {
  /** Whether to use the statistics of x itself. Default true. */
  readonly useInputStats?: boolean;
}

function checkChannels(op: string, x: Tensor, vectors: Readonly<Record<string, Tensor | undefined>>): void {
  if (!isFloat(x.dtype)) throw new DTypeError(`${op}: input is ${x.dtype}, wanted a float`);
  if (x.ndim < 2) throw new ShapeError(`${op}: input ${formatShape(x.shape)}, wanted [N, C, ...]`);
  for (const [name, vector] of Object.entries(vectors)) {
    if (vector && !sameShape(vector.shape, [x.shape[1]])) {
      throw new ShapeError(
        `${op}: ${name} ${formatShape(vector.shape)} for an input ${formatShape(x.shape)}, wanted [${x.shape[1]}]`,
      );
    }
  }
}

/** A vector [C] shaped to broadcast against x [N, C, ...]. */
const alongChannels = (vector: Tensor, x: Tensor): Tensor =>
  vector.reshape([vector.shape[0], ...x.shape.slice(2).map(() => 1)]);

function affine(x: Tensor, { weight, bias }: ChannelAffine): Tensor {
  const scaled = weight ? x.mul(alongChannels(weight, x)) : x;
  return bias ? scaled.add(alongChannels(bias, x)) : scaled;
}

/** (x - mean) / sqrt(var + eps) over the last dim, with the biased variance. */
const standardize = (x: Tensor, eps: number): Tensor => new Tensor(b.layerNorm(x.usable(), 1, eps), x.device);

/**
 * Normalises x [N, C, ...] over each example's groups of channels, which are one after the other.
 * Wu and He, Group Normalization (2018).
 * @throws ArgumentError unless the groups divide the channels; ShapeError for weight or bias of another shape than [C].
 */
export function groupNorm(x: Tensor, numGroups: number, options: GroupNormOptions = {}): Tensor {
  const { weight, bias, eps = 1e-5 } = options;
  checkChannels("groupNorm", x, { weight, bias });
  if (!Number.isInteger(numGroups) || numGroups < 1 || x.shape[1] % numGroups !== 0) {
    throw new ArgumentError(`groupNorm: ${numGroups} groups do not divide ${x.shape[1]} channels`);
  }
  const rows = x.reshape([x.shape[0], numGroups, numel(x.shape.slice(1)) / numGroups]);
  return affine(standardize(rows, eps).reshape(x.shape), options);
}

/**
 * Normalises x [N, C, ...] over the batch and all places, channel by channel, with the biased variance. While training,
 * running statistics that are Buffers move towards those of x (its unbiased variance); otherwise they are what is used.
 * Ioffe and Szegedy, Batch Normalization (2015).
 * @throws ShapeError for a single value a channel while training, or vectors of another shape than [C]; ArgumentError
 *   without running statistics unless training.
 */
export function batchNorm(x: Tensor, options: BatchNormOptions = {}): Tensor {
  const { weight, bias, runningMean, runningVar, training = false, momentum = 0.1, eps = 1e-5 } = options;
  checkChannels("batchNorm", x, { weight, bias, runningMean, runningVar });
  if (!training) return affine(withStatistics("batchNorm", x, runningMean, runningVar, eps), options);
  const [batch, channels, ...places] = x.shape;
  const count = batch * numel(places);
  if (count === 1) {
    throw new ShapeError(
      `batchNorm: ${formatShape(x.shape)} has one value a channel, which has no variance to train with`,
    );
  }
  const order = [1, 0, ...places.map((_, i) => i + 2)];
  const rows = x.permute(order).reshape([channels, count]);
  updateStatistics(rows, runningMean, runningVar, momentum);
  const normal = standardize(rows, eps)
    .reshape([channels, batch, ...places])
    .permute(order);
  return affine(normal, options);
}

/**
 * Normalises each channel of each example of x [N, C, ...] over its places. Ulyanov et al., Instance Normalization (2016).
 * @throws ShapeError for a single place, or vectors of another shape than [C].
 */
export function instanceNorm(x: Tensor, options: InstanceNormOptions = {}): Tensor {
  const { weight, bias, runningMean, runningVar, useInputStats = true, momentum = 0.1, eps = 1e-5 } = options;
  checkChannels("instanceNorm", x, { weight, bias, runningMean, runningVar });
  if (!useInputStats) return affine(withStatistics("instanceNorm", x, runningMean, runningVar, eps), options);
  const [batch, channels, ...places] = x.shape;
  if (numel(places) === 1) {
    throw new ShapeError(
      `instanceNorm: ${formatShape(x.shape)} has one place a channel, which has no variance`,
    );
  }
  const rows = x.reshape([batch, channels, numel(places)]);
  updateStatistics(rows, runningMean, runningVar, momentum);
  return affine(standardize(rows, eps).reshape(x.shape), options);
}

function withStatistics(
  op: string,
  x: Tensor,
  mean: Tensor | undefined,
  variance: Tensor | undefined,
  eps: number,
): Tensor {
  if (!mean || !variance) {
    throw new ArgumentError(`${op}: runningMean and runningVar are what it uses unless it takes those of x`);
  }
  const scale = variance.add(eps).rsqrt();
  return x.sub(alongChannels(mean, x)).mul(alongChannels(scale, x));
}

/** Moves running statistics towards those along the last dim of rows [..., C, count], averaged over the leading dim. */
function updateStatistics(
  rows: Tensor,
  mean: Tensor | undefined,
  variance: Tensor | undefined,
  momentum: number | Tensor,
): void {
  noGrad(() => {
    const update = (running: Tensor | undefined, current: Tensor): void => {
      if (!(running instanceof Buffer)) return;
      const one = current.ndim === 2 ? current.mean({ dim: 0 }) : current;
      running.assign(running.add(one.detach().sub(running).mul(momentum)));
    };
    update(mean, rows.mean({ dim: -1 }));
    update(variance, rows.var({ dim: -1 }));
  });
}

/**
 * Divides by the activity of `size` neighbouring channels: x / (k + alpha mean(x²))^beta for x [N, C, ...].
 * Krizhevsky et al. (2012), with PyTorch's mean in place of the sum.
 */
export function localResponseNorm(
  x: Tensor,
  size: number,
  options: { readonly alpha?: number; readonly beta?: number; readonly k?: number } = {},
): Tensor {
  const { alpha = 1e-4, beta = 0.75, k = 1 } = options;
  checkChannels("localResponseNorm", x, {});
  if (!Number.isInteger(size) || size < 1)
    throw new ArgumentError(`localResponseNorm: size ${size} is no integer of at least 1`);
  const behind = x.shape.slice(2).flatMap(() => [0, 0]);
  const padded = x.square().pad([...behind, Math.floor(size / 2), Math.floor((size - 1) / 2)]);
  const near = new Tensor(b.unfold(padded.usable(), { dim: 1, size, step: 1, dilation: 1 }), x.device);
  return x.div(near.mean({ dim: -1 }).mul(alpha).add(k).pow(beta));
}

export interface RmsNormOptions {
  /** Of the trailing shape. */
  readonly weight?: Tensor;
  readonly bias?: Tensor;
  /** Default 1e-6. */
  readonly eps?: number;
  /** "inside": x / sqrt(mean(x²) + eps), the usual form; "outside": x / (sqrt(mean(x²)) + eps), as first released. */
  readonly epsPlace?: "inside" | "outside";
  /** Share of the features, from the first on, whose mean square is used (pRMSNorm). Default 1: all. */
  readonly partial?: number;
}

/**
 * Divides by the root mean square over the trailing `shape`. Zhang and Sennrich, Root Mean Square Layer Normalization
 * (2019).
 * @throws ShapeError unless x ends in the shape, and weight and bias have it; ArgumentError unless `partial` is in (0, 1]
 *   and leaves a feature.
 */
export function rmsNorm(x: Tensor, shape: Shape, options: RmsNormOptions = {}): Tensor {
  const { weight, bias, eps = 1e-6, epsPlace = "inside", partial = 1 } = options;
  if (shape.length === 0 || !sameShape(x.shape.slice(x.ndim - shape.length), shape)) {
    throw new ShapeError(`rmsNorm: input ${formatShape(x.shape)} does not end in ${formatShape(shape)}`);
  }
  for (const [name, vector] of Object.entries({ weight, bias })) {
    if (vector && !sameShape(vector.shape, shape)) {
      throw new ShapeError(`rmsNorm: ${name} ${formatShape(vector.shape)}, wanted ${formatShape(shape)}`);
    }
  }
  const rows = x.flatten(x.ndim - shape.length, -1);
  const used = Math.floor(partial * rows.size(-1));
  if (!(partial > 0 && partial <= 1) || used < 1) {
    throw new ArgumentError(`rmsNorm: partial ${partial} of ${rows.size(-1)} features; wanted one or more`);
  }
  const square = rows.narrow(-1, 0, used).square().mean({ dim: -1, keepdim: true });
  const normal =
    epsPlace === "inside" ? rows.mul(square.add(eps).rsqrt()) : rows.div(safeRoot(square).add(eps));
  const shaped = normal.reshape(x.shape);
  const scaled = weight ? shaped.mul(weight) : shaped;
  return bias ? scaled.add(bias) : scaled;
}

/** The square root, whose gradient at 0 is 0: that of a norm at the origin, as in PyTorch. */
function safeRoot(x: Tensor): Tensor {
  const positive = x.gt(0);
  return where(positive, where(positive, x, 1).sqrt(), x);
}

/** x / max(|x|, eps) along the last dim, where |x| is the Euclidean length. */
export function unitLength(x: Tensor, eps = 1e-5): Tensor {
  const length = safeRoot(x.square().sum({ dim: -1, keepdim: true }));
  return x.div(where(length.ge(eps), length, eps));
}

/**
 * g x / max(|x|, eps) along the last dim, with one scalar g (sqrt(width) at first).
 * Nguyen and Salazar, Transformers without Tears (2019).
 */
export function scaleNorm(x: Tensor, g: Tensor, eps = 1e-5): Tensor {
  return unitLength(x, eps).mul(g);
}

/**
 * FixNorm (Nguyen and Chiang, 2018), input side: embeddings [..., width] at length sqrt(width). On the output side,
 * logits are products with `unitLength` of the table's rows.
 */
export function fixNorm(embeddings: Tensor, eps = 1e-5): Tensor {
  return unitLength(embeddings, eps).mul(Math.sqrt(embeddings.size(-1)));
}

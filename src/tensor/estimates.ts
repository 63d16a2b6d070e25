import { ArgumentError, ShapeError } from "../graph/errors.ts";
import { formatShape, normalizeDim } from "../graph/shape.ts";
import type { ReduceOptions, Tensor } from "./tensor.ts";
import { where } from "./tensor.ts";

/** The cross product of vectors of three along `dim`, with broadcasting. @throws ShapeError for other sizes. */
export function cross(x: Tensor, y: Tensor, options: { readonly dim?: number } = {}): Tensor {
  const { dim = -1 } = options;
  for (const { shape, ndim } of [x, y]) {
    if (shape[normalizeDim("cross", dim, ndim)] === 3) continue;
    throw new ShapeError(`cross: ${formatShape(shape)} has no vectors of three along dim ${dim}`);
  }
  const next = (of: Tensor, by: number): Tensor => of.roll(-by, dim);
  return next(x, 1)
    .mul(next(y, 2))
    .sub(next(x, 2).mul(next(y, 1)));
}

/** The area under y along `dim` by trapezoids, between points x or `dx` apart (default 1). */
export function trapezoid(
  y: Tensor,
  options: { readonly x?: Tensor; readonly dx?: number; readonly dim?: number } = {},
): Tensor {
  const { x, dx = 1, dim = -1 } = options;
  const count = y.size(dim);
  if (count < 2) return y.narrow(dim, 0, 0).sum({ dim });
  const means = y
    .narrow(dim, 1, count - 1)
    .add(y.narrow(dim, 0, count - 1))
    .mul(0.5);
  if (x === undefined) return means.mul(dx).sum({ dim });
  const points =
    x.ndim === 1 ? x.reshape([x.numel, ...trailing(y.ndim - 1 - normalizeDim("trapezoid", dim, y.ndim))]) : x;
  const along = x.ndim === 1 ? 0 : dim;
  const steps = points.narrow(along, 1, count - 1).sub(points.narrow(along, 0, count - 1));
  return means.mul(steps).sum({ dim });
}

const trailing = (count: number): number[] => new Array<number>(count).fill(1);

/** Sum in which NaN counts as 0. */
export function nansum(x: Tensor, options: ReduceOptions = {}): Tensor {
  return where(x.isnan(), 0, x).sum(options);
}

/** Mean of what is not NaN; NaN where there is nothing else. */
export function nanmean(x: Tensor, options: ReduceOptions = {}): Tensor {
  return nansum(x, options).div(x.isnan().logicalNot().sum(options));
}

/** Covariance of variables, one a row of observations [V, N]: [V, V]. `correction` as of `var`. */
export function cov(x: Tensor, options: { readonly correction?: number } = {}): Tensor {
  const rows = x.ndim < 2 ? x.reshape([1, x.numel]) : x;
  if (rows.ndim > 2)
    throw new ShapeError(`cov: ${formatShape(x.shape)} is no matrix; give variables in rows`);
  const centred = rows.sub(rows.mean({ dim: 1, keepdim: true }));
  const result = centred.matmul(centred.t()).div(Math.max(rows.shape[1] - (options.correction ?? 1), 0));
  return x.ndim < 2 ? result.reshape([]) : result;
}

/** Pearson's correlation of variables, one a row of observations [V, N]: [V, V], between -1 and 1. */
export function corrcoef(x: Tensor): Tensor {
  if (x.ndim < 2) return cov(x).div(cov(x));
  const covariance = cov(x);
  const deviations = covariance.diagonal().sqrt();
  return covariance.div(deviations.unsqueeze(1)).div(deviations.unsqueeze(0)).clamp({ min: -1, max: 1 });
}

/**
 * The q-quantile along a dim, or of all elements: between the two nearest in order it lies in proportion. NaN where there
 * is one.
 * @throws ArgumentError unless q is in [0, 1]; ShapeError for no elements.
 */
export function quantile(
  x: Tensor,
  q: number,
  options: { readonly dim?: number; readonly keepdim?: boolean } = {},
): Tensor {
  if (!(q >= 0 && q <= 1)) throw new ArgumentError(`quantile: ${q} is not in [0, 1]`);
  const { dim, keepdim = false } = options;
  if (dim === undefined) {
    const all = quantile(x.reshape([x.numel]), q, { dim: 0 });
    return keepdim ? all.reshape(x.shape.map(() => 1)) : all;
  }
  const count = x.size(dim);
  if (count === 0) throw new ShapeError(`quantile: ${formatShape(x.shape)} has no elements along dim ${dim}`);
  const at = q * (count - 1);
  const below = Math.floor(at);
  const { values } = x.sort({ dim });
  const low = values.narrow(dim, below, 1);
  const high = values.narrow(dim, Math.min(below + 1, count - 1), 1);
  // NaN stands last.
  const last = values.narrow(dim, count - 1, 1);
  const found = where(last.isnan(), last, at === below ? low : low.add(high.sub(low).mul(at - below)));
  return keepdim ? found : found.squeeze(dim);
}

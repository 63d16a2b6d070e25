import type { Tensor } from "./tensor.ts";

/** How near counts as equal: |x - y| <= atol + rtol |y|. */
export interface ClosenessOptions {
  /** Default 1e-5. */
  readonly rtol?: number;
  /** Default 1e-8. */
  readonly atol?: number;
  /** Whether NaN is close to NaN. Default false. */
  readonly equalNan?: boolean;
}

/** Where x and y are close, with broadcasting (bool). Equal infinities are close. */
export function isclose(x: Tensor, y: Tensor, options: ClosenessOptions = {}): Tensor {
  const { rtol = 1e-5, atol = 1e-8, equalNan = false } = options;
  // Where y is infinite, so is what it allows.
  const near = x.sub(y).abs().le(y.abs().mul(rtol).add(atol)).logicalAnd(y.isfinite());
  const close = near.logicalOr(x.eq(y));
  return equalNan ? close.logicalOr(x.isnan().logicalAnd(y.isnan())) : close;
}

/** Whether all elements are close, once read. */
export async function allclose(x: Tensor, y: Tensor, options: ClosenessOptions = {}): Promise<boolean> {
  return (await isclose(x, y, options).all().item()) !== 0;
}

/** Whether two tensors have one shape and equal elements, once read; NaN equals nothing. */
export async function equal(x: Tensor, y: Tensor): Promise<boolean> {
  if (x.ndim !== y.ndim || x.shape.some((size, dim) => size !== y.shape[dim])) return false;
  return (await x.eq(y).all().item()) !== 0;
}

/** Where elements are among those of `candidates` (bool). Each is compared with each. */
export function isin(elements: Tensor, candidates: Tensor): Tensor {
  return elements
    .unsqueeze(-1)
    .eq(candidates.reshape([candidates.numel]))
    .any({ dim: -1 });
}

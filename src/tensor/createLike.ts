import type { DType } from "../graph/dtype.ts";
import { full } from "./create.ts";
import type { CreateOptions } from "./createOptions.ts";
import { rand, randn } from "./random.ts";
import type { Tensor } from "./tensor.ts";

/** Tensors of another one's shape, on its device, and with its dtype unless `dtype` says otherwise. */

interface LikeOptions {
  readonly dtype?: DType;
}

const optionsOf = ({ dtype, device }: Tensor, options: LikeOptions): CreateOptions => ({
  dtype: options.dtype ?? dtype,
  device,
});

export function zerosLike(x: Tensor, options: LikeOptions = {}): Tensor {
  return full(x.shape, 0, optionsOf(x, options));
}

export function onesLike(x: Tensor, options: LikeOptions = {}): Tensor {
  return full(x.shape, 1, optionsOf(x, options));
}

/** `value` everywhere. @throws DTypeError for a fraction in a tensor of integers. */
export function fullLike(x: Tensor, value: number, options: LikeOptions = {}): Tensor {
  return full(x.shape, value, optionsOf(x, options));
}

/** Uniform in [0, 1). @throws DTypeError for integers. */
export function randLike(x: Tensor, options: LikeOptions = {}): Tensor {
  return rand(x.shape, optionsOf(x, options));
}

/** Normal with mean 0 and deviation 1. @throws DTypeError for integers. */
export function randnLike(x: Tensor, options: LikeOptions = {}): Tensor {
  return randn(x.shape, optionsOf(x, options));
}

import { normalizeDims } from "../../graph/shape.ts";
import { cosineSimilarity as cosineOf, normalize as normalizeOf } from "../../tensor/products.ts";
import { Tensor } from "../../tensor/tensor.ts";

export interface NormalizeOptions {
  /** Which norm; 2 by default. */
  readonly p?: number;
  /** Default 1. */
  readonly dim?: number | readonly number[];
  /** The least that is divided by. Default 1e-12. */
  readonly eps?: number;
}

/** x divided by its p-norm along dims, or by eps where that is larger. */
export function normalize(x: Tensor, options: NormalizeOptions = {}): Tensor {
  const { p = 2, dim = 1, eps = 1e-12 } = options;
  const dims = normalizeDims("normalize", dim, x.ndim);
  return new Tensor(normalizeOf(x.usable(), p, dims, eps), x.device);
}

/** x . y / max(|x| |y|, eps) along a dim (default 1), which is left out; the operands broadcast. */
export function cosineSimilarity(
  x: Tensor,
  y: Tensor,
  options: { readonly dim?: number; readonly eps?: number } = {},
): Tensor {
  const { dim = 1, eps = 1e-8 } = options;
  return new Tensor(cosineOf(x.usable(), y.usable(), dim, eps), x.device);
}

/** p-norm of x - y + eps along the last dim; the operands broadcast. */
export function pairwiseDistance(
  x: Tensor,
  y: Tensor,
  options: { readonly p?: number; readonly eps?: number; readonly keepdim?: boolean } = {},
): Tensor {
  const { p = 2, eps = 1e-6, keepdim = false } = options;
  return x.sub(y).add(eps).norm({ p, dim: -1, keepdim });
}

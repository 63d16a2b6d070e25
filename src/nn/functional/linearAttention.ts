import { ShapeError } from "../../graph/errors.ts";
import { formatShape } from "../../graph/shape.ts";
import { arange, ones } from "../../tensor/create.ts";
import { type Tensor, where } from "../../tensor/tensor.ts";

/** Queries that a causal step takes at once: products within, a running sum of what lies before. */
const chunk = 64;

export interface LinearAttentionOptions {
  /** [N, S] (bool, or numbers of which 0 is padding): which keys count. */
  readonly keyMask?: Tensor;
  /** Whether a query sees the keys up to its own only; as many queries as keys. Default false. */
  readonly isCausal?: boolean;
  /** Added to the sum of weights that the result is divided by. Default 1e-6. */
  readonly eps?: number;
  /** Makes queries and keys positive; `eluPlusOne` by default. */
  readonly featureMap?: (x: Tensor) => Tensor;
}

/** elu(x) + 1: x + 1 above 0, exp(x) below. */
export function eluPlusOne(x: Tensor): Tensor {
  return where(x.gt(0), x.add(1), x.minimum(0).exp());
}

/**
 * φ(q) (φ(k)ᵀ v) / (φ(q) Σ φ(k) + eps) for q [N, H, T, d], k [N, H, S, d] and v [N, H, S, e]: time and memory grow with T,
 * not with T S. Katharopoulos et al., Transformers are RNNs (2020).
 * @throws ShapeError where operands do not fit.
 */
export function linearAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: LinearAttentionOptions = {},
): Tensor {
  const { keyMask, isCausal = false, eps = 1e-6, featureMap = eluPlusOne } = options;
  const fits =
    query.ndim === 4 &&
    key.ndim === 4 &&
    value.ndim === 4 &&
    query.size(-1) === key.size(-1) &&
    key.size(-2) === value.size(-2) &&
    (!isCausal || query.size(-2) === key.size(-2));
  if (!fits) {
    throw new ShapeError(
      `linearAttention: query ${formatShape(query.shape)}, key ${formatShape(key.shape)} and value ` +
        `${formatShape(value.shape)}; wanted [N, H, T, d], [N, H, S, d] and [N, H, S, e], T = S if causal`,
    );
  }
  const features = featureMap(key);
  const allowed = keyMask && (keyMask.dtype === "bool" ? keyMask : keyMask.ne(0));
  const keys = allowed ? where(allowed.unsqueeze(1).unsqueeze(-1), features, 0) : features;
  const queries = featureMap(query);
  const sums = isCausal ? causalSums(queries, keys, value) : wholeSums(queries, keys, value);
  return sums.mixed.div(sums.total.add(eps));
}

/** φ(q) Σ φ(k)ᵀ v, and the weights' sum φ(q) Σ φ(k) with a last dim of 1. */
interface Sums {
  readonly mixed: Tensor;
  readonly total: Tensor;
}

function wholeSums(queries: Tensor, keys: Tensor, value: Tensor): Sums {
  return {
    mixed: queries.matmul(keys.transpose(-1, -2).matmul(value)),
    total: queries.mul(keys.sum({ dim: -2, keepdim: true })).sum({ dim: -1, keepdim: true }),
  };
}

/** Within a chunk by a masked product; from the chunks before by the sums of their keys and values. */
function causalSums(queries: Tensor, keys: Tensor, value: Tensor): Sums {
  const [batch, heads, length] = queries.shape;
  const size = Math.min(chunk, Math.max(1, length));
  const count = Math.ceil(length / size);
  const cut = (x: Tensor): Tensor =>
    x.pad([0, 0, 0, count * size - length]).reshape([batch, heads, count, size, x.size(-1)]);
  const [q, k, v] = [queries, keys, value].map(cut);
  const { device, dtype } = queries;
  const place = arange(0, size, 1, { device });
  const weights = where(place.unsqueeze(1).ge(place), q.matmul(k.transpose(-1, -2)), 0);
  const order = arange(0, count, 1, { device });
  const before = order.unsqueeze(1).gt(order).to(dtype);
  // [N, H, chunks, d, e], of which each chunk gets the sum of those before it.
  const past = (x: Tensor): Tensor => {
    const each = k.transpose(-1, -2).matmul(x);
    const flat = each.reshape([batch, heads, count, each.size(-2) * each.size(-1)]);
    return q.matmul(before.matmul(flat).reshape(each.shape));
  };
  const unit = ones([batch, heads, count, size, 1], { dtype, device });
  const whole = (x: Tensor): Tensor =>
    x.reshape([batch, heads, count * size, x.size(-1)]).narrow(-2, 0, length);
  return {
    mixed: whole(weights.matmul(v).add(past(v))),
    total: whole(weights.sum({ dim: -1, keepdim: true }).add(past(unit))),
  };
}

import { currentEngine } from "../../engine/current.ts";
import { isInteger } from "../../graph/dtype.ts";
import { ArgumentError, DTypeError, ShapeError } from "../../graph/errors.ts";
import { formatShape, numel, type Shape, sameShape } from "../../graph/shape.ts";
import * as b from "../../ops/builders.ts";
import { arange, bernoulli } from "../../tensor/create.ts";
import { checkHostIndex } from "../../tensor/hostIndex.ts";
import { Tensor, where } from "../../tensor/tensor.ts";

/** x Wᵀ + b: x [..., in], weight [out, in], bias [out]. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  if (weight.ndim !== 2 || x.ndim === 0 || x.size(-1) !== weight.shape[1]) {
    throw new ShapeError(
      `linear: input ${formatShape(x.shape)} and weight ${formatShape(weight.shape)}; wanted [..., in] and [out, in]`,
    );
  }
  const product = x.matmul(weight.transpose(0, 1));
  return bias ? product.add(bias) : product;
}

/**
 * Rows of a table: indices [...] and weight [rows, width] give [..., width]. With `paddingIdx` (negative from the end)
 * that row gets no gradient from the lookup.
 * @throws DTypeError unless the indices are integers; IndexOutOfRangeError for an index outside the table, where it is
 *   known on the host (one computed on a device reads zeros).
 */
export function embedding(
  indices: Tensor,
  weight: Tensor,
  options: { readonly paddingIdx?: number } = {},
): Tensor {
  if (!isInteger(indices.dtype)) {
    throw new DTypeError(
      `embedding: indices are ${indices.dtype}, wanted i32 or u32; make them with { dtype: "i32" }`,
    );
  }
  const rows = weight.indexSelect(0, indices.reshape([numel(indices.shape)]));
  const looked = rows.reshape([...indices.shape, weight.shape[1]]);
  const { paddingIdx } = options;
  if (paddingIdx === undefined || !weight.requiresGrad || !currentEngine().gradEnabled) return looked;
  const padding = paddingIdx < 0 ? paddingIdx + weight.shape[0] : paddingIdx;
  return where(indices.eq(padding).unsqueeze(-1), looked.detach(), looked);
}

/**
 * 1 (i32) at each index and 0 elsewhere, in a new last dim of `classes`.
 * @throws DTypeError unless the indices are integers; IndexOutOfRangeError for a known one outside [0, classes).
 */
export function oneHot(indices: Tensor, classes: number): Tensor {
  if (!isInteger(indices.dtype)) {
    throw new DTypeError(
      `oneHot: indices are ${indices.dtype}, wanted i32 or u32; make them with { dtype: "i32" }`,
    );
  }
  if (!Number.isInteger(classes) || classes < 0)
    throw new ArgumentError(`oneHot: ${classes} is no number of classes`);
  checkHostIndex("oneHot", indices.usable(), [classes], 0);
  const hit = indices
    .to("i32")
    .unsqueeze(-1)
    .eq(arange(0, classes, 1, { device: indices.device }));
  return hit.to("i32");
}

/**
 * Normalises over the trailing `shape`, with the biased variance; weight and bias have that shape.
 * Ba, Kiros and Hinton, Layer Normalization (2016).
 */
export function layerNorm(x: Tensor, shape: Shape, weight?: Tensor, bias?: Tensor, eps = 1e-5): Tensor {
  if (shape.length === 0 || !sameShape(x.shape.slice(x.ndim - shape.length), shape)) {
    throw new ShapeError(`layerNorm: input ${formatShape(x.shape)} does not end in ${formatShape(shape)}`);
  }
  const scaleFirst = weight ? bias?.usable() : undefined;
  const y = new Tensor(b.layerNorm(x.usable(), shape.length, eps, weight?.usable(), scaleFirst), x.device);
  return bias && !weight ? y.add(bias) : y;
}

/** @throws ArgumentError unless p is a probability. */
export function checkProbability(op: string, p: number): void {
  if (!(p >= 0 && p <= 1)) throw new ArgumentError(`${op}: probability ${p} is not in [0, 1]`);
}

/**
 * Zeroes each element with probability p and scales the rest by 1 / (1 - p); the identity unless `training`. Takes a draw
 * of the engine's generator when it drops.
 * @throws ArgumentError unless p is in [0, 1].
 */
export function dropout(x: Tensor, p = 0.5, training = true): Tensor {
  checkProbability("dropout", p);
  if (!training || p === 0) return x;
  if (p === 1) return x.mul(0);
  const kept = bernoulli(x.shape, 1 - p, { device: x.device });
  return where(kept, x.mul(1 / (1 - p)), 0);
}

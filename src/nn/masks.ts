import { DTypeError, ShapeError } from "../graph/errors.ts";
import { formatShape } from "../graph/shape.ts";
import type { Device } from "../runtime/device.ts";
import { arange } from "../tensor/create.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * Attention masks say what may be attended: bool, true = allowed, shaped to broadcast against [B, H, Tq, Tk]. They combine
 * by AND.
 */

/** Of keys: [B, Tk] (bool, or numbers of which 0 is padding) gives [B, 1, 1, Tk]; [B, Tq, Tk] gives [B, 1, Tq, Tk]. */
export function paddingMask(mask: Tensor): Tensor {
  if (mask.ndim !== 2 && mask.ndim !== 3) {
    throw new ShapeError(`paddingMask: ${formatShape(mask.shape)} is neither [B, Tk] nor [B, Tq, Tk]`);
  }
  const allowed = mask.dtype === "bool" ? mask : mask.ne(0);
  return mask.ndim === 2 ? allowed.unsqueeze(1).unsqueeze(1) : allowed.unsqueeze(1);
}

/** Each query sees the keys up to its own: [1, 1, Tq, Tk], aligned at the end when there are more keys. */
export function causalMask(
  queries: number,
  keys = queries,
  options: { readonly device?: Device } = {},
): Tensor {
  const query = arange(keys - queries, keys, 1, options).reshape([1, 1, queries, 1]);
  return arange(0, keys, 1, options).reshape([1, 1, 1, keys]).le(query);
}

/** Each query sees all keys but the one in its own place: [1, 1, T, T]. */
export function diagonalMask(length: number, options: { readonly device?: Device } = {}): Tensor {
  const at = arange(0, length, 1, options);
  return at.reshape([1, 1, length, 1]).ne(at.reshape([1, 1, 1, length]));
}

/** What all masks allow; undefined (everything) of none. @throws DTypeError for a mask that is not bool. */
export function allOf(masks: readonly (Tensor | undefined)[]): Tensor | undefined {
  const given = masks.filter((mask) => mask !== undefined);
  for (const mask of given) {
    if (mask.dtype !== "bool") {
      throw new DTypeError(
        `attention: a mask of shape ${formatShape(mask.shape)} is ${mask.dtype}, wanted bool with true = may attend; ` +
          "use mask.ne(0)",
      );
    }
  }
  return given.length === 0 ? undefined : given.reduce((all, mask) => all.logicalAnd(mask));
}

import { ArgumentError, DeviceError } from "../graph/errors.ts";
import { formatShape } from "../graph/shape.ts";
import { einsum as einsumOf } from "./einsum.ts";
import { searchSorted } from "./ordering.ts";
import { cdist as cdistOf } from "./products.ts";
import { Tensor } from "./tensor.ts";

/** Functions of several tensors that are no method of one. */

/** The tensors' device. @throws DeviceError when they lie on several. */
function commonDevice(op: string, tensors: readonly Tensor[]): Tensor["device"] {
  const [first] = tensors;
  if (!first) throw new ArgumentError(`${op}: no tensors; give at least one`);
  for (const other of tensors) {
    if (other.device !== first.device) {
      throw new DeviceError(
        `${op}: tensors ${formatShape(first.shape)} on ${first.device.name} and ${formatShape(other.shape)} on ` +
          `${other.device.name}; make all on one device`,
      );
    }
  }
  return first.device;
}

/**
 * Sums of products by Einstein's convention: `einsum("bij,bjk->bik", x, y)`. Dims of one letter run together; those that
 * the output does not name are summed over; a letter twice in one operand is its diagonal; "..." are dims that broadcast;
 * without "->" the output has the letters that occur once, in alphabetical order.
 * @throws ArgumentError for an equation that cannot be read; ShapeError where sizes of one letter differ.
 */
export function einsum(equation: string, ...operands: readonly Tensor[]): Tensor {
  const device = commonDevice("einsum", operands);
  const values = operands.map((operand) => operand.usable());
  return new Tensor(einsumOf(equation, values), device);
}

/** Distances (p-norms of differences) of all rows of x [..., P, M] from those of y [..., R, M]: [..., P, R]. */
export function cdist(x: Tensor, y: Tensor, options: { readonly p?: number } = {}): Tensor {
  return new Tensor(cdistOf(x.usable(), y.usable(), options.p ?? 2), commonDevice("cdist", [x, y]));
}

/**
 * Where (i32) each value would be inserted to keep `sorted` in order along its last dim: before equal elements, or with
 * `right` behind them. `sorted` has one dim, or the leading dims of `values`. NaN goes behind all.
 * @throws ShapeError where it has neither.
 */
export function searchsorted(
  sorted: Tensor,
  values: Tensor,
  options: { readonly right?: boolean } = {},
): Tensor {
  const device = commonDevice("searchsorted", [sorted, values]);
  return new Tensor(searchSorted(sorted.usable(), values.usable(), options.right ?? false), device);
}

/** Between which boundaries each value lies (i32): `searchsorted` with the operands the other way round. */
export function bucketize(
  values: Tensor,
  boundaries: Tensor,
  options: { readonly right?: boolean } = {},
): Tensor {
  return searchsorted(boundaries, values, options);
}

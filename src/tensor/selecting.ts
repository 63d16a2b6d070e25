import { currentEngine } from "../engine/current.ts";
import { isInteger } from "../graph/dtype.ts";
import { ArgumentError, DTypeError, ShapeError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { broadcastShapes, formatShape, numel, sameShape, stridesOf } from "../graph/shape.ts";
import * as b from "../ops/builders.ts";
import * as o from "../ops/orderBuilders.ts";
import type { Device } from "../runtime/device.ts";

/**
 * Operations whose result's size is data, on graph values. All but that one number, which is read, is computed on the
 * device.
 */

/** Computes a vector and reads its last element. @throws TraceError inside a compiled function. */
async function readLast(device: Device, values: Value): Promise<number> {
  const engine = currentEngine();
  engine.realise(device, [values]);
  const last = values.shape[0] - 1;
  return (await engine.fetch(device, b.narrow(values, [last], [1])))[0];
}

const count = (value: number): Value => b.full([], "i32", value);

const flat = (x: Value): Value => b.reshape(x, [numel(x.shape)]);

/** Positions (i32) in row-major order at which a bool mask holds. */
export async function positionsOf(device: Device, mask: Value): Promise<Value> {
  const holds = flat(mask);
  const size = holds.shape[0];
  if (size === 0) return b.full([0], "i32", 0);
  const rank = o.cumsum(b.cast(holds, "i32"));
  const found = await readLast(device, rank);
  const target = b.where(holds, b.sub(rank, count(1)), count(-1));
  return b.scatterReduce(b.full([found], "i32", 0), 0, target, b.iota(size, "i32"), "replace");
}

/** One row of coordinates (i32) for each element that is not 0: [found, dims]. */
export async function nonzero(device: Device, x: Value): Promise<Value> {
  const positions = await positionsOf(device, b.cast(x, "bool"));
  const strides = stridesOf(x.shape);
  const columns = x.shape.map((size, dim) => {
    const along = b.floorDivide(positions, count(Math.max(strides[dim], 1)));
    return b.reshape(b.binary("remainder", along, count(Math.max(size, 1))), [positions.shape[0], 1]);
  });
  return columns.length === 0 ? b.full([positions.shape[0], 0], "i32", 0) : b.concat(columns, 1);
}

/** The elements where a mask (broadcast) holds. */
export async function maskedSelect(device: Device, x: Value, mask: Value): Promise<Value> {
  if (mask.dtype !== "bool") {
    throw new DTypeError(`maskedSelect: the mask is ${mask.dtype}, wanted bool; compare it first (x.ne(0))`);
  }
  const shape = broadcastShapes("maskedSelect", x.shape, mask.shape);
  const positions = await positionsOf(device, b.expand(mask, shape));
  return b.gather(flat(b.expand(x, shape)), 0, positions);
}

export interface Unique {
  /** Each element once, ascending; NaNs are all different. */
  readonly values: Value;
  /** Where each element of the operand stands in `values`. */
  readonly inverse: Value;
  /** How often each one occurs. */
  readonly counts: Value;
}

export async function unique(device: Device, x: Value): Promise<Unique> {
  const elements = flat(x);
  const size = elements.shape[0];
  const [sorted, order] = o.sort(elements, false);
  return uniqueOf(device, size, order, x.shape, {
    differs: b.ne(sorted, o.shift(sorted, "edge")),
    pick: (first) => b.gather(sorted, 0, first),
  });
}

/** The same of whole slices along a dim, in lexicographic order: `values` has as many as differ along that dim. */
export async function uniqueAlong(device: Device, x: Value, dim: number): Promise<Unique> {
  const size = x.shape[dim];
  const rows = b.reshape(b.transpose(x, 0, dim), [size, numel(x.shape) / Math.max(size, 1)]);
  const width = rows.shape[1];
  // From the last column to the first, each sort keeping the order of the ones before.
  let order = b.iota(size, "i32");
  for (let column = width - 1; column >= 0; column--) {
    const keys = b.gather(b.reshape(b.narrow(rows, [0, column], [size, 1]), [size]), 0, order);
    order = b.gather(order, 0, o.argsort(keys, false));
  }
  const pickRows = (at: Value): Value =>
    b.gather(rows, 0, b.expand(b.reshape(at, [at.shape[0], 1]), [at.shape[0], width]));
  const sorted = pickRows(order);
  const before = b.transpose(o.shift(b.transpose(sorted, 0, 1), "edge"), 0, 1);
  const differs = b.reshape(b.reduce("max", b.ne(sorted, before), [1]), [size]);
  const found = await uniqueOf(device, size, order, [size], {
    differs,
    pick: (first) => pickRows(b.gather(order, 0, first)),
  });
  const shape = b.transpose(x, 0, dim).shape.slice(1);
  const values = b.transpose(b.reshape(found.values, [found.counts.shape[0], ...shape]), 0, dim);
  return { ...found, values };
}

/** From what is sorted: whether each differs from the one before it, and what stands at positions in that order. */
async function uniqueOf(
  device: Device,
  size: number,
  order: Value,
  inverseShape: readonly number[],
  { differs, pick }: { readonly differs: Value; readonly pick: (first: Value) => Value },
): Promise<Unique> {
  if (size === 0) {
    const none = b.full([0], "i32", 0);
    return { values: pick(none), inverse: b.reshape(none, inverseShape), counts: none };
  }
  const position = b.iota(size, "i32");
  const begins = b.logicalOr(differs, b.eq(position, count(0)));
  const group = b.sub(o.cumsum(b.cast(begins, "i32")), count(1));
  const groups = (await readLast(device, group)) + 1;
  const zeros = b.full([groups], "i32", 0);
  const starts = b.where(begins, group, count(-1));
  const first = b.scatterReduce(zeros, 0, starts, position, "replace");
  return {
    values: pick(first),
    inverse: b.reshape(b.scatterReduce(b.full([size], "i32", 0), 0, order, group, "replace"), inverseShape),
    counts: b.scatterAdd(zeros, 0, group, b.full([size], "i32", 1)),
  };
}

/**
 * How often each of 0, 1, ... occurs in a vector of integers, or the sum of their weights; at least `minlength` of them.
 * @throws ArgumentError for a negative element.
 */
export async function bincount(
  device: Device,
  x: Value,
  weights: Value | undefined,
  minlength: number,
): Promise<Value> {
  if (!isInteger(x.dtype)) throw new DTypeError(`bincount: operand is ${x.dtype}, wanted i32 or u32`);
  if (x.shape.length !== 1 || (weights && !sameShape(weights.shape, x.shape))) {
    const given = weights ? ` and weights ${formatShape(weights.shape)}` : "";
    throw new ShapeError(`bincount: operand ${formatShape(x.shape)}${given}; wanted vectors of one length`);
  }
  if (!Number.isInteger(minlength) || minlength < 0)
    throw new ArgumentError(`bincount: minlength ${minlength} is not an integer of at least 0`);
  const [size] = x.shape;
  const least = size === 0 ? 0 : await readLast(device, b.reduce("min", x, [0]));
  if (least < 0) throw new ArgumentError(`bincount: element ${least} is negative; only counts from 0 exist`);
  const largest = size === 0 ? -1 : await readLast(device, b.reduce("max", x, [0]));
  const each = weights ?? b.full([size], "i32", 1);
  return b.scatterAdd(b.full([Math.max(largest + 1, minlength)], each.dtype, 0), 0, x, each);
}

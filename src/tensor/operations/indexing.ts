import { ArgumentError, DTypeError, ShapeError } from "../../graph/errors.ts";
import type { Value } from "../../graph/node.ts";
import { broadcastShapes, formatShape, normalizeDim, numel } from "../../graph/shape.ts";
import * as b from "../../ops/builders.ts";
import * as o from "../../ops/orderBuilders.ts";
import { type IndexEntry, index, indexPut } from "../advancedIndex.ts";
import { Handle } from "../handle.ts";
import { checkHostIndex } from "../hostIndex.ts";
import { repeatInterleave } from "../movement.ts";
import type { SliceRange } from "../ranges.ts";
import * as scattering from "../scattering.ts";
import * as selecting from "../selecting.ts";
import type { Tensor } from "../tensor.ts";
import { literal, type Operand } from "./base.ts";
import { MovementOperations } from "./movement.ts";

/** An entry of `x.index([...])`: a number, a range, null for the whole dim, "...", "newAxis", integers, or a known mask. */
export type IndexItem = SliceRange | "..." | "newAxis" | Tensor;

/** The different elements of a tensor. */
export interface UniqueResult {
  /** Each one once, ascending. */
  readonly values: Tensor;
  /** Where in `values` each element of the tensor stands (i32, of its shape). */
  readonly inverse: Tensor;
  /** How often each one occurs (i32). */
  readonly counts: Tensor;
}

/**
 * Operations that read or write at indices that are data. Indices known on the host are checked at the call; those that a
 * device computes read 0 and write nothing where they lie outside. Contributions to one element are taken in in the
 * order of their index, on every device.
 */
export abstract class IndexingOperations extends MovementOperations {
  /** result[..., i, ...] = this[..., index[..., i, ...], ...] along dim. */
  gather(dim: number, index: Tensor): Tensor {
    const at = this.checked("gather", dim, index);
    if (this.ndim === 0) return this.wrap(b.gather(this.usable(), at, b.reshape(index.usable(), [])), index);
    return this.wrap(b.gather(this.usable(), at, index.usable()), index);
  }
  /** gather with this and the index broadcast to each other; without dim, of the elements in row-major order. */
  takeAlongDim(index: Tensor, dim?: number): Tensor {
    if (dim === undefined) return this.flatten().gather(0, index.flatten());
    const at = normalizeDim("takeAlongDim", dim, this.ndim);
    if (index.ndim !== this.ndim) {
      throw new ShapeError(
        `takeAlongDim: index ${formatShape(index.shape)} and operand ${formatShape(this.shape)} differ in dims`,
      );
    }
    const without = (shape: readonly number[]): number[] => shape.map((size, i) => (i === at ? 1 : size));
    const common = broadcastShapes("takeAlongDim", without(this.shape), without(index.shape));
    const wide = (shape: readonly number[]): number[] =>
      common.map((size, i) => (i === at ? shape[i] : size));
    return this.expand(wide(this.shape)).gather(at, index.expand(wide(index.shape)));
  }
  /** Rows (along dim) named by a 1-d index. */
  indexSelect(dim: number, index: Tensor): Tensor {
    const at = this.checked("indexSelect", dim, index);
    const wide = scattering.wideIndex("indexSelect", index.usable(), this.shape, at);
    return this.wrap(b.gather(this.usable(), at, wide), index);
  }
  /** Elements at positions in row-major order, negative ones from the end: the index's shape. */
  take(index: Tensor): Tensor {
    const at = index.usable();
    return this.wrap(b.reshape(indexFlat("take", this.usable(), at), at.shape), index);
  }
  /** this[items], as PyTorch's x[i, :, j]; see IndexItem. @throws IndexOutOfRangeError for a known index outside its dim. */
  index(items: readonly IndexItem[]): Tensor {
    return this.wrap(index(this.usable(), items.map(entryOf)), ...items.filter(isTensor));
  }
  /** A copy with this[items] replaced by (or, with `accumulate`, increased by) `values`, which broadcast. */
  indexPut(
    items: readonly IndexItem[],
    values: Operand,
    options: { readonly accumulate?: boolean } = {},
  ): Tensor {
    const x = this.usable();
    const source = values instanceof Handle ? values.usable() : literal(x, values);
    const others = [...items, values].filter(isTensor);
    return this.wrap(indexPut(x, items.map(entryOf), source, options.accumulate ?? false), ...others);
  }
  /** A copy with this[..., index[..., i, ...], ...] += source[..., i, ...]. */
  scatterAdd(dim: number, index: Tensor, source: Tensor): Tensor {
    return this.scattered("scatterAdd", dim, index, source, (x, at, where, from) =>
      scattering.scatterReduce(x, at, where, from, "sum", true),
    );
  }
  /**
   * A copy with elements replaced by the source's, or a number; of several for one place the last stays (each gets the
   * gradient, as in PyTorch). With `reduce` they are added or multiplied.
   */
  scatter(
    dim: number,
    index: Tensor,
    source: Operand,
    options: { readonly reduce?: "add" | "multiply" } = {},
  ): Tensor {
    const { reduce } = options;
    return this.scattered("scatter", dim, index, source, (x, at, where, from) =>
      reduce === undefined
        ? scattering.scatterReplace(x, at, where, from)
        : scattering.scatterReduce(x, at, where, from, reduce === "add" ? "sum" : "prod", true),
    );
  }
  /** A copy with contributions combined; unless `includeSelf` (the default), without what stood there. */
  scatterReduce(
    dim: number,
    index: Tensor,
    source: Operand,
    reduce: scattering.ScatterReduce,
    options: { readonly includeSelf?: boolean } = {},
  ): Tensor {
    return this.scattered("scatterReduce", dim, index, source, (x, at, where, from) =>
      scattering.scatterReduce(x, at, where, from, reduce, options.includeSelf ?? true),
    );
  }
  /** A copy with `alpha` times the source's rows added to those that a 1-d index names. */
  indexAdd(dim: number, index: Tensor, source: Tensor, options: { readonly alpha?: number } = {}): Tensor {
    const { alpha = 1 } = options;
    return this.scattered(
      "indexAdd",
      dim,
      index,
      alpha === 1 ? source : source.mul(alpha),
      (x, at, where, from) => {
        const wide = scattering.wideIndex("indexAdd", where, from.shape, at);
        return scattering.scatterReduce(x, at, wide, from, "sum", true);
      },
    );
  }
  /** A copy with the rows that a 1-d index names replaced by the source's. */
  indexCopy(dim: number, index: Tensor, source: Tensor): Tensor {
    return this.scattered("indexCopy", dim, index, source, (x, at, where, from) =>
      scattering.scatterReplace(x, at, scattering.wideIndex("indexCopy", where, from.shape, at), from),
    );
  }
  /** A copy with one number in the rows that a 1-d index names. */
  indexFill(dim: number, index: Tensor, value: number): Tensor {
    const at = this.checked("indexFill", dim, index);
    const x = this.usable();
    const wide = scattering.wideIndex("indexFill", index.usable(), x.shape, at);
    const filled = b.expand(b.cast(literal(x, value), x.dtype), wide.shape);
    return this.wrap(scattering.scatterReplace(x, at, wide, filled), index);
  }
  /** A copy with elements at positions in row-major order (negative ones from the end) replaced, or with `accumulate` increased. */
  put(index: Tensor, source: Tensor, options: { readonly accumulate?: boolean } = {}): Tensor {
    if (index.numel !== source.numel) {
      throw new ShapeError(
        `put: index ${formatShape(index.shape)} and source ${formatShape(source.shape)} differ in their numbers of elements`,
      );
    }
    const flat = this.flatten().indexPut([index.flatten()], source.flatten(), options);
    return flat.reshape(this.shape);
  }
  /** The elements where the bool mask (broadcast) holds replaced by those of `source`, one after the other. */
  maskedScatter(mask: Tensor, source: Tensor): Tensor {
    const x = this.usable();
    const holds = b.reshape(b.expand(mask.usable(), this.shape), [this.numel]);
    const from = source.usable();
    if (from.dtype !== x.dtype || holds.dtype !== "bool") {
      throw new DTypeError(
        `maskedScatter: operand ${x.dtype}, mask ${holds.dtype}, source ${from.dtype}; wanted bool as mask and one dtype`,
      );
    }
    const rank = b.sub(o.cumsum(b.cast(holds, "i32")), b.full([], "i32", 1));
    const drawn = b.gather(b.reshape(from, [numel(from.shape)]), 0, rank);
    const replaced = b.where(holds, drawn, b.reshape(x, [this.numel]));
    return this.wrap(b.reshape(replaced, this.shape), mask, source);
  }
  /** Each element as often in a row as `repeats` says: one number for all, or one for each along dim. Without dim, flat. */
  repeatInterleave(repeats: number | readonly number[], dim?: number): Tensor {
    if (dim === undefined) return this.flatten().repeatInterleave(repeats, 0);
    if (typeof repeats === "number") return this.wrap(repeatInterleave(this.usable(), repeats, dim));
    const at = normalizeDim("repeatInterleave", dim, this.ndim);
    const chosen = scattering.repeatedIndices(repeats, this.shape[at] ?? 1);
    const index = b.constant([chosen.length], "i32", chosen);
    return this.wrap(
      b.gather(this.usable(), at, scattering.wideIndex("repeatInterleave", index, this.shape, at)),
    );
  }

  // What is found depends on the data: asynchronous, and not inside a compiled function.

  /** Coordinates (i32) of the elements that are not 0, one row each. @throws TraceError, as a rejection, in a compiled function. */
  async nonzero(): Promise<Tensor> {
    return this.wrap(await selecting.nonzero(this.device, this.usable())).realize();
  }
  /** The elements where the bool mask (broadcast) holds, in row-major order; gradients flow. See nonzero for errors. */
  async maskedSelect(mask: Tensor): Promise<Tensor> {
    const found = await selecting.maskedSelect(this.device, this.usable(), mask.usable());
    return this.wrap(found, mask).realize();
  }
  /** The different elements, or along `dim` the different slices. See nonzero for errors. */
  async unique(options: { readonly dim?: number } = {}): Promise<UniqueResult> {
    const x = this.usable();
    const { values, inverse, counts } =
      options.dim === undefined
        ? await selecting.unique(this.device, x)
        : await selecting.uniqueAlong(this.device, x, normalizeDim("unique", options.dim, this.ndim));
    return {
      values: this.wrap(values).realize(),
      inverse: this.wrap(inverse).realize(),
      counts: this.wrap(counts).realize(),
    };
  }
  /** How often each of 0, 1, ... occurs in a vector of integers, or the sums of their weights. See nonzero for errors. */
  async bincount(options: { readonly weights?: Tensor; readonly minlength?: number } = {}): Promise<Tensor> {
    const { weights, minlength = 0 } = options;
    const counts = await selecting.bincount(this.device, this.usable(), weights?.usable(), minlength);
    return this.wrap(counts, ...(weights ? [weights] : [])).realize();
  }

  /** The dim from the front, after the index was checked where it is known. */
  private checked(op: string, dim: number, index: Tensor): number {
    const at = normalizeDim(op, dim, this.ndim);
    checkHostIndex(op, index.usable(), this.shape, at);
    return at;
  }

  private scattered(
    op: string,
    dim: number,
    index: Tensor,
    source: Operand,
    scatter: (x: Value, dim: number, index: Value, source: Value) => Value,
  ): Tensor {
    const at = this.checked(op, dim, index);
    const x = this.usable();
    const where = index.usable();
    if (!(source instanceof Handle)) {
      const number = b.expand(b.cast(literal(x, source), x.dtype), where.shape);
      return this.wrap(scatter(x, at, where, number), index);
    }
    const whole = op.startsWith("index");
    const from = whole ? source.usable() : scattering.sourceFor(op, source.usable(), where);
    return this.wrap(scatter(x, at, where, from), index, source);
  }
}

function isTensor(item: IndexItem | Operand): item is Tensor {
  return item instanceof Handle;
}

function entryOf(item: IndexItem): IndexEntry {
  return isTensor(item) ? item.usable() : item;
}

/** Elements of x in row-major order, negative positions counting from the end. */
function indexFlat(op: string, x: Value, at: Value): Value {
  if (at.dtype === "bool")
    throw new ArgumentError(`${op}: the index is bool; use await x.maskedSelect(mask)`);
  return index(b.reshape(x, [numel(x.shape)]), [b.reshape(at, [numel(at.shape)])]);
}

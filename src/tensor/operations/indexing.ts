import { ShapeError } from "../../graph/errors.ts";
import { formatShape, normalizeDim } from "../../graph/shape.ts";
import * as b from "../../ops/builders.ts";
import { checkHostIndex } from "../hostIndex.ts";
import type { Tensor } from "../tensor.ts";
import { MovementOperations } from "./movement.ts";

/** Operations that read or write at indices that are data. */
export abstract class IndexingOperations extends MovementOperations {
  /** result[..., i, ...] = this[..., index[..., i, ...], ...] along dim. */
  gather(dim: number, index: Tensor): Tensor {
    const at = normalizeDim("gather", dim, this.ndim);
    checkHostIndex("gather", index.usable(), this.shape, at);
    return this.wrap(b.gather(this.usable(), at, index.usable()), index);
  }
  /** Rows (along dim) named by a 1-d index. */
  indexSelect(dim: number, index: Tensor): Tensor {
    const at = normalizeDim("indexSelect", dim, this.ndim);
    if (index.ndim !== 1)
      throw new ShapeError(`indexSelect: the index has shape ${formatShape(index.shape)}, wanted 1 dim`);
    checkHostIndex("indexSelect", index.usable(), this.shape, at);
    const along = this.shape.map((_, i) => (i === at ? index.shape[0] : 1));
    const wide = this.shape.map((size, i) => (i === at ? index.shape[0] : size));
    return this.wrap(b.gather(this.usable(), at, b.expand(b.reshape(index.usable(), along), wide)), index);
  }
  /** A copy with this[..., index[..., i, ...], ...] += source[..., i, ...], in the order of i. */
  scatterAdd(dim: number, index: Tensor, source: Tensor): Tensor {
    const at = normalizeDim("scatterAdd", dim, this.ndim);
    checkHostIndex("scatterAdd", index.usable(), this.shape, at);
    return this.wrap(b.scatterAdd(this.usable(), at, index.usable(), source.usable()), index, source);
  }
}

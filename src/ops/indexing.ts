import { isInteger } from "../graph/dtype.ts";
import { DTypeError, ShapeError } from "../graph/errors.ts";
import type { ValueType } from "../graph/node.ts";
import { formatShape, sameShape } from "../graph/shape.ts";
import * as b from "./builders.ts";
import { defineOp } from "./define.ts";

export interface IndexAttrs {
  readonly dim: number;
}

function checkIndex(op: string, x: ValueType, index: ValueType, dim: number): void {
  if (!isInteger(index.dtype)) {
    throw new DTypeError(`${op}: the index is ${index.dtype}, wanted i32 or u32; cast it with .to("i32")`);
  }
  const fits =
    index.shape.length === x.shape.length && index.shape.every((size, i) => i === dim || size <= x.shape[i]);
  if (!fits) {
    throw new ShapeError(
      `${op}: index ${formatShape(index.shape)} does not fit ${formatShape(x.shape)}; ` +
        `it needs as many dims, none larger but dim ${dim}`,
    );
  }
}

export const indexing = {
  /**
   * result[..., i, ...] = x[..., index[..., i, ...], ...] along dim. Indices outside the dim read 0 (false for bool);
   * those known on the host are checked before the node is built.
   */
  gather: defineOp<IndexAttrs>({
    kind: "index",
    infer: ([x, index], { dim }) => {
      checkIndex("gather", x, index, dim);
      return [{ shape: index.shape, dtype: x.dtype }];
    },
    gradient: ({ attrs, inputs: [x, index], cotangent: g }) => [
      b.scatterAdd(b.full(x.shape, x.dtype, 0), attrs.dim, index, g),
    ],
  }),

  /**
   * A copy of base with result[..., index[..., i, ...], ...] += source[..., i, ...]. Contributions to one element are
   * added in the order of i, on every device, so that results repeat to the bit. Indices outside the dim are dropped.
   */
  scatterAdd: defineOp<IndexAttrs>({
    kind: "index",
    infer: ([base, index, source], { dim }) => {
      checkIndex("scatterAdd", base, index, dim);
      if (!sameShape(index.shape, source.shape)) {
        throw new ShapeError(
          `scatterAdd: index ${formatShape(index.shape)} and source ${formatShape(source.shape)} differ in shape`,
        );
      }
      if (base.dtype !== source.dtype || base.dtype === "bool") {
        throw new DTypeError(
          `scatterAdd: base is ${base.dtype}, source ${source.dtype}; cast both to one number dtype`,
        );
      }
      return [{ shape: base.shape, dtype: base.dtype }];
    },
    gradient: ({ attrs, inputs: [, index], cotangent: g }) => [g, undefined, b.gather(g, attrs.dim, index)],
  }),
};

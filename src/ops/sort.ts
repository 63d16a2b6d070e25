import { ShapeError } from "../graph/errors.ts";
import type { ValueType } from "../graph/node.ts";
import * as b from "./builders.ts";
import { defineOp } from "./define.ts";
import * as o from "./orderBuilders.ts";

export interface SortAttrs {
  readonly descending: boolean;
}

function checkSortable(op: string, x: ValueType): void {
  if (x.shape.length === 0)
    throw new ShapeError(`${op}: a scalar has no dim to sort along; reshape it to [1]`);
}

export const sorts = {
  /**
   * The indices (i32) that sort the last dim: ascending or descending, equal elements in their order. NaN counts as
   * greatest.
   */
  argsort: defineOp<SortAttrs>({
    kind: "sort",
    infer: ([x]) => {
      checkSortable("argsort", x);
      return [{ shape: x.shape, dtype: "i32" }];
    },
    gradient: "zero",
  }),
};

/** What is made of sorts. */
export const sortComposites = {
  /** Values in order along the last dim, and their indices (i32); see argsort. */
  sort: defineOp<SortAttrs>({
    kind: "composite",
    infer: ([x]) => {
      checkSortable("sort", x);
      return [
        { shape: x.shape, dtype: x.dtype },
        { shape: x.shape, dtype: "i32" },
      ];
    },
    decompose: ([x], { descending }) => {
      const order = o.argsort(x, descending);
      return [b.gather(x, x.shape.length - 1, order), order];
    },
    gradient: ({ inputs: [x], outputs: [, order], cotangents: [g] }) => [
      g && b.scatterAdd(b.full(x.shape, x.dtype, 0), x.shape.length - 1, order, g),
    ],
  }),
};

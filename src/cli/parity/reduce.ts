import type { Operators } from "./operator.ts";

/** Operators of the group `reduce`. */
export const reduce: Operators = {
  sum: ([x], attrs) => x.sum({ dim: attrs.dims("dim"), keepdim: attrs.boolean("keepdim", false) }),
};

import type { Operators, Patterns } from "./operator.ts";

/** Operators of the group `index`. */
export const indexing: Operators = {
  gather: ([x, index], attrs) => x.gather(attrs.number("dim"), index),
};

/** Operators that are Python expressions: `x[:, 1::2]`. */
export const indexingPatterns: Patterns = [];

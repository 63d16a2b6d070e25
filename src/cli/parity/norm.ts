import type { Operators } from "./operator.ts";

/** Operators of the group `norm`: their names and attributes state formulas. */
export const norm: Operators = {};

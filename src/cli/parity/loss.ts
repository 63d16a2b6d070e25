import type { Operators } from "./operator.ts";

/** Operators of the group `loss`. */
export const loss: Operators = {};

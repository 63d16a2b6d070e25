import type { Operators } from "./operator.ts";

/** Operators of the group `nn`. */
export const nn: Operators = {};

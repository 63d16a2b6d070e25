import type { Operators } from "./operator.ts";

/** Operators of the group `linalg`. */
export const linalg: Operators = {
  matmul: ([x, y]) => x.matmul(y),
};

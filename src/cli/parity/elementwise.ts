import { where } from "../../tensor/tensor.ts";
import type { Operators, Patterns } from "./operator.ts";

/** Operators of the group `elementwise`. */
export const elementwise: Operators = {
  relu: ([x]) => x.relu(),
  add: ([x, y]) => x.add(y),
  where: ([condition, x, y]) => where(condition, x, y),
};

export const elementwisePatterns: Patterns = [];

import type { Workload } from "./workloads.ts";

/** Does the work once and reads its result. */
export type Run = () => Promise<unknown>;

/** Makes a workload's operands; undefined where the engine cannot do it. */
export type Prepare = (workload: Workload) => Promise<Run | undefined>;

/** Numbers around zero. */
export function noise(length: number, scale = 1): Float32Array {
  return Float32Array.from({ length }, () => (Math.random() - 0.5) * scale);
}

/** Token ids. */
export function tokens(length: number, vocabulary: number): Int32Array {
  return Int32Array.from({ length }, (_, i) => (i * 7919) % vocabulary);
}

import type { DType } from "../graph/dtype.ts";

/** What a plan may assume of a device: plain data. */
export interface Target {
  readonly name: string;
  readonly dtypes: readonly DType[];
  /** Math functions that the target's language has itself; the others are expanded into arithmetic. */
  readonly intrinsics: ReadonlySet<string>;
}

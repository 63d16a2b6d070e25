import type { DType } from "../graph/dtype.ts";
import type { WorkgroupSchedules } from "./lower/schedules.ts";

/** What a plan may assume of a device. */
export interface Target {
  readonly name: string;
  readonly dtypes: readonly DType[];
  /** Math functions that the target's language has itself; the others are expanded into arithmetic. */
  readonly intrinsics: ReadonlySet<string>;
  /** Composite ops that become kernels of their own; the others are expanded. */
  readonly composites: ReadonlySet<string>;
  /** Temporaries begin at multiples of this many bytes; 64 where it is not given. */
  readonly alignment?: number;
  /**
   * Kernels run as workgroups of invocations that share memory and meet at barriers, each computing single elements.
   * Undefined where a kernel is one function of plain and four-wide loops.
   */
  readonly workgroup?: {
    /** The most invocations of a workgroup. */
    readonly invocations: number;
    /** Bytes that they may share. */
    readonly sharedBytes: number;
    readonly schedules: WorkgroupSchedules;
  };
}

import type { GraphData } from "./graphData.ts";

/**
 * What a case asks of a device.
 * - `values`: results within their error bounds of the graph in f64, the same in a second run, and alone
 * - `gradients`: the same of the gradients of the sum of all float results
 * - `differences`: the reference's gradients in f64 are what finite differences say
 * - `op`: one op, within the tolerance of its spec
 * - `edges`: exact ops on extreme numbers: equal to the reference in f32, NaN and infinities included
 * - `steps`: cells take new contents in three runs of one program
 */
export type Check = "values" | "gradients" | "differences" | "op" | "edges" | "steps";

export const checks: readonly Check[] = ["values", "gradients", "differences", "op", "edges", "steps"];

/** A leaf that lies in memory which lasts from run to run, and the result that it takes at the end of each. */
export interface CellData {
  readonly leaf: number;
  readonly arena: number;
  readonly byteOffset: number;
  /** Which of the graph's results; missing for one that is only read. */
  readonly takes?: number;
}

/** A graph and what is asked of it: plain data. */
export interface FuzzCase {
  readonly check: Check;
  readonly graph: GraphData;
  /** For `steps`. */
  readonly cells?: readonly CellData[];
}

/** How the results of a device disagree with what they should be. */
export interface Disagreement {
  /** Which comparison found it. */
  readonly oracle: Oracle;
  readonly device: string;
  /** One line. */
  readonly message: string;
  /** The first element that differs, where elements were compared. */
  readonly difference?: Difference;
}

/**
 * - `bound`: further from the reference in f64 than rounding explains, or than a spec allows
 * - `exact`: not what the reference has, where nothing is rounded
 * - `replay`: another result in a later run of the same program on the same data
 * - `gradient`: not what finite differences say
 * - `untouched`: a cell changed that nobody writes
 * - `error`: planning, compiling or running failed, or a check of the device did
 */
export type Oracle = "bound" | "exact" | "replay" | "gradient" | "untouched" | "error";

export interface Difference {
  /** Which value was compared, like `output 1` or `gradient of leaf 0`. */
  readonly of: string;
  readonly index: number;
  readonly actual: number;
  readonly expected: number;
  /** How far off it may be. */
  readonly bound: number;
  /** How far off it is, in units in the last place of an f32; for integers, the difference. */
  readonly ulps: number;
}

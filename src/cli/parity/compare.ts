import { type Shape, sameShape } from "../../graph/shape.ts";
import type { SafetensorsEntry, SafetensorsTensor } from "../../io/index.ts";
import { valuesOf } from "../../models/pretrained.ts";
import { tensor } from "../../tensor/create.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { toFile } from "./files.ts";

/** What became of a case. */
export interface CaseResult {
  readonly case: string;
  readonly ok: boolean;
  /** The error that is greatest in proportion to its tolerance, that tolerance, and where it was. */
  readonly maxError: number;
  readonly tolerance: number;
  readonly at: string;
  /** What could not be compared. */
  readonly problems?: readonly string[];
  /** Outputs of the reference that no run of the model gives: generated ids, say. */
  readonly unchecked?: readonly string[];
}

export interface Comparison {
  readonly at: string;
  readonly error: number;
  readonly tolerance: number;
}

/** What was computed, by the names of files: `out.logits`, `grad.bert.pooler.dense.bias`. */
export type Results = Map<string, SafetensorsTensor>;

/** Where comparisons are collected. */
export interface Findings {
  readonly comparisons: Comparison[];
  readonly problems: string[];
  readonly results: Results;
}

export function verdict({ comparisons, problems }: Findings): Omit<CaseResult, "case"> {
  const ratio = ({ error, tolerance }: Comparison): number => error / tolerance;
  const worst = comparisons.reduce((a, b) => (ratio(b) > ratio(a) ? b : a), {
    at: "nothing",
    error: 0,
    tolerance: 1e-5,
  });
  const ok = problems.length === 0 && comparisons.length > 0 && worst.error <= worst.tolerance;
  const found = { ok, maxError: worst.error, tolerance: worst.tolerance, at: worst.at };
  return problems.length > 0 ? { ...found, problems } : found;
}

/** A tensor of a file on the current device: floats as f32, integers as i32. */
export function toTensor(entry: SafetensorsEntry, requiresGrad = false): Tensor {
  return tensor(valuesOf(entry), { shape: entry.shape, requiresGrad });
}

/** How far a result may lie from one whose own float32 is off by `noise`, and whose greatest element is `absmax`. */
export function toleranceOf(absmax: number, noise: number | null | undefined): number {
  return Math.max(20 * (noise ?? 0), 1e-5 * Math.max(1, absmax));
}

/** The greatest magnitude of the finite elements. */
export function absmaxOf(values: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]);
    if (size > most && size < Infinity) most = size;
  }
  return most;
}

/** The greatest difference; infinite where only one of two is a number. */
export function greatestDifference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < expected.length; i++) {
    if (Object.is(found[i], expected[i])) continue;
    const difference = Math.abs(found[i] - expected[i]);
    most = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(most, difference);
  }
  return most;
}

/** A result beside the file's tensor of the same name, `noise` being how far the reference's own float32 was off. */
export async function compareTensor(
  at: string,
  found: Tensor | undefined,
  entry: SafetensorsEntry | undefined,
  expectation: { readonly absmax?: number | null; readonly noise?: number | null },
  { comparisons, problems, results }: Findings,
): Promise<void> {
  if (found) results.set(at, await toFile(found));
  if (!found || !entry) {
    problems.push(found ? `the case has no ${at}` : `no ${at} was computed`);
    return;
  }
  if (!sameShape(found.shape, entry.shape)) {
    problems.push(`${at} is ${listed(found.shape)}, wanted ${listed(entry.shape)}`);
    return;
  }
  const expected = valuesOf(entry);
  const tolerance = toleranceOf(expectation.absmax ?? absmaxOf(expected), expectation.noise);
  comparisons.push({ at, error: greatestDifference(await found.data(), expected), tolerance });
}

function listed(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

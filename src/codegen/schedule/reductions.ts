import type { Value } from "../../graph/node.ts";
import { numel } from "../../graph/shape.ts";
import type { LoweredGroup } from "../lower/loops.ts";
import { mergeSteps, type Step } from "./steps.ts";

/**
 * Reductions of whole tensors whose results the same kernels read become one kernel, which does one after the other: the
 * norm of all gradients takes two kernels, however many parameters there are. What each computes stays as it is, to the
 * bit. A kernel is given at most `mostBuffers`.
 */
export function mergeReductions(
  steps: readonly Step[],
  mostBuffers: number,
  lowerTogether: (parts: readonly LoweredGroup[]) => LoweredGroup,
): readonly Step[] {
  const alike = new Map<string, Step[]>();
  const readersOf = readersByPlace(steps);
  for (const step of steps) {
    if (!isWholeReduction(step.lowered)) continue;
    const readers = [...step.written].flatMap((place) => readersOf.get(place) ?? []);
    const others = [...new Set(readers)].filter((at) => steps[at] !== step);
    const key = others.sort((a, b) => a - b).join();
    const known = alike.get(key);
    if (known) known.push(step);
    else alike.set(key, [step]);
  }
  let merged = steps;
  for (const same of alike.values()) {
    for (const run of runsOf(same, mostBuffers)) {
      const parts = run.map(({ lowered }) => lowered);
      merged = mergeSteps(merged, new Set(parts), lowerTogether(parts)) ?? merged;
    }
  }
  return merged;
}

/** The positions of the steps that read or write each place. */
function readersByPlace(steps: readonly Step[]): Map<unknown, number[]> {
  const readers = new Map<unknown, number[]>();
  steps.forEach(({ touched }, at) => {
    for (const place of touched) {
      const known = readers.get(place);
      if (known) known.push(at);
      else readers.set(place, [at]);
    }
  });
  return readers;
}

function isWholeReduction({ group, scratch }: LoweredGroup): boolean {
  const { template, stores } = group;
  if (template.kind !== "row" || numel(template.rows) !== 1 || scratch.length > 0) return false;
  return [...stores].every(({ shape }) => numel(shape) === 1);
}

/** Runs of two or more that share no buffer and have at most so many. */
function runsOf(steps: readonly Step[], mostBuffers: number): Step[][] {
  const runs: Step[][] = [];
  let used = new Set<Value>();
  for (const step of steps) {
    const values = [...step.lowered.buffers.keys()];
    const run = runs[runs.length - 1];
    const fits = used.size + values.length <= mostBuffers && !values.some((value) => used.has(value));
    if (run && fits) run.push(step);
    else {
      runs.push([step]);
      used = new Set();
    }
    for (const value of values) used.add(value);
  }
  return runs.filter((run) => run.length > 1);
}

import type { Value } from "../../graph/node.ts";
import type { LoweredGroup } from "../lower/loops.ts";

/** A kernel in its order, with the places that it reads or writes, and those that it writes. */
export interface Step {
  readonly lowered: LoweredGroup;
  readonly touched: ReadonlySet<unknown>;
  readonly written: ReadonlySet<unknown>;
}

/** Values that are the same place (the old and the new content of a cell) have one `placeOf`. */
export function stepOf(lowered: LoweredGroup, placeOf: (value: Value) => unknown): Step {
  const touched = new Set([...lowered.buffers.keys()].map(placeOf));
  return { lowered, touched, written: new Set([...lowered.group.stores].map(placeOf)) };
}

/** The steps with a run's kernels as one, where its last one stood or else its first; undefined if neither may be. */
export function mergeSteps(
  steps: readonly Step[],
  run: ReadonlySet<LoweredGroup>,
  widened: LoweredGroup,
): Step[] | undefined {
  const own = steps.filter(({ lowered }) => run.has(lowered));
  const at = (step: Step): number => steps.indexOf(step);
  const [first, last] = [own[0], own[own.length - 1]];
  const free = (from: number, to: number, kernel: Step): boolean =>
    steps.slice(from, to).every((other) => run.has(other.lowered) || !conflict(other, kernel));
  const late = own.every((kernel) => free(at(kernel) + 1, at(last), kernel));
  const early = late || own.every((kernel) => free(at(first) + 1, at(kernel), kernel));
  if (!early) return undefined;
  const union = (sets: readonly ReadonlySet<unknown>[]): Set<unknown> =>
    new Set(sets.flatMap((set) => [...set]));
  const merged: Step = {
    lowered: widened,
    touched: union(own.map(({ touched }) => touched)),
    written: union(own.map(({ written }) => written)),
  };
  const place = late ? last : first;
  return steps.flatMap((step) => (step === place ? [merged] : run.has(step.lowered) ? [] : [step]));
}

/** Whether two kernels may not change places: one writes what the other touches. */
function conflict(a: Step, b: Step): boolean {
  return (
    [...a.touched].some((place) => b.written.has(place)) ||
    [...a.written].some((place) => b.touched.has(place))
  );
}

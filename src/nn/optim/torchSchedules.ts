import { ArgumentError } from "../../graph/errors.ts";
import type { Schedule } from "./schedule.ts";

/** PyTorch's schedules: the rate of each step from the `initial` one, in closed form. */

function checkPeriod(op: string, name: string, value: number): void {
  if (!(Number.isInteger(value) && value >= 1))
    throw new ArgumentError(`${op}: ${name} ${value} is not an integer of at least 1`);
}

/** The initial rate times a function of the step. */
export function lambda(initial: number, factor: (step: number) => number): Schedule {
  return (step) => initial * factor(step);
}

/** Times gamma every `stepSize` steps. */
export function stepDecay(options: {
  readonly initial: number;
  readonly stepSize: number;
  readonly gamma?: number;
}): Schedule {
  const { initial, stepSize, gamma = 0.1 } = options;
  checkPeriod("stepDecay", "stepSize", stepSize);
  return (step) => initial * gamma ** Math.floor(step / stepSize);
}

/** Times gamma at each of the milestones. */
export function multiStep(options: {
  readonly initial: number;
  readonly milestones: readonly number[];
  readonly gamma?: number;
}): Schedule {
  const { initial, milestones, gamma = 0.1 } = options;
  return (step) => initial * gamma ** milestones.filter((milestone) => milestone <= step).length;
}

/** Times gamma each step. */
export function exponential(options: { readonly initial: number; readonly gamma: number }): Schedule {
  const { initial, gamma } = options;
  return (step) => initial * gamma ** step;
}

/** Along a cosine wave whose half is `period` steps, down to `minimum`. Loshchilov and Hutter, SGDR (2017). */
export function cosineAnnealing(options: {
  readonly initial: number;
  readonly period: number;
  readonly minimum?: number;
}): Schedule {
  const { initial, period, minimum = 0 } = options;
  checkPeriod("cosineAnnealing", "period", period);
  return (step) => minimum + (initial - minimum) * 0.5 * (1 + Math.cos((Math.PI * step) / period));
}

/** Half waves that begin anew, each `multiplier` times as long as the one before. */
export function cosineWarmRestarts(options: {
  readonly initial: number;
  readonly period: number;
  readonly multiplier?: number;
  readonly minimum?: number;
}): Schedule {
  const { initial, period, multiplier = 1, minimum = 0 } = options;
  checkPeriod("cosineWarmRestarts", "period", period);
  checkPeriod("cosineWarmRestarts", "multiplier", multiplier);
  return (step) => {
    let [begin, length] = [0, period];
    if (multiplier === 1) begin = Math.floor(step / period) * period;
    while (step >= begin + length) {
      begin += length;
      length *= multiplier;
    }
    return minimum + (initial - minimum) * 0.5 * (1 + Math.cos((Math.PI * (step - begin)) / length));
  };
}

export interface OneCycleOptions {
  /** The highest rate. */
  readonly max: number;
  readonly total: number;
  /** Share of the steps in which the rate rises. Default 0.3. */
  readonly rise?: number;
  /** Along half a cosine (the default) or straight. */
  readonly annealing?: "cos" | "linear";
  /** The first rate is max / divFactor. Default 25. */
  readonly divFactor?: number;
  /** The last rate is the first / finalDivFactor. Default 1e4. */
  readonly finalDivFactor?: number;
  /** Whether to fall to the first rate in as many steps, and only then to the last. Default false. */
  readonly threePhase?: boolean;
}

/**
 * Up to `max` and down again, once. Smith and Topin, Super-Convergence (2018).
 * @throws ArgumentError for a step beyond `total`, when it is asked for.
 */
export function oneCycle(options: OneCycleOptions): Schedule {
  const { max, total, rise = 0.3, annealing = "cos", divFactor = 25, finalDivFactor = 1e4 } = options;
  checkPeriod("oneCycle", "total", total);
  const initial = max / divFactor;
  const last = initial / finalDivFactor;
  const peak = rise * total - 1;
  const phases = options.threePhase
    ? [
        { end: peak, from: initial, to: max },
        { end: 2 * peak, from: max, to: initial },
        { end: total - 1, from: initial, to: last },
      ]
    : [
        { end: peak, from: initial, to: max },
        { end: total - 1, from: max, to: last },
      ];
  return (step) => {
    if (step >= total) throw new ArgumentError(`oneCycle: step ${step} of a cycle of ${total} steps`);
    const at = phases.findIndex(({ end }) => step <= end);
    const { end, from, to } = phases[at];
    const begin = phases[at - 1]?.end ?? 0;
    const share = (step - begin) / (end - begin);
    return annealing === "linear"
      ? from + share * (to - from)
      : to + ((from - to) / 2) * (1 + Math.cos(Math.PI * share));
  };
}

/** A factor that goes straight from one number to another in `total` steps, and stays. PyTorch's LinearLR. */
export function linear(options: {
  readonly initial: number;
  readonly startFactor?: number;
  readonly endFactor?: number;
  readonly total?: number;
}): Schedule {
  const { initial, startFactor = 1 / 3, endFactor = 1, total = 5 } = options;
  checkPeriod("linear", "total", total);
  return (step) => initial * (startFactor + (endFactor - startFactor) * Math.min(1, step / total));
}

/** A factor for the first `total` steps. PyTorch's ConstantLR. */
export function constantFactor(options: {
  readonly initial: number;
  readonly factor?: number;
  readonly total?: number;
}): Schedule {
  const { initial, factor = 1 / 3, total = 5 } = options;
  return (step) => (step < total ? initial * factor : initial);
}

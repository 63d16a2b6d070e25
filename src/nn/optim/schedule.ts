import { ArgumentError } from "../../graph/errors.ts";

/**
 * Learning rates as functions of the number of steps taken before: 0 at the first step. Pass one as an optimizer's `lr`.
 */
export type Schedule = (step: number) => number;

export interface WarmupOptions {
  /** The highest rate. */
  readonly peak: number;
  /** Steps over which the rate rises from 0. */
  readonly warmup: number;
  /** Steps of the whole training. */
  readonly total: number;
}

function checkWarmup(
  op: string,
  { warmup, total }: { readonly warmup: number; readonly total: number },
): void {
  if (!(warmup >= 0 && total >= warmup)) {
    throw new ArgumentError(`${op}: warmup ${warmup} and total ${total}; wanted 0 <= warmup <= total`);
  }
}

export function constant(lr: number): Schedule {
  return () => lr;
}

/** Rises linearly to the peak over the warm-up, then falls linearly to 0 at `total`. The first step's rate is 0. */
export function linearWarmupDecay(options: WarmupOptions): Schedule {
  checkWarmup("linearWarmupDecay", options);
  const { peak, warmup, total } = options;
  return (step) => {
    if (step < warmup) return (peak * step) / warmup;
    return peak * Math.max(0, (total - step) / Math.max(1, total - warmup));
  };
}

/**
 * As in BERT's code: the linear decay runs from step 0 on, and the warm-up replaces it, so that the rate drops by
 * peak * warmup / total where the warm-up ends. Devlin et al. (2018), optimization.py.
 */
export function bertSchedule(options: WarmupOptions): Schedule {
  checkWarmup("bertSchedule", options);
  const { peak, warmup, total } = options;
  return (step) => (step < warmup ? (peak * step) / warmup : peak * Math.max(0, 1 - step / total));
}

/**
 * scale width^-0.5 min(t^-0.5, t warmup^-1.5), where t counts from 1: the first step's rate is not 0.
 * Vaswani et al., Attention Is All You Need (2017), section 5.3.
 */
export function noam(options: {
  readonly width: number;
  readonly warmup: number;
  readonly scale?: number;
}): Schedule {
  const { width, warmup, scale = 1 } = options;
  if (!(width > 0 && warmup > 0))
    throw new ArgumentError(`noam: width ${width} and warmup ${warmup} must be above 0`);
  return (step) => {
    const t = step + 1;
    return (scale / Math.sqrt(width)) * Math.min(t ** -0.5, t * warmup ** -1.5);
  };
}

/** Rises linearly to the peak, then falls along half a cosine to `minimum` at `total`, and stays. */
export function cosine(options: WarmupOptions & { readonly minimum?: number }): Schedule {
  checkWarmup("cosine", options);
  const { peak, warmup, total, minimum = 0 } = options;
  return (step) => {
    if (step < warmup) return (peak * step) / warmup;
    const progress = Math.min(1, (step - warmup) / Math.max(1, total - warmup));
    return minimum + (peak - minimum) * 0.5 * (1 + Math.cos(Math.PI * progress));
  };
}

/** Rises linearly to the peak, then falls along `cycles` waves' halves to 0, jumping back up between them. */
export function cosineHardRestarts(options: WarmupOptions & { readonly cycles?: number }): Schedule {
  checkWarmup("cosineHardRestarts", options);
  const { peak, warmup, total, cycles = 1 } = options;
  return (step) => {
    if (step < warmup) return (peak * step) / warmup;
    const progress = (step - warmup) / Math.max(1, total - warmup);
    return progress >= 1 ? 0 : peak * 0.5 * (1 + Math.cos(Math.PI * ((cycles * progress) % 1)));
  };
}

/** Rises linearly to the peak, then stays. */
export function constantWithWarmup(options: { readonly peak: number; readonly warmup: number }): Schedule {
  const { peak, warmup } = options;
  checkWarmup("constantWithWarmup", { warmup, total: Infinity });
  return (step) => (step < warmup ? (peak * step) / warmup : peak);
}

/** Rises linearly to the peak, then falls as a power of what is left (1 by default) to `end` at `total`, and stays. */
export function polynomial(
  options: WarmupOptions & { readonly end?: number; readonly power?: number },
): Schedule {
  checkWarmup("polynomial", options);
  const { peak, warmup, total, end = 1e-7, power = 1 } = options;
  return (step) => {
    if (step < warmup) return (peak * step) / warmup;
    if (step > total) return end;
    return (peak - end) * (1 - (step - warmup) / Math.max(1, total - warmup)) ** power + end;
  };
}

import { ArgumentError } from "../../graph/errors.ts";
import type { Optimizer, Settings } from "./optimizer.ts";

export interface PlateauOptions {
  /** Whether a smaller metric is better (the default), or a larger one. */
  readonly mode?: "min" | "max";
  /** Default 0.1. */
  readonly factor?: number;
  /** Asks without improvement before the rate falls. Default 10. */
  readonly patience?: number;
  /** What counts as an improvement. Default 1e-4. */
  readonly threshold?: number;
  /** Whether the threshold is a share of the best metric (the default) or a difference. */
  readonly thresholdMode?: "rel" | "abs";
  /** Asks after a fall that do not count. Default 0. */
  readonly cooldown?: number;
  /** No rate falls below this. Default 0. */
  readonly minimum?: number;
  /** Falls smaller than this do not happen. Default 1e-8. */
  readonly eps?: number;
}

export interface PlateauState {
  readonly best: number;
  readonly bad: number;
  readonly cooldown: number;
}

/** Lowers an optimizer's rates when a metric no longer gets better, as PyTorch's ReduceLROnPlateau does. */
export class ReduceOnPlateau<S extends Settings = Settings> {
  readonly #optimizer: Optimizer<S>;
  readonly #options: Required<PlateauOptions>;
  #best: number;
  #bad = 0;
  #cooldown = 0;

  /** @throws ArgumentError unless the factor is below 1 and the rates are numbers. */
  constructor(optimizer: Optimizer<S>, options: PlateauOptions = {}) {
    this.#optimizer = optimizer;
    this.#options = {
      mode: "min",
      factor: 0.1,
      patience: 10,
      threshold: 1e-4,
      thresholdMode: "rel",
      cooldown: 0,
      minimum: 0,
      eps: 1e-8,
      ...options,
    };
    if (!(this.#options.factor < 1))
      throw new ArgumentError(`ReduceOnPlateau: factor ${this.#options.factor} is not below 1`);
    if (optimizer.groups.some(({ lr }) => typeof lr !== "number"))
      throw new ArgumentError("ReduceOnPlateau: the optimizer follows a schedule; give it a number as lr");
    this.#best = this.#options.mode === "min" ? Infinity : -Infinity;
  }

  /** Takes note of the metric, after each epoch, say. */
  step(metric: number): void {
    if (this.#isBetter(metric)) {
      this.#best = metric;
      this.#bad = 0;
    } else this.#bad += 1;
    if (this.#cooldown > 0) {
      this.#cooldown -= 1;
      this.#bad = 0;
    }
    if (this.#bad <= this.#options.patience) return;
    this.#lower();
    this.#cooldown = this.#options.cooldown;
    this.#bad = 0;
  }

  stateDict(): PlateauState {
    return { best: this.#best, bad: this.#bad, cooldown: this.#cooldown };
  }

  loadStateDict({ best, bad, cooldown }: PlateauState): void {
    [this.#best, this.#bad, this.#cooldown] = [best, bad, cooldown];
  }

  #isBetter(metric: number): boolean {
    const { mode, threshold, thresholdMode } = this.#options;
    const sign = mode === "min" ? -1 : 1;
    const bar = thresholdMode === "abs" ? this.#best + sign * threshold : this.#best * (1 + sign * threshold);
    return mode === "min" ? metric < bar : metric > bar;
  }

  #lower(): void {
    const { factor, minimum, eps } = this.#options;
    for (const group of this.#optimizer.groups) {
      if (typeof group.lr !== "number") continue;
      const next = Math.max(group.lr * factor, minimum);
      if (group.lr - next > eps) group.lr = next;
    }
  }
}

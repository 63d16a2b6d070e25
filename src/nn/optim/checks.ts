import { ArgumentError } from "../../graph/errors.ts";

/** @throws ArgumentError unless the setting is at least 0. */
export function checkNotNegative(op: string, settings: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(settings)) {
    if (!(value >= 0)) throw new ArgumentError(`${op}: ${name} ${value} is not at least 0`);
  }
}

/** @throws ArgumentError unless the setting is in [0, 1). */
export function checkShare(op: string, settings: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(settings)) {
    if (!(value >= 0 && value < 1)) throw new ArgumentError(`${op}: ${name} ${value} is not in [0, 1)`);
  }
}

/** @throws ArgumentError unless betas are in [0, 1) and eps is at least 0. */
export function checkMoments(op: string, betas: readonly [number, number], eps: number): void {
  if (!betas.every((beta) => beta >= 0 && beta < 1))
    throw new ArgumentError(`${op}: betas ${betas.join(", ")} are not in [0, 1)`);
  checkNotNegative(op, { eps });
}

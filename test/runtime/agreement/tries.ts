/// <reference types="vite/client" />

// Of the environment, as vitest hands it on to a page too.
const { FUSEGRAD_SEED, FUSEGRAD_RUNS } = import.meta.env;

/** Of a property: FUSEGRAD_SEED, or another one each time, which fast-check prints when it fails. */
export const seed = Number(FUSEGRAD_SEED ?? Date.now() % 2 ** 31);

/** Whether this is a longer run than usual, which tells how much it compared. */
export const isLongRun = FUSEGRAD_RUNS !== undefined;

/** How often a property is tried: FUSEGRAD_RUNS, or the usual number. */
export function runs(usual: number): number {
  return Number(FUSEGRAD_RUNS ?? usual);
}

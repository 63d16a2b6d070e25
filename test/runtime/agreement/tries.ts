/** Of a property: FUSEGRAD_SEED, or another one each time, which fast-check prints when it fails. */
export const seed = Number(process.env.FUSEGRAD_SEED ?? Date.now() % 2 ** 31);

/** How often a property is tried: FUSEGRAD_RUNS, or the usual number. */
export function runs(usual: number): number {
  return Number(process.env.FUSEGRAD_RUNS ?? usual);
}

import type { Plants } from "./plant.ts";

/** All faults, by their names. */
export const plants: Plants = {};

import { gradients } from "./gradients.ts";
import { indices } from "./indices.ts";
import { kernels } from "./kernels.ts";
import { plans } from "./plans.ts";
import type { Plants } from "./plant.ts";
import { printers } from "./printers.ts";

/** All faults, by their names. */
export const plants: Plants = { ...gradients, ...indices, ...kernels, ...plans, ...printers };

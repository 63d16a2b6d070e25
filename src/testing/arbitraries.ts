import { caseArbitrary } from "./fuzz/generate.ts";
import { randomGraphs } from "./graphs.ts";
import { samplesOf } from "./opSpecs.ts";
import { shapeOf, tensorOf, usualNumber } from "./specs/arbitraries.ts";

/** fast-check arbitraries for properties of one's own. */
export const arbitraries = {
  /** Shapes of up to 48 elements and 4 dims: scalars, empty ones, sizes of 1 and odd sizes. */
  shapes: () => shapeOf({ dtype: "f32", domain: "usual", smooth: false, maxElements: 48, maxRank: 4 }),
  /** A tensor of a shape with small numbers that its dtype holds. */
  tensor: (shape: readonly number[], dtype: Parameters<typeof usualNumber>[0] = "f32") =>
    tensorOf(shape, dtype, usualNumber(dtype)),
  /** Operands and attributes of an op. */
  samples: samplesOf,
  /** Typed graphs. */
  graphs: randomGraphs,
  /** What `fuzz` draws: a graph and what is asked of it. */
  cases: caseArbitrary,
} as const;

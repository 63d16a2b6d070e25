import { convolutionSpecs } from "./specs/functions/convolution.ts";
import { lossSpecs } from "./specs/functions/loss.ts";
import { normalizationSpecs } from "./specs/functions/normalization.ts";
import { poolingSpecs } from "./specs/functions/pooling.ts";
import { sequenceSpecs } from "./specs/functions/sequence.ts";
import type { FunctionSpec } from "./specs/functions/spec.ts";

/** What tests and fuzzers know of the functions of `nn.functional` that are made of ops of the table. */
export const functionSpecs = {
  ...convolutionSpecs,
  ...poolingSpecs,
  ...normalizationSpecs,
  ...lossSpecs,
  ...sequenceSpecs,
} satisfies Record<string, FunctionSpec>;

export type FunctionName = keyof typeof functionSpecs;

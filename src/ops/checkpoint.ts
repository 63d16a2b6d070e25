import { InternalError } from "../graph/errors.ts";
import type { ValueType } from "../graph/node.ts";
import * as b from "./builders.ts";
import { defineOp, type NoAttrs } from "./define.ts";
import { applySubgraph, type Subgraph } from "./subgraph.ts";

export interface CheckpointAttrs {
  /** Of all operands: the results. */
  readonly forward: Subgraph;
  /** Shape and dtype of each result. */
  readonly results: readonly ValueType[];
}

export const checkpoints = {
  /**
   * A graph whose gradient computes it again instead of keeping what it computed on the way (Chen et al., Training deep
   * nets with sublinear memory cost, 2016). The second copy reads its operands through `after`, so that it is not merged
   * with the first, and begins only once the gradient of a result is there.
   */
  checkpoint: defineOp<CheckpointAttrs>({
    kind: "composite",
    infer: (inputs, { forward, results }) => {
      if (inputs.length !== forward.parameters) {
        throw new InternalError(`checkpoint: ${inputs.length} operands, wanted ${forward.parameters}`);
      }
      return results;
    },
    decompose: (inputs, { forward }) => applySubgraph(forward, inputs),
    gradient: ({ attrs, inputs, cotangents, differentiate }) => {
      const given = cotangents.filter((cotangent) => cotangent !== undefined);
      const operands = inputs.map((input) => b.after(input, given));
      const again = applySubgraph(attrs.forward, operands);
      const used = again.filter((_, i) => cotangents[i] !== undefined);
      return differentiate(used, given, operands);
    },
  }),
};

/** The first operand, to be read only once the others are computed: a mark for the order of kernels, and no work. */
export const after = defineOp<NoAttrs>({
  kind: "movement",
  infer: ([{ shape, dtype }]) => [{ shape, dtype }],
  gradient: ({ cotangent: g }) => [g],
});

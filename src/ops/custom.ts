import { InternalError } from "../graph/errors.ts";
import type { Value, ValueType } from "../graph/node.ts";
import * as b from "./builders.ts";
import { defineOp } from "./define.ts";
import { applySubgraph, type Subgraph } from "./subgraph.ts";

/** Operands are the arguments, what the forward graph reads beside them, then what the backward graph does. */
export interface CustomAttrs {
  readonly arguments: number;
  /** Of the arguments and what it captures: the results. */
  readonly forward: Subgraph;
  /** Of the arguments, the results, their gradients and what it captures: the gradient of each argument. */
  readonly backward: Subgraph;
  /** Shape and dtype of each result. */
  readonly results: readonly ValueType[];
}

const forwardOperands = (inputs: readonly Value[], { forward }: CustomAttrs): readonly Value[] =>
  inputs.slice(0, forward.parameters);

export const customs = {
  /** A graph whose gradient is another graph, written by hand. Both are plain data, so neither is called again. */
  custom: defineOp<CustomAttrs>({
    kind: "composite",
    infer: (inputs, { arguments: count, forward, backward, results }) => {
      const captured = forward.parameters - count + (backward.parameters - count - 2 * results.length);
      if (inputs.length !== count + captured) {
        throw new InternalError(`custom: ${inputs.length} operands, wanted ${count + captured}`);
      }
      return results;
    },
    decompose: (inputs, attrs) => applySubgraph(attrs.forward, forwardOperands(inputs, attrs)),
    gradient: ({ attrs, inputs, outputs, cotangents }) => {
      const { arguments: count, forward, backward } = attrs;
      const gradients = outputs.map((output, i) => cotangents[i] ?? b.full(output.shape, output.dtype, 0));
      const captured = inputs.slice(forward.parameters);
      return applySubgraph(backward, [...inputs.slice(0, count), ...outputs, ...gradients, ...captured]);
    },
  }),
};

import fc from "fast-check";
import type { CheckpointAttrs } from "../../ops/checkpoint.ts";
import type { CustomAttrs } from "../../ops/custom.ts";
import type { SubgraphStep } from "../../ops/subgraph.ts";
import { numberFor, shapeOf, tensorOf } from "./arbitraries.ts";
import { magnitude, type OpSpec } from "./spec.ts";

const mul = (a: number, b: number): SubgraphStep => ({ op: "mul", inputs: [a, b], attrs: {} });
const add = (a: number, b: number): SubgraphStep => ({ op: "add", inputs: [a, b], attrs: {} });

export const customSpecs = {
  custom: {
    doc: "A graph with a gradient that is another graph, written by hand.",
    dtypes: ["f32", "f64"],
    differentiable: true,
    secondOrder: true,
    samples: (options) =>
      shapeOf(options).chain((shape) => {
        const tensor = tensorOf(shape, options.dtype, numberFor(options));
        // x x y, of operands x and y; then 2 x y g and x x g, of x, y, the result and g.
        const attrs: CustomAttrs = {
          arguments: 2,
          forward: { parameters: 2, steps: [mul(0, 0), mul(2, 1)], results: [3] },
          backward: {
            parameters: 4,
            steps: [mul(0, 1), add(4, 4), mul(5, 3), mul(0, 0), mul(7, 3)],
            results: [6, 8],
          },
          results: [{ shape, dtype: options.dtype }],
        };
        return fc.tuple(tensor, tensor).map((inputs) => ({ inputs, attrs }));
      }),
    tolerance: ({ inputs: [x, y] }) => ({ atol: 2 ** -22 * magnitude(x) ** 2 * magnitude(y) }),
  } satisfies OpSpec<CustomAttrs>,
  checkpoint: {
    doc: "A graph that is computed again for its gradient.",
    dtypes: ["f32", "f64"],
    differentiable: true,
    secondOrder: true,
    samples: (options) =>
      shapeOf(options).chain((shape) => {
        const tensor = tensorOf(shape, options.dtype, numberFor(options));
        // x x y and x y + y.
        const attrs: CheckpointAttrs = {
          forward: { parameters: 2, steps: [mul(0, 1), mul(0, 2), add(2, 1)], results: [3, 4] },
          results: [
            { shape, dtype: options.dtype },
            { shape, dtype: options.dtype },
          ],
        };
        return fc.tuple(tensor, tensor).map((inputs) => ({ inputs, attrs }));
      }),
    tolerance: ({ inputs: [x, y] }) => ({ atol: 2 ** -22 * (1 + magnitude(x)) ** 2 * magnitude(y) }),
  } satisfies OpSpec<CheckpointAttrs>,
};

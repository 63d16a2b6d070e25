import fc from "fast-check";
import type { DType } from "../../graph/dtype.ts";
import { numel, type Shape } from "../../graph/shape.ts";
import type { AttentionAttrs, AttentionGradientAttrs } from "../../ops/attentionOperands.ts";
import type { Subgraph, SubgraphStep } from "../../ops/subgraph.ts";
import type { Tolerance } from "../compare.ts";
import { numberFor, real, tensorOf } from "./arbitraries.ts";
import { type HostTensor, magnitude, type OpSpec, type Sample, type SampleOptions } from "./spec.ts";

const shared = { dtypes: ["f32", "f64"] as readonly DType[], differentiable: true, secondOrder: true };

const step = (op: string, ...inputs: readonly number[]): SubgraphStep => ({ op, inputs, attrs: {} });
const subgraph = (parameters: number, steps: readonly SubgraphStep[], ...results: number[]): Subgraph => ({
  parameters,
  steps,
  results,
});

/** A score function of the product (operand 0) with its captured values, and its derivative. */
interface Form {
  readonly score: Subgraph;
  readonly captured: readonly ("data" | "bool")[];
  readonly derivative: Subgraph;
  readonly wanted: readonly number[];
}

const forms: readonly Form[] = [
  {
    score: subgraph(1, [], 0),
    captured: [],
    derivative: subgraph(2, [], 1),
    wanted: [],
  },
  {
    score: subgraph(2, [step("add", 0, 1)], 2),
    captured: ["data"],
    derivative: subgraph(3, [], 2, 2),
    wanted: [0],
  },
  {
    score: subgraph(2, [step("mul", 0, 1), step("tanh", 2)], 3),
    captured: ["data"],
    // With t = tanh(s c): g - g t t, times c and times s.
    derivative: subgraph(
      3,
      [
        step("mul", 0, 1),
        step("tanh", 3),
        step("mul", 4, 4),
        step("mul", 2, 5),
        step("sub", 2, 6),
        step("mul", 7, 1),
        step("mul", 7, 0),
      ],
      8,
      9,
    ),
    wanted: [0],
  },
  {
    score: subgraph(3, [step("where", 2, 0, 1)], 3),
    captured: ["data", "bool"],
    derivative: subgraph(4, [step("sub", 0, 0), step("where", 2, 3, 4), step("where", 2, 4, 3)], 5, 6),
    wanted: [0],
  },
];

interface Drawn {
  readonly inputs: readonly HostTensor[];
  readonly attrs: AttentionAttrs;
  readonly form: Form;
  readonly rows: Shape;
  readonly width: number;
}

function draw(options: SampleOptions): fc.Arbitrary<Drawn> {
  const size = fc.constantFrom(1, 2, 3, 5, 4, 7);
  const batch = fc.array(fc.constantFrom(1, 2, 0), {
    maxLength: Math.max(0, Math.min(options.maxRank, 4) - 2),
  });
  const settings = fc.record({
    form: fc.constantFrom(...forms),
    narrow: fc.constantFrom(0, 1, 2),
    dropout: fc.constantFrom(0, 0, 0.25),
    scale: fc.constantFrom(1, 0.5, 0.375),
    emptyRow: fc.constantFrom<"nan" | "zero">("nan", "zero"),
  });
  return fc.tuple(batch, size, size, size, size, settings).chain(([leading, ...rest]) => {
    const [queries, keys, depth, width, { form, narrow, dropout, scale, emptyRow }] = rest;
    const limit = Math.max(1, Math.floor(Math.sqrt(options.maxElements / Math.max(numel(leading), 1))));
    const [tq, tk, dk, dv] = [queries, keys, depth, width].map((drawn) => Math.min(drawn, limit));
    const data = options.domain === "usual" || options.smooth ? real(-1, 1) : numberFor(options);
    const scores = [...leading, tq, tk];
    // Captured values are whole, of one query, or of no batch.
    const capturedShape = [scores, [...leading, 1, tk], [tq, tk]][narrow];
    const captured = form.captured.map((kind) =>
      kind === "data"
        ? tensorOf(capturedShape, options.dtype, data)
        : tensorOf(capturedShape, "bool", fc.integer({ min: 0, max: 1 })),
    );
    return fc
      .tuple(
        ...[
          [...leading, tq, dk],
          [...leading, tk, dk],
          [...leading, tk, dv],
        ].map((shape) => tensorOf(shape, options.dtype, data)),
        ...captured,
        ...(dropout > 0 ? [tensorOf(scores, "bool", fc.integer({ min: 0, max: 1 }))] : []),
      )
      .map((inputs) => ({
        inputs,
        attrs: { scale, score: form.score, dropout, emptyRow },
        form,
        rows: [...leading, tq],
        width: dv,
      }));
  });
}

function gradientSamples(options: SampleOptions): fc.Arbitrary<Sample<AttentionGradientAttrs>> {
  return fc.tuple(draw(options), fc.boolean()).chain(([{ inputs, attrs, form, rows, width }, statistics]) => {
    const tensor = (shape: Shape): fc.Arbitrary<HostTensor> => tensorOf(shape, options.dtype, real(-1, 1));
    const wide = [...rows, width];
    return fc.tuple(tensor(wide), tensor(rows), tensor(rows), tensor(wide), tensor(rows)).map((results) => ({
      inputs: [...inputs, ...(statistics ? results : results.slice(0, 4))],
      attrs: { ...attrs, derivative: form.derivative, wanted: form.wanted, statistics },
    }));
  });
}

/** How large a score may be, and how far off. */
function scoreSize({ inputs: [query, key, , ...others], attrs }: Sample<AttentionAttrs>): number {
  const width = query.shape[query.shape.length - 1];
  const captured = others.filter(({ dtype }) => dtype !== "bool").map(magnitude);
  return 1 + Math.abs(attrs.scale) * width * magnitude(query) * magnitude(key) + Math.max(0, ...captured);
}

/** exp turns the absolute error of a score into a relative one of its probability. */
function tolerance(sample: Sample<AttentionAttrs>): Tolerance {
  const [, { shape: keys }, value] = sample.inputs;
  const count = keys[keys.length - 2];
  return {
    ulps: 8,
    atol: 2 ** -21 * scoreSize(sample) * (4 + Math.sqrt(count)) * (1 + 2 * magnitude(value)),
  };
}

/** Probabilities of results that do not belong to the scores may be larger than 1. */
function gradientTolerance(sample: Sample<AttentionGradientAttrs>): Tolerance {
  const { inputs } = sample;
  const size = scoreSize(sample);
  const most = Math.max(...inputs.map(magnitude), 1);
  const terms = inputs.slice(0, 3).reduce((total, { shape }) => total + shape.reduce((x, y) => x + y, 0), 4);
  return { ulps: 16, atol: 2 ** -21 * Math.exp(size + 2 * most) * terms * size * most ** 3 };
}

export const attentionSpecs = {
  attention: {
    ...shared,
    doc: "Values mixed by the softmax of a function of query times key, with the statistics of its rows.",
    samples: (options) => draw(options).map(({ inputs, attrs }) => ({ inputs, attrs })),
    tolerance,
  },
  attentionGradient: {
    ...shared,
    doc: "Gradients of attention for query, key, value and captured values, from its result and statistics.",
    samples: gradientSamples,
    tolerance: gradientTolerance,
  },
} satisfies {
  readonly attention: OpSpec<AttentionAttrs>;
  readonly attentionGradient: OpSpec<AttentionGradientAttrs>;
};

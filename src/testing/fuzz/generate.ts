import fc from "fast-check";
import { type DType, isFloat } from "../../graph/dtype.ts";
import { ArgumentError } from "../../graph/errors.ts";
import { numel, sameShape } from "../../graph/shape.ts";
import { type OpName, opTable } from "../../ops/table.ts";
import { threefry2x32 } from "../../runtime/reference/threefry.ts";
import { type StepName, weighted } from "../graphs/steps.ts";
import { type GraphOptions, randomGraphs } from "../graphs.ts";
import { opNames, samplesOf, specOf } from "../opSpecs.ts";
import type { Sample } from "../specs/spec.ts";
import type { CellData, FuzzCase } from "./cases.ts";
import { buildGraph, type GraphData, type LeafData, retyped } from "./graphData.ts";
import { blockCases, trainingCases } from "./training.ts";

/** Steps whose results are exact on any numbers, NaN and infinities included. */
const exactSteps: readonly StepName[] = [
  ...([
    "neg",
    "abs",
    "floor",
    "maximum",
    "minimum",
    "compare",
    "where",
    "cast",
    "max",
    "min",
    "argmax",
  ] as const),
  ...([
    "reshape",
    "permute",
    "expand",
    "slice",
    "flip",
    "pad",
    "unfold",
    "concat",
    "gather",
    "sort",
  ] as const),
  ...(["cummax", "compare", "where", "maximum", "gather"] as const),
];

/** One op on drawn operands: usual numbers, extreme ones, or such as finite differences like. */
export function opCases(
  name: OpName,
  dtype: DType,
  check: "op" | "edges" | "differences",
): fc.Arbitrary<FuzzCase> {
  const domain = check === "edges" ? "whole" : "usual";
  const smooth = check === "differences";
  const samples = samplesOf(name, { dtype: smooth ? "f64" : dtype, domain, smooth });
  return samples.map((sample) => ({ check, graph: graphOf(name, sample) }));
}

/** A sample as a graph, whose floats are f32 whatever they were drawn for. */
function graphOf(op: OpName, { inputs, attrs: drawn }: Sample): GraphData {
  const attrs = retyped(drawn, "f64", "f32");
  const leaves = inputs.map(({ shape, dtype, data }): LeafData => {
    return { shape, dtype: dtype === "f64" ? "f32" : dtype, numbers: { kind: "list", values: [...data] } };
  });
  const graph = { leaves, steps: [{ op, inputs: leaves.map((_, i) => i), attrs }], results: [] };
  const built = buildGraph({ ...graph, results: [leaves.length] }, "f32").outputs[0].node;
  return { ...graph, results: built.outputs.map((_, i) => leaves.length + i) };
}

/** Ops of the table that a case can consist of: leaves of data are part of every case. */
const single = opNames.filter((name) => name !== "source" && name !== "constant");

/** One op of a dtype, and what is asked of it. */
interface Turn {
  readonly name: OpName;
  readonly dtype: DType;
  readonly check: "op" | "edges" | "differences";
}

/** All ops in all dtypes that devices have, on usual numbers, extreme ones and with gradients; each op's usual dtype first. */
function turnsOf(ops: readonly OpName[]): readonly Turn[] {
  const turns = ops.flatMap((name) => {
    const { dtypes, differentiable } = specOf(name);
    return dtypes
      .filter((dtype) => dtype !== "f64")
      .flatMap((dtype, place) => {
        const all: Turn["check"][] =
          dtype === "f32" && differentiable ? ["op", "differences", "edges"] : ["op", "edges"];
        return all.map((check, k) => ({ name, dtype, check, rank: 10 * place + k }));
      });
  });
  return turns.sort((one, other) => one.rank - other.rank);
}

/** Whether an op's results are exact, so that they can be compared on any numbers. */
function isExact(name: OpName, dtype: DType, sample: FuzzCase): boolean {
  if (!isFloat(dtype)) return true;
  const inputs = sample.graph.leaves.map(({ shape, dtype: type, numbers }) => ({
    shape,
    dtype: type,
    data: Float32Array.from(numbers.kind === "list" ? numbers.values : []),
  }));
  const {
    atol = 0,
    rtol = 0,
    ulps = 0,
  } = specOf(name).tolerance({ inputs, attrs: sample.graph.steps[0].attrs });
  return atol === 0 && rtol === 0 && ulps === 0;
}

/** Random graphs, some results of which are written to the leaves. */
function cellCases(options: GraphOptions): fc.Arbitrary<FuzzCase> {
  return fc
    .tuple(randomGraphs(options), fc.nat(99), fc.integer({ min: 1, max: 3 }))
    .map(([{ data }, at, arenas]) => {
      const { leaves, values } = buildGraph(data, "f32");
      const results = [...data.results];
      const ends = new Array<number>(arenas).fill(0);
      const cells = leaves.map(({ shape }, leaf): CellData => {
        const arena = leaf % arenas;
        const byteOffset = ends[arena];
        ends[arena] += Math.max(256, Math.ceil((numel(shape) * 4) / 256) * 256);
        const fitting = values.flatMap((value, i) =>
          value.dtype === leaves[leaf].dtype && sameShape(value.shape, shape) ? [i] : [],
        );
        const chosen = fitting[fitting.length - 1 - (at % fitting.length)];
        const cell = { leaf, arena, byteOffset };
        return (at + leaf) % 4 === 0 ? cell : { ...cell, takes: results.push(chosen) - 1 };
      });
      return { check: "steps", graph: { ...data, results }, cells };
    });
}

/** Graphs with more elements than tiles and vectors have, and sizes that are prime. */
const large: GraphOptions = { maxSteps: 4, maxElements: 6000 };

/** What cases are drawn from, and how often of a hundred. */
interface Source {
  readonly weight: number;
  readonly cases: fc.Arbitrary<FuzzCase>;
}

function graphSources(steps: readonly StepName[]): Source[] {
  const checked = (check: FuzzCase["check"], options: GraphOptions): fc.Arbitrary<FuzzCase> =>
    randomGraphs({ steps, ...options }).map(({ data }) => ({ check, graph: data }));
  // Contributions that replace each other all get the gradient, as in PyTorch: no difference says so.
  const smooth = steps.filter((name) => name !== "scatterReduce");
  const exact = steps.filter((name) => exactSteps.includes(name));
  return [
    { weight: 66, cases: checked("values", { maxSteps: 12 }) },
    { weight: 12, cases: checked("values", { ...large }) },
    { weight: 24, cases: checked("gradients", { maxSteps: 6 }) },
    { weight: 30, cases: cellCases({ steps, maxSteps: 8 }) },
    ...(smooth.length > 0
      ? [
          {
            weight: 24,
            cases: checked("differences", { steps: smooth, maxSteps: 6, maxElements: 60, numbers: "spread" }),
          },
        ]
      : []),
    ...(exact.length > 0
      ? [{ weight: 24, cases: checked("edges", { steps: exact, numbers: "edges" }) }]
      : []),
  ];
}

const blockSources: readonly Source[] = [
  { weight: 2, cases: trainingCases() },
  { weight: 1, cases: blockCases("values") },
  { weight: 1, cases: blockCases("gradients") },
  { weight: 1, cases: blockCases("differences") },
];

export interface CaseOptions {
  /** Names of ops that cases consist of. Default all. */
  readonly ops?: readonly string[];
}

/**
 * Endless cases of all kinds. Single ops come in turn, so that all are seen soon, with every dtype; graphs are drawn. A seed
 * and a number make a case, whichever came before.
 * @throws ArgumentError for an op that is not in the table.
 */
export function caseMaker({ ops }: CaseOptions = {}): (seed: number, number: number) => FuzzCase {
  for (const name of ops ?? []) {
    if (!Object.hasOwn(opTable, name))
      throw new ArgumentError(`fuzz: no op is named ${name}; fusegrad/testing lists them in opNames`);
  }
  const turns = turnsOf(single.filter((name) => ops === undefined || ops.includes(name)));
  const named = weighted.filter((name) => ops === undefined || ops.includes(name));
  const sources = [
    ...(named.length > 0 ? graphSources(named) : []),
    ...(ops === undefined ? blockSources : []),
  ];
  const graphs = fc.oneof(...sources.map(({ weight, cases }) => ({ weight, arbitrary: cases })));
  return (seed, number) => {
    const draw = <T>(from: fc.Arbitrary<T>): T =>
      fc.sample(from, { seed: mixed(seed, number), numRuns: 1 })[0];
    if (number % 3 === 2 && sources.length > 0) return draw(graphs);
    const { name, dtype, check } = turns[(number - Math.floor(number / 3)) % turns.length];
    const drawn = draw(opCases(name, dtype, check));
    // On extreme numbers, only what is exact can be compared.
    return check !== "edges" || isExact(name, dtype, drawn) ? drawn : draw(opCases(name, dtype, "op"));
  };
}

/** Cases as `fuzz` draws them. */
export function caseArbitrary(options: CaseOptions = {}): fc.Arbitrary<FuzzCase> {
  const make = caseMaker(options);
  return fc.tuple(fc.nat(), fc.nat(9999)).map(([seed, number]) => make(seed, number));
}

/** One seed of two. */
function mixed(seed: number, number: number): number {
  return threefry2x32(seed, 0, number, 0)[0] | 0;
}

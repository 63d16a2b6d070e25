import { type DType, isFloat } from "../../graph/dtype.ts";
import { topologicalOrder, type Value } from "../../graph/node.ts";
import { numel, type Shape } from "../../graph/shape.ts";
import { build } from "../../ops/build.ts";
import * as b from "../../ops/builders.ts";
import { graphBetween, type SubgraphStep } from "../../ops/subgraph.ts";
import { type AttrsOf, type OpName, typed } from "../../ops/table.ts";
import { type LeafNumbers, numbersOf } from "./numbers.ts";

/** A value that a graph is fed with. */
export interface LeafData {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly numbers: LeafNumbers;
}

/**
 * A graph as plain data. Values have numbers, as those of a `Subgraph` do: first the leaves, then the outputs of each
 * step in turn. Floats are f32; the same graph is built in f64 as well.
 */
export interface GraphData {
  readonly leaves: readonly LeafData[];
  readonly steps: readonly SubgraphStep[];
  /** The values asked for. */
  readonly results: readonly number[];
}

export interface BuiltGraph {
  readonly leaves: readonly Value[];
  /** The values asked for. */
  readonly outputs: readonly Value[];
  /** All values, by their numbers. */
  readonly values: readonly Value[];
}

/** The graph below `outputs` as data. Constants are its leaves; `known` ones hold what it says, others list their numbers. */
export function recordGraph(
  outputs: readonly Value[],
  known: ReadonlyMap<Value, LeafNumbers> = new Map(),
): GraphData {
  const leaves = topologicalOrder(outputs).flatMap((node) => (node.op === "constant" ? node.outputs : []));
  const { steps, results } = graphBetween(leaves, outputs);
  return { leaves: leaves.map((leaf) => leafOf(leaf, known.get(leaf))), steps, results };
}

function leafOf(leaf: Value, known: LeafNumbers | undefined): LeafData {
  const { shape, dtype, node } = leaf;
  const constant = typed(node);
  const values = constant.op === "constant" ? [...constant.attrs.data] : [];
  return { shape, dtype, numbers: known ?? { kind: "list", values } };
}

/**
 * Builds the graph on constants: in f32 as it says, or its twin in f64. The numbers are the same in both.
 * @throws FusegradError from the rule of an op that does not accept its operands.
 */
export function buildGraph(
  { leaves, steps, results }: GraphData,
  float: "f32" | "f64",
  requiresGrad = false,
): BuiltGraph {
  const built = leaves.map(({ shape, dtype, numbers }) => {
    const type = isFloat(dtype) ? float : dtype;
    return b.constant(shape, type, numbersOf(numbers, type, numel(shape)), requiresGrad && isFloat(type));
  });
  return applySteps({ leaves, steps, results }, built, float);
}

/** The same on other leaves of the same shapes. */
export function applySteps(
  { steps, results }: GraphData,
  leaves: readonly Value[],
  float: "f32" | "f64",
): BuiltGraph {
  const values = [...leaves];
  for (const { op, inputs, attrs } of steps) {
    const typed = float === "f64" ? retyped(attrs, "f32", "f64") : attrs;
    const operands = inputs.map((i) => values[i]);
    // A step names an op of the table, with that op's attributes.
    values.push(...build(op as OpName, operands, typed as AttrsOf<OpName>).outputs);
  }
  return { leaves, outputs: results.map((i) => values[i]), values };
}

/** Attributes with every dtype `from` made `to`, those of inner graphs too. */
export function retyped(data: unknown, from: DType, to: DType): unknown {
  if (Array.isArray(data)) return data.map((part) => retyped(part, from, to));
  if (typeof data !== "object" || data === null) return data;
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [
      key,
      key === "dtype" && value === from ? to : retyped(value, from, to),
    ]),
  );
}

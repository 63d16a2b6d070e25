import { ArgumentError } from "../graph/errors.ts";
import { type Node, topologicalOrder, type Value } from "../graph/node.ts";
import { formatShape, sameShape } from "../graph/shape.ts";
import { build } from "./build.ts";
import { expandComposites } from "./expand.ts";
import { type AttrsOf, definitionOf, type OpName } from "./table.ts";

/**
 * A graph as plain data, so that it can be an attribute and is compared by what it says. Operands have
 * numbers: first the parameters, then the outputs of each step in turn.
 */
export interface Subgraph {
  readonly parameters: number;
  readonly steps: readonly SubgraphStep[];
  /** The operands that it gives. */
  readonly results: readonly number[];
}

export interface SubgraphStep {
  readonly op: string;
  readonly inputs: readonly number[];
  readonly attrs: unknown;
}

/** A subgraph with the values from outside that its parameters after the first stand for. */
export interface Captured {
  readonly subgraph: Subgraph;
  readonly values: readonly Value[];
}

/**
 * The part of a graph between `parameters` and `results` as plain data.
 * @throws ArgumentError where it is not elementwise over the shape of the first parameter, or reads anything else than
 *   the parameters and constant numbers.
 */
export function subgraphOf(parameters: readonly Value[], results: readonly Value[]): Subgraph {
  checkElementwise(parameters, results);
  return graphBetween(parameters, results);
}

/** The part of a graph between `parameters` and `results` as plain data, whatever is in it. */
export function graphBetween(parameters: readonly Value[], results: readonly Value[]): Subgraph {
  const numbers = new Map<Value, number>(parameters.map((value, i) => [value, i]));
  let next = parameters.length;
  const steps = topologicalOrder(results, (value) => numbers.has(value)).map((node): SubgraphStep => {
    // Operands come before what is made of them.
    const inputs = node.inputs.map((input) => numbers.get(input) as number);
    for (const output of node.outputs) {
      if (!numbers.has(output)) numbers.set(output, next);
      next += 1;
    }
    return { op: node.op, inputs, attrs: node.attrs };
  });
  return {
    parameters: parameters.length,
    steps,
    results: results.map((value) => numbers.get(value) as number),
  };
}

function checkElementwise(parameters: readonly Value[], results: readonly Value[]): void {
  const [{ shape }] = parameters;
  const given = new Set(parameters);
  const expansion = expandComposites(results, (value) => given.has(value));
  for (const node of topologicalOrder(results.map(expansion.valueOf), (value) => given.has(value))) {
    const elementwise = definitionOf(node).kind === "map" && sameShape(node.outputs[0].shape, shape);
    if (elementwise || isConstant(node)) continue;
    throw new ArgumentError(
      `a score function must be elementwise over ${formatShape(shape)}; its ${node.op} is not ` +
        `(it gives ${formatShape(node.outputs[0].shape)}): compute that outside and capture it`,
    );
  }
}

/** Whether a node is one number, however it is repeated. */
function isConstant({ op, inputs }: Node): boolean {
  return op === "full" || ((op === "expand" || op === "cast") && isConstant(inputs[0].node));
}

/** The values that a subgraph gives for the given operands. */
export function applySubgraph(subgraph: Subgraph, operands: readonly Value[]): Value[] {
  const values = [...operands];
  for (const { op, inputs, attrs } of subgraph.steps) {
    const node = build(
      op as OpName,
      inputs.map((i) => values[i]),
      attrs as AttrsOf<OpName>,
    );
    values.push(...node.outputs);
  }
  return subgraph.results.map((i) => values[i]);
}

/**
 * A function of `parameter` that `result` is, with what it reads beside it: values that do not depend on the parameter
 * become further parameters, in front of the expansion to the parameter's shape.
 * @throws ArgumentError where it is not elementwise.
 */
export function captureSubgraph(parameter: Value, result: Value): Captured {
  const dependent = new Set<Value>([parameter]);
  const order = topologicalOrder([result], (value) => value === parameter);
  for (const node of order) {
    if (node.inputs.some((input) => dependent.has(input)))
      for (const output of node.outputs) dependent.add(output);
  }
  const wide: Value[] = [];
  const values: Value[] = [];
  const capture = (value: Value): void => {
    if (dependent.has(value) || wide.includes(value) || isConstant(value.node)) return;
    wide.push(value);
    values.push(value.node.op === "expand" ? value.node.inputs[0] : value);
  };
  for (const node of order) {
    if (node.outputs.some((output) => dependent.has(output))) node.inputs.forEach(capture);
  }
  if (!dependent.has(result)) capture(result);
  return { subgraph: subgraphOf([parameter, ...wide], [result]), values };
}

/**
 * A function of `parameters` that `results` are, with what it reads beside them: the values that depend on no parameter
 * become further parameters. Those that `belongs` says are part of the function's own steps, and what they are made of
 * is captured instead.
 */
export function captureGraph(
  parameters: readonly Value[],
  results: readonly Value[],
  belongs: (value: Value) => boolean = () => false,
): Captured {
  const given = new Set(parameters);
  const dependent = new Set<Value>(parameters);
  const values: Value[] = [];
  const capture = (value: Value): void => {
    if (dependent.has(value) || values.includes(value)) return;
    if (belongs(value)) value.node.inputs.forEach(capture);
    else values.push(value);
  };
  for (const node of topologicalOrder(results, (value) => given.has(value))) {
    if (!node.inputs.some((input) => dependent.has(input))) continue;
    for (const output of node.outputs) dependent.add(output);
    node.inputs.forEach(capture);
  }
  results.forEach(capture);
  return { subgraph: graphBetween([...parameters, ...values], results), values };
}

/** Like `maximum(s, c0)`: `names` are those of the parameters. */
export function formatSubgraph({ steps, results }: Subgraph, names: readonly string[]): string {
  const texts = [...names];
  for (const { op, inputs, attrs } of steps) {
    const operands = inputs.map((i) => texts[i]).join(", ");
    const { value, dtype } = attrs as { readonly value?: number; readonly dtype?: string };
    const text =
      op === "full"
        ? String(value)
        : op === "expand"
          ? operands
          : `${op}(${operands}${dtype ? `, ${dtype}` : ""})`;
    texts.push(text);
    // The second word of the only op with two outputs.
    if (op === "threefry2x32") texts.push(`${text}.1`);
  }
  return results.map((i) => texts[i]).join(", ");
}

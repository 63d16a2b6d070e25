import { isFloat } from "../../graph/dtype.ts";
import { FusegradError } from "../../graph/errors.ts";
import type { Value } from "../../graph/node.ts";
import { topologicalOrder } from "../../graph/node.ts";
import { numel, type Shape, sameShape } from "../../graph/shape.ts";
import { build } from "../../ops/build.ts";
import * as b from "../../ops/builders.ts";
import type { AttrsOf, OpName } from "../../ops/table.ts";
import type { CellData, FuzzCase } from "./cases.ts";
import { type GraphData, type LeafData, recordGraph } from "./graphData.ts";
import { type LeafNumbers, numbersOf } from "./numbers.ts";

/** What stands in place of a value: another value, or a new leaf. */
type Replacement = { readonly kind: "value"; readonly value: number } | { readonly kind: "leaf" };

/**
 * The graph with one value replaced, and what is then read by nobody left out. Steps of one output alone are replaced.
 * @throws FusegradError where what is left does not fit.
 */
function rewritten(
  fuzzCase: FuzzCase,
  results: readonly number[],
  replace?: { readonly value: number; readonly by: Replacement },
): FuzzCase {
  const { leaves, steps } = fuzzCase.graph;
  const numbers = new Map<Value, LeafNumbers>();
  const made = (leaf: LeafData): Value => {
    const count = numel(leaf.shape);
    const value = b.constant(leaf.shape, leaf.dtype, numbersOf(leaf.numbers, leaf.dtype, count));
    numbers.set(value, leaf.numbers);
    return value;
  };
  const built = leaves.map(made);
  const values = [...built];
  for (const { op, inputs, attrs } of steps) {
    // A step names an op of the table, with that op's attributes.
    const node = build(
      op as OpName,
      inputs.map((i) => values[i]),
      attrs as AttrsOf<OpName>,
    );
    const { outputs } = node;
    if (replace?.value === values.length && outputs.length === 1) {
      const { shape, dtype } = outputs[0];
      const spread = fuzzCase.check === "differences" && isFloat(dtype);
      const leaf: LeafData = {
        shape,
        dtype,
        numbers: { kind: spread ? "spread" : "pattern", seed: values.length },
      };
      values.push(replace.by.kind === "leaf" ? made(leaf) : values[replace.by.value]);
    } else values.push(...outputs);
  }
  const outputs = results.map((i) => values[i]);
  const graph = recordGraph(outputs, numbers);
  if (!fuzzCase.cells) return { ...fuzzCase, graph };
  // The leaves of the new graph, in its order.
  const order = topologicalOrder(outputs).flatMap((node) => (node.op === "constant" ? node.outputs : []));
  return {
    ...fuzzCase,
    graph,
    cells: movedCells(fuzzCase.cells, (leaf) => order.indexOf(built[leaf]), results, fuzzCase),
  };
}

function movedCells(
  cells: readonly CellData[],
  placeOf: (leaf: number) => number,
  results: readonly number[],
  { graph }: FuzzCase,
): CellData[] {
  return cells.flatMap(({ leaf, arena, byteOffset, takes }): CellData[] => {
    const place = placeOf(leaf);
    if (place < 0) return [];
    const taken = takes === undefined ? -1 : results.indexOf(graph.results[takes]);
    return [{ leaf: place, arena, byteOffset, ...(taken < 0 ? {} : { takes: taken }) }];
  });
}

/** All numbers of a size that stand in lists of sizes, replaced by another. */
function resized(data: unknown, from: number, to: number): unknown {
  if (Array.isArray(data)) return data.map((item) => (item === from ? to : resized(item, from, to)));
  if (typeof data !== "object" || data === null) return data;
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => {
      const isSize = (key === "length" || key === "size") && value === from;
      const keep = key === "dims" || key === "steps" || key === "score" || key === "derivative";
      return [key, isSize ? to : keep ? value : resized(value, from, to)];
    }),
  );
}

function withSize(fuzzCase: FuzzCase, from: number, to: number): FuzzCase {
  const { leaves, steps, results } = fuzzCase.graph;
  const graph: GraphData = {
    leaves: leaves.map((leaf) => {
      const shape = resized(leaf.shape, from, to) as Shape; // numbers for numbers
      return { ...leaf, shape, numbers: cutNumbers(leaf, shape) };
    }),
    steps: steps.map((step) => ({ ...step, attrs: resized(step.attrs, from, to) })),
    results,
  };
  return rewritten({ ...fuzzCase, graph }, results);
}

function cutNumbers({ numbers }: LeafData, shape: Shape): LeafNumbers {
  if (numbers.kind !== "list") return numbers;
  const count = numel(shape);
  return { kind: "list", values: Array.from({ length: count }, (_, i) => numbers.values[i] ?? 0) };
}

/** Every other case that is one edit simpler, the most promising first. */
function* simpler(fuzzCase: FuzzCase): Generator<() => FuzzCase> {
  const { graph, check } = fuzzCase;
  const { leaves, steps, results } = graph;
  if (results.length > 1) for (const result of results) yield () => rewritten(fuzzCase, [result]);
  if (results.length > 2)
    for (const result of results)
      yield () =>
        rewritten(
          fuzzCase,
          results.filter((other) => other !== result),
        );
  if (check !== "op" || steps.length > 1) {
    const types = typesOf(graph);
    // From the back: what an operand of the last step is asked for.
    for (const step of [...steps].reverse().slice(0, 4)) {
      for (const input of step.inputs) if (input >= leaves.length) yield () => rewritten(fuzzCase, [input]);
    }
    let value = leaves.length;
    for (const { inputs, count } of types.steps) {
      const at = value;
      value += count;
      if (count > 1) continue;
      if (steps.length > 1) yield () => rewritten(fuzzCase, results, { value: at, by: { kind: "leaf" } });
      for (const input of inputs) {
        const [old, other] = [types.values[at], types.values[input]];
        if (old.dtype === other.dtype && sameShape(old.shape, other.shape))
          yield () => rewritten(fuzzCase, results, { value: at, by: { kind: "value", value: input } });
      }
    }
  }
  const sizes = [...new Set(leaves.flatMap(({ shape }) => shape))]
    .filter((size) => size > 1)
    .sort((p, q) => q - p);
  for (const size of sizes) {
    for (const less of new Set([1, 2, Math.floor(size / 2), size - 1]))
      if (less < size) yield () => withSize(fuzzCase, size, less);
  }
  yield* simplerNumbers(fuzzCase);
}

/** Leaves that hold ones, or twos where a number differs. */
function* simplerNumbers(fuzzCase: FuzzCase): Generator<() => FuzzCase> {
  const { graph, check } = fuzzCase;
  // Samples of an op lie in its domain, and derivatives away from kinks: other numbers might not.
  if (check === "op" || check === "differences") return;
  for (const [i, { shape, dtype, numbers }] of graph.leaves.entries()) {
    const count = numel(shape);
    if (count > 64 || (numbers.kind === "list" && numbers.values.every((x) => x === 1))) continue;
    const values = [...numbersOf(numbers, dtype, count)];
    const changed = (list: readonly number[]) => (): FuzzCase => {
      const leaves = graph.leaves.map(
        (leaf, k): LeafData => (k === i ? { ...leaf, numbers: { kind: "list", values: list } } : leaf),
      );
      return { ...fuzzCase, graph: { ...graph, leaves } };
    };
    if (values.some((x) => x !== 1)) yield changed(values.map(() => 1));
    if (count > 1) {
      const rest = values.filter((x) => x !== 1);
      if (rest.length > 1) yield changed(values.map((x, k) => (k < count / 2 ? 1 : x)));
      if (rest.length > 1) yield changed(values.map((x, k) => (k >= count / 2 ? 1 : x)));
    }
  }
}

function typesOf({ leaves, steps }: GraphData) {
  const values: { readonly shape: Shape; readonly dtype: LeafData["dtype"] }[] = [...leaves];
  const stand = leaves.map(({ shape, dtype }) => b.full(shape, dtype, 0));
  const built = steps.map(({ op, inputs, attrs }) => {
    const { outputs } = build(
      op as OpName,
      inputs.map((i) => stand[i]),
      attrs as AttrsOf<OpName>,
    ); // as above
    stand.push(...outputs);
    values.push(...outputs);
    return { inputs, count: outputs.length };
  });
  return { values, steps: built };
}

/** How large a case is: steps count most, then elements. */
export function sizeOf({ graph }: FuzzCase): number {
  const elements = graph.leaves.reduce((total, { shape }) => total + numel(shape), 0);
  const odd = graph.leaves.reduce(
    (total, { numbers }) =>
      total + (numbers.kind === "list" ? numbers.values.filter((x) => x !== 1).length : numbers.seed + 1),
    0,
  );
  return graph.steps.length * 1e6 + graph.results.length * 1e5 + elements * 10 + odd / 1e4;
}

/**
 * The smallest case that still fails, as far as `tries` attempts find it: results, steps, sizes and numbers are taken away
 * one after the other, and each time the first simpler case that fails is gone on with.
 */
export async function shrink(
  fuzzCase: FuzzCase,
  fails: (candidate: FuzzCase) => Promise<boolean>,
  tries = 400,
): Promise<FuzzCase> {
  let best = fuzzCase;
  let left = tries;
  for (let found = true; found && left > 0; ) {
    found = false;
    for (const make of simpler(best)) {
      if (left-- <= 0) break;
      const candidate = attempt(make);
      if (candidate === undefined || sizeOf(candidate) >= sizeOf(best)) continue;
      if (!(await fails(candidate))) continue;
      best = candidate;
      found = true;
      break;
    }
  }
  return best;
}

/** A case, or nothing where the edit leaves operands that do not fit. */
function attempt(make: () => FuzzCase): FuzzCase | undefined {
  try {
    return make();
  } catch (error) {
    // A RangeError or TypeError comes of attributes that no builder would give.
    if (error instanceof FusegradError || error instanceof RangeError || error instanceof TypeError)
      return undefined;
    throw error;
  }
}

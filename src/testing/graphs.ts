import fc from "fast-check";
import type { DType } from "../graph/dtype.ts";
import { topologicalOrder } from "../graph/node.ts";
import { numel, type Shape } from "../graph/shape.ts";
import { formatGraph } from "../ops/format.ts";
import { type BuiltGraph, buildGraph, type GraphData, recordGraph } from "./fuzz/graphData.ts";
import { Pool } from "./graphs/pool.ts";
import { type StepName, steps, weighted } from "./graphs/steps.ts";

/** A random graph, built as often as it is needed: on f32 for a device, on f64 for the reference. */
export interface RandomGraph {
  readonly data: GraphData;
  /** The same graph on leaves of the given float type. Numbers are the same in both. */
  build(float: "f32" | "f64", requiresGrad?: boolean): BuiltGraph;
  /** The graph in f32, a node a line. */
  toString(): string;
}

export interface GraphOptions {
  /** The most steps; a step is an op, a composite, or a few of them. Default 12. */
  readonly maxSteps?: number;
  /** The most elements of a value. Default 600. */
  readonly maxElements?: number;
  /** What leaves hold. Default `pattern`. */
  readonly numbers?: "pattern" | "spread" | "edges";
  /** The steps to choose from, common ones more than once. Default all. */
  readonly steps?: readonly StepName[];
}

/** One choice of an op and its operands, decoded against whatever values there are: any numbers make a graph. */
interface Step {
  readonly op: StepName;
  readonly x: number;
  readonly y: number;
  readonly a: number;
}

interface Recipe {
  readonly sizes: readonly number[];
  readonly leaves: readonly { readonly dtype: DType; readonly form: number; readonly seed: number }[];
  readonly steps: readonly Step[];
  readonly also: number;
}

/**
 * Random typed graphs: elementwise ops, casts, reductions, movements, products, gathers, scatters and composites over
 * shapes with sizes 0 and 1, odd and even ones. Leaves hold multiples of a quarter, so that much of the arithmetic is exact;
 * operands are shifted into a function's domain, and what grows large is scaled by a power of two.
 */
export function randomGraphs({
  maxSteps = 12,
  maxElements = 600,
  numbers = "pattern",
  steps: chosen = weighted,
}: GraphOptions = {}): fc.Arbitrary<RandomGraph> {
  const size = fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(1, 2, 3, 4, 5, 7, 8, 11, 12, 16) },
    { weight: 2, arbitrary: fc.constantFrom(17, 32, 33, 67) },
    { weight: 1, arbitrary: fc.constant(0) },
  );
  const leaf = fc.record({
    dtype: fc.constantFrom<DType>("f32", "f32", "f32", "f32", "i32", "u32", "bool"),
    form: fc.nat(forms.length - 1),
    seed: fc.nat(15),
  });
  const step = fc.record({ op: fc.constantFrom(...chosen), x: fc.nat(99), y: fc.nat(99), a: fc.nat(9999) });
  const recipe: fc.Arbitrary<Recipe> = fc.record({
    sizes: fc.tuple(size, size, size),
    leaves: fc.array(leaf, { minLength: 1, maxLength: 4 }),
    steps: fc.array(step, { minLength: 1, maxLength: maxSteps, size: "max" }),
    also: fc.nat(99),
  });
  return recipe.map((drawn) => {
    const data = decode(drawn, maxElements, numbers);
    const text = (): string => formatGraph(buildGraph(data, "f32").outputs);
    return {
      data,
      build: (float: "f32" | "f64", requiresGrad = false) => buildGraph(data, float, requiresGrad),
      toString: text,
      [fc.toStringMethod]: text,
    };
  });
}

/** What nobody else reads is a result, and so is some of the rest. */
function decode(recipe: Recipe, maxElements: number, kind: "pattern" | "spread" | "edges"): GraphData {
  const pool = new Pool(maxElements);
  for (const { dtype, form, seed } of recipe.leaves) {
    pool.leaf(cutTo(forms[form](recipe.sizes), maxElements), dtype, { kind, seed });
  }
  for (const { op, x, y, a } of recipe.steps) {
    const result = steps[op](pool, pool.pick(x), y, a);
    if (result !== undefined && numel(result.shape) <= maxElements && result.shape.length <= 5)
      pool.add(result);
  }
  const values = pool.values.filter((value) => value.node.inputs.length > 0);
  const read = new Set(topologicalOrder(values).flatMap((node) => node.inputs));
  const last = values.filter((value, i) => !read.has(value) || i % 7 === recipe.also % 7);
  return recordGraph([...new Set(last.length > 0 ? last : pool.values)], pool.leaves);
}

/** Sizes cut from the front until there are at most so many elements. */
function cutTo(shape: Shape, maxElements: number): number[] {
  let room = maxElements;
  return [...shape]
    .reverse()
    .map((size) => {
      const given = Math.min(size, Math.max(1, room));
      room = Math.floor(room / Math.max(given, 1));
      return given;
    })
    .reverse();
}

/** Shapes of leaves from a graph's three sizes, most of which broadcast with each other. */
const forms: readonly ((sizes: readonly number[]) => Shape)[] = [
  ([n, m]) => [n, m],
  ([n, m]) => [n, m],
  ([, m]) => [m],
  ([n]) => [n, 1],
  ([, m, k]) => [k, 1, m],
  ([n, m, k]) => [k, n, m],
  ([n]) => [n],
  ([n, m]) => [m, n],
  () => [],
  ([n, m, k]) => [n, k, m],
  ([, m]) => [1, m],
];

import type { Node, Value } from "../../graph/node.ts";
import { type AttentionAttrs, attentionOperands } from "../../ops/attentionOperands.ts";
import { build } from "../../ops/build.ts";
import { expand } from "../../ops/builders.ts";
import { expandComposites } from "../../ops/expand.ts";
import { applySubgraph, type Subgraph } from "../../ops/subgraph.ts";
import { typed } from "../../ops/table.ts";
import { always, and, type Condition, lessThan } from "../index/condition.ts";
import {
  add,
  coefficientOf,
  constant,
  type Expression,
  multiply,
  substitute,
  subtract,
  variable,
} from "../index/expression.ts";
import { isFull } from "../schedule/simplify.ts";
import { stepThroughView } from "../schedule/views.ts";

/** The score of an attention node as a graph: over a stand-in for the product, and the values that it captures. */
export interface ScoreGraph {
  readonly product: Value;
  readonly captured: readonly Value[];
  readonly score: Value;
}

/** A value of the given type that a kernel binds to what it has in registers. */
export function placeholder(shape: Value["shape"], dtype: Value["dtype"]): Value {
  const source = { kind: "argument", name: "in registers" } as const;
  return build("source", [], { shape, dtype, source, version: 0, requiresGrad: false }).outputs[0];
}

/** A subgraph's results as primitives over the operands. */
export function primitivesOf(subgraph: Subgraph, operands: readonly Value[]): Value[] {
  const known = new Set(operands);
  const results = applySubgraph(subgraph, operands);
  const expansion = expandComposites(results, (value) => known.has(value));
  return results.map(expansion.valueOf);
}

export function scoreGraphOf(node: Node, attrs: AttentionAttrs): ScoreGraph {
  const operands = attentionOperands(node.inputs, attrs);
  const product = placeholder(operands.scores, operands.query.dtype);
  const captured = operands.captured.map((value) => expand(value, operands.scores));
  const [score] = primitivesOf(attrs.score, [product, ...captured]);
  return { product, captured, score };
}

/** A block of scores: the first query and key, and how many of each. */
export interface ScoreBlock {
  readonly batch: readonly Expression[];
  readonly query: Expression;
  readonly queries: number;
  readonly key: Expression;
  readonly keys: number;
}

/**
 * A condition that holds wherever the block has a score that is not -infinity, as far as positions alone decide that
 * (causal, windows, the diagonal).
 */
export function mayAttend(score: Value, block: ScoreBlock): Condition {
  const query = variable("query in block", block.queries);
  const key = variable("key in block", block.keys);
  const index = [...block.batch, add(block.query, query), add(block.key, key)];
  const least = (difference: Expression): Expression | undefined => {
    const corner = new Map<string, Expression>();
    for (const { name, extent } of [
      { name: query, extent: block.queries },
      { name: key, extent: block.keys },
    ]) {
      if (name.kind !== "variable") continue; // a single element is a constant
      const factor = coefficientOf(difference, name.name);
      if (factor === undefined) return undefined;
      corner.set(name.name, constant(factor > 0 ? 0 : extent - 1));
    }
    return substitute(difference, corner);
  };
  const conditions = negativeDifferences(score, index).map((difference) => {
    const smallest = least(difference);
    return smallest === undefined ? always : lessThan(smallest, 0);
  });
  return and(...conditions);
}

/** Differences that are negative at every index at which the score is not -infinity. */
function negativeDifferences(score: Value, index: readonly Expression[]): Expression[] {
  const node = typed(score.node);
  if (node.op !== "where" || !isFull(node.inputs[2], Number.NEGATIVE_INFINITY)) return [];
  return [...implied(node.inputs[0], index), ...negativeDifferences(node.inputs[1], index)];
}

/** Differences that are negative where a condition holds. */
function implied(condition: Value, index: readonly Expression[]): Expression[] {
  const view = stepThroughView(condition, index);
  if (view) return view.guard.kind === "always" ? implied(view.base, view.index) : [];
  const { op, inputs } = typed(condition.node);
  const [x, y] = inputs;
  switch (op) {
    case "logicalAnd":
      return [...implied(x, index), ...implied(y, index)];
    case "lt":
      return below(x, y, index, 0);
    case "le":
      return below(x, y, index, 1);
    case "gt":
      return below(y, x, index, 0);
    case "ge":
      return below(y, x, index, 1);
    case "eq":
      return [...below(x, y, index, 1), ...below(y, x, index, 1)];
    default:
      return [];
  }
}

/** x - y < slack, in the integers; |x| is below what both x and -x are below. */
function below(x: Value, y: Value, index: readonly Expression[], slack: number): Expression[] {
  const right = positionOf(y, index);
  if (right === undefined) return [];
  const lefts = x.node.op === "abs" ? [x.node.inputs[0]] : [x];
  return lefts.flatMap((value) => {
    const left = positionOf(value, index);
    if (left === undefined) return [];
    const sides = x.node.op === "abs" ? [left, multiply(left, -1)] : [left];
    return sides.map((side) => subtract(subtract(side, right), slack));
  });
}

/** An integer that follows from the position alone, as an index expression. */
function positionOf(value: Value, index: readonly Expression[]): Expression | undefined {
  if (value.dtype !== "i32") return undefined;
  const view = stepThroughView(value, index);
  if (view) return view.guard.kind === "always" ? positionOf(view.base, view.index) : undefined;
  const node = typed(value.node);
  const operands = (): Expression[] | undefined => {
    const found = node.inputs.map((input) => positionOf(input, index));
    return found.every((expression) => expression !== undefined) ? found : undefined;
  };
  switch (node.op) {
    case "iota":
      return index[0];
    case "full":
      return constant(node.attrs.value);
    case "neg": {
      const [x] = operands() ?? [];
      return x && inI32(multiply(x, -1));
    }
    case "add":
    case "sub":
    case "mul": {
      const [x, y] = operands() ?? [];
      if (x === undefined || y === undefined) return undefined;
      if (node.op === "mul")
        return x.kind === "constant" || y.kind === "constant" ? inI32(multiply(x, y)) : undefined;
      return inI32(node.op === "add" ? add(x, y) : subtract(x, y));
    }
    default:
      return undefined;
  }
}

/** Integers wrap; expressions do not. */
function inI32(expression: Expression): Expression | undefined {
  return expression.min >= -(2 ** 31) && expression.max < 2 ** 31 ? expression : undefined;
}

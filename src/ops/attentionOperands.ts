import type { Node, Value, ValueType } from "../graph/node.ts";
import type { Shape } from "../graph/shape.ts";
import type { Subgraph } from "./subgraph.ts";

// What an attention node and its gradient are made of, without what they mean: kernels read this too.

export interface AttentionAttrs {
  /** What the product of query and key is multiplied by. */
  readonly scale: number;
  /** The score: of the scaled product, and of the captured values. */
  readonly score: Subgraph;
  /** With which probability a probability is dropped; only then there is an operand that says which are kept. */
  readonly dropout: number;
  /** What a query gives whose scores are all -infinity: NaN, as a softmax does, or 0 (and no gradient). */
  readonly emptyRow: "nan" | "zero";
}

export interface AttentionGradientAttrs extends AttentionAttrs {
  /** Of the score's parameters and its gradient: the gradients of the scaled product and of what is in `wanted`. */
  readonly derivative: Subgraph;
  /** Which captured values get a gradient. */
  readonly wanted: readonly number[];
  /** Whether the last operand is the gradient of the logarithm of the sum of exponentials. */
  readonly statistics: boolean;
}

/** What an attention node reads. q [..., Tq, d], k [..., Tk, d], v [..., Tk, dv]; the others broadcast to [..., Tq, Tk]. */
export interface AttentionOperands<T extends ValueType = Value> {
  readonly query: T;
  readonly key: T;
  readonly value: T;
  readonly captured: readonly T[];
  readonly kept: T | undefined;
  /** [..., Tq, Tk] */
  readonly scores: Shape;
}

export function attentionOperands<T extends ValueType>(
  inputs: readonly T[],
  { score, dropout }: AttentionAttrs,
): AttentionOperands<T> {
  const [query, key, value] = inputs;
  const end = 2 + score.parameters;
  return {
    query,
    key,
    value,
    captured: inputs.slice(3, end),
    kept: dropout > 0 ? inputs[end] : undefined,
    scores: [...query.shape.slice(0, -1), key.shape[key.shape.length - 2]],
  };
}

/** What its gradient reads beside that: the results, each with one element a query or a row of them, and their gradients. */
export interface AttentionGradientOperands<T extends ValueType = Value> extends AttentionOperands<T> {
  readonly result: T;
  readonly maximum: T;
  readonly logSum: T;
  readonly cotangent: T;
  readonly logSumCotangent: T | undefined;
}

export function attentionGradientOperands<T extends ValueType>(
  inputs: readonly T[],
  attrs: AttentionGradientAttrs,
): AttentionGradientOperands<T> {
  const operands = attentionOperands(inputs, attrs);
  const end = 3 + operands.captured.length + (operands.kept ? 1 : 0);
  const [result, maximum, logSum, cotangent, logSumCotangent] = inputs.slice(end);
  return { ...operands, result, maximum, logSum, cotangent, logSumCotangent };
}

/** [..., Tq, Tk] of an attention node or of its gradient's. */
export function scoreShapeOf({ inputs: [query, key] }: Node): Shape {
  return [...query.shape.slice(0, -1), key.shape[key.shape.length - 2]];
}

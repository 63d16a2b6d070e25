import { InternalError } from "../../graph/errors.ts";
import type { Node, Value } from "../../graph/node.ts";
import { numel } from "../../graph/shape.ts";
import {
  type AttentionAttrs,
  type AttentionGradientAttrs,
  type AttentionGradientOperands,
  type AttentionOperands,
  attentionGradientOperands,
  attentionOperands,
} from "../../ops/attentionOperands.ts";
import { expand } from "../../ops/builders.ts";
import { typed } from "../../ops/table.ts";
import { type Expression, linearize } from "../index/expression.ts";
import type { Scalar } from "../kernel/ir.ts";
import * as s from "../kernel/scalars.ts";
import { type Coordinates, type Group, placeOf } from "../schedule/groups.ts";
import { placeholder, primitivesOf, type ScoreGraph, scoreGraphOf } from "./attendScore.ts";
import type { Stored } from "./loops.ts";

// What kernels of attention have in common, whatever their loops are.

/** An attention node with what its kernel computes. */
export interface Attention {
  readonly node: Node;
  readonly attrs: AttentionAttrs;
  readonly operands: AttentionOperands;
  readonly graph: ScoreGraph;
  /** Which probabilities dropout keeps, [..., Tq, Tk]. */
  readonly kept: Value | undefined;
}

/** The node of attention's gradient with what its kernel computes. */
export interface AttentionGradient extends Attention {
  readonly attrs: AttentionGradientAttrs;
  readonly operands: AttentionGradientOperands;
  /** The gradient of a score, and what the derivative makes of it: of the product and of captured values. */
  readonly ofScore: Value;
  readonly derivative: readonly Value[];
}

export function attentionOf(original: Node): Attention {
  const node = typed(original);
  if (node.op !== "attention") throw new InternalError(`attend kernel: ${node.op} is no attention`);
  const { attrs } = node;
  const operands = attentionOperands(node.inputs, attrs);
  return { node: original, attrs, operands, graph: scoreGraphOf(original, attrs), kept: keptOf(operands) };
}

export function attentionGradientOf(original: Node): AttentionGradient {
  const node = typed(original);
  if (node.op !== "attentionGradient")
    throw new InternalError(`attendGradient kernel: ${node.op} is no gradient of attention`);
  const { attrs } = node;
  const operands = attentionGradientOperands(node.inputs, attrs);
  const graph = scoreGraphOf(original, attrs);
  const ofScore = placeholder(operands.scores, operands.query.dtype);
  const derivative = primitivesOf(attrs.derivative, [graph.product, ...graph.captured, ofScore]);
  return { node: original, attrs, operands, graph, kept: keptOf(operands), ofScore, derivative };
}

function keptOf({ kept, scores }: AttentionOperands): Value | undefined {
  return kept && expand(kept, scores);
}

/** What mixed values are multiplied with, given the sum of their row's exponentials. */
export function rowFactor({ attrs: { dropout, emptyRow } }: Attention, sum: Scalar): Scalar {
  const quotient = s.binary("div", s.constant("f32", 1 / (1 - dropout)), sum);
  const nothing = s.constant("f32", 0);
  return emptyRow === "zero" ? s.select(s.binary("eq", sum, nothing), nothing, quotient) : quotient;
}

/** What the group stores of one element a column, or (without column) of one element a row, and where. */
export function storedAt(
  { node }: Attention,
  { stores }: Group,
  rows: readonly Expression[],
  column: Expression | undefined,
): Stored[] {
  const { shape } = node.outputs[0];
  const narrowShape = shape.slice(0, -1);
  const wide = column === undefined ? rows : [...rows, column];
  const wideShape = column === undefined ? narrowShape : shape;
  const coordinates: Coordinates = { wide, wideShape, narrow: rows, narrowShape };
  const isWide = (value: Value): boolean => numel(value.shape) === numel(shape);
  const values = [...stores].filter((value) => isWide(value) === (column !== undefined));
  const position = linearize(wide, wideShape);
  return values.map((value) => {
    const place = placeOf(value.shape, coordinates);
    if (place === undefined)
      throw new InternalError(`attend kernel: ${value.node.op} has no place in the result`);
    return { value, index: place.index, position };
  });
}

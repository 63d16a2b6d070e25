import { isFloat } from "../graph/dtype.ts";
import { DTypeError, ShapeError } from "../graph/errors.ts";
import type { Value, ValueType } from "../graph/node.ts";
import { broadcastShapes, formatShape, sameShape } from "../graph/shape.ts";
import {
  type AttentionAttrs,
  type AttentionGradientAttrs,
  type AttentionOperands,
  attentionGradientOperands,
  attentionOperands,
} from "./attentionOperands.ts";
import { build } from "./build.ts";
import * as b from "./builders.ts";
import { type Differentiate, defineOp, type GradientContext } from "./define.ts";
import { applySubgraph, type Subgraph, subgraphOf } from "./subgraph.ts";

function checkOperands(
  op: string,
  { query, key, value, captured, kept, scores }: AttentionOperands<ValueType>,
): void {
  const batch = query.shape.slice(0, -2);
  const rank = query.shape.length;
  const fits =
    rank >= 2 &&
    [key, value].every(({ shape }) => shape.length === rank && sameShape(shape.slice(0, -2), batch)) &&
    query.shape[rank - 1] === key.shape[rank - 1] &&
    key.shape[rank - 2] === value.shape[rank - 2];
  if (!fits) {
    throw new ShapeError(
      `${op}: query ${formatShape(query.shape)}, key ${formatShape(key.shape)} and value ${formatShape(value.shape)}; ` +
        "wanted [..., Tq, d], [..., Tk, d] and [..., Tk, dv] with equal leading dims",
    );
  }
  if (!isFloat(query.dtype) || [key, value].some(({ dtype }) => dtype !== query.dtype)) {
    throw new DTypeError(
      `${op}: query is ${query.dtype}, key ${key.dtype} and value ${value.dtype}; cast all to one float dtype`,
    );
  }
  if (scores[rank - 1] === 0) {
    throw new ShapeError(`${op}: key ${formatShape(key.shape)} has no row to attend to`);
  }
  for (const { shape } of kept ? [...captured, kept] : captured) {
    if (sameShape(broadcastShapes(op, shape, scores), scores)) continue;
    throw new ShapeError(
      `${op}: ${formatShape(shape)} does not broadcast to the scores ${formatShape(scores)}`,
    );
  }
}

const last = (value: Value): number => value.shape.length - 1;
const column = (value: Value): Value => b.reshape(value, [...value.shape, 1]);
const transposed = (value: Value): Value => b.transpose(value, -2, -1);

interface Scored {
  readonly scaledQuery: Value;
  readonly product: Value;
  readonly captured: readonly Value[];
  readonly scores: Value;
}

function scoresOf(operands: AttentionOperands, { scale, score }: AttentionAttrs): Scored {
  const scaledQuery = b.mul(operands.query, b.scalarLike(operands.query, scale));
  const product = b.matmul(scaledQuery, transposed(operands.key));
  const captured = operands.captured.map((value) => b.expand(value, operands.scores));
  const [scores] = applySubgraph(score, [product, ...captured]);
  return { scaledQuery, product, captured, scores };
}

/** 0 for the maximum of a row that has nothing but -infinity, from which it could not be subtracted. */
function safeMaximum(maximum: Value): Value {
  return b.where(isEmpty(maximum), b.scalarLike(maximum, 0), maximum);
}

function isEmpty(maximum: Value): Value {
  return b.eq(maximum, b.scalarLike(maximum, Number.NEGATIVE_INFINITY));
}

function dropped(probabilities: Value, kept: Value | undefined, { dropout }: AttentionAttrs): Value {
  if (kept === undefined) return probabilities;
  const scaled = b.mul(probabilities, b.scalarLike(probabilities, 1 / (1 - dropout)));
  return b.where(kept, scaled, b.scalarLike(scaled, 0));
}

/** Result, maximum and logarithm of the sum, by the definition: all scores at once. */
function attend(operands: AttentionOperands, attrs: AttentionAttrs): readonly [Value, Value, Value] {
  const { scores } = scoresOf(operands, attrs);
  const maximum = b.reduce("max", scores, [last(scores)]);
  const safe = safeMaximum(maximum);
  // The result does not depend on what is subtracted, so no gradient has to go that way; the sum does.
  const shift = b.detach(safe);
  const exps = b.exp(b.sub(scores, shift));
  const total = b.sum(exps, [last(scores)]);
  const zero = b.scalarLike(total, 0);
  const divisor =
    attrs.emptyRow === "zero" ? b.where(b.eq(total, zero), b.scalarLike(total, 1), total) : total;
  const probabilities = b.div(exps, divisor);
  const result = b.matmul(dropped(probabilities, operands.kept, attrs), operands.value);
  const logSum = b.add(b.log(total), b.sub(shift, safe));
  const rows = scores.shape.slice(0, -1);
  return [result, b.reshape(maximum, rows), b.reshape(logSum, rows)];
}

/** The score's derivative as a subgraph of [product, ...captured, gradient of the score]. */
function derivativeOf(
  { score }: AttentionAttrs,
  { query, captured, scores }: AttentionOperands,
  wanted: readonly number[],
  differentiate: Differentiate,
): Subgraph {
  const leaf = (dtype: Value["dtype"], requiresGrad: boolean): Value => {
    const source = { kind: "argument", name: "operand of a score" } as const;
    return build("source", [], { shape: scores, dtype, source, version: 0, requiresGrad }).outputs[0];
  };
  const product = leaf(query.dtype, true);
  const values = captured.map(({ dtype }, i) => leaf(dtype, wanted.includes(i)));
  const cotangent = leaf(query.dtype, false);
  const [result] = applySubgraph(score, [product, ...values]);
  const wrt = [product, ...wanted.map((i) => values[i])];
  const gradients = result.requiresGrad
    ? differentiate([result], [cotangent], wrt)
    : wrt.map(() => undefined);
  const results = gradients.map((gradient, i) => gradient ?? b.full(scores, wrt[i].dtype, 0));
  return subgraphOf([product, ...values, cotangent], results);
}

function addDefined(x: Value | undefined, y: Value | undefined): Value | undefined {
  return x === undefined ? y : y === undefined ? x : b.add(x, y);
}

/** Of the result, and of maximum and logarithm where their gradients are one: those of their sum. */
function gradientOfResult(
  { attrs, inputs, outputs, differentiate }: GradientContext<AttentionAttrs>,
  cotangent: Value,
  logSumCotangent: Value | undefined,
): (Value | undefined)[] {
  const operands = attentionOperands(inputs, attrs);
  const { captured } = operands;
  const wanted = captured.flatMap(({ requiresGrad }, i) => (requiresGrad ? [i] : []));
  const derivative = derivativeOf(attrs, operands, wanted, differentiate);
  const read = [...inputs, ...outputs, cotangent, ...(logSumCotangent ? [logSumCotangent] : [])];
  const node = build("attentionGradient", read, {
    ...attrs,
    derivative,
    wanted,
    statistics: logSumCotangent !== undefined,
  });
  const [query, key, value, ...wide] = node.outputs;
  const gradients: (Value | undefined)[] = [query, key, value, ...captured.map(() => undefined)];
  wanted.forEach((i, at) => {
    gradients[3 + i] = b.sumToShape(wide[at], captured[i].shape);
  });
  return gradients;
}

export const attentions = {
  /**
   * softmax(score(scale q kᵀ, captured values)) v without ever holding all scores, where a device can: operands q, k, v,
   * the captured values and, with dropout, which probabilities are kept (bool). Gives the result [..., Tq, dv], each row's
   * largest score [..., Tq] and the logarithm of the sum of exp(score - largest) [..., Tq].
   * Vaswani et al., Attention Is All You Need (2017); Dao et al., FlashAttention (2022).
   */
  attention: defineOp<AttentionAttrs>({
    kind: "composite",
    infer: (inputs, attrs) => {
      const operands = attentionOperands(inputs, attrs);
      checkOperands("attention", operands);
      const { query, value } = operands;
      const rows = query.shape.slice(0, -1);
      const row = { shape: rows, dtype: query.dtype };
      return [{ shape: [...rows, value.shape[value.shape.length - 1]], dtype: query.dtype }, row, row];
    },
    decompose: (inputs, attrs) => attend(attentionOperands(inputs, attrs), attrs),
    gradient: (context) => {
      const { attrs, inputs, outputs, cotangents, differentiate } = context;
      const [ofResult, ofMaximum, ofLogSum] = cotangents;
      // Their sum is the logarithm of the sum of exponentials; apart they are of interest to second derivatives only.
      const together = ofMaximum === ofLogSum ? ofLogSum : undefined;
      const main =
        ofResult || together
          ? gradientOfResult(context, ofResult ?? b.full(outputs[0].shape, outputs[0].dtype, 0), together)
          : [];
      if (together !== undefined || (ofMaximum === undefined && ofLogSum === undefined)) return main;
      const [, maximum, logSum] = attend(attentionOperands(inputs, attrs), attrs);
      const parts = [
        { part: maximum, cotangent: ofMaximum },
        { part: logSum, cotangent: ofLogSum },
      ].flatMap(({ part, cotangent }) => (cotangent === undefined ? [] : [{ part, cotangent }]));
      const apart = differentiate(
        parts.map(({ part }) => part),
        parts.map(({ cotangent }) => cotangent),
        inputs,
      );
      return inputs.map((_, i) => addDefined(main[i], apart[i]));
    },
  }),

  /**
   * Gradients of attention with respect to q, k, v and the captured values named in `wanted`, these at every score
   * [..., Tq, Tk]. Operands: those of attention, its results, the gradient of the result [..., Tq, dv] and, with
   * `statistics`, that of the logarithm of the sum of exponentials [..., Tq].
   */
  attentionGradient: defineOp<AttentionGradientAttrs>({
    kind: "composite",
    infer: (inputs, attrs) => {
      const { query, key, value, captured, scores } = attentionGradientOperands(inputs, attrs);
      return [query, key, value, ...attrs.wanted.map((i) => ({ shape: scores, dtype: captured[i].dtype }))];
    },
    decompose: (inputs, attrs) => {
      const operands = attentionGradientOperands(inputs, attrs);
      const { key, value, kept, result, maximum, logSum, cotangent, logSumCotangent } = operands;
      const { scaledQuery, product, captured, scores } = scoresOf(operands, attrs);
      const zero = b.scalarLike(maximum, 0);
      const finite = attrs.emptyRow === "zero" ? b.where(isEmpty(maximum), zero, logSum) : logSum;
      const shifted = b.sub(b.sub(scores, column(safeMaximum(maximum))), column(finite));
      const probabilities = b.exp(shifted);
      // The mean of the probabilities' gradients, by which a softmax's gradient is shifted: from the result itself.
      const mean = b.sum(b.mul(cotangent, result), [last(result)]);
      const shift = logSumCotangent ? b.sub(mean, column(logSumCotangent)) : mean;
      const ofProbabilities = dropped(b.matmul(cotangent, transposed(value)), kept, attrs);
      const ofScores = b.mul(probabilities, b.sub(ofProbabilities, shift));
      const [ofProduct, ...ofCaptured] = applySubgraph(attrs.derivative, [product, ...captured, ofScores]);
      const ofQuery = b.matmul(ofProduct, key);
      return [
        b.mul(ofQuery, b.scalarLike(ofQuery, attrs.scale)),
        b.matmul(transposed(ofProduct), scaledQuery),
        b.matmul(transposed(dropped(probabilities, kept, attrs)), cotangent),
        ...ofCaptured,
      ];
    },
    gradient: "decomposition",
  }),
};

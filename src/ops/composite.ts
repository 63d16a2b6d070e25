import { isFloat } from "../graph/dtype.ts";
import { DTypeError, ShapeError } from "../graph/errors.ts";
import type { Value, ValueType } from "../graph/node.ts";
import { formatShape, numel, sameShape } from "../graph/shape.ts";
import * as b from "./builders.ts";
import { defineOp, type NoAttrs, type OpDefinition } from "./define.ts";
import { fold } from "./windows.ts";

function checkFloat(op: string, x: ValueType): void {
  if (!isFloat(x.dtype))
    throw new DTypeError(`${op}: operand is ${x.dtype}, wanted a float; cast it with .to("f32")`);
}

/** The rule of composites of floats whose result is like the (first) operand. */
export function sameAsInput(op: string): (inputs: readonly ValueType[]) => readonly ValueType[] {
  return ([x]) => {
    checkFloat(op, x);
    return [{ shape: x.shape, dtype: x.dtype }];
  };
}

/** exp(x - max) along dim and its sum: what softmax and its relatives share. A row of -inf alone stays NaN, as in PyTorch. */
function shiftedExp(
  x: Value,
  dim: number,
): { readonly shifted: Value; readonly exps: Value; readonly total: Value } {
  const shifted = b.sub(x, b.expand(b.reduce("max", x, [dim]), x.shape));
  const exps = b.exp(shifted);
  return { shifted, exps, total: b.sum(exps, [dim]) };
}

export interface LayerNormAttrs {
  /** How many trailing dims are normalised. */
  readonly dims: number;
  readonly eps: number;
}

/** (x - mean) / sqrt(var + eps) over the trailing dims, with the biased variance; and 1 / sqrt(var + eps). */
function standardize(
  x: Value,
  { dims, eps }: LayerNormAttrs,
): { readonly normal: Value; readonly rstd: Value } {
  const rank = x.shape.length;
  const over = Array.from({ length: dims }, (_, i) => rank - dims + i);
  const centered = b.sub(x, b.expand(b.mean(x, over), x.shape));
  const variance = b.mean(b.mul(centered, centered), over);
  const rstd = b.rsqrt(b.add(variance, b.scalarLike(variance, eps)));
  return { normal: b.mul(centered, b.expand(rstd, x.shape)), rstd };
}

const layerNorm: OpDefinition<LayerNormAttrs> = {
  kind: "composite",
  infer: ([x, ...affine], { dims }) => {
    checkFloat("layerNorm", x);
    for (const parameter of affine) {
      if (!sameShape(parameter.shape, x.shape.slice(x.shape.length - dims)) || parameter.dtype !== x.dtype) {
        throw new ShapeError(
          `layerNorm: weight or bias ${parameter.dtype} ${formatShape(parameter.shape)} does not fit the last ${dims} ` +
            `dims of ${x.dtype} ${formatShape(x.shape)}`,
        );
      }
    }
    return [{ shape: x.shape, dtype: x.dtype }];
  },
  decompose: ([x, weight, bias], attrs) => {
    let y = standardize(x, attrs).normal;
    if (weight) y = b.mul(y, weight);
    if (bias) y = b.add(y, bias);
    return [y];
  },
  // The usual closed form. It names the forward's own mean and rstd, which merge with the forward's when planned.
  gradient: ({ attrs, inputs: [x, weight, bias], cotangent: g }) => {
    const over = Array.from({ length: attrs.dims }, (_, i) => x.shape.length - attrs.dims + i);
    const { normal, rstd } = standardize(x, attrs);
    const scaled = weight ? b.mul(g, weight) : g;
    const wide = (value: Value): Value => b.expand(value, x.shape);
    const dot = b.mean(b.mul(scaled, normal), over);
    const inner = b.sub(b.sub(scaled, wide(b.mean(scaled, over))), b.mul(normal, wide(dot)));
    const dx = b.mul(inner, wide(rstd));
    return [dx, weight && b.sumToShape(b.mul(g, normal), weight.shape), bias && b.sumToShape(g, bias.shape)];
  },
};

export interface CrossEntropyAttrs {
  /** Rows whose target is this have loss 0 and no gradient. */
  readonly ignoreIndex: number;
}

/** Where a row counts, and its target with ignored ones replaced by class 0. */
function targets(target: Value, ignoreIndex: number): { readonly counted: Value; readonly safe: Value } {
  const counted = b.ne(target, b.scalarLike(target, ignoreIndex));
  return { counted, safe: b.where(counted, target, b.scalarLike(target, 0)) };
}

const crossEntropy: OpDefinition<CrossEntropyAttrs> = {
  kind: "composite",
  infer: ([logits, target]) => {
    checkFloat("crossEntropy", logits);
    if (
      logits.shape.length !== 2 ||
      !sameShape(target.shape, logits.shape.slice(0, 1)) ||
      target.dtype !== "i32"
    ) {
      throw new ShapeError(
        `crossEntropy: logits ${formatShape(logits.shape)} and ${target.dtype} target ${formatShape(target.shape)}; ` +
          "wanted [N, C] and i32 [N]",
      );
    }
    return [{ shape: target.shape, dtype: logits.dtype }];
  },
  decompose: ([logits, target], { ignoreIndex }) => {
    const rows = target.shape[0];
    const { counted, safe } = targets(target, ignoreIndex);
    const largest = b.reduce("max", logits, [1]);
    const total = b.sum(b.exp(b.sub(logits, b.expand(largest, logits.shape))), [1]);
    const chosen = b.gather(logits, 1, b.reshape(safe, [rows, 1]));
    // (max - chosen) first: both are of the logits' size, their difference is small where it matters.
    const losses = b.reshape(b.add(b.log(total), b.sub(largest, chosen)), [rows]);
    return [b.where(counted, losses, b.scalarLike(losses, 0))];
  },
  gradient: ({ attrs, inputs: [logits, target], cotangent: g }) => {
    const [rows, classes] = logits.shape;
    const { counted } = targets(target, attrs.ignoreIndex);
    const column = (value: Value): Value => b.expand(b.reshape(value, [rows, 1]), logits.shape);
    const hit = b.eq(column(target), b.expand(b.iota(classes, "i32"), logits.shape));
    const scale = b.where(counted, g, b.scalarLike(g, 0));
    const error = b.sub(b.softmax(logits, 1), b.cast(hit, logits.dtype));
    return [b.mul(error, column(scale)), undefined];
  },
};

function extremumPosition(op: string, extremum: "max" | "min"): OpDefinition<{ readonly dim: number }> {
  return {
    kind: "composite",
    infer: ([x], { dim }) => {
      if (x.dtype === "bool") throw new DTypeError(`${op}: operand is bool; cast it with .to("i32")`);
      if (x.shape[dim] === 0 && numel(x.shape.filter((_, i) => i !== dim)) > 0) {
        throw new ShapeError(`${op}: ${formatShape(x.shape)} has no element along dim ${dim}`);
      }
      return [{ shape: b.reducedShape(x.shape, [dim]), dtype: "i32" }];
    },
    decompose: ([x], { dim }) => {
      const length = x.shape[dim] ?? 1;
      const along = x.shape.map((_, i) => (i === dim ? length : 1));
      const position = b.expand(b.reshape(b.iota(length, "i32"), along), x.shape);
      const best = b.expand(b.reduce(extremum, x, [dim]), x.shape);
      const found = b.logicalOr(b.eq(x, best), b.ne(x, x));
      return [b.reduce("min", b.where(found, position, b.full(x.shape, "i32", length)), [dim])];
    },
    gradient: "zero",
  };
}

export const composites = {
  fold,

  softmax: defineOp<{ readonly dim: number }>({
    kind: "composite",
    infer: sameAsInput("softmax"),
    decompose: ([x], { dim }) => {
      const { exps, total } = shiftedExp(x, dim);
      return [b.div(exps, b.expand(total, x.shape))];
    },
    gradient: ({ attrs, outputs: [y], cotangent: g }) => {
      const dot = b.sum(b.mul(g, y), [attrs.dim]);
      return [b.mul(y, b.sub(g, b.expand(dot, y.shape)))];
    },
  }),

  logSoftmax: defineOp<{ readonly dim: number }>({
    kind: "composite",
    infer: sameAsInput("logSoftmax"),
    decompose: ([x], { dim }) => {
      const { shifted, total } = shiftedExp(x, dim);
      return [b.sub(shifted, b.expand(b.log(total), x.shape))];
    },
    gradient: ({ attrs, inputs: [x], cotangent: g }) => {
      const total = b.sum(g, [attrs.dim]);
      return [b.sub(g, b.mul(b.softmax(x, attrs.dim), b.expand(total, x.shape)))];
    },
  }),

  /** Ba et al., Layer Normalization (2016); inputs x, then optionally weight and bias of the trailing dims' shape. */
  layerNorm,

  /** Cross-entropy in nats a row; inputs logits [N, C] and target i32 [N]; result [N]. */
  crossEntropy,

  /** Hendrycks and Gimpel, Gaussian Error Linear Units (2016). "none" is x times the normal distribution function by erf. */
  gelu: defineOp<{ readonly approximate: "none" | "tanh" }>({
    kind: "composite",
    infer: sameAsInput("gelu"),
    decompose: ([x], { approximate }) => {
      const half = b.mul(x, b.scalarLike(x, 0.5));
      const one = b.scalarLike(x, 1);
      if (approximate === "none")
        return [b.mul(half, b.add(one, b.erf(b.mul(x, b.scalarLike(x, Math.SQRT1_2)))))];
      return [b.mul(half, b.add(one, b.tanh(tanhArgument(x))))];
    },
    gradient: ({ attrs, inputs: [x], cotangent: g }) => {
      const c = (value: number): Value => b.scalarLike(x, value);
      const half = c(0.5);
      if (attrs.approximate === "none") {
        const below = b.mul(half, b.add(c(1), b.erf(b.mul(x, c(Math.SQRT1_2)))));
        const density = b.mul(b.exp(b.mul(b.mul(x, x), c(-0.5))), c(1 / Math.sqrt(2 * Math.PI)));
        return [b.mul(g, b.add(below, b.mul(x, density)))];
      }
      const t = b.tanh(tanhArgument(x));
      const slope = b.mul(c(Math.sqrt(2 / Math.PI)), b.add(c(1), b.mul(c(3 * 0.044715), b.mul(x, x))));
      const bend = b.mul(b.mul(b.mul(x, half), b.sub(c(1), b.mul(t, t))), slope);
      return [b.mul(g, b.add(b.mul(half, b.add(c(1), t)), bend))];
    },
  }),

  /** 1 / (1 + exp(-x)), computed from the side where exp does not overflow. */
  sigmoid: defineOp<NoAttrs>({
    kind: "composite",
    infer: sameAsInput("sigmoid"),
    decompose: ([x]) => {
      const one = b.scalarLike(x, 1);
      const e = b.exp(b.neg(b.abs(x)));
      const numerator = b.where(b.lt(x, b.scalarLike(x, 0)), e, one);
      return [b.div(numerator, b.add(one, e))];
    },
    gradient: ({ outputs: [y], cotangent: g }) => [b.mul(g, b.mul(y, b.sub(b.scalarLike(y, 1), y)))],
  }),

  /** max(x, 0); NaN stays NaN. The gradient at 0 is 0. */
  relu: defineOp<NoAttrs>({
    kind: "composite",
    infer: sameAsInput("relu"),
    decompose: ([x]) => [b.maximum(x, b.scalarLike(x, 0))],
    gradient: ({ inputs: [x], cotangent: g }) => [
      b.where(b.le(x, b.scalarLike(x, 0)), b.scalarLike(g, 0), g),
    ],
  }),

  /** Index (i32) of the first largest element along dim, which stays with size 1; the first NaN counts as largest. */
  argmax: extremumPosition("argmax", "max"),
  /** The same of the smallest; the first NaN counts as smallest. */
  argmin: extremumPosition("argmin", "min"),
};

function tanhArgument(x: Value): Value {
  const cubic = b.mul(b.mul(b.mul(x, x), x), b.scalarLike(x, 0.044715));
  return b.mul(b.scalarLike(x, Math.sqrt(2 / Math.PI)), b.add(x, cubic));
}

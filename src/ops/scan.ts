import { isFloat } from "../graph/dtype.ts";
import { DTypeError, ShapeError } from "../graph/errors.ts";
import type { Value, ValueType } from "../graph/node.ts";
import { formatShape, sameShape } from "../graph/shape.ts";
import * as b from "./builders.ts";
import { defineOp, type GradientRule, type NoAttrs, type OpDefinition } from "./define.ts";
import * as o from "./orderBuilders.ts";

/** A running combination along the last dim: element i combines the elements 0 to i. Other dims are permuted there. */
function scan(
  op: string,
  accept: "number" | "float",
  gradient: GradientRule<NoAttrs>,
): OpDefinition<NoAttrs> {
  return defineOp<NoAttrs>({
    kind: "scan",
    infer: (inputs) => {
      const [first] = inputs;
      for (const input of inputs) checkOperand(op, accept, input, first);
      return [{ shape: first.shape, dtype: first.dtype }];
    },
    gradient,
  });
}

function checkOperand(op: string, accept: "number" | "float", x: ValueType, first: ValueType): void {
  if (x.shape.length === 0)
    throw new ShapeError(`${op}: a scalar has no dim to run along; reshape it to [1]`);
  if (!sameShape(x.shape, first.shape) || x.dtype !== first.dtype) {
    throw new ShapeError(
      `${op}: operands ${first.dtype} ${formatShape(first.shape)} and ${x.dtype} ${formatShape(x.shape)} differ`,
    );
  }
  if (accept === "float" ? !isFloat(x.dtype) : x.dtype === "bool") {
    throw new DTypeError(`${op}: operand is ${x.dtype}, wanted a ${accept}; cast it with .to("f32")`);
  }
}

/** The gradient of a running extremum goes to the element chosen: of equal ones the last. */
const runningExtremumRule: GradientRule<NoAttrs> = ({ inputs: [x], outputs: [y], cotangent: g }) => {
  const index = o.runningIndex(x, y);
  return [b.scatterAdd(b.full(x.shape, x.dtype, 0), x.shape.length - 1, index, g)];
};

/** d/dx_j is the product of what is before j, times the sum over i >= j of g_i and the product of what is between. */
const productRule: GradientRule<NoAttrs> = ({ inputs: [x], outputs: [y], cotangent: g }) => {
  const before = o.shift(y, 1);
  const from = o.recurrenceBackwards(o.unshift(x), g);
  return [b.mul(before, from)];
};

/** With l_i = g_i + a_(i+1) l_(i+1), the gradients are l_i h_(i-1) and l_i. */
const recurrenceRule: GradientRule<NoAttrs> = ({ inputs: [a], outputs: [h], cotangent: g }) => {
  const adjoint = o.recurrenceBackwards(o.unshift(a), g);
  return [b.mul(adjoint, o.shift(h, 0)), adjoint];
};

export const scans = {
  /** Running sum. Integers wrap. */
  cumsum: scan("cumsum", "number", ({ cotangent: g }) => [o.backwards(g, o.cumsum)]),
  /** Running product. Its gradient is right at zeros, to any order. */
  cumprod: scan("cumprod", "number", productRule),
  /** Running maximum; NaN from the first NaN on. */
  cummax: scan("cummax", "number", runningExtremumRule),
  /** Running minimum; NaN from the first NaN on. */
  cummin: scan("cummin", "number", runningExtremumRule),
  /**
   * h_i = a_i h_(i-1) + b_i of inputs a and b, h_(-1) being 0. Running products and exponentials are differentiated with
   * it, and it is its own gradient's op.
   */
  linearRecurrence: scan("linearRecurrence", "float", recurrenceRule),
};

function logcumsumexpParts(x: Value): Value[] {
  // The greatest element so far is taken out, so that no exponential overflows: s_i = s_(i-1) e^(m_(i-1) - m_i) + e^(x_i - m_i).
  const most = o.cummax(x);
  const sum = o.linearRecurrence(b.exp(difference(o.shift(most, "edge"), most)), b.exp(difference(x, most)));
  return [b.add(most, b.log(sum))];
}

/** x - y, and 0 where both are the same infinity. */
function difference(x: Value, y: Value): Value {
  return b.where(b.eq(x, y), b.scalarLike(x, 0), b.sub(x, y));
}

export const scanComposites = {
  /** log of the running sum of exp along the last dim, without overflow. */
  logcumsumexp: defineOp<NoAttrs>({
    kind: "composite",
    infer: ([x]) => {
      checkOperand("logcumsumexp", "float", x, x);
      return [{ shape: x.shape, dtype: x.dtype }];
    },
    decompose: ([x]) => logcumsumexpParts(x),
    gradient: ({ inputs: [x], outputs: [y], cotangent: g }) => {
      // The sum over i >= j of g_i e^(x_j - y_i), by steps of e^(y_j - y_(j+1)) <= 1. Nothing flows to -inf.
      const lowest = b.scalarLike(x, Number.NEGATIVE_INFINITY);
      const zero = b.scalarLike(x, 0);
      const step = b.where(b.eq(y, lowest), zero, b.exp(difference(y, o.unshift(y, "edge"))));
      const sum = o.recurrenceBackwards(step, g);
      return [b.mul(b.where(b.eq(x, lowest), zero, b.exp(difference(x, y))), sum)];
    },
  }),
};

import { isFloat } from "../graph/dtype.ts";
import { type Node, topologicalOrder, type Value } from "../graph/node.ts";
import { numel } from "../graph/shape.ts";
import { build } from "../ops/build.ts";
import * as b from "../ops/builders.ts";
import { expandComposites } from "../ops/expand.ts";
import * as o from "../ops/orderBuilders.ts";
import { type AttrsOf, definitionOf, type OpName, typed } from "../ops/table.ts";

/** Twice the unit roundoff of f32: a rounding, and a margin. */
const U = 2 ** -23;
/** Sums of multiples of 2^-8 below this are exact in f32 in any order. */
const EXACT_BELOW = 2 ** 15;
/** Beyond, an f32 may overflow on the way: nothing is promised. */
const HUGE = 2 ** 100;
/** What an inexact result may lose by underflow. */
const TINY = 2 ** -124;

/** Units in the last place that a device's function may be off by, and what it may be off by near 0. */
export const functionErrors: Readonly<Record<string, readonly [ulps: number, atol: number]>> = {
  exp: [8, 0],
  expm1: [4, 0],
  log: [4, 2 ** -21],
  log1p: [4, 0],
  log2: [4, 0],
  log10: [4, 0],
  sqrt: [3, 0],
  rsqrt: [4, 0],
  sin: [4, 2 ** -20],
  cos: [4, 2 ** -20],
  tanh: [8, 2 ** -22],
  erf: [8, 2 ** -22],
  erfc: [8, 0],
  erfinv: [8, 0],
};

/**
 * For each value of a graph in f64, a value of the same shape that bounds how far an f32 device may lie from it: a running
 * error analysis (Wilkinson, Rounding Errors in Algebraic Processes, 1963) of the primitives below, as a graph of its own.
 * A bound is 0 where f32 is exact, and infinite or NaN where nothing can be said: after an overflow, or where a rounding
 * may have changed a comparison whose result became an index or an integer.
 */
export function errorBounds(values: readonly Value[]): Value[] {
  const expansion = expandComposites(values, () => false);
  const primitives = values.map(expansion.valueOf);
  const bounds = new Map<Value, Value>();
  for (const node of topologicalOrder(primitives)) {
    const errors = node.inputs.map((input) => bounds.get(input) as Value); // inputs come first
    node.outputs.forEach((output) => {
      bounds.set(output, withRange(output, boundOf(node, output, errors)));
    });
  }
  return primitives.map((value) => bounds.get(value) as Value);
}

const number = (value: number): Value => b.full([], "f64", value);
const unknown = number(Number.POSITIVE_INFINITY);
const none = number(0);
const wide = (x: Value): Value => b.cast(x, "f64");
const larger = (x: Value, y: Value): Value => b.maximum(x, y);
const isZero = (x: Value): Value => b.eq(x, none);
const scaled = (x: Value, factor: number): Value => b.mul(x, number(factor));
const magnitude = (x: Value): Value => b.abs(wide(x));
/** 0 where all operands are exact, else unknown: for what has no notion of nearness. */
const allOrNothing = (errors: readonly Value[]): Value =>
  b.where(isZero(errors.reduce(larger)), none, unknown);

/** The bound, given that f32 has fewer exponents. */
function withRange(value: Value, bound: Value): Value {
  if (!isFloat(value.dtype)) return bound;
  const underflow = b.where(isZero(bound), none, number(TINY));
  return b.where(b.gt(magnitude(value), number(HUGE)), unknown, b.add(bound, underflow));
}

/** The error of rounding a result, on top of what its operands bring: nothing if all is exact and f32 holds it. */
function rounded(result: Value, carried: Value, ulps = 1): Value {
  const fits = b.eq(wide(b.cast(result, "f32")), wide(result));
  const exact = b.logicalAnd(isZero(carried), fits);
  return b.where(exact, none, b.add(carried, b.add(scaled(magnitude(result), ulps * U), number(TINY))));
}

/**
 * How far a function that only rises or only falls may move when its operand does. An operand of which nothing is known
 * may be NaN, which no bounded function bounds.
 */
function monotone(apply: (x: Value) => Value, x: Value, error: Value): Value {
  const at = (moved: Value): Value => magnitude(b.sub(wide(apply(moved)), wide(apply(wide(x)))));
  const moved = larger(at(b.add(wide(x), error)), at(b.sub(wide(x), error)));
  // An error that is itself NaN is unknown too.
  return b.where(b.lt(error, unknown), moved, unknown);
}

function boundOf(node: Node, output: Value, errors: readonly Value[]): Value {
  switch (definitionOf(node).kind) {
    case "leaf":
      // The leaves of both graphs hold the same numbers, but for constants in the code: those f32 rounds.
      return node.op === "full"
        ? magnitude(b.sub(wide(b.cast(output, "f32")), wide(output)))
        : b.full(output.shape, "f64", 0);
    case "movement":
      return build(node.op as OpName, errors, node.attrs as AttrsOf<OpName>).outputs[0];
    case "reduce":
      return reductionBound(node, output, errors[0]);
    case "scan":
      return scanBound(node, errors);
    case "sort":
      // Any rounding may change the order of the whole row.
      return b.expand(allOrNothing([rowMaximum(errors[0])]), output.shape);
    default:
      return b.expand(elementwiseBound(node, output, errors), output.shape);
  }
}

function reductionBound(node: Node, output: Value, error: Value): Value {
  const [x] = node.inputs;
  const { dims } = node.attrs as AttrsOf<"sum">;
  const over = (op: "sum" | "prod" | "max", value: Value): Value =>
    op === "max" && numel(value.shape) === 0 ? b.full(output.shape, "f64", 0) : b.reduce(op, value, dims);
  if (!isFloat(x.dtype)) return allOrNothing([over("max", error)]);
  const count = dims.reduce((product, dim) => product * x.shape[dim], 1);
  switch (node.op) {
    case "sum":
      return sumBound(over("sum", error), over("sum", magnitude(x)), over("sum", offGrid(x, 8)), count);
    case "prod": {
      const largest = over("prod", b.add(magnitude(x), error));
      const carried = b.sub(largest, over("prod", magnitude(x)));
      // No product of some of them is larger: beyond, one overflows; and what one loses by underflow grows by no more.
      const most = over("prod", larger(magnitude(x), number(1)));
      const bound = b.add(b.add(carried, scaled(largest, count * U)), scaled(most, TINY));
      return b.where(b.gt(most, number(HUGE)), unknown, bound);
    }
    default:
      return over("max", error);
  }
}

function scanBound(original: Node, errors: readonly Value[]): Value {
  const node = typed(original);
  const [x] = node.inputs;
  const [ex] = errors;
  if (!isFloat(x.dtype)) return b.expand(allOrNothing(errors.map(rowMaximum)), x.shape);
  switch (node.op) {
    case "cumsum":
      return sumBound(
        o.cumsum(ex),
        o.cumsum(magnitude(x)),
        o.cumsum(offGrid(x, 8)),
        x.shape[x.shape.length - 1],
      );
    case "cummax":
    case "cummin":
      return o.cummax(ex);
    default:
      return b.expand(unknown, x.shape);
  }
}

/** The largest along the last dim, which stays with size 1; 0 of nothing. */
function rowMaximum(x: Value): Value {
  const last = x.shape.length - 1;
  const zeros = b.full(b.reducedShape(x.shape, [last]), "f64", 0);
  return b.reduce("max", b.concat([x, zeros], last), [last]);
}

/** How many multiples of 2^-bits lie between: 0 for what is one. */
function offGrid(x: Value, bits: number): Value {
  const steps = scaled(wide(x), 2 ** bits);
  return wide(b.ne(steps, b.unary("round", steps)));
}

/** Of a sum of `count` terms in any order: nothing where all are multiples of one small power of two. */
function sumBound(carried: Value, total: Value, irregular: Value, count: number): Value {
  const small = b.le(total, number(EXACT_BELOW));
  const exact = b.logicalAnd(b.logicalAnd(isZero(carried), isZero(irregular)), small);
  return b.where(exact, none, b.add(carried, scaled(b.add(total, carried), (count + 1) * U)));
}

function elementwiseBound(original: Node, output: Value, errors: readonly Value[]): Value {
  const node = typed(original);
  const [x, y] = node.inputs;
  const [ex, ey] = errors;
  switch (node.op) {
    case "matmul": {
      const carried = b.add(b.matmul(magnitude(x), ey), b.add(b.matmul(ex, magnitude(y)), b.matmul(ex, ey)));
      if (!isFloat(output.dtype)) return allOrNothing([carried]);
      const ones = (value: Value): Value => b.full(value.shape, "f64", 1);
      const irregular = b.add(b.matmul(offGrid(x, 4), ones(y)), b.matmul(ones(x), offGrid(y, 4)));
      return sumBound(carried, b.matmul(magnitude(x), magnitude(y)), irregular, x.shape[x.shape.length - 1]);
    }
    case "gather":
      return b.add(b.gather(ex, node.attrs.dim, y), allOrNothing([ey]));
    case "scatterAdd": {
      const [base, index, source] = node.inputs;
      const { dim } = node.attrs;
      const certain = b.reduce(
        "max",
        b.concat([b.reshape(ey, [numel(index.shape)]), b.full([1], "f64", 0)], 0),
        [0],
      );
      const moved = b.scatterAdd(ex, dim, index, errors[2]);
      const sure = b.expand(b.reshape(allOrNothing([certain]), []), base.shape);
      if (!isFloat(base.dtype)) return b.add(allOrNothing([moved]), sure);
      const total = b.scatterAdd(magnitude(base), dim, index, magnitude(source));
      const irregular = b.scatterAdd(offGrid(base, 8), dim, index, offGrid(source, 8));
      return b.add(sumBound(moved, total, irregular, 1 + index.shape[dim]), sure);
    }
    case "scatterReduce": {
      const { dim, reduce } = node.attrs;
      if (reduce === "prod") return unknown;
      const moved = b.scatterReduce(ex, dim, y, errors[2], reduce === "replace" ? reduce : "amax");
      const sure = allOrNothing([b.reshape(rowMaximum(b.reshape(ey, [numel(y.shape)])), [])]);
      return b.add(isFloat(x.dtype) ? moved : allOrNothing([moved]), sure);
    }
    case "where": {
      const [condition, chosen, other] = node.inputs;
      const apart = isFloat(output.dtype) ? magnitude(b.sub(wide(chosen), wide(other))) : unknown;
      const uncertain = b.add(apart, larger(errors[1], errors[2]));
      return b.where(isZero(ex), b.where(condition, errors[1], errors[2]), uncertain);
    }
    case "cast":
      return castBound(x, output, ex);
    case "neg":
    case "abs":
      return ex;
    default:
  }
  if (node.inputs.some(({ dtype }) => !isFloat(dtype))) return allOrNothing(errors);
  const apply = (value: Value): Value => b.unary(node.op as b.UnaryName, value);
  switch (node.op) {
    case "sign":
    case "floor":
    case "ceil":
    case "round":
    case "trunc":
      return monotone(apply, x, ex);
    case "exp":
    case "expm1":
    case "log":
    case "log1p":
    case "log2":
    case "log10":
    case "erfc":
    case "erfinv":
    case "sqrt":
    case "tanh":
    case "erf":
    case "rsqrt": {
      const [ulps, atol] = functionErrors[node.op];
      return b.add(b.add(monotone(apply, x, ex), scaled(magnitude(output), ulps * U)), number(atol + TINY));
    }
    case "sin":
    case "cos": {
      const [ulps, atol] = functionErrors[node.op];
      return b.add(b.add(ex, scaled(magnitude(output), ulps * U)), number(atol + TINY));
    }
    case "reciprocal":
      return rounded(output, quotientBound(number(1), none, x, ex), 3);
    case "div":
      return rounded(output, quotientBound(x, ex, y, ey), 3);
    case "add":
    case "sub":
      return rounded(output, b.add(ex, ey));
    case "mul":
      return rounded(output, productBound(x, ex, y, ey));
    case "maximum":
    case "minimum":
      return larger(ex, ey);
    case "floorDivide":
    case "remainder": {
      const quotient = b.div(wide(x), wide(y));
      const error = rounded(quotient, quotientBound(x, ex, y, ey), 3);
      const jump = monotone((value) => b.unary("floor", value), quotient, error);
      if (node.op === "floorDivide") return jump;
      const whole = b.add(magnitude(b.unary("floor", quotient)), jump);
      const product = b.add(b.mul(whole, ey), b.mul(jump, magnitude(y)));
      return b.add(b.add(ex, product), scaled(b.add(magnitude(x), magnitude(y)), 4 * U));
    }
    case "eq":
    case "ne":
    case "lt":
    case "le":
    case "gt":
    case "ge": {
      const either = b.add(ex, ey);
      const near = b.le(magnitude(b.sub(wide(x), wide(y))), either);
      // NaN bounds compare as false: what is unknown stays so.
      const sure = b.logicalOr(isZero(either), b.logicalAnd(b.logicalNot(near), b.eq(either, either)));
      return b.where(sure, none, number(1));
    }
    case "pow":
      return b.add(allOrNothing(errors), scaled(magnitude(output), 64 * U));
    default:
      return allOrNothing(errors);
  }
}

function productBound(x: Value, ex: Value, y: Value, ey: Value): Value {
  return b.add(b.add(b.mul(magnitude(x), ey), b.mul(magnitude(y), ex)), b.mul(ex, ey));
}

/** (|dx| + |x/y| |dy|) / (|y| - |dy|); unknown where the divisor may be 0. */
function quotientBound(x: Value, ex: Value, y: Value, ey: Value): Value {
  const smallest = b.sub(magnitude(y), ey);
  const moved = b.add(ex, b.mul(magnitude(b.div(wide(x), wide(y))), ey));
  const bound = b.div(moved, smallest);
  return b.where(isZero(moved), none, b.where(b.gt(smallest, none), bound, unknown));
}

function castBound(x: Value, output: Value, error: Value): Value {
  if (isFloat(output.dtype)) return isFloat(x.dtype) || x.dtype === "bool" ? error : rounded(output, error);
  if (!isFloat(x.dtype)) return allOrNothing([error]);
  if (output.dtype === "bool")
    return b.where(b.logicalAnd(b.gt(error, none), b.le(magnitude(x), error)), number(1), none);
  return monotone((value) => b.cast(value, output.dtype), x, error);
}

import { type DType, isFloat, isInteger } from "../graph/dtype.ts";
import { DTypeError, ShapeError } from "../graph/errors.ts";
import type { Value, ValueType } from "../graph/node.ts";
import { formatShape, sameShape } from "../graph/shape.ts";
import * as b from "./builders.ts";
import { defineOp, type GradientRule, type NoAttrs, type OpDefinition } from "./define.ts";

type Accept = "float" | "number" | "integer" | "bool" | "bits" | "any";

const accepts: Record<Accept, (dtype: DType) => boolean> = {
  float: isFloat,
  number: (dtype) => dtype !== "bool",
  integer: isInteger,
  bool: (dtype) => dtype === "bool",
  bits: (dtype) => isInteger(dtype) || dtype === "bool",
  any: () => true,
};

function checkOperands(op: string, accept: Accept, inputs: readonly ValueType[]): void {
  const [first] = inputs;
  for (const input of inputs) {
    if (!sameShape(input.shape, first.shape)) {
      throw new ShapeError(
        `${op}: shapes ${formatShape(first.shape)} and ${formatShape(input.shape)} differ`,
      );
    }
    if (input.dtype !== first.dtype) {
      throw new DTypeError(
        `${op}: dtypes ${first.dtype} and ${input.dtype} differ; cast one with .to(dtype)`,
      );
    }
    if (!accepts[accept](input.dtype)) {
      const wanted = {
        float: "a float",
        number: "a number",
        integer: "an integer",
        bool: "bool",
        bits: "integer or bool",
        any: "",
      };
      throw new DTypeError(
        `${op}: operand of shape ${formatShape(input.shape)} is ${input.dtype}, wanted ${wanted[accept]}; cast it with .to(dtype)`,
      );
    }
  }
}

/** A map whose operands and result share shape and dtype. */
function map(op: string, accept: Accept, gradient: OpDefinition<NoAttrs>["gradient"]): OpDefinition<NoAttrs> {
  return defineOp<NoAttrs>({
    kind: "map",
    infer: (inputs) => {
      checkOperands(op, accept, inputs);
      return [{ shape: inputs[0].shape, dtype: inputs[0].dtype }];
    },
    gradient,
  });
}

/** A map from two equal operands to bool. */
function comparison(op: string, accept: Accept): OpDefinition<NoAttrs> {
  return defineOp<NoAttrs>({
    kind: "map",
    infer: (inputs) => {
      checkOperands(op, accept, inputs);
      return [{ shape: inputs[0].shape, dtype: "bool" }];
    },
    gradient: "zero",
  });
}

type Rule = GradientRule<NoAttrs>;

/** Of equal operands the gradient goes half to each, as in PyTorch; a NaN operand gets it, since it is the result. */
const maximumRule =
  (better: (x: Value, y: Value) => Value): Rule =>
  ({ inputs: [x, y], cotangent: g }) => {
    const half = b.mul(g, b.scalarLike(g, 0.5));
    const zero = b.scalarLike(g, 0);
    const part = (mine: Value, other: Value): Value =>
      b.where(b.eq(mine, other), half, b.where(b.logicalOr(better(mine, other), b.ne(mine, mine)), g, zero));
    return [part(x, y), part(y, x)];
  };

const powRule: Rule = ({ inputs: [x, y], outputs: [out], cotangent: g }) => {
  const zero = b.scalarLike(x, 0);
  const one = b.scalarLike(x, 1);
  // d/dx: y x^(y-1), and 0 for y = 0 even where x = 0. d/dy: out log x, and 0 where x = 0 and y >= 0.
  const dx = b.where(b.eq(y, zero), zero, b.mul(y, b.pow(x, b.sub(y, one))));
  const flat = b.logicalAnd(b.eq(x, zero), b.ge(y, zero));
  const dy = b.where(flat, zero, b.mul(out, b.log(b.where(flat, one, x))));
  return [b.mul(g, dx), b.mul(g, dy)];
};

export const elementwise = {
  neg: map("neg", "number", ({ cotangent: g }) => [b.neg(g)]),
  abs: map("abs", "number", ({ inputs: [x], cotangent: g }) => [b.mul(g, b.sign(x))]),
  /** -1, 0 or 1; NaN stays NaN. */
  sign: map("sign", "number", "zero"),
  exp: map("exp", "float", ({ outputs: [y], cotangent: g }) => [b.mul(g, y)]),
  /** exp(x) - 1 without losing what is left of it near 0. */
  expm1: map("expm1", "float", ({ outputs: [y], cotangent: g }) => [b.mul(g, b.add(y, b.scalarLike(g, 1)))]),
  log: map("log", "float", ({ inputs: [x], cotangent: g }) => [b.div(g, x)]),
  /** log(1 + x) for x that 1 + x would round away. */
  log1p: map("log1p", "float", ({ inputs: [x], cotangent: g }) => [b.div(g, b.add(x, b.scalarLike(x, 1)))]),
  log2: map("log2", "float", ({ inputs: [x], cotangent: g }) => [
    b.div(g, b.mul(x, b.scalarLike(x, Math.LN2))),
  ]),
  log10: map("log10", "float", ({ inputs: [x], cotangent: g }) => [
    b.div(g, b.mul(x, b.scalarLike(x, Math.LN10))),
  ]),
  sqrt: map("sqrt", "float", ({ outputs: [y], cotangent: g }) => [b.div(b.mul(g, b.scalarLike(g, 0.5)), y)]),
  rsqrt: map("rsqrt", "float", ({ inputs: [x], outputs: [y], cotangent: g }) => [
    b.mul(b.mul(g, b.scalarLike(g, -0.5)), b.div(y, x)),
  ]),
  reciprocal: map("reciprocal", "float", ({ outputs: [y], cotangent: g }) => [b.neg(b.mul(g, b.mul(y, y)))]),
  sin: map("sin", "float", ({ inputs: [x], cotangent: g }) => [b.mul(g, b.cos(x))]),
  cos: map("cos", "float", ({ inputs: [x], cotangent: g }) => [b.neg(b.mul(g, b.sin(x)))]),
  tanh: map("tanh", "float", ({ outputs: [y], cotangent: g }) => [
    b.mul(g, b.sub(b.scalarLike(g, 1), b.mul(y, y))),
  ]),
  /** The error function 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x. */
  erf: map("erf", "float", ({ inputs: [x], cotangent: g }) => [
    b.mul(g, b.mul(b.exp(b.neg(b.mul(x, x))), b.scalarLike(g, 2 / Math.sqrt(Math.PI)))),
  ]),
  /** 1 - erf(x), small where erf is nearly 1. */
  erfc: map("erfc", "float", ({ inputs: [x], cotangent: g }) => [
    b.mul(g, b.mul(b.exp(b.neg(b.mul(x, x))), b.scalarLike(g, -2 / Math.sqrt(Math.PI)))),
  ]),
  /** The x whose erf is given; infinite at -1 and 1, NaN beyond. */
  erfinv: map("erfinv", "float", ({ outputs: [y], cotangent: g }) => [
    b.mul(g, b.mul(b.exp(b.mul(y, y)), b.scalarLike(g, Math.sqrt(Math.PI) / 2))),
  ]),
  /** log |gamma(x)|; infinite at 0 and the negative integers. */
  lgamma: map("lgamma", "float", ({ inputs: [x], cotangent: g }) => [b.mul(g, b.polygamma(0, x))]),
  floor: map("floor", "float", "zero"),
  ceil: map("ceil", "float", "zero"),
  /** To the nearest integer, ties to even. */
  round: map("round", "float", "zero"),
  trunc: map("trunc", "float", "zero"),
  logicalNot: map("logicalNot", "bool", "zero"),
  bitwiseNot: map("bitwiseNot", "integer", "zero"),

  add: map("add", "number", ({ cotangent: g }) => [g, g]),
  sub: map("sub", "number", ({ cotangent: g }) => [g, b.neg(g)]),
  mul: map("mul", "number", ({ inputs: [x, y], cotangent: g }) => [b.mul(g, y), b.mul(g, x)]),
  /** Floats only: the builder casts integers to f32 first, as PyTorch does. */
  div: map("div", "float", ({ inputs: [, y], outputs: [out], cotangent: g }) => {
    const dx = b.div(g, y);
    return [dx, b.neg(b.mul(dx, out))];
  }),
  pow: map("pow", "float", powRule),
  /** The angle of the point (x, y), in (-pi, pi]; signs of zeros count, as in C. Operands y, x. */
  atan2: map("atan2", "float", ({ inputs: [y, x], cotangent: g }) => {
    const scaled = b.div(g, b.add(b.mul(x, x), b.mul(y, y)));
    return [b.mul(scaled, x), b.neg(b.mul(scaled, y))];
  }),
  /** NaN if either is NaN. */
  maximum: map(
    "maximum",
    "number",
    maximumRule((x, y) => b.gt(x, y)),
  ),
  /** NaN if either is NaN. */
  minimum: map(
    "minimum",
    "number",
    maximumRule((x, y) => b.lt(x, y)),
  ),
  /** What is left of x after taking away y as often as it goes, exactly: the sign is that of x. An integer by 0 gives 0. */
  fmod: map("fmod", "number", ({ inputs: [x, y], outputs: [rest], cotangent: g }) => [
    g,
    b.neg(b.mul(g, b.unary("round", b.div(b.sub(x, rest), y)))),
  ]),
  /** The same with the sign of the divisor, as PyTorch and Python have it. An integer divided by 0 gives 0. */
  remainder: map("remainder", "number", ({ inputs: [x, y], cotangent: g }) => [
    g,
    b.neg(b.mul(g, b.floorDivide(x, y))),
  ]),
  /** floor of the exact quotient; an integer divided by 0 gives 0. */
  floorDivide: map("floorDivide", "number", "zero"),

  eq: comparison("eq", "any"),
  ne: comparison("ne", "any"),
  lt: comparison("lt", "number"),
  le: comparison("le", "number"),
  gt: comparison("gt", "number"),
  ge: comparison("ge", "number"),
  logicalAnd: comparison("logicalAnd", "bool"),
  logicalOr: comparison("logicalOr", "bool"),
  bitwiseAnd: map("bitwiseAnd", "bits", "zero"),
  bitwiseOr: map("bitwiseOr", "bits", "zero"),
  bitwiseXor: map("bitwiseXor", "bits", "zero"),
  /** By 0 to 31 bits: the amount is taken modulo 32. */
  shiftLeft: map("shiftLeft", "integer", "zero"),
  /** Arithmetic for i32, logical for u32; the amount is taken modulo 32. */
  shiftRight: map("shiftRight", "integer", "zero"),

  /** condition ? x : y, element by element; the branch not taken contributes nothing, NaN included. */
  where: defineOp<NoAttrs>({
    kind: "map",
    infer: ([condition, x, y]) => {
      checkOperands("where", "any", [x, y]);
      if (condition.dtype !== "bool") {
        throw new DTypeError(
          `where: the condition is ${condition.dtype}, wanted bool; compare it first (x.ne(0))`,
        );
      }
      if (!sameShape(condition.shape, x.shape)) {
        throw new ShapeError(
          `where: condition ${formatShape(condition.shape)} and values ${formatShape(x.shape)} differ in shape`,
        );
      }
      return [{ shape: x.shape, dtype: x.dtype }];
    },
    gradient: ({ inputs: [condition], cotangent: g }) => {
      const zero = b.scalarLike(g, 0);
      return [undefined, b.where(condition, g, zero), b.where(condition, zero, g)];
    },
  }),

  /**
   * To another dtype. Floats to integers truncate towards zero, saturate, and turn NaN to 0; anything but 0 is true
   * (NaN too); i32 and u32 keep their bits.
   */
  cast: defineOp<{ readonly dtype: DType }>({
    kind: "map",
    infer: ([x], { dtype }) => [{ shape: x.shape, dtype }],
    gradient: ({ inputs: [x], cotangent: g }) => [isFloat(x.dtype) ? b.cast(g, x.dtype) : undefined],
  }),

  /** The same 32 bits read as another type. */
  bitcast: defineOp<{ readonly dtype: DType }>({
    kind: "map",
    infer: ([x], { dtype }) => {
      for (const type of [x.dtype, dtype]) {
        if (type === "bool" || type === "f64")
          throw new DTypeError(`bitcast: ${x.dtype} to ${dtype}; both must have 32 bits`);
      }
      return [{ shape: x.shape, dtype }];
    },
    gradient: "zero",
  }),

  /** The same value, through which no gradient flows; with `requiresGrad` it is a leaf where gradients end. */
  detach: defineOp<{ readonly requiresGrad?: boolean }>({
    kind: "map",
    infer: ([x]) => [{ shape: x.shape, dtype: x.dtype }],
    gradient: "zero",
  }),

  /**
   * Threefry-2x32 with 20 rounds: two words from a key (inputs 0 and 1) and a counter (inputs 2 and 3).
   * Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (2011).
   */
  threefry2x32: defineOp<NoAttrs>({
    kind: "map",
    infer: (inputs) => {
      checkOperands("threefry2x32", "integer", inputs);
      if (inputs[0].dtype !== "u32")
        throw new DTypeError(`threefry2x32: operands are ${inputs[0].dtype}, wanted u32`);
      const type: ValueType = { shape: inputs[0].shape, dtype: "u32" };
      return [type, type];
    },
    gradient: "none",
  }),
};

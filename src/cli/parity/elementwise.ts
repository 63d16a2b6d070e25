import * as functional from "../../nn/functional/index.ts";
import { type Operand, type Tensor, where } from "../../tensor/tensor.ts";
import type { Attributes, Operator, Operators, Patterns } from "./operator.ts";

/** PyTorch's functions of one tensor and nothing else, under its names. */
const unary: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  abs: (x) => x.abs(),
  acos: (x) => x.acos(),
  acosh: (x) => x.acosh(),
  asin: (x) => x.asin(),
  asinh: (x) => x.asinh(),
  atan: (x) => x.atan(),
  atanh: (x) => x.atanh(),
  bitwise_not: (x) => x.bitwiseNot(),
  ceil: (x) => x.ceil(),
  cos: (x) => x.cos(),
  cosh: (x) => x.cosh(),
  digamma: (x) => x.digamma(),
  erf: (x) => x.erf(),
  erfc: (x) => x.erfc(),
  erfinv: (x) => x.erfinv(),
  exp: (x) => x.exp(),
  exp2: (x) => x.exp2(),
  expm1: (x) => x.expm1(),
  floor: (x) => x.floor(),
  frac: (x) => x.frac(),
  gelu_erf: (x) => x.gelu(),
  gelu_tanh: (x) => x.gelu({ approximate: "tanh" }),
  hardsigmoid: functional.hardsigmoid,
  hardswish: functional.hardswish,
  isfinite: (x) => x.isfinite(),
  isinf: (x) => x.isinf(),
  isnan: (x) => x.isnan(),
  lgamma: (x) => x.lgamma(),
  log: (x) => x.log(),
  log10: (x) => x.log10(),
  log1p: (x) => x.log1p(),
  log2: (x) => x.log2(),
  logical_not: (x) => x.logicalNot(),
  logsigmoid: functional.logSigmoid,
  mish: functional.mish,
  neg: (x) => x.neg(),
  reciprocal: (x) => x.reciprocal(),
  relu: (x) => x.relu(),
  relu6: functional.relu6,
  round: (x) => x.round(),
  rsqrt: (x) => x.rsqrt(),
  selu: functional.selu,
  sigmoid: (x) => x.sigmoid(),
  sign: (x) => x.sign(),
  silu: functional.silu,
  sin: (x) => x.sin(),
  sinc: (x) => x.sinc(),
  sinh: (x) => x.sinh(),
  softsign: functional.softsign,
  sqrt: (x) => x.sqrt(),
  square: (x) => x.square(),
  tan: (x) => x.tan(),
  tanh: (x) => x.tanh(),
  tanhshrink: functional.tanhshrink,
  trunc: (x) => x.trunc(),
};

/** Functions of a tensor and another one, or a number that stands in the attributes. */
const binary: Readonly<Record<string, (x: Tensor, y: Operand) => Tensor>> = {
  add: (x, y) => x.add(y),
  atan2: (x, y) => x.atan2(y),
  bitwise_and: (x, y) => x.bitwiseAnd(y),
  bitwise_left_shift: (x, y) => x.bitwiseLeftShift(y),
  bitwise_or: (x, y) => x.bitwiseOr(y),
  bitwise_right_shift: (x, y) => x.bitwiseRightShift(y),
  bitwise_xor: (x, y) => x.bitwiseXor(y),
  copysign: (x, y) => x.copysign(y),
  eq: (x, y) => x.eq(y),
  floor_divide: (x, y) => x.floorDivide(y),
  fmod: (x, y) => x.fmod(y),
  ge: (x, y) => x.ge(y),
  gt: (x, y) => x.gt(y),
  hypot: (x, y) => x.hypot(y),
  le: (x, y) => x.le(y),
  logaddexp: (x, y) => x.logaddexp(y),
  logical_and: (x, y) => x.logicalAnd(y),
  logical_or: (x, y) => x.logicalOr(y),
  logical_xor: (x, y) => x.logicalXor(y),
  lt: (x, y) => x.lt(y),
  maximum: (x, y) => x.maximum(y),
  minimum: (x, y) => x.minimum(y),
  mul: (x, y) => x.mul(y),
  ne: (x, y) => x.ne(y),
  pow: (x, y) => x.pow(y),
  remainder: (x, y) => x.remainder(y),
  sub: (x, y) => x.sub(y),
  xlogy: (x, y) => x.xlogy(y),
};

/** The second operand: an input, or one of the attributes that may hold a number instead. */
function other(inputs: readonly Tensor[], attrs: Attributes): Operand {
  return inputs[1] ?? attrs.number(attrs.has("exponent") ? "exponent" : "other");
}

const optional = (attrs: Attributes, name: string): number | undefined =>
  attrs.has(name) ? attrs.number(name) : undefined;

/** The bounds of a clamp: the second and third input, or attributes. */
function bounds(inputs: readonly Tensor[], attrs: Attributes): { min?: Operand; max?: Operand } {
  return { min: inputs[1] ?? optional(attrs, "min"), max: inputs[2] ?? optional(attrs, "max") };
}

function divide(inputs: readonly Tensor[], attrs: Attributes): Tensor {
  const mode = attrs.text("rounding_mode", "none");
  return inputs[0].div(
    other(inputs, attrs),
    mode === "trunc" || mode === "floor" ? { roundingMode: mode } : {},
  );
}

/** torch.add and torch.sub scale their second operand by `alpha`. */
const scaled =
  (apply: (x: Tensor, y: Operand) => Tensor): Operator =>
  (inputs, attrs) => {
    const y = other(inputs, attrs);
    if (!attrs.has("alpha")) return apply(inputs[0], y);
    const alpha = attrs.number("alpha");
    return apply(inputs[0], typeof y === "object" ? y.mul(alpha) : Number(y) * alpha);
  };

/** Those that take attributes of their own. */
const others: Operators = {
  add: scaled(binary.add),
  sub: scaled(binary.sub),
  div: divide,
  gelu: ([x], attrs) =>
    x.gelu({ approximate: attrs.text("approximate", "none") === "tanh" ? "tanh" : "none" }),
  polygamma: ([x], attrs) => x.polygamma(attrs.number("n")),
  logit: ([x], attrs) => x.logit(optional(attrs, "eps")),
  nan_to_num: ([x], attrs) =>
    x.nanToNum({
      nan: attrs.number("nan", 0),
      ...(attrs.has("posinf") && { posinf: attrs.number("posinf") }),
      ...(attrs.has("neginf") && { neginf: attrs.number("neginf") }),
    }),
  softplus: ([x], attrs) => functional.softplus(x, attrs.number("beta", 1), attrs.number("threshold", 20)),
  elu: ([x], attrs) => functional.elu(x, attrs.number("alpha", 1)),
  celu: ([x], attrs) => functional.celu(x, attrs.number("alpha", 1)),
  leaky_relu: ([x], attrs) => functional.leakyRelu(x, attrs.number("negative_slope", 0.01)),
  hardtanh: ([x], attrs) => functional.hardtanh(x, attrs.number("min_val", -1), attrs.number("max_val", 1)),
  hardshrink: ([x], attrs) => functional.hardshrink(x, attrs.number("lambd", 0.5)),
  softshrink: ([x], attrs) => functional.softshrink(x, attrs.number("lambd", 0.5)),
  threshold: ([x], attrs) => functional.threshold(x, attrs.number("threshold"), attrs.number("value")),
  softmin: ([x], attrs) => functional.softmin(x, attrs.number("dim", -1)),
  clamp: (inputs, attrs) => inputs[0].clamp(bounds(inputs, attrs)),
  clamp_min: ([x, min], attrs) => x.clamp({ min: min ?? attrs.number("min") }),
  clamp_max: ([x, max], attrs) => x.clamp({ max: max ?? attrs.number("max") }),
  lerp: ([x, end, weight], attrs) => x.lerp(end, weight ?? attrs.number("weight")),
  addcmul: ([x, a, b], attrs) => x.addcmul(a, b, { value: attrs.number("value", 1) }),
  addcdiv: ([x, a, b], attrs) => x.addcdiv(a, b, { value: attrs.number("value", 1) }),
  where: ([condition, x, y]) => where(condition, x, y),
  masked_fill: ([x, mask, value], attrs) =>
    value ? where(mask, value, x) : x.maskedFill(mask, attrs.number("value")),
  "F.prelu": ([x, weight]) => functional.prelu(x, weight),
  "F.glu": ([x], attrs) => functional.glu(x, attrs.number("dim", -1)),
};

const own: Operators = {
  ...Object.fromEntries(Object.entries(unary).map(([name, apply]) => [name, ([x]) => apply(x)])),
  ...Object.fromEntries(
    Object.entries(binary).map(([name, apply]) => [
      name,
      (inputs, attrs) => apply(inputs[0], other(inputs, attrs)),
    ]),
  ),
  ...others,
};

/** Operators of the group `elementwise`, some under the names of torch.nn.functional as well. */
export const elementwise: Operators = {
  ...Object.fromEntries(Object.entries(own).map(([name, operator]) => [`F.${name}`, operator])),
  ...own,
  // What the group's cases mean by these names where their attributes say nothing else.
  leaky_relu: ([x], attrs) => functional.leakyRelu(x, attrs.number("negative_slope", 0.1)),
  celu: ([x], attrs) => functional.celu(x, attrs.number("alpha", 0.7)),
  round_half_even: ([x]) => x.mul(2).round(),
};

/** Several functions of one tensor, an output each: `relu;abs;sign at 0`. */
export const elementwisePatterns: Patterns = [
  [
    /^(\w+(?:;\w+)+)(?: at .*)?$/,
    ([, names]) =>
      ([x]) =>
        names.split(";").map((name) => {
          if (!Object.hasOwn(unary, name)) throw new Error(`no function ${name}`);
          return unary[name](x);
        }),
  ],
];

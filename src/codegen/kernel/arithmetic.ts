import { erf, erfc, erfinv, lgamma } from "../../ops/specialFunctions.ts";
import type { BinaryScalarOp, ScalarType, UnaryScalarOp } from "./ir.ts";

/**
 * What the scalar ops mean, on JavaScript numbers: f32 as doubles that are floats, i32 and u32 in range, bool
 * as 0 or 1. Folding of constants and the interpreter share it. Floats that no operation rounds exactly (exp,
 * sin, ...) are the engine's double, rounded to f32.
 */

/** Which operands an op takes; they all share one type. */
export type Accept = "float" | "number" | "integer" | "bool" | "bits" | "any";

const accepted: Readonly<Record<Accept, readonly ScalarType[]>> = {
  float: ["f32"],
  number: ["f32", "i32", "u32"],
  integer: ["i32", "u32"],
  bool: ["bool"],
  bits: ["i32", "u32", "bool"],
  any: ["f32", "i32", "u32", "bool"],
};

const unaryAccepts: Readonly<Record<UnaryScalarOp, Accept>> = {
  neg: "number",
  abs: "number",
  sign: "number",
  exp: "float",
  expm1: "float",
  log: "float",
  log1p: "float",
  log2: "float",
  log10: "float",
  sqrt: "float",
  rsqrt: "float",
  reciprocal: "float",
  sin: "float",
  cos: "float",
  tanh: "float",
  erf: "float",
  erfc: "float",
  erfinv: "float",
  lgamma: "float",
  floor: "float",
  ceil: "float",
  round: "float",
  trunc: "float",
  logicalNot: "bool",
  bitwiseNot: "integer",
};

const binaryAccepts: Readonly<Record<BinaryScalarOp, Accept>> = {
  add: "number",
  sub: "number",
  mul: "number",
  div: "float",
  pow: "float",
  atan2: "float",
  maximum: "number",
  minimum: "number",
  fmod: "number",
  remainder: "number",
  floorDivide: "number",
  eq: "any",
  ne: "any",
  lt: "number",
  le: "number",
  gt: "number",
  ge: "number",
  logicalAnd: "bool",
  logicalOr: "bool",
  bitwiseAnd: "bits",
  bitwiseOr: "bits",
  bitwiseXor: "bits",
  shiftLeft: "integer",
  shiftRight: "integer",
};

/** The type of `op` on operands of that type, or undefined where it takes no such operand. */
export function unaryType(op: UnaryScalarOp, operand: ScalarType): ScalarType | undefined {
  return accepted[unaryAccepts[op]].includes(operand) ? operand : undefined;
}

/** The type of `op` on two operands of that type, or undefined where it takes no such operands. */
export function binaryType(op: BinaryScalarOp, operand: ScalarType): ScalarType | undefined {
  if (!accepted[binaryAccepts[op]].includes(operand)) return undefined;
  return isComparison(op) ? "bool" : operand;
}

function isComparison(op: BinaryScalarOp): boolean {
  return op === "eq" || op === "ne" || op === "lt" || op === "le" || op === "gt" || op === "ge";
}

/** Any number brought into `type`: floats rounded, integers wrapped modulo 2^32, bool to 1 unless 0. */
export function wrap(type: ScalarType, value: number): number {
  switch (type) {
    case "f32":
      return Math.fround(value);
    case "i32":
      return value | 0;
    case "u32":
      return value >>> 0;
    case "bool":
      return value === 0 ? 0 : 1;
  }
}

export function evaluateUnary(op: UnaryScalarOp, type: ScalarType, x: number): number {
  switch (op) {
    case "neg":
      return wrap(type, -x);
    case "abs":
      return wrap(type, Math.abs(x));
    case "sign":
      return x > 0 ? 1 : x < 0 ? -1 : x * 0;
    case "exp":
      return Math.fround(Math.exp(x));
    case "expm1":
      return Math.fround(Math.expm1(x));
    case "log":
      return Math.fround(Math.log(x));
    case "log1p":
      return Math.fround(Math.log1p(x));
    case "log2":
      return Math.fround(Math.log2(x));
    case "log10":
      return Math.fround(Math.log10(x));
    case "sqrt":
      return Math.fround(Math.sqrt(x));
    case "rsqrt":
      return Math.fround(1 / Math.sqrt(x));
    case "reciprocal":
      return Math.fround(1 / x);
    case "sin":
      return Math.fround(Math.sin(x));
    case "cos":
      return Math.fround(Math.cos(x));
    case "tanh":
      return Math.fround(Math.tanh(x));
    case "erf":
      return Math.fround(erf(x));
    case "erfc":
      return Math.fround(erfc(x));
    case "erfinv":
      return Math.fround(erfinv(x));
    case "lgamma":
      return Math.fround(lgamma(x));
    case "floor":
      return Math.floor(x);
    case "ceil":
      return Math.ceil(x);
    case "round":
      return roundHalfToEven(x);
    case "trunc":
      return Math.trunc(x);
    case "logicalNot":
      return 1 - x;
    case "bitwiseNot":
      return wrap(type, ~x);
  }
}

/** `type` is that of the operands. */
export function evaluateBinary(op: BinaryScalarOp, type: ScalarType, x: number, y: number): number {
  switch (op) {
    case "add":
      return wrap(type, x + y);
    case "sub":
      return wrap(type, x - y);
    case "mul":
      return type === "f32" ? Math.fround(x * y) : wrap(type, Math.imul(x, y));
    case "div":
      return Math.fround(x / y);
    case "pow":
      return Math.fround(power(x, y));
    case "atan2":
      return Math.fround(Math.atan2(x, y));
    case "maximum":
      return Math.max(x, y);
    case "minimum":
      return Math.min(x, y);
    case "fmod":
      return type === "f32" ? x % y : y === 0 ? 0 : wrap(type, x % y);
    case "remainder":
      return remainder(type, x, y);
    case "floorDivide":
      return floorDivide(type, x, y);
    case "eq":
      return x === y ? 1 : 0;
    case "ne":
      return x !== y ? 1 : 0;
    case "lt":
      return x < y ? 1 : 0;
    case "le":
      return x <= y ? 1 : 0;
    case "gt":
      return x > y ? 1 : 0;
    case "ge":
      return x >= y ? 1 : 0;
    case "logicalAnd":
    case "bitwiseAnd":
      return wrap(type, x & y);
    case "logicalOr":
    case "bitwiseOr":
      return wrap(type, x | y);
    case "bitwiseXor":
      return wrap(type, x ^ y);
    case "shiftLeft":
      return wrap(type, x << y);
    case "shiftRight":
      return type === "u32" ? x >>> y : x >> y;
  }
}

/**
 * Floats to integers truncate and saturate, NaN gives 0; anything but 0 is true; i32 and u32 keep their bits.
 */
export function evaluateCast(from: ScalarType, to: ScalarType, x: number): number {
  if (to === "bool") return x === 0 ? 0 : 1;
  if (from !== "f32" || to === "f32") return wrap(to, x);
  if (Number.isNaN(x)) return 0;
  const [low, high] = to === "i32" ? [-(2 ** 31), 2 ** 31 - 1] : [0, 2 ** 32 - 1];
  return Math.min(Math.max(Math.trunc(x), low), high) + 0;
}

/** The same 32 bits read as another type. A NaN's payload is not kept. */
export function evaluateBitcast(from: ScalarType, to: ScalarType, x: number): number {
  const { buffer } = from === "f32" ? Float32Array.of(x) : Int32Array.of(x);
  const view =
    to === "f32" ? new Float32Array(buffer) : to === "i32" ? new Int32Array(buffer) : new Uint32Array(buffer);
  return view[0] as number; // all have one element
}

/** Of floats, the floor of the exact quotient: what the remainder leaves, divided and rounded to an integer. */
function floorDivide(type: ScalarType, x: number, y: number): number {
  if (type !== "f32") return y === 0 ? 0 : wrap(type, Math.floor(x / y));
  if (y === 0) return x / y;
  const rest = x % y;
  const below = rest !== 0 && rest < 0 !== y < 0 ? 1 : 0;
  const quotient = Math.fround(Math.fround(x - rest) / y) - below;
  return quotient === 0 ? Math.fround(x / y) * 0 : roundHalfToEven(Math.fround(quotient));
}

function remainder(type: ScalarType, x: number, y: number): number {
  if (type !== "f32") return y === 0 ? 0 : wrap(type, x - y * Math.floor(x / y));
  const rest = x % y;
  return rest !== 0 && rest < 0 !== y < 0 ? Math.fround(rest + y) : rest;
}

/** C's pow: 1 for a base of 1 and for an exponent of 0, and for a base of -1 with an infinite exponent. */
function power(x: number, y: number): number {
  if (x === 1 || (x === -1 && Math.abs(y) === Infinity)) return 1;
  return x ** y;
}

/** To the nearest integer, ties to even; keeps the sign of zero. */
export function roundHalfToEven(x: number): number {
  if (!(Math.abs(x) < 2 ** 52)) return x;
  const shift = x < 0 || Object.is(x, -0) ? -(2 ** 52) : 2 ** 52;
  const rounded = x + shift - shift;
  return rounded === 0 ? x * 0 : rounded;
}

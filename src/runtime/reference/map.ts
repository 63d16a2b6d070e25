import { allocateArray, type DType, isInteger, type TypedArray } from "../../graph/dtype.ts";
import { InternalError } from "../../graph/errors.ts";
import type { Node } from "../../graph/node.ts";
import type { BinaryName } from "../../ops/builders.ts";
import { erf, erfc, erfinv, lgamma } from "../../ops/specialFunctions.ts";
import { type OpNameOfKind, typed } from "../../ops/table.ts";
import { bitcastArray, castArray } from "./convert.ts";
import { floorDivide, pow, remainder, roundToEven, sign } from "./scalarMath.ts";
import { threefry2x32 } from "./threefry.ts";

type Unary = (x: number) => number;
type Binary = (x: number, y: number) => number;
type OtherMap = "where" | "cast" | "bitcast" | "detach" | "threefry2x32";

/**
 * All arithmetic is done in float64; storing the result into an array of the result's dtype then rounds f32
 * once and wraps integers modulo 2^32 (ECMAScript ToInt32 and ToUint32).
 */
const unaryFunctions = {
  neg: (x) => -x,
  abs: Math.abs,
  sign,
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  log2: Math.log2,
  log10: Math.log10,
  sqrt: Math.sqrt,
  rsqrt: (x) => 1 / Math.sqrt(x),
  reciprocal: (x) => 1 / x,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  erf,
  erfc,
  erfinv,
  lgamma,
  floor: Math.floor,
  ceil: Math.ceil,
  round: roundToEven,
  trunc: Math.trunc,
  logicalNot: (x) => 1 - x,
  bitwiseNot: (x) => ~x,
} satisfies Record<Exclude<OpNameOfKind<"map">, BinaryName | OtherMap>, Unary>;

const binaryFunctions = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  pow,
  atan2: Math.atan2,
  maximum: Math.max,
  minimum: Math.min,
  fmod: (x, y) => x % y,
  remainder,
  floorDivide: (x, y) => floorDivide(x, y, (value) => value),
  eq: (x, y) => Number(x === y),
  ne: (x, y) => Number(x !== y),
  lt: (x, y) => Number(x < y),
  le: (x, y) => Number(x <= y),
  gt: (x, y) => Number(x > y),
  ge: (x, y) => Number(x >= y),
  logicalAnd: (x, y) => x & y,
  logicalOr: (x, y) => x | y,
  bitwiseAnd: (x, y) => x & y,
  bitwiseOr: (x, y) => x | y,
  bitwiseXor: (x, y) => x ^ y,
  shiftLeft: (x, y) => x << y,
  shiftRight: (x, y) => x >> y,
} satisfies Record<BinaryName, Binary>;

/** Where a dtype needs other arithmetic than float64 with rounding or wrapping at the end. */
function exceptionFor(op: BinaryName, dtype: DType): Binary | undefined {
  if (isInteger(dtype)) {
    // The full product of two 32-bit integers has more than 53 bits; quotients by 0 are 0. The rest is exact.
    if (op === "mul") return Math.imul;
    if (op === "fmod") return (x, y) => (y === 0 ? 0 : x % y);
    if (op === "floorDivide") return (x, y) => (y === 0 ? 0 : Math.floor(x / y));
    if (op === "remainder") return (x, y) => (y === 0 ? 0 : x - y * Math.floor(x / y));
    if (op === "shiftRight" && dtype === "u32") return (x, y) => x >>> y;
  }
  if (dtype === "f32") {
    // Rounded at each step, as the device computes it; the remainder before its sign is changed is exact.
    if (op === "remainder") return (x, y) => Math.fround(remainder(x, y));
    if (op === "floorDivide") return (x, y) => floorDivide(x, y, Math.fround);
  }
  return undefined;
}

function has<Table extends object>(table: Table, key: string): key is keyof Table & string {
  return Object.hasOwn(table, key);
}

/** Evaluates an op of kind "map": element by element. */
export function evaluateMap(node: Node, inputs: readonly TypedArray[]): readonly TypedArray[] {
  const [x, y, z] = inputs;
  const { dtype } = node.outputs[0];
  if (has(unaryFunctions, node.op)) return [mapUnary(unaryFunctions[node.op], x, dtype)];
  if (has(binaryFunctions, node.op)) {
    const operands = node.inputs[0].dtype;
    return [mapBinary(exceptionFor(node.op, operands) ?? binaryFunctions[node.op], x, y, dtype)];
  }
  const other = typed(node);
  switch (other.op) {
    case "where":
      return [select(x, y, z, dtype)];
    case "cast":
      return [castArray(x, node.inputs[0].dtype, other.attrs.dtype)];
    case "bitcast":
      return [bitcastArray(x, other.attrs.dtype)];
    case "detach":
      return [x.slice()];
    case "threefry2x32":
      return threefryArrays(inputs);
    default:
      throw new InternalError(`reference: map op ${node.op} has no arithmetic`);
  }
}

function mapUnary(f: Unary, x: TypedArray, dtype: DType): TypedArray {
  const result = allocateArray(dtype, x.length);
  for (let i = 0; i < x.length; i++) result[i] = f(x[i]);
  return result;
}

function mapBinary(f: Binary, x: TypedArray, y: TypedArray, dtype: DType): TypedArray {
  const result = allocateArray(dtype, x.length);
  for (let i = 0; i < x.length; i++) result[i] = f(x[i], y[i]);
  return result;
}

function select(condition: TypedArray, x: TypedArray, y: TypedArray, dtype: DType): TypedArray {
  const result = allocateArray(dtype, x.length);
  for (let i = 0; i < x.length; i++) result[i] = condition[i] !== 0 ? x[i] : y[i];
  return result;
}

function threefryArrays([key0, key1, counter0, counter1]: readonly TypedArray[]): readonly TypedArray[] {
  const first = new Uint32Array(counter0.length);
  const second = new Uint32Array(counter0.length);
  for (let i = 0; i < first.length; i++) {
    [first[i], second[i]] = threefry2x32(key0[i], key1[i], counter0[i], counter1[i]);
  }
  return [first, second];
}

import { type DType, isFloat, promote, type TypedArray } from "../graph/dtype.ts";
import { ShapeError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { broadcastShapes, formatShape, normalizeDim, type Shape, sameShape } from "../graph/shape.ts";
import { build } from "./build.ts";
import type { ScatterReduction } from "./indexing.ts";
import { captureSubgraph } from "./subgraph.ts";
import type { OpNameOfKind } from "./table.ts";
import type { FoldAttrs, WindowAttrs } from "./windows.ts";

/**
 * Functions that build nodes, for gradient rules, decompositions and the Tensor class. Binary ones insert the casts and
 * expands that make their operands equal; movement ones return their operand where nothing moves.
 */

const none = {};

export type UnaryName =
  | "neg"
  | "abs"
  | "sign"
  | "exp"
  | "expm1"
  | "log"
  | "log1p"
  | "log2"
  | "log10"
  | "sqrt"
  | "rsqrt"
  | "reciprocal"
  | "sin"
  | "cos"
  | "tanh"
  | "erf"
  | "erfc"
  | "erfinv"
  | "lgamma"
  | "floor"
  | "ceil"
  | "round"
  | "trunc"
  | "logicalNot"
  | "bitwiseNot"
  | "detach"
  | "sigmoid"
  | "relu"
  | SpecialUnaryName;

/** Of those, the ones that are made of others. */
export type SpecialUnaryName =
  | "tan"
  | "asin"
  | "acos"
  | "atan"
  | "sinh"
  | "cosh"
  | "asinh"
  | "acosh"
  | "atanh";

/** The same of two operands. */
export type SpecialBinaryName = "hypot" | "logaddexp" | "xlogy";

export type BinaryName =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "pow"
  | "atan2"
  | "maximum"
  | "minimum"
  | "fmod"
  | "remainder"
  | "floorDivide"
  | "eq"
  | "ne"
  | "lt"
  | "le"
  | "gt"
  | "ge"
  | "logicalAnd"
  | "logicalOr"
  | "bitwiseAnd"
  | "bitwiseOr"
  | "bitwiseXor"
  | "shiftLeft"
  | "shiftRight";

export type ReduceName = OpNameOfKind<"reduce">;

export function unary(op: UnaryName, x: Value): Value {
  return build(op, [x], none).outputs[0];
}

/** Binary ops to which integers come as f32. */
const floatOnly: ReadonlySet<string> = new Set(["div", "pow", "atan2", "hypot", "logaddexp", "xlogy"]);

/** Promotes and broadcasts both operands, then applies the op. `div` of integers gives f32, as do its like. */
export function binary(op: BinaryName | SpecialBinaryName, x: Value, y: Value): Value {
  const meet = promote(op, x.dtype, y.dtype);
  const dtype = floatOnly.has(op) && !isFloat(meet) ? "f32" : meet;
  const shape = sameShape(x.shape, y.shape) ? x.shape : broadcastShapes(op, x.shape, y.shape);
  return build(op, [expand(cast(x, dtype), shape), expand(cast(y, dtype), shape)], none).outputs[0];
}

export const neg = (x: Value): Value => unary("neg", x);
export const abs = (x: Value): Value => unary("abs", x);
export const sign = (x: Value): Value => unary("sign", x);
export const exp = (x: Value): Value => unary("exp", x);
export const expm1 = (x: Value): Value => unary("expm1", x);
export const log = (x: Value): Value => unary("log", x);
export const log1p = (x: Value): Value => unary("log1p", x);
export const sqrt = (x: Value): Value => unary("sqrt", x);
export const rsqrt = (x: Value): Value => unary("rsqrt", x);
export const sin = (x: Value): Value => unary("sin", x);
export const cos = (x: Value): Value => unary("cos", x);
export const tanh = (x: Value): Value => unary("tanh", x);
export const erf = (x: Value): Value => unary("erf", x);
export const logicalNot = (x: Value): Value => unary("logicalNot", x);
export const detach = (x: Value): Value => unary("detach", x);

export const add = (x: Value, y: Value): Value => binary("add", x, y);
export const sub = (x: Value, y: Value): Value => binary("sub", x, y);
export const mul = (x: Value, y: Value): Value => binary("mul", x, y);
export const div = (x: Value, y: Value): Value => binary("div", x, y);
export const pow = (x: Value, y: Value): Value => binary("pow", x, y);
export const atan2 = (y: Value, x: Value): Value => binary("atan2", y, x);
export const fmod = (x: Value, y: Value): Value => binary("fmod", x, y);
export const maximum = (x: Value, y: Value): Value => binary("maximum", x, y);
export const floorDivide = (x: Value, y: Value): Value => binary("floorDivide", x, y);
export const eq = (x: Value, y: Value): Value => binary("eq", x, y);
export const ne = (x: Value, y: Value): Value => binary("ne", x, y);
export const lt = (x: Value, y: Value): Value => binary("lt", x, y);
export const le = (x: Value, y: Value): Value => binary("le", x, y);
export const gt = (x: Value, y: Value): Value => binary("gt", x, y);
export const ge = (x: Value, y: Value): Value => binary("ge", x, y);
export const logicalAnd = (x: Value, y: Value): Value => binary("logicalAnd", x, y);
export const logicalOr = (x: Value, y: Value): Value => binary("logicalOr", x, y);
export const bitwiseOr = (x: Value, y: Value): Value => binary("bitwiseOr", x, y);
export const shiftRight = (x: Value, y: Value): Value => binary("shiftRight", x, y);

/** condition ? x : y with broadcasting of all three. */
export function where(condition: Value, x: Value, y: Value): Value {
  const dtype = promote("where", x.dtype, y.dtype);
  const shape = broadcastShapes("where", broadcastShapes("where", condition.shape, x.shape), y.shape);
  const inputs = [expand(condition, shape), expand(cast(x, dtype), shape), expand(cast(y, dtype), shape)];
  return build("where", inputs, none).outputs[0];
}

export function cast(x: Value, dtype: DType): Value {
  return x.dtype === dtype ? x : build("cast", [x], { dtype }).outputs[0];
}

export function bitcast(x: Value, dtype: DType): Value {
  return x.dtype === dtype ? x : build("bitcast", [x], { dtype }).outputs[0];
}

/** The two words that Threefry makes of a key and a counter; all u32, broadcast to the last counter's shape. */
export function threefry2x32(
  key: readonly [Value, Value],
  counter: readonly [Value, Value],
): readonly [Value, Value] {
  const shape = broadcastShapes("threefry2x32", counter[0].shape, counter[1].shape);
  const inputs = [...key, ...counter].map((value) => expand(value, shape));
  const { outputs } = build("threefry2x32", inputs, none);
  return [outputs[0], outputs[1]];
}

export function full(shape: Shape, dtype: DType, value: number): Value {
  return build("full", [], { shape, dtype, value }).outputs[0];
}

/** One number of the dtype of `like`, broadcastable against it. */
export function scalarLike(like: Value, value: number): Value {
  return full([], like.dtype, value);
}

export function iota(length: number, dtype: DType): Value {
  return build("iota", [], { length, dtype }).outputs[0];
}

export function constant(shape: Shape, dtype: DType, data: TypedArray, requiresGrad = false): Value {
  return build("constant", [], { shape, dtype, data, requiresGrad }).outputs[0];
}

export function reshape(x: Value, shape: Shape): Value {
  return sameShape(x.shape, shape) ? x : build("reshape", [x], { shape }).outputs[0];
}

export function permute(x: Value, dims: readonly number[]): Value {
  return dims.every((dim, i) => dim === i) ? x : build("permute", [x], { dims }).outputs[0];
}

export function transpose(x: Value, dim0: number, dim1: number): Value {
  const dims = x.shape.map((_, i) => i);
  const a = normalizeDim("transpose", dim0, dims.length);
  const b = normalizeDim("transpose", dim1, dims.length);
  if (dims.length === 0) return x;
  dims[a] = b;
  dims[b] = a;
  return permute(x, dims);
}

export function expand(x: Value, shape: Shape): Value {
  return sameShape(x.shape, shape) ? x : build("expand", [x], { shape }).outputs[0];
}

export function slice(
  x: Value,
  starts: readonly number[],
  sizes: readonly number[],
  steps: readonly number[],
): Value {
  const whole = starts.every((s) => s === 0) && steps.every((s) => s === 1) && sameShape(sizes, x.shape);
  return whole ? x : build("slice", [x], { starts, sizes, steps }).outputs[0];
}

/** The block of the given size that begins at `starts`. */
export function narrow(x: Value, starts: readonly number[], sizes: readonly number[]): Value {
  return slice(
    x,
    starts,
    sizes,
    x.shape.map(() => 1),
  );
}

export function pad(x: Value, before: readonly number[], after: readonly number[]): Value {
  const nothing = [...before, ...after].every((n) => n === 0);
  return nothing ? x : build("pad", [x], { before, after }).outputs[0];
}

export function flip(x: Value, dims: readonly number[]): Value {
  return dims.length === 0 ? x : build("flip", [x], { dims }).outputs[0];
}

/** `x`, to be read only once `others` are computed. */
export function after(x: Value, others: readonly Value[]): Value {
  return build("after", [x, ...others], {}).outputs[0];
}

/** `step - 1` zeros between neighbours along a dim: size n becomes (n - 1) * step + 1. */
export function dilate(x: Value, dim: number, step: number): Value {
  const size = x.shape[dim];
  if (size <= 1 || step === 1) return x;
  const split = [...x.shape.slice(0, dim + 1), 1, ...x.shape.slice(dim + 1)];
  const zeros = split.map(() => 0);
  const after = split.map((_, i) => (i === dim + 1 ? step - 1 : 0));
  const merged = x.shape.map((n, i) => (i === dim ? n * step : n));
  const kept = x.shape.map((n, i) => (i === dim ? (n - 1) * step + 1 : n));
  const padded = reshape(pad(reshape(x, split), zeros, after), merged);
  return narrow(
    padded,
    merged.map(() => 0),
    kept,
  );
}

/** The windows along a dim, their elements in a new last dim. */
export function unfold(x: Value, attrs: WindowAttrs): Value {
  return build("unfold", [x], attrs).outputs[0];
}

/** The sum of what windows (their elements in the last dim) lay on each element of a dim: the transpose of `unfold`. */
export function fold(x: Value, attrs: FoldAttrs): Value {
  return build("fold", [x], attrs).outputs[0];
}

export function concat(inputs: readonly Value[], dim: number): Value {
  return inputs.length === 1 ? inputs[0] : build("concat", inputs, { dim }).outputs[0];
}

/** `shape` with the given dims set to 1. */
export function reducedShape(shape: Shape, dims: readonly number[]): number[] {
  return shape.map((size, i) => (dims.includes(i) ? 1 : size));
}

/** Reduces along dims, which stay with size 1. */
export function reduce(op: ReduceName, x: Value, dims: readonly number[]): Value {
  // A scalar accepts dim 0 (see normalizeDim) and has nothing to reduce.
  return dims.length === 0 || x.shape.length === 0 ? x : build(op, [x], { dims }).outputs[0];
}

/** Sum along dims, which stay with size 1; a bool counts as i32. */
export function sum(x: Value, dims: readonly number[]): Value {
  return reduce("sum", x.dtype === "bool" ? cast(x, "i32") : x, dims);
}

/** Mean of floats along dims, which stay with size 1. The mean of nothing is NaN. */
export function mean(x: Value, dims: readonly number[]): Value {
  const count = dims.reduce((product, dim) => product * x.shape[dim], 1);
  const total = sum(x, dims);
  return count === 0 ? div(total, scalarLike(total, 0)) : mul(total, scalarLike(total, 1 / count));
}

/** Sums over whatever dims `expand` repeated to come from `shape`: the gradient of broadcasting. */
export function sumToShape(x: Value, shape: Shape): Value {
  const offset = x.shape.length - shape.length;
  const dims = x.shape.flatMap((size, i) =>
    i < offset || (shape[i - offset] === 1 && size !== 1) ? [i] : [],
  );
  return reshape(sum(x, dims), shape);
}

/** Matrix product with PyTorch's rules for vectors and its broadcasting of leading dims. */
export function matmul(x: Value, y: Value): Value {
  if (x.shape.length === 0 || y.shape.length === 0) {
    throw new ShapeError(
      `matmul: ${formatShape(x.shape)} times ${formatShape(y.shape)}; both need at least one dim (use mul for scalars)`,
    );
  }
  const dtype = promote("matmul", x.dtype, y.dtype);
  const left = cast(x.shape.length === 1 ? reshape(x, [1, x.shape[0]]) : x, dtype);
  const right = cast(y.shape.length === 1 ? reshape(y, [y.shape[0], 1]) : y, dtype);
  const product = batchedMatmul(left, right);
  const shape = product.shape.filter((_, i) => {
    const fromEnd = product.shape.length - i;
    return !(fromEnd === 2 && x.shape.length === 1) && !(fromEnd === 1 && y.shape.length === 1);
  });
  return reshape(product, shape);
}

function batchedMatmul(x: Value, y: Value): Value {
  // A plain matrix on the right multiplies all rows of the left at once: one large product instead of many.
  if (y.shape.length === 2 && x.shape.length > 2 && x.shape[x.shape.length - 1] === y.shape[0]) {
    const rows = x.shape.slice(0, -1);
    const flat = reshape(x, [rows.reduce((a, b) => a * b, 1), y.shape[0]]);
    return reshape(build("matmul", [flat, y], none).outputs[0], [...rows, y.shape[1]]);
  }
  const batch = broadcastShapes("matmul", x.shape.slice(0, -2), y.shape.slice(0, -2));
  const left = expand(x, [...batch, ...x.shape.slice(-2)]);
  const right = expand(y, [...batch, ...y.shape.slice(-2)]);
  return build("matmul", [left, right], none).outputs[0];
}

export function gather(x: Value, dim: number, index: Value): Value {
  return build("gather", [x, index], { dim }).outputs[0];
}

export function scatterAdd(base: Value, dim: number, index: Value, source: Value): Value {
  return build("scatterAdd", [base, index, source], { dim }).outputs[0];
}

export function scatterReduce(
  base: Value,
  dim: number,
  index: Value,
  source: Value,
  reduce: ScatterReduction,
): Value {
  return build("scatterReduce", [base, index, source], { dim, reduce }).outputs[0];
}

export function softmax(x: Value, dim: number): Value {
  return build("softmax", [x], { dim }).outputs[0];
}

export function logSoftmax(x: Value, dim: number): Value {
  return build("logSoftmax", [x], { dim }).outputs[0];
}

/** Normalises the trailing `dims` dims; weight and bias have their shape. A bias alone is not a form of it. */
export function layerNorm(x: Value, dims: number, eps: number, weight?: Value, bias?: Value): Value {
  const inputs = weight ? (bias ? [x, weight, bias] : [x, weight]) : [x];
  return build("layerNorm", inputs, { dims, eps }).outputs[0];
}

export function gelu(x: Value, approximate: "none" | "tanh"): Value {
  return build("gelu", [x], { approximate }).outputs[0];
}

export function crossEntropy(logits: Value, target: Value, ignoreIndex: number): Value {
  return build("crossEntropy", [logits, target], { ignoreIndex }).outputs[0];
}

/** The nth derivative of digamma. */
export function polygamma(n: number, x: Value): Value {
  return build("polygamma", [x], { n }).outputs[0];
}

export function argmax(x: Value, dim: number): Value {
  return build("argmax", [x], { dim }).outputs[0];
}

export function argmin(x: Value, dim: number): Value {
  return build("argmin", [x], { dim }).outputs[0];
}

export interface AttentionOptions {
  /** What q kᵀ is multiplied by. */
  readonly scale: number;
  /** The score [..., Tq, Tk] as an elementwise function of the scaled product; itself by default. */
  readonly score?: (product: Value) => Value;
  /** Which probabilities are kept, and with which probability one is dropped. */
  readonly dropout?: { readonly kept: Value; readonly probability: number };
  readonly emptyRow: "nan" | "zero";
}

/**
 * Attention over operands of equal leading dims: the result, and each row's largest score and the logarithm of its sum of
 * exp(score - largest).
 */
export function attention(
  [query, key, value]: readonly [Value, Value, Value],
  { scale, score = (product) => product, dropout, emptyRow }: AttentionOptions,
): readonly [result: Value, maximum: Value, logSum: Value] {
  const shape = [...query.shape.slice(0, -1), key.shape[key.shape.length - 2]];
  const source = { kind: "argument", name: "product of query and key" } as const;
  const attrs = { shape, dtype: query.dtype, source, version: 0, requiresGrad: true };
  const product = build("source", [], attrs).outputs[0];
  const { subgraph, values } = captureSubgraph(product, score(product));
  const inputs = [query, key, value, ...values, ...(dropout ? [dropout.kept] : [])];
  const { outputs } = build("attention", inputs, {
    scale,
    score: subgraph,
    dropout: dropout?.probability ?? 0,
    emptyRow,
  });
  return [outputs[0], outputs[1], outputs[2]];
}

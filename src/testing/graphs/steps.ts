import { isFloat } from "../../graph/dtype.ts";
import type { Value } from "../../graph/node.ts";
import { numel, type Shape, sameShape } from "../../graph/shape.ts";
import * as b from "../../ops/builders.ts";
import * as o from "../../ops/orderBuilders.ts";
import type { Pool } from "./pool.ts";

/** Applies an op to a value, with whatever other operands and attributes the numbers choose; undefined where it cannot. */
type Decoder = (pool: Pool, x: Value, y: number, a: number) => Value | undefined;

const broadcasts = (x: Shape, y: Shape): boolean =>
  y.every((size, i) => {
    const other = x[x.length - y.length + i];
    return other === undefined || size === other || size === 1 || other === 1;
  });

/** Another value whose shape broadcasts with x; x itself at worst. */
function partner(pool: Pool, x: Value, y: number): Value {
  return pool.choose(y, (value) => broadcasts(x.shape, value.shape)) ?? x;
}

/** Both operands as floats, or as integers where both are the same kind of them. */
function meet(pool: Pool, x: Value, y: Value): [Value, Value] {
  if (x.dtype === y.dtype && x.dtype !== "bool") return [x, y];
  return [pool.asFloat(x), pool.asFloat(y)];
}

const unaryOf =
  (op: b.UnaryName, prepare: (pool: Pool, x: Value) => Value): Decoder =>
  (pool, x) =>
    b.unary(op, prepare(pool, x));

const plain = (pool: Pool, x: Value): Value => pool.asFloat(x);
const small = (pool: Pool, x: Value): Value => pool.asFloat(x, 4);
/** |x| + 1/2 */
const positive = (pool: Pool, x: Value): Value => {
  const value = pool.asFloat(x);
  return b.add(b.abs(value), b.scalarLike(value, 0.5));
};

const binaryOf =
  (op: b.BinaryName): Decoder =>
  (pool, x, y) =>
    b.binary(op, ...meet(pool, x, partner(pool, x, y)));

const dimAt = (x: Value, a: number): number => a % Math.max(1, x.shape.length);
const hasDims = (x: Value): boolean => x.shape.length > 0;

const reductionOf =
  (op: b.ReduceName, prepare: (pool: Pool, x: Value) => Value = (_, x) => x): Decoder =>
  (pool, x, y, a) => {
    if (!hasDims(x)) return undefined;
    const value = prepare(pool, x.dtype === "bool" ? b.cast(x, "i32") : x);
    const dims = x.shape.flatMap((_, dim) => (((a % 2 ** x.shape.length) >> dim) & 1 ? [dim] : []));
    const chosen = dims.length > 0 ? dims : [x.shape.length - 1];
    if ((op === "max" || op === "min") && chosen.some((dim) => x.shape[dim] === 0)) return undefined;
    const result = b.reduce(op, value, chosen);
    return y % 2 === 0
      ? result
      : b.reshape(
          result,
          result.shape.filter((_, dim) => !chosen.includes(dim)),
        );
  };

/** A reduction brought back to the shape of its operand and combined with it, as norms do. */
const normalisation =
  (op: "sum" | "max", combine: "sub" | "mul"): Decoder =>
  (pool, x, _, a) => {
    if (!hasDims(x) || x.shape.includes(0)) return undefined;
    const value = pool.asFloat(x, 64);
    return b.binary(combine, value, b.reduce(op, value, [dimAt(x, a)]));
  };

const reshapeStep: Decoder = (_, x, y, a) => {
  const count = numel(x.shape);
  const divisors = Array.from({ length: Math.min(count, 40) }, (_unused, i) => i + 1).filter(
    (n) => count % n === 0,
  );
  if (count === 0) return undefined;
  const first = divisors[a % divisors.length];
  const shapes: Shape[] = [
    [first, count / first],
    [count],
    [1, ...x.shape],
    [...x.shape, 1],
    x.shape.filter((n) => n !== 1),
  ];
  return b.reshape(x, shapes[y % shapes.length]);
};

/** The k-th order of so many dims. */
function order(rank: number, k: number): number[] {
  const left = Array.from({ length: rank }, (_, dim) => dim);
  let rest = k;
  return Array.from({ length: rank }, () => {
    const [dim] = left.splice(rest % left.length, 1);
    rest = Math.floor(rest / (left.length + 1));
    return dim;
  });
}

const expandStep: Decoder = (_, x, y, a) => {
  const sizes = [2, 3, 5, 1];
  const shape = x.shape.map((size, dim) => (size === 1 && (a >> dim) & 1 ? sizes[y % 4] : size));
  return b.expand(x, a % 3 === 0 ? [sizes[y % 4], ...shape] : shape);
};

const sliceStep: Decoder = (_, x, y, a) => {
  const starts: number[] = [];
  const sizes: number[] = [];
  const by: number[] = [];
  x.shape.forEach((size, dim) => {
    const step = [1, 1, 2, -1, 3, -2][(a >> dim) % 6];
    const start =
      size === 0 ? 0 : step < 0 ? size - 1 - (y % Math.min(size, 2)) : (y >> dim) % Math.min(size, 3);
    const room = size === 0 ? 0 : step > 0 ? Math.ceil((size - start) / step) : Math.floor(start / -step) + 1;
    starts.push(start);
    sizes.push((a >> (dim + 3)) % 4 === 0 ? Math.ceil(room / 2) : room);
    by.push(size === 0 ? 1 : step);
  });
  return b.slice(x, starts, sizes, by);
};

const padStep: Decoder = (_, x, y, a) =>
  b.pad(
    x,
    x.shape.map((_size, dim) => (a >> dim) % 3),
    x.shape.map((_size, dim) => (y >> dim) % 2),
  );

const unfoldStep: Decoder = (_, x, y, a) => {
  const dim = dimAt(x, a);
  if (!hasDims(x) || x.shape[dim] === 0 || x.shape.length > 4) return undefined;
  const size = 1 + (y % Math.min(3, x.shape[dim]));
  const room = size === 1 ? 1 : Math.floor((x.shape[dim] - 1) / (size - 1));
  return b.unfold(x, { dim, size, step: 1 + (a % 3), dilation: 1 + (y % Math.min(2, room)) });
};

/** Windows laid back, one element apart or more, up to just before they would leave gaps. */
const foldStep: Decoder = (pool, x, y, a) => {
  if (x.shape.length < 2 || x.shape.includes(0)) return undefined;
  const last = x.shape.length - 1;
  const dim = a % last;
  const step = 1 + (y % Math.min(3, x.shape[last]));
  const length = (x.shape[dim] - 1) * step + x.shape[last];
  return b.fold(pool.asFloat(x, 64), { dim, length, step, dilation: 1 });
};

const concatStep: Decoder = (pool, x, y, a) => {
  if (!hasDims(x)) return undefined;
  const dim = dimAt(x, a);
  const other = pool.choose(
    y,
    (value) =>
      value.dtype === x.dtype &&
      value.shape.length === x.shape.length &&
      value.shape.every((size, i) => i === dim || size === x.shape[i]),
  );
  return b.concat(a % 3 === 0 ? [x, other ?? x, x] : [other ?? x, x], dim);
};

const matmulStep: Decoder = (pool, x, y, a) => {
  if (!hasDims(x)) return undefined;
  const other = partner(pool, x, y);
  const [left, right] = meet(pool, x, other);
  if (left.dtype === "bool" || !hasDims(other)) return undefined;
  const [l, r] = [left.shape, right.shape];
  const inner = l[l.length - 1];
  // As they are, or one of them transposed; else x with its own transpose.
  if ((r[r.length - 2] ?? r[0]) === inner && broadcasts(l.slice(0, -2), r.slice(0, -2)))
    return b.matmul(left, right);
  const turned = r.length >= 2 ? b.transpose(right, -2, -1) : right;
  if (turned.shape[turned.shape.length - 2] === inner && broadcasts(l.slice(0, -2), r.slice(0, -2))) {
    return b.matmul(left, turned);
  }
  if (l.length < 2) return undefined;
  return a % 2 === 0 ? b.matmul(left, b.transpose(left, -2, -1)) : b.matmul(b.transpose(left, -2, -1), left);
};

const gatherStep: Decoder = (pool, x, y, a) => {
  if (!hasDims(x)) return undefined;
  const dim = dimAt(x, a);
  return b.gather(x, dim, indexFor(pool, x, dim, y));
};

/** An index into a dim of x: a new constant, or computed from a value of the right shape. */
function indexFor(pool: Pool, x: Value, dim: number, y: number): Value {
  const size = x.shape[dim];
  const fits = (value: Value): boolean =>
    value.shape.length === x.shape.length && value.shape.every((n, i) => i === dim || n <= x.shape[i]);
  const computed = pool.choose(y, fits);
  if (computed === undefined || y % 2 === 0) {
    return pool.index(
      x.shape.map((n, i) => (i === dim ? 1 + (y % 5) : n)),
      size,
      y,
    );
  }
  const whole = b.cast(b.unary("floor", pool.asFloat(computed)), "i32");
  return y % 4 === 1 ? whole : b.binary("remainder", whole, b.full([], "i32", Math.max(size, 1)));
}

const scatterStep: Decoder = (pool, x, y, a) => {
  if (!hasDims(x) || x.dtype === "bool") return undefined;
  const dim = dimAt(x, a);
  const index = indexFor(pool, x, dim, y);
  const source = pool.choose(a, (value) => value.dtype === x.dtype && sameShape(value.shape, index.shape));
  const drawn = source ?? b.cast(index, x.dtype);
  const base = a % 3 === 0 ? b.full(x.shape, x.dtype, 0) : x;
  return b.scatterAdd(base, dim, index, drawn);
};

const scatterReduceStep: Decoder = (pool, x, y, a) => {
  if (!hasDims(x) || x.dtype === "bool") return undefined;
  const dim = dimAt(x, a);
  const index = indexFor(pool, x, dim, y);
  const source = pool.choose(a, (value) => value.dtype === x.dtype && sameShape(value.shape, index.shape));
  const reduce = (["replace", "amax", "amin"] as const)[a % 3];
  return b.scatterReduce(x, dim, index, source ?? b.cast(index, x.dtype), reduce);
};

/** Along any dim: moved to the end, and back. */
const scanOf =
  (scan: (x: Value) => Value): Decoder =>
  (_, x, __, a) => {
    if (!hasDims(x) || x.dtype === "bool") return undefined;
    const dim = dimAt(x, a);
    return b.transpose(scan(b.transpose(x, dim, -1)), dim, -1);
  };

const sortStep: Decoder = (_, x, y) => (hasDims(x) ? o.sort(x, y % 2 === 0)[y % 3 === 0 ? 1 : 0] : undefined);

const layerNormStep: Decoder = (pool, x, y) => {
  if (!hasDims(x) || x.shape.includes(0)) return undefined;
  const dims = 1 + (y % x.shape.length);
  const trailing = x.shape.slice(x.shape.length - dims);
  const affine = pool.choose(y, (value) => isFloat(value.dtype) && sameShape(value.shape, trailing));
  const value = pool.asFloat(x, 16);
  return b.layerNorm(value, dims, 1e-2, affine, y % 3 === 0 ? affine : undefined);
};

const crossEntropyStep: Decoder = (pool, x, y) => {
  if (x.shape.length !== 2 || x.shape[1] === 0) return undefined;
  const target = pool.index([x.shape[0]], x.shape[1], y);
  return b.crossEntropy(pool.asFloat(x, 8), target, -1);
};

const alongDim =
  (apply: (x: Value, dim: number) => Value): Decoder =>
  (pool, x, _, a) =>
    hasDims(x) && !x.shape.includes(0) ? apply(pool.asFloat(x, 16), dimAt(x, a)) : undefined;

const castStep: Decoder = (_, x, y) => {
  const to = (["f32", "i32", "bool", "u32", "i32"] as const)[y % 5];
  if (to === "u32" && x.dtype !== "bool" && x.dtype !== "i32") return b.cast(b.cast(x, "i32"), "u32");
  return b.cast(x, to);
};

const whereStep: Decoder = (pool, x, y, a) => {
  const other = partner(pool, x, y);
  const [chosen, rest] = meet(pool, x, other);
  const condition = pool.choose(
    a,
    (value) => value.dtype === "bool" && broadcasts(chosen.shape, value.shape),
  );
  const decided =
    condition && broadcasts(rest.shape, condition.shape) && broadcasts(condition.shape, x.shape)
      ? condition
      : b.lt(chosen, rest);
  return b.where(decided, chosen, rest);
};

/**
 * Attention of a value's rows to another's (or its own), with a score function, a mask, or dropout. Positions come from the
 * graph, or another value is captured.
 */
const attentionStep: Decoder = (pool, x, y, a) => {
  if (x.shape.length < 2 || x.shape.includes(0)) return undefined;
  const rank = x.shape.length;
  const sameBut = (dims: number) => (value: Value) =>
    value.shape.length === rank && value.shape.every((size, i) => i >= rank - dims || size === x.shape[i]);
  const key =
    pool.choose(y, (value) => sameBut(2)(value) && value.shape[rank - 1] === x.shape[rank - 1]) ?? x;
  const keys = key.shape[rank - 2];
  if (keys === 0) return undefined;
  const value = pool.choose(a, (other) => sameBut(2)(other) && other.shape[rank - 2] === keys) ?? key;
  const scores = [...x.shape.slice(0, -1), keys];
  const [q, k, v] = [x, key, value].map((operand) => pool.asFloat(operand, 4));
  const captured = pool.choose(
    y + a,
    (other) =>
      other.shape.length <= rank &&
      other.shape.every((size, i) => broadcastsAt(size, scores, i - other.shape.length)),
  );
  const query = b.reshape(b.iota(x.shape[rank - 2], "i32"), [x.shape[rank - 2], 1]);
  const position = b.iota(keys, "i32");
  const minus = (score: Value): Value => b.scalarLike(score, Number.NEGATIVE_INFINITY);
  const masks = [
    b.le(position, query),
    b.ne(position, query),
    b.le(b.abs(b.sub(query, position)), b.full([], "i32", 2)),
  ];
  const forms: readonly ((score: Value) => Value)[] = [
    (score) => score,
    (score) => (captured ? b.add(score, pool.asFloat(captured, 4)) : score),
    (score) => b.where(masks[a % 3], score, minus(score)),
    (score) => b.tanh(b.mul(score, captured ? pool.asFloat(captured, 1) : score)),
    (score) => b.where(captured?.dtype === "bool" ? captured : masks[y % 3], score, minus(score)),
  ];
  const counter = b.reshape(b.iota(numel(scores), "u32"), scores);
  const zero = b.full([], "u32", a);
  const [word] = b.threefry2x32([zero, zero], [zero, counter]);
  const kept = b.lt(word, b.full([], "u32", 3 * 2 ** 30));
  const results = b.attention([q, k, v], {
    scale: [1, 0.5, 0.125][y % 3],
    score: forms[(a + y) % forms.length],
    dropout: a % 4 === 0 ? { kept, probability: 0.25 } : undefined,
    emptyRow: "zero",
  });
  return a % 7 === 0
    ? b.mul(results[0], b.reshape(b.add(results[1], results[2]), [...x.shape.slice(0, -1), 1]))
    : results[0];
};

function broadcastsAt(size: number, shape: Shape, fromEnd: number): boolean {
  return size === 1 || size === shape[shape.length + fromEnd];
}

/** Words of a counter that runs over the elements: random numbers as dropout draws them. */
const randomStep: Decoder = (pool, x, y, a) => {
  const count = numel(x.shape);
  const counter = b.reshape(b.iota(count, "u32"), x.shape);
  const key = b.full([], "u32", a);
  const words = b.threefry2x32([key, key], [b.full([], "u32", y), counter]);
  const kept = b.lt(words[y % 2], b.full([], "u32", 2 ** 31));
  const value = pool.asFloat(x);
  return b.where(kept, b.mul(value, b.scalarLike(value, 2)), b.scalarLike(value, 0));
};

const positionStep: Decoder = (pool, x, y, a) => {
  if (!hasDims(x)) return undefined;
  const dim = dimAt(x, a);
  const along = x.shape.map((size, i) => (i === dim ? size : 1));
  const position = b.reshape(b.iota(x.shape[dim], y % 2 === 0 ? "i32" : "f32"), along);
  return b.binary(y % 3 === 0 ? "mul" : "add", ...meet(pool, x, position));
};

/** How an op is applied to what there is; undefined where it cannot be. */
export const steps = {
  neg: (_: Pool, x: Value) => (x.dtype === "bool" ? b.logicalNot(x) : b.neg(x)),
  abs: unaryOf("abs", plain),
  floor: unaryOf("floor", plain),
  exp: unaryOf("exp", small),
  log: unaryOf("log", positive),
  sqrt: unaryOf("sqrt", positive),
  rsqrt: unaryOf("rsqrt", positive),
  tanh: unaryOf("tanh", plain),
  sin: unaryOf("sin", small),
  erf: unaryOf("erf", plain),
  relu: unaryOf("relu", plain),
  sigmoid: unaryOf("sigmoid", plain),
  gelu: (pool: Pool, x: Value, y: number) => b.gelu(pool.asFloat(x), y % 2 === 0 ? "none" : "tanh"),
  add: binaryOf("add"),
  sub: binaryOf("sub"),
  mul: binaryOf("mul"),
  div: (pool: Pool, x: Value, y: number) => b.div(pool.asFloat(x), positive(pool, partner(pool, x, y))),
  maximum: binaryOf("maximum"),
  minimum: binaryOf("minimum"),
  compare: (pool: Pool, x: Value, y: number, a: number) =>
    b.binary((["eq", "ne", "lt", "le", "gt", "ge"] as const)[a % 6], ...meet(pool, x, partner(pool, x, y))),
  where: whereStep,
  cast: castStep,
  sum: reductionOf("sum"),
  mean: reductionOf("sum", (pool, x) => {
    const value = pool.asFloat(x);
    return b.mul(value, b.scalarLike(value, 0.125));
  }),
  max: reductionOf("max"),
  min: reductionOf("min"),
  prod: reductionOf("prod", (pool, x) => pool.asFloat(x, 1)),
  argmax: (_: Pool, x: Value, __: number, a: number) =>
    hasDims(x) && x.dtype !== "bool" && !x.shape.includes(0) ? b.argmax(x, dimAt(x, a)) : undefined,
  centre: normalisation("max", "sub"),
  rescale: normalisation("sum", "mul"),
  reshape: reshapeStep,
  permute: (_: Pool, x: Value, __: number, a: number) => b.permute(x, order(x.shape.length, a)),
  expand: expandStep,
  slice: sliceStep,
  flip: (_: Pool, x: Value, __: number, a: number) =>
    b.flip(
      x,
      x.shape.flatMap((_size, dim) => ((a >> dim) & 1 ? [dim] : [])),
    ),
  pad: padStep,
  unfold: unfoldStep,
  fold: foldStep,
  concat: concatStep,
  matmul: matmulStep,
  gather: gatherStep,
  scatterAdd: scatterStep,
  scatterReduce: scatterReduceStep,
  cumsum: scanOf(o.cumsum),
  cummax: scanOf(o.cummax),
  sort: sortStep,
  softmax: alongDim(b.softmax),
  logSoftmax: alongDim(b.logSoftmax),
  layerNorm: layerNormStep,
  crossEntropy: crossEntropyStep,
  attention: attentionStep,
  random: randomStep,
  position: positionStep,
} satisfies Record<string, Decoder>;

export type StepName = keyof typeof steps;

const often: readonly StepName[] = [
  "attention",
  "add",
  "mul",
  "sub",
  "sum",
  "max",
  "matmul",
  "matmul",
  "permute",
  "reshape",
  "expand",
  "slice",
  "concat",
  "softmax",
  "layerNorm",
  "where",
  "exp",
  "centre",
  "rescale",
];
/** Names of steps, common ones more than once. */
export const weighted: readonly StepName[] = [...(Object.keys(steps) as StepName[]), ...often];

import fc from "fast-check";
import { allocateArray, type DType, isFloat } from "../graph/dtype.ts";
import { topologicalOrder, type Value } from "../graph/node.ts";
import { formatShape, numel, sameShape, type Shape } from "../graph/shape.ts";
import * as b from "../ops/builders.ts";
import { typed } from "../ops/table.ts";

/** A random graph, built as often as it is needed: on f32 for a device, on f64 for the reference. */
export interface RandomGraph {
  /** The same graph on leaves of the given float type. Numbers are the same in both. */
  build(float: "f32" | "f64", requiresGrad?: boolean): BuiltGraph;
  /** The graph in f32, a node a line. */
  toString(): string;
}

export interface BuiltGraph {
  readonly leaves: readonly Value[];
  /** What nobody else reads, and some of the rest. */
  readonly outputs: readonly Value[];
}

export interface GraphOptions {
  /** The most steps; a step is an op, a composite, or a few of them. Default 12. */
  readonly maxSteps?: number;
  /** The most elements of a value. Default 600. */
  readonly maxElements?: number;
}

/** One choice of an op and its operands, decoded against whatever values there are: any numbers make a graph. */
interface Step {
  readonly op: keyof typeof steps;
  readonly x: number;
  readonly y: number;
  readonly a: number;
}

interface Recipe {
  readonly sizes: readonly number[];
  readonly leaves: readonly { readonly dtype: DType; readonly form: number; readonly seed: number }[];
  readonly steps: readonly Step[];
  readonly also: number;
}

/**
 * Random typed graphs: elementwise ops, casts, reductions, movements, products, gathers, scatters and composites over
 * shapes with sizes 0 and 1, odd and even ones. Leaves hold multiples of a quarter, so that much of the arithmetic is exact;
 * operands are shifted into a function's domain, and what grows large is scaled by a power of two.
 */
export function randomGraphs({ maxSteps = 12, maxElements = 600 }: GraphOptions = {}): fc.Arbitrary<RandomGraph> {
  const size = fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(1, 2, 3, 4, 5, 7, 8, 11, 12, 16) },
    { weight: 2, arbitrary: fc.constantFrom(17, 32, 33, 67) },
    { weight: 1, arbitrary: fc.constant(0) },
  );
  const leaf = fc.record({
    dtype: fc.constantFrom<DType>("f32", "f32", "f32", "f32", "i32", "u32", "bool"),
    form: fc.nat(forms.length - 1),
    seed: fc.nat(15),
  });
  const step = fc.record({ op: fc.constantFrom(...weighted), x: fc.nat(99), y: fc.nat(99), a: fc.nat(9999) });
  const recipe: fc.Arbitrary<Recipe> = fc.record({
    sizes: fc.tuple(size, size, size),
    leaves: fc.array(leaf, { minLength: 1, maxLength: 4 }),
    steps: fc.array(step, { minLength: 1, maxLength: maxSteps, size: "max" }),
    also: fc.nat(99),
  });
  return recipe.map((drawn) => {
    const text = (): string => formatGraph(decode(drawn, "f32", false, maxElements).outputs);
    return {
      build: (float: "f32" | "f64", requiresGrad = false) => decode(drawn, float, requiresGrad, maxElements),
      toString: text,
      [fc.toStringMethod]: text,
    };
  });
}

/** The nodes below `outputs`, one a line, with their attributes, types and operands. */
export function formatGraph(outputs: readonly Value[]): string {
  const names = new Map<Value, string>();
  const lines = topologicalOrder(outputs).map((node, i) => {
    node.outputs.forEach((value, k) => {
      names.set(value, node.outputs.length === 1 ? `%${i}` : `%${i}.${k}`);
    });
    const leaf = typed(node);
    const attrs = JSON.stringify(leaf.op === "constant" ? { data: [...leaf.attrs.data].slice(0, 24) } : node.attrs);
    const [{ dtype, shape }] = node.outputs;
    const operands = node.inputs.map((input) => names.get(input)).join(", ");
    return `%${i} = ${node.op}(${operands})${attrs === "{}" ? "" : ` ${attrs}`}: ${dtype} ${formatShape(shape)}`;
  });
  return ["", ...lines, `outputs ${outputs.map((value) => names.get(value)).join(", ")}`, ""].join("\n");
}

function decode(recipe: Recipe, float: "f32" | "f64", requiresGrad: boolean, maxElements: number): BuiltGraph {
  const pool = new Pool(float, maxElements);
  const leaves = recipe.leaves.map(({ dtype, form, seed }) => {
    const shape = fit(forms[form](recipe.sizes), maxElements);
    return pool.leaf(shape, dtype === "f32" ? float : dtype, seed, requiresGrad);
  });
  for (const { op, x, y, a } of recipe.steps) {
    const result = steps[op](pool, pool.pick(x), y, a);
    if (result !== undefined && numel(result.shape) <= maxElements && result.shape.length <= 5) pool.add(result);
  }
  const values = pool.values.filter((value) => value.node.inputs.length > 0);
  const read = new Set(topologicalOrder(values).flatMap((node) => node.inputs));
  const last = values.filter((value, i) => !read.has(value) || i % 7 === recipe.also % 7);
  return { leaves: [...leaves, ...pool.made], outputs: [...new Set(last.length > 0 ? last : pool.values)] };
}

/** Sizes cut from the front until there are at most so many elements. */
function fit(shape: Shape, maxElements: number): number[] {
  let room = maxElements;
  return [...shape].reverse().map((size) => {
    const given = Math.min(size, Math.max(1, room));
    room = Math.floor(room / Math.max(given, 1));
    return given;
  }).reverse();
}

/** Shapes of leaves from a graph's three sizes, most of which broadcast with each other. */
const forms: readonly ((sizes: readonly number[]) => Shape)[] = [
  ([n, m]) => [n, m],
  ([n, m]) => [n, m],
  ([, m]) => [m],
  ([n]) => [n, 1],
  ([, m, k]) => [k, 1, m],
  ([n, m, k]) => [k, n, m],
  ([n]) => [n],
  ([n, m]) => [m, n],
  () => [],
  ([n, m, k]) => [n, k, m],
  ([, m]) => [1, m],
];

/** The values made so far, with an estimate of how large their numbers may be. */
class Pool {
  readonly values: Value[] = [];
  /** Constants that steps made: indices. */
  readonly made: Value[] = [];
  readonly float: "f32" | "f64";
  readonly maxElements: number;
  readonly #sizes = new Map<Value, number>();

  constructor(float: "f32" | "f64", maxElements: number) {
    this.float = float;
    this.maxElements = maxElements;
  }

  leaf(shape: Shape, dtype: DType, seed: number, requiresGrad: boolean): Value {
    const value = b.constant(shape, dtype, numbers(dtype, numel(shape), seed), requiresGrad && isFloat(dtype));
    this.add(value, 2);
    return value;
  }

  /** Indices along a dim of the given size; some lie outside. */
  index(shape: Shape, size: number, seed: number): Value {
    const data = new Int32Array(numel(shape)).map((_, i) => ((i * 5 + seed * 3) % (size + 2)) - 1);
    const value = b.constant(shape, "i32", data);
    this.made.push(value);
    return value;
  }

  add(value: Value, size = this.sizeOf(value)): void {
    if (this.values.includes(value)) return;
    // Scaled by a power of two, which keeps what is exact exact.
    const kept = size > 4096 && isFloat(value.dtype) ? b.mul(value, b.scalarLike(value, 2 ** -Math.ceil(Math.log2(size)))) : value;
    this.#sizes.set(kept, Math.min(size, 4096));
    this.values.push(kept);
  }

  /** Recent values more often than old ones. */
  pick(at: number): Value {
    const { values } = this;
    const back = at < 60 ? at % Math.min(3, values.length) : at % values.length;
    return values[values.length - 1 - back];
  }

  /** One of those that satisfy a condition. */
  choose(at: number, fits: (value: Value) => boolean): Value | undefined {
    const found = this.values.filter(fits);
    return found[found.length - 1 - (at % found.length)];
  }

  /** The value as a float, no larger than `limit`. */
  asFloat(value: Value, limit = 4096): Value {
    const x = b.cast(value, this.float);
    const size = this.sizeOf(value);
    return size <= limit ? x : b.mul(x, b.scalarLike(x, 2 ** -Math.ceil(Math.log2(size / limit))));
  }

  /** A bound of the magnitude, by and large. */
  sizeOf(value: Value): number {
    const known = this.#sizes.get(value);
    if (known !== undefined) return known;
    const inputs = value.node.inputs.map((input) => this.sizeOf(input));
    const size = this.#estimate(value, inputs);
    this.#sizes.set(value, size);
    return size;
  }

  #estimate(value: Value, inputs: readonly number[]): number {
    const node = typed(value.node);
    const [x, y] = inputs;
    switch (node.op) {
      case "full":
        return Math.abs(node.attrs.value);
      case "iota":
        return node.attrs.length;
      case "add":
      case "sub":
        return x + y;
      case "mul":
        return x * y;
      case "exp":
        return Math.exp(x);
      case "sum":
        return (x * numel(node.inputs[0].shape)) / Math.max(1, numel(value.shape));
      case "prod":
        return x ** (numel(node.inputs[0].shape) / Math.max(1, numel(value.shape)));
      case "matmul":
        return x * y * node.inputs[0].shape[node.inputs[0].shape.length - 1];
      case "scatterAdd":
        return x + inputs[2] * numel(node.inputs[1].shape);
      case "layerNorm":
        return inputs.length > 1 ? 30 * y : 30;
      case "argmax":
        return numel(node.inputs[0].shape);
      case "threefry2x32":
        return 2 ** 32;
      default:
        return Math.max(1, ...inputs);
    }
  }
}

/** Small numbers of a repeating pattern. */
function numbers(dtype: DType, count: number, seed: number): ReturnType<typeof allocateArray> {
  const data = allocateArray(dtype, count);
  for (let i = 0; i < count; i++) {
    const drawn = (i * 7 + Math.floor(i / 13) * 3 + seed * 5) % 17;
    data[i] = isFloat(dtype) ? (drawn - 8) / 4 : dtype === "bool" ? drawn % 2 : dtype === "i32" ? drawn - 8 : drawn;
  }
  return data;
}

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
    const dims = x.shape.flatMap((_, dim) => ((a % 2 ** x.shape.length) >> dim) & 1 ? [dim] : []);
    const chosen = dims.length > 0 ? dims : [x.shape.length - 1];
    if ((op === "max" || op === "min") && chosen.some((dim) => x.shape[dim] === 0)) return undefined;
    const result = b.reduce(op, value, chosen);
    return y % 2 === 0 ? result : b.reshape(result, result.shape.filter((_, dim) => !chosen.includes(dim)));
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
  const divisors = Array.from({ length: Math.min(count, 40) }, (_unused, i) => i + 1).filter((n) => count % n === 0);
  if (count === 0) return undefined;
  const first = divisors[a % divisors.length];
  const shapes: Shape[] = [[first, count / first], [count], [1, ...x.shape], [...x.shape, 1], x.shape.filter((n) => n !== 1)];
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
    const start = size === 0 ? 0 : step < 0 ? size - 1 - (y % Math.min(size, 2)) : (y >> dim) % Math.min(size, 3);
    const room = size === 0 ? 0 : step > 0 ? Math.ceil((size - start) / step) : Math.floor(start / -step) + 1;
    starts.push(start);
    sizes.push((a >> (dim + 3)) % 4 === 0 ? Math.ceil(room / 2) : room);
    by.push(size === 0 ? 1 : step);
  });
  return b.slice(x, starts, sizes, by);
};

const padStep: Decoder = (_, x, y, a) =>
  b.pad(x, x.shape.map((_size, dim) => (a >> dim) % 3), x.shape.map((_size, dim) => (y >> dim) % 2));

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
  if ((r[r.length - 2] ?? r[0]) === inner && broadcasts(l.slice(0, -2), r.slice(0, -2))) return b.matmul(left, right);
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
    return pool.index(x.shape.map((n, i) => (i === dim ? 1 + (y % 5) : n)), size, y);
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

const castStep: Decoder = (pool, x, y) => {
  const to = ([pool.float, "i32", "bool", "u32", "i32"] as const)[y % 5];
  if (to === "u32" && x.dtype !== "bool" && x.dtype !== "i32") return b.cast(b.cast(x, "i32"), "u32");
  return b.cast(x, to);
};

const whereStep: Decoder = (pool, x, y, a) => {
  const other = partner(pool, x, y);
  const [chosen, rest] = meet(pool, x, other);
  const condition = pool.choose(a, (value) => value.dtype === "bool" && broadcasts(chosen.shape, value.shape));
  const decided = condition && broadcasts(rest.shape, condition.shape) && broadcasts(condition.shape, x.shape) ? condition : b.lt(chosen, rest);
  return b.where(decided, chosen, rest);
};

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
  const position = b.reshape(b.iota(x.shape[dim], y % 2 === 0 ? "i32" : pool.float), along);
  return b.binary(y % 3 === 0 ? "mul" : "add", ...meet(pool, x, position));
};

/** How an op is applied to what there is; undefined where it cannot be. */
const steps = {
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
  flip: (_: Pool, x: Value, __: number, a: number) => b.flip(x, x.shape.flatMap((_size, dim) => ((a >> dim) & 1 ? [dim] : []))),
  pad: padStep,
  concat: concatStep,
  matmul: matmulStep,
  gather: gatherStep,
  scatterAdd: scatterStep,
  softmax: alongDim(b.softmax),
  logSoftmax: alongDim(b.logSoftmax),
  layerNorm: layerNormStep,
  crossEntropy: crossEntropyStep,
  random: randomStep,
  position: positionStep,
} satisfies Record<string, Decoder>;

type StepName = keyof typeof steps;

const often: readonly StepName[] = [
  "add", "mul", "sub", "sum", "max", "matmul", "matmul", "permute", "reshape", "expand", "slice", "concat", "softmax", "layerNorm",
  "where", "exp", "centre", "rescale",
];
const weighted: readonly StepName[] = [...(Object.keys(steps) as StepName[]), ...often];

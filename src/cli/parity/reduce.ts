import { Tensor, type ValuesAndIndices } from "../../tensor/tensor.ts";
import type { Attributes, Operator, Operators, Patterns } from "./operator.ts";

const reduceOptions = (attrs: Attributes) => ({
  dim: attrs.dims("dim"),
  keepdim: attrs.boolean("keepdim", false),
});

/** The correction that `unbiased` or `correction` asks for. */
function varianceOptions(attrs: Attributes) {
  const correction = attrs.number("correction", attrs.boolean("unbiased", true) ? 1 : 0);
  return { ...reduceOptions(attrs), correction };
}

const both = ({ values, indices }: ValuesAndIndices): readonly Tensor[] => [values, indices];

const dimOf = (attrs: Attributes): number => attrs.number("dim", -1);

/** Along a dim where the case names one, values and indices; of all elements otherwise. */
const extremum =
  (op: "max" | "min" | "median"): Operator =>
  ([x], attrs) => {
    const dim = attrs.has("dim") ? attrs.number("dim") : undefined;
    const options = { keepdim: attrs.boolean("keepdim", false) };
    return dim === undefined ? x[op]() : both(x[op](dim, options));
  };

const position =
  (op: "argmax" | "argmin"): Operator =>
  ([x], attrs) =>
    x[op](attrs.has("dim") ? attrs.number("dim") : undefined, { keepdim: attrs.boolean("keepdim", false) });

const sortOptions = (attrs: Attributes) => ({
  dim: dimOf(attrs),
  descending: attrs.boolean("descending", false),
});

const argsort: Operator = ([x], attrs) => x.argsort(sortOptions(attrs));

const kthvalue: Operator = ([x], attrs) =>
  both(x.kthvalue(attrs.number("k"), dimOf(attrs), { keepdim: attrs.boolean("keepdim", false) }));

const mode: Operator = ([x], attrs) =>
  both(x.mode(dimOf(attrs), { keepdim: attrs.boolean("keepdim", false) }));

const topk: Operator = ([x], attrs) =>
  both(x.topk(attrs.number("k"), { dim: dimOf(attrs), largest: attrs.boolean("largest", true) }));

const unique: Operator = async ([x], attrs) => {
  const dim = attrs.has("dim") ? attrs.number("dim") : undefined;
  const { values, inverse, counts } = await x.unique({ dim });
  return [values, inverse, counts];
};

const bincount: Operator = async ([x, weights], attrs) =>
  x.bincount({ weights, minlength: attrs.number("minlength", 0) });

/** Operators of the group `reduce`. Those of several results give all of them; a case compares what it holds. */
export const reduce: Operators = {
  sum: ([x], attrs) => x.sum(reduceOptions(attrs)),
  mean: ([x], attrs) => x.mean(reduceOptions(attrs)),
  amax: ([x], attrs) => x.amax(reduceOptions(attrs)),
  amin: ([x], attrs) => x.amin(reduceOptions(attrs)),
  prod: ([x], attrs) => x.prod(reduceOptions(attrs)),
  any: ([x], attrs) => x.any(reduceOptions(attrs)),
  all: ([x], attrs) => x.all(reduceOptions(attrs)),
  count_nonzero: ([x], attrs) => x.countNonzero(reduceOptions(attrs)),
  logsumexp: ([x], attrs) => x.logsumexp(reduceOptions(attrs)),
  var: ([x], attrs) => x.var(varianceOptions(attrs)),
  std: ([x], attrs) => x.std(varianceOptions(attrs)),
  max: extremum("max"),
  min: extremum("min"),
  median: extremum("median"),
  mode,
  argmax: position("argmax"),
  argmin: position("argmin"),
  kthvalue,
  cumsum: ([x], attrs) => x.cumsum(dimOf(attrs)),
  cumprod: ([x], attrs) => x.cumprod(dimOf(attrs)),
  logcumsumexp: ([x], attrs) => x.logcumsumexp(dimOf(attrs)),
  cummax: ([x], attrs) => both(x.cummax(dimOf(attrs))),
  cummin: ([x], attrs) => both(x.cummin(dimOf(attrs))),
  diff: ([x], attrs) => x.diff({ n: attrs.number("n", 1), dim: dimOf(attrs) }),
  sort: ([x], attrs) => both(x.sort(sortOptions(attrs))),
  argsort,
  topk,
  softmax: ([x], attrs) => x.softmax(dimOf(attrs)),
  log_softmax: ([x], attrs) => x.logSoftmax(dimOf(attrs)),
  bincount,
  unique,
};

/** Where the results stand that a name lists: `max(values,indices)`. */
const places: Readonly<Record<string, number>> = { values: 0, indices: 1, inverse: 1, counts: 2 };

function listed(name: string, results: readonly string[]): Operator {
  const operator = reduce[name];
  return async (inputs, attrs, operands) => {
    const found = await operator(inputs, attrs, operands);
    const all = found instanceof Tensor ? [found] : found;
    return results.map((result) => all[places[result]]);
  };
}

/** Names that list their results, or say that a sort is stable, as ours are. */
export const reducePatterns: Patterns = [
  [
    new RegExp(`^(${Object.keys(reduce).join("|")})\\(((?:values|indices|inverse|counts|,)+)\\)$`),
    ([, name, results]) => listed(name, results.split(",")),
  ],
  [/^(sort|argsort) stable$/, ([, name]) => reduce[name]],
];

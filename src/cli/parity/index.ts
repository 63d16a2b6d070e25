import { FileFormatError } from "../../graph/errors.ts";
import * as functional from "../../nn/functional/index.ts";
import { tensor } from "../../tensor/create.ts";
import { searchsorted } from "../../tensor/functions.ts";
import { concat, type PadMode, stack, type Tensor } from "../../tensor/tensor.ts";
import { evaluateExpression } from "./expression.ts";
import type { Attributes, Operator, Operators, Patterns } from "./operator.ts";

const listOf = (value: number | readonly number[] | undefined): readonly number[] | undefined =>
  typeof value === "number" ? [value] : value;

/** The dims or sizes of an attribute that must be there. */
function required(attrs: Attributes, ...names: readonly string[]): readonly number[] {
  const name = names.find((one) => attrs.has(one)) ?? names[0];
  const found = listOf(attrs.dims(name));
  if (found === undefined) throw new FileFormatError(`attribute ${names.join(" or ")} is missing`);
  return found;
}

/** The dim of a case, where PyTorch's default is the given one. */
const dimOf = (attrs: Attributes, fallback?: number): number => attrs.number("dim", fallback);

/** What is written: the last operand, or the number in an attribute. */
const sourceOf = (source: Tensor | undefined, attrs: Attributes): Tensor | number =>
  source ?? attrs.number("value");

const scatterModes = { sum: "sum", prod: "prod", mean: "mean", amax: "amax", amin: "amin" } as const;

const scatter: Operator = ([x, index, source], attrs) => {
  const reduce = attrs.text("reduce", "");
  return x.scatter(dimOf(attrs), index, sourceOf(source, attrs), {
    reduce: reduce === "add" || reduce === "multiply" ? reduce : undefined,
  });
};

const scatterReduce: Operator = ([x, index, source], attrs) => {
  const mode = attrs.text("reduce");
  const reduce = Object.values(scatterModes).find((one) => one === mode);
  if (reduce === undefined) throw new FileFormatError(`scatter_reduce: no reduction ${mode}`);
  return x.scatterReduce(dimOf(attrs), index, source, reduce, {
    includeSelf: attrs.boolean("include_self", true),
  });
};

const embedding: Operator = (_, attrs, named) => {
  const [first, second] = [...named.values()];
  const weight = named.get("weight") ?? first;
  const ids = weight === first ? second : first;
  const paddingIdx = attrs.has("padding_idx") ? attrs.number("padding_idx") : undefined;
  return functional.embedding(ids, weight, { paddingIdx });
};

const searchSorted: Operator = (inputs, attrs) => {
  const [sorted, values] = attrs.has("sorted")
    ? [tensor([...attrs.numbers("sorted")], { dtype: "f32" }), inputs[0]]
    : inputs;
  const right = attrs.boolean("right", false) || attrs.text("side", "left") === "right";
  return searchsorted(sorted, values, { right });
};

const repeatInterleave: Operator = async ([x, counts], attrs) => {
  const dim = attrs.has("dim") ? attrs.number("dim") : undefined;
  const repeats = counts ? [...(await counts.data())] : attrs.dims("repeats");
  if (repeats === undefined) throw new FileFormatError("repeat_interleave: attribute repeats is missing");
  return x.repeatInterleave(repeats, dim);
};

const padModes: readonly PadMode[] = ["constant", "reflect", "replicate", "circular"];

const pad: Operator = ([x], attrs) => {
  const name = attrs.text("mode", "constant");
  const mode = padModes.find((one) => one === name);
  if (mode === undefined) throw new FileFormatError(`pad: no mode ${name}`);
  return x.pad(attrs.numbers("pad"), { mode, value: attrs.number("value", 0) });
};

const split: Operator = ([x], attrs) => {
  const name = attrs.has("split_size_or_sections")
    ? "split_size_or_sections"
    : attrs.has("sizes")
      ? "sizes"
      : "size";
  const size = attrs.dims(name);
  if (size === undefined) throw new FileFormatError("split: attribute size is missing");
  return x.split(size, dimOf(attrs, 0));
};

/** By attributes, or by an expression in the case's note. */
const expand: Operator = ([x], attrs, named) =>
  attrs.has("note")
    ? evaluateExpression(attrs.text("note"), named)
    : x.expand(required(attrs, "size", "sizes", "shape"));

const diagonalOptions = (attrs: Attributes, first: number, second: number) => ({
  offset: attrs.number("offset", 0),
  dim1: attrs.number("dim1", first),
  dim2: attrs.number("dim2", second),
});

const squeeze: Operator = ([x], attrs) => x.squeeze(attrs.dims("dim"));

const unfold: Operator = ([x], attrs) =>
  x.unfold(attrs.number("dim", attrs.number("dimension", -1)), attrs.number("size"), attrs.number("step"));

/** Operators of the group `index`. */
export const indexing: Operators = {
  "F.embedding": embedding,
  gather: ([x, index], attrs) => x.gather(dimOf(attrs), index),
  take: ([x, index]) => x.take(index),
  take_along_dim: ([x, index], attrs) => x.takeAlongDim(index, attrs.has("dim") ? dimOf(attrs) : undefined),
  scatter,
  scatter_add: ([x, index, source], attrs) => x.scatterAdd(dimOf(attrs), index, source),
  scatter_reduce: scatterReduce,
  index_select: ([x, index], attrs) => x.indexSelect(dimOf(attrs), index),
  index_add: ([x, index, source], attrs) =>
    x.indexAdd(dimOf(attrs), index, source, { alpha: attrs.number("alpha", 1) }),
  index_copy: ([x, index, source], attrs) => x.indexCopy(dimOf(attrs), index, source),
  index_fill: ([x, index], attrs) => x.indexFill(dimOf(attrs), index, attrs.number("value")),
  index_put: ([x, ...rest], attrs) =>
    x.indexPut(rest.slice(0, -1), rest[rest.length - 1], { accumulate: attrs.boolean("accumulate", false) }),
  put: ([x, index, source], attrs) =>
    x.put(index, source, { accumulate: attrs.boolean("accumulate", false) }),
  masked_fill: ([x, mask], attrs) => x.maskedFill(mask, attrs.number("value")),
  masked_select: ([x, mask]) => x.maskedSelect(mask),
  masked_scatter: ([x, mask, source]) => x.maskedScatter(mask, source),
  nonzero: ([x]) => x.nonzero(),
  searchsorted: searchSorted,
  bucketize: searchSorted,
  "F.one_hot": ([x], attrs) => functional.oneHot(x, attrs.number("num_classes")),
  roll: ([x], attrs) => x.roll(required(attrs, "shifts"), listOf(attrs.dims("dims"))),
  flip: ([x], attrs) => x.flip(required(attrs, "dims")),
  tril: ([x], attrs) => x.tril(attrs.number("diagonal", 0)),
  triu: ([x], attrs) => x.triu(attrs.number("diagonal", 0)),
  diagonal: ([x], attrs) => x.diagonal(diagonalOptions(attrs, 0, 1)),
  diag_embed: ([x], attrs) => x.diagEmbed(diagonalOptions(attrs, -2, -1)),
  cat: (inputs, attrs) => concat(inputs, dimOf(attrs, 0)),
  stack: (inputs, attrs) => stack(inputs, dimOf(attrs, 0)),
  split,
  chunk: ([x], attrs) => x.chunk(attrs.number("chunks"), dimOf(attrs, 0)),
  unbind: ([x], attrs) => x.unbind(dimOf(attrs, 0)),
  permute: ([x], attrs) => x.permute(required(attrs, "dims")),
  transpose: ([x], attrs) => x.transpose(attrs.number("dim0"), attrs.number("dim1")),
  reshape: ([x], attrs) => x.reshape(required(attrs, "shape")),
  expand,
  repeat: ([x], attrs) => x.repeat(required(attrs, "repeats")),
  tile: ([x], attrs) => x.tile(required(attrs, "dims", "reps")),
  repeat_interleave: repeatInterleave,
  squeeze,
  unsqueeze: ([x], attrs) => x.unsqueeze(dimOf(attrs)),
  narrow: ([x], attrs) => x.narrow(dimOf(attrs), attrs.number("start"), attrs.number("length")),
  select: ([x], attrs) => x.select(dimOf(attrs), attrs.number("index")),
  "tensor.unfold": unfold,
  as_strided: ([x], attrs) =>
    x.asStrided(attrs.numbers("size"), attrs.numbers("stride"), attrs.number("storage_offset", 0)),
  flatten: ([x], attrs) => x.flatten(attrs.number("start_dim", 0), attrs.number("end_dim", -1)),
  unflatten: ([x], attrs) => x.unflatten(dimOf(attrs), required(attrs, "sizes")),
  movedim: ([x], attrs) => x.movedim(required(attrs, "source"), required(attrs, "destination")),
  "F.pad": pad,
};

const expressionOf =
  (text: string): Operator =>
  (_, __, named) =>
    evaluateExpression(text, named);

/** Operators that are Python expressions: `x[:, 1::2]`, `transpose(0,1).reshape(4,-1)`. */
export const indexingPatterns: Patterns = [
  [/^\w+\[.*$/, ([text]) => expressionOf(text)],
  [/^\w+\(.*\)\..*$/, ([text]) => expressionOf(text)],
  [/^\w+\.\w+\(.*\)$/, ([text]) => expressionOf(text)],
];

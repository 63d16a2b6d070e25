import { isInteger } from "../graph/dtype.ts";
import { DTypeError, ShapeError } from "../graph/errors.ts";
import type { Value, ValueType } from "../graph/node.ts";
import { formatShape, sameShape } from "../graph/shape.ts";
import * as b from "./builders.ts";
import { defineOp, type GradientRule } from "./define.ts";

export interface IndexAttrs {
  readonly dim: number;
}

/** What `scatterReduce` does with an element and a contribution. */
export type ScatterReduction = "replace" | "prod" | "amax" | "amin";

export interface ScatterReduceAttrs extends IndexAttrs {
  readonly reduce: ScatterReduction;
}

function checkIndex(op: string, x: ValueType, index: ValueType, dim: number): void {
  if (!isInteger(index.dtype)) {
    throw new DTypeError(`${op}: the index is ${index.dtype}, wanted i32 or u32; cast it with .to("i32")`);
  }
  const fits =
    index.shape.length === x.shape.length && index.shape.every((size, i) => i === dim || size <= x.shape[i]);
  if (!fits) {
    throw new ShapeError(
      `${op}: index ${formatShape(index.shape)} does not fit ${formatShape(x.shape)}; ` +
        `it needs as many dims, none larger but dim ${dim}`,
    );
  }
}

function checkSource(
  op: string,
  [base, index, source]: readonly ValueType[],
  dim: number,
  bool: "bool" | "numbers",
): void {
  checkIndex(op, base, index, dim);
  if (!sameShape(index.shape, source.shape)) {
    throw new ShapeError(
      `${op}: index ${formatShape(index.shape)} and source ${formatShape(source.shape)} differ in shape`,
    );
  }
  if (base.dtype !== source.dtype || (base.dtype === "bool" && bool === "numbers")) {
    throw new DTypeError(
      `${op}: base is ${base.dtype}, source ${source.dtype}; cast both to one number dtype`,
    );
  }
}

/** Where the base and the contributions of a scatter lie, and sums over them: what its gradients are made of. */
interface Contributions {
  readonly base: Value;
  readonly source: Value;
  /** The result's element that each contribution went to. */
  readonly spread: (value: Value) => Value;
  /** Of a number for each base element and each contribution, the sum at each element of the result. */
  readonly total: (ofBase: Value, ofSource: Value) => Value;
}

/** Equal extrema share the gradient, the base among them. */
function extremumParts({ base, source, spread, total }: Contributions, y: Value, g: Value): [Value, Value] {
  const isBase = b.cast(b.eq(base, y), g.dtype);
  const isSource = b.cast(b.eq(source, spread(y)), g.dtype);
  const share = b.div(g, total(isBase, isSource));
  return [
    b.where(b.eq(base, y), share, b.scalarLike(g, 0)),
    b.where(b.eq(source, spread(y)), spread(share), b.scalarLike(g, 0)),
  ];
}

/** The product of the others: by division, and by counting zeros where there are some. */
function productParts(
  { base, source, spread, total }: Contributions,
  product: (ofBase: Value, ofSource: Value) => Value,
  g: Value,
): [Value, Value] {
  const zero = b.scalarLike(g, 0);
  const one = b.scalarLike(g, 1);
  const isZero = (x: Value): Value => b.eq(x, zero);
  const nonzero = (x: Value): Value => b.where(isZero(x), one, x);
  const zeros = total(b.cast(isZero(base), g.dtype), b.cast(isZero(source), g.dtype));
  const rest = product(nonzero(base), nonzero(source));
  const others = (x: Value, zerosHere: Value, restHere: Value): Value =>
    b.where(
      b.eq(zerosHere, zero),
      b.div(restHere, nonzero(x)),
      b.where(b.logicalAnd(isZero(x), b.eq(zerosHere, one)), restHere, zero),
    );
  return [b.mul(g, others(base, zeros, rest)), b.mul(spread(g), others(source, spread(zeros), spread(rest)))];
}

const scatterReduceRule: GradientRule<ScatterReduceAttrs> = ({
  attrs: { dim, reduce },
  inputs: [base, index, source],
  outputs: [y],
  cotangent: g,
}) => {
  const spread = (value: Value): Value => b.gather(value, dim, index);
  const contributions: Contributions = {
    base,
    source,
    spread,
    total: (ofBase, ofSource) => b.scatterAdd(ofBase, dim, index, ofSource),
  };
  switch (reduce) {
    case "replace": {
      const nothing = b.full(index.shape, g.dtype, 0);
      // As in PyTorch, of several contributions to one element each gets its gradient, though only the last is seen.
      return [b.scatterReduce(g, dim, index, nothing, "replace"), undefined, spread(g)];
    }
    case "amax":
    case "amin": {
      const [toBase, toSource] = extremumParts(contributions, y, g);
      return [toBase, undefined, toSource];
    }
    case "prod": {
      const product = (ofBase: Value, ofSource: Value): Value =>
        b.scatterReduce(ofBase, dim, index, ofSource, "prod");
      const [toBase, toSource] = productParts(contributions, product, g);
      return [toBase, undefined, toSource];
    }
  }
};

export const indexing = {
  /**
   * result[..., i, ...] = x[..., index[..., i, ...], ...] along dim. Indices outside the dim read 0 (false for bool);
   * those known on the host are checked before the node is built.
   */
  gather: defineOp<IndexAttrs>({
    kind: "index",
    infer: ([x, index], { dim }) => {
      checkIndex("gather", x, index, dim);
      return [{ shape: index.shape, dtype: x.dtype }];
    },
    gradient: ({ attrs, inputs: [x, index], cotangent: g }) => [
      b.scatterAdd(b.full(x.shape, x.dtype, 0), attrs.dim, index, g),
    ],
  }),

  /**
   * A copy of base with result[..., index[..., i, ...], ...] += source[..., i, ...]. Contributions to one element are
   * added in the order of i, on every device, so that results repeat to the bit. Indices outside the dim are dropped.
   */
  scatterAdd: defineOp<IndexAttrs>({
    kind: "index",
    infer: (inputs, { dim }) => {
      const [base] = inputs;
      checkSource("scatterAdd", inputs, dim, "numbers");
      return [{ shape: base.shape, dtype: base.dtype }];
    },
    gradient: ({ attrs, inputs: [, index], cotangent: g }) => [g, undefined, b.gather(g, attrs.dim, index)],
  }),

  /**
   * The same with another combination than the sum: the last contribution replaces, or the product, largest or smallest
   * is taken, the base's element among them.
   */
  scatterReduce: defineOp<ScatterReduceAttrs>({
    kind: "index",
    infer: (inputs, { dim, reduce }) => {
      const [base] = inputs;
      checkSource("scatterReduce", inputs, dim, reduce === "replace" ? "bool" : "numbers");
      return [{ shape: base.shape, dtype: base.dtype }];
    },
    gradient: scatterReduceRule,
  }),
};

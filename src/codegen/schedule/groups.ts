import type { Node, Value } from "../../graph/node.ts";
import { numel, type Shape, sameShape } from "../../graph/shape.ts";
import type { ReduceName } from "../../ops/builders.ts";
import { definitionOf, type TypedNode } from "../../ops/table.ts";
import { delinearize, type Expression, equal, linearize, variable } from "../index/expression.ts";
import { type Side, sameRead } from "./products.ts";
import { resolveView } from "./views.ts";

/**
 * What one kernel computes. Values that belong to a group are computed where its loops stand ("at home"); all others are
 * read from memory, or computed again from what lies in memory.
 */
export interface Group {
  /** Order of creation. */
  readonly id: number;
  readonly template: Template;
  /** Values that the kernel writes to memory. */
  readonly stores: Set<Value>;
  /** Values computed at home, anchors first. */
  readonly members: Set<Value>;
  /** Values that it computes for itself, although another group that waits for it stores them. */
  readonly inlined: Set<Value>;
  /** Why something was not fused into it. */
  readonly stopped: Set<string>;
}

/** Which kernel computes what, and what lies in memory. */
export interface Fusion {
  readonly groups: readonly Group[];
  /** The group in whose loops a value is computed; undefined for inputs and for values computed wherever they are read. */
  readonly homeOf: ReadonlyMap<Value, Group>;
  /** The group that writes a value to memory. */
  readonly ownerOf: ReadonlyMap<Value, Group>;
  /** Where each root's elements lie: a stored value or input of the same elements in the same order. */
  readonly rootStorage: ReadonlyMap<Value, Value>;
}

/**
 * - `map`: elements of one shape, independent of each other
 * - `row`: rows of a shape, each a few passes of map, reduce and scan over its trailing elements
 * - `reduce`: sums (or the like) over dims that are not trailing
 * - `contract`: matrix products of one shape, with what follows elementwise, and reductions along the shared dim of
 *   their operands' rows or columns
 * - `sort`: the order of each row's elements
 * - `scatter`: elements combined at indices that are data
 * - `attend`: attention, with what follows elementwise
 * - `attendGradient`: gradients of attention
 */
export type Template =
  | { readonly kind: "map"; readonly shape: Shape }
  /** `rows` are the leading dims, `length` the number of trailing elements. */
  | { readonly kind: "row"; readonly rows: Shape; readonly length: number }
  | { readonly kind: "reduce"; readonly shape: Shape; readonly dims: readonly number[] }
  | { readonly kind: "contract"; readonly shape: Shape; readonly beside: Side | undefined }
  | { readonly kind: "sort"; readonly order: Value }
  | { readonly kind: "scatter"; readonly target: Value }
  | { readonly kind: "attend"; readonly node: Node }
  | { readonly kind: "attendGradient"; readonly node: Node };

/** Whether the results exist only when the kernel has ended: nothing can follow inside. */
export function endsWithKernel({ kind }: Template): boolean {
  return kind === "scatter" || kind === "sort" || kind === "attendGradient";
}

/** The index variables of a group's own loops. */
export interface Coordinates {
  /** Loops that every element of a wide value has: all of them. */
  readonly wide: readonly Expression[];
  readonly wideShape: Shape;
  /** Loops of values that a row or a reduction has one of. */
  readonly narrow: readonly Expression[];
  readonly narrowShape: Shape;
}

/** The elements a value of a group has: one for every turn of its loops, or one for each row. */
export type Width = "wide" | "narrow";

export function coordinatesOf(template: Template): Coordinates {
  switch (template.kind) {
    case "map": {
      const wide = axes(template.shape);
      return { wide, wideShape: template.shape, narrow: wide, narrowShape: template.shape };
    }
    case "row": {
      const narrow = axes(template.rows);
      const wideShape = [...template.rows, template.length];
      return {
        wide: [...narrow, variable("j", template.length)],
        wideShape,
        narrow,
        narrowShape: template.rows,
      };
    }
    case "reduce": {
      const wide = axes(template.shape);
      const kept = template.shape.flatMap((_, dim) => (template.dims.includes(dim) ? [] : [dim]));
      return {
        wide,
        wideShape: template.shape,
        narrow: kept.map((dim) => wide[dim]),
        narrowShape: kept.map((dim) => template.shape[dim]),
      };
    }
    case "contract": {
      const { shape, beside } = template;
      const wide = axes(shape);
      const left = shape.length - (beside === "rows" ? 1 : 2);
      const keep = <T>(all: readonly T[]): readonly T[] =>
        beside === undefined ? all : all.filter((_, dim) => dim !== left);
      return { wide, wideShape: shape, narrow: keep(wide), narrowShape: keep(shape) };
    }
    case "sort": {
      const wide = axes(template.order.shape);
      return { wide, wideShape: template.order.shape, narrow: wide, narrowShape: template.order.shape };
    }
    case "attend": {
      const { shape } = template.node.outputs[0];
      const wide = axes(shape);
      return { wide, wideShape: shape, narrow: wide.slice(0, -1), narrowShape: shape.slice(0, -1) };
    }
    case "attendGradient": {
      const { shape } = template.node.outputs[0];
      const wide = axes(shape);
      return { wide, wideShape: shape, narrow: wide, narrowShape: shape };
    }
    case "scatter": {
      const wide = axes(template.target.shape);
      return { wide, wideShape: template.target.shape, narrow: wide, narrowShape: template.target.shape };
    }
  }
}

function axes(shape: Shape): Expression[] {
  return shape.map((size, dim) => variable(`i${dim}`, size));
}

/**
 * The index at which a value of this shape stands in the group's loops when elements are taken in row-major order;
 * undefined when the loops have no such place. Narrow is tried first only when it cannot be wide.
 */
export function placeOf(
  shape: Shape,
  coordinates: Coordinates,
): { readonly index: readonly Expression[]; readonly width: Width } | undefined {
  const { wide, wideShape, narrow, narrowShape } = coordinates;
  if (sameShape(shape, wideShape)) return { index: wide, width: "wide" };
  const count = numel(shape);
  if (count === numel(wideShape)) {
    return { index: delinearize(linearize(wide, wideShape), shape), width: "wide" };
  }
  if (count !== numel(narrowShape)) return undefined;
  if (sameShape(shape, narrowShape)) return { index: narrow, width: "narrow" };
  return { index: delinearize(linearize(narrow, narrowShape), shape), width: "narrow" };
}

/**
 * Whether reading `input` at the place of `shape` meets the very element of the group's value behind `input` that stands
 * in the same place.
 */
export function readsInPlace(shape: Shape, input: Value, coordinates: Coordinates): boolean {
  const place = placeOf(shape, coordinates);
  if (place === undefined) return false;
  if (definitionOf(input.node).kind !== "movement" && sameShape(shape, input.shape)) return true;
  const view = resolveView(input, place.index);
  // A concatenation shows its parts at other indices than its own.
  if (view === undefined || view.guard.kind !== "always" || view.base.node.op === "concat") return false;
  const home = placeOf(view.base.shape, coordinates);
  return home?.index.every((expression, dim) => equal(expression, view.index[dim])) ?? false;
}

export function isReduction(node: TypedNode): node is Extract<TypedNode, { op: ReduceName }> {
  return definitionOf(node).kind === "reduce";
}

/** The products of a contract group, in the order in which they joined it. */
export function productsOf(group: Group): Value[] {
  return [...group.members].filter(({ node }) => node.op === "matmul");
}

/** Reductions over trailing dims run row by row; dims of size 1 count as either. */
export function reductionTemplate({ shape }: Value, dims: readonly number[]): Template {
  const reduced = new Set(dims);
  let first = shape.length;
  while (first > 0 && (reduced.has(first - 1) || shape[first - 1] === 1)) first -= 1;
  const trailing = shape.every((size, dim) => dim >= first || size === 1 || !reduced.has(dim));
  if (!trailing) return { kind: "reduce", shape, dims };
  return { kind: "row", rows: shape.slice(0, first), length: numel(shape.slice(first)) };
}

/** Scans run row by row. */
export function scanTemplate({ shape }: Value): Template {
  return { kind: "row", rows: shape.slice(0, -1), length: shape[shape.length - 1] };
}

/** Whether two reductions walk the same elements in the same way. */
export function sameLoops(a: Template, b: Template): boolean {
  if (a.kind === "row" && b.kind === "row") return numel(a.rows) === numel(b.rows) && a.length === b.length;
  if (a.kind === "reduce" && b.kind === "reduce") {
    return sameShape(a.shape, b.shape) && sameShape(a.dims, b.dims);
  }
  return false;
}

/** How many products may be computed by one kernel. */
const mostProducts = 4;

/** Whether the group computes products of the same shape, one of which shares an operand with this one. */
export function fitsProducts({ node, shape, dtype }: Value, beside: Side | undefined, group: Group): boolean {
  const { template } = group;
  if (template.kind !== "contract" || !sameShape(template.shape, shape) || template.beside !== beside)
    return false;
  const products = productsOf(group);
  return (
    products.length < mostProducts &&
    products[0].dtype === dtype &&
    products.some((product) => product.node.inputs.some((input, i) => sameRead(input, node.inputs[i])))
  );
}

/** Whether one kernel may compute both groups' products: of one shape and dtype, with the same beside them. */
export function sameProducts(a: Group, b: Group): boolean {
  return (
    a.template.kind === "contract" &&
    b.template.kind === "contract" &&
    sameShape(a.template.shape, b.template.shape) &&
    a.template.beside === b.template.beside &&
    productsOf(a)[0].dtype === productsOf(b)[0].dtype &&
    productsOf(a).length + productsOf(b).length <= mostProducts
  );
}

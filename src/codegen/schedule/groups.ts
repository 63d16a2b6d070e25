import type { Value } from "../../graph/node.ts";
import { numel, type Shape } from "../../graph/shape.ts";
import { delinearize, type Expression, equal, linearize, variable } from "../index/expression.ts";
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

/**
 * - `map`: elements of one shape, independent of each other
 * - `row`: rows of a shape, each a few passes of map, reduce and scan over its trailing elements
 * - `reduce`: sums (or the like) over dims that are not trailing
 * - `contract`: a matrix product, with what follows elementwise
 * - `sort`: the order of each row's elements
 * - `scatter`: elements combined at indices that are data
 */
export type Template =
  | { readonly kind: "map"; readonly shape: Shape }
  /** `rows` are the leading dims, `length` the number of trailing elements. */
  | { readonly kind: "row"; readonly rows: Shape; readonly length: number }
  | { readonly kind: "reduce"; readonly shape: Shape; readonly dims: readonly number[] }
  | { readonly kind: "contract"; readonly product: Value }
  | { readonly kind: "sort"; readonly order: Value }
  | { readonly kind: "scatter"; readonly target: Value };

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
      const wide = axes(template.product.shape);
      return { wide, wideShape: template.product.shape, narrow: wide, narrowShape: template.product.shape };
    }
    case "sort": {
      const wide = axes(template.order.shape);
      return { wide, wideShape: template.order.shape, narrow: wide, narrowShape: template.order.shape };
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
): { index: Expression[]; width: Width } | undefined {
  const count = numel(shape);
  if (count === numel(coordinates.wideShape)) {
    return { index: delinearize(linearize(coordinates.wide, coordinates.wideShape), shape), width: "wide" };
  }
  if (count === numel(coordinates.narrowShape)) {
    return {
      index: delinearize(linearize(coordinates.narrow, coordinates.narrowShape), shape),
      width: "narrow",
    };
  }
  return undefined;
}

/**
 * Whether reading `input` at the place of `shape` meets the very element of the group's value behind `input` that stands
 * in the same place.
 */
export function readsInPlace(shape: Shape, input: Value, coordinates: Coordinates): boolean {
  const place = placeOf(shape, coordinates);
  if (place === undefined) return false;
  const view = resolveView(input, place.index);
  // A concatenation shows its parts at other indices than its own.
  if (view === undefined || view.guard.kind !== "always" || view.base.node.op === "concat") return false;
  const home = placeOf(view.base.shape, coordinates);
  return home?.index.every((expression, dim) => equal(expression, view.index[dim])) ?? false;
}

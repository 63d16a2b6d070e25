import type { Value } from "../../graph/node.ts";
import { definitionOf } from "../../ops/table.ts";
import { coordinatesOf, placeOf, productsOf, type Template } from "../schedule/groups.ts";
import { sideOf } from "../schedule/products.ts";
import type { LoweringScope } from "./compute.ts";

/** A product with the reductions of what it multiplies. */
export interface PlannedProduct {
  readonly product: Value;
  /** Reductions along the shared dim of its left operand's rows or its right operand's columns. */
  readonly beside: readonly Value[];
}

/** Products that some stored value needs together: their tiles are computed one after the other. */
export interface ContractPart {
  readonly products: readonly PlannedProduct[];
  /** Stored values of the products' own elements. */
  readonly wideStores: readonly Value[];
  /** Stored values of one element a row, or a column. */
  readonly narrowStores: readonly Value[];
}

/** Splits what a contract group computes into parts that have nothing to do with each other but an operand. */
export function partsOf(
  scope: LoweringScope,
  template: Extract<Template, { kind: "contract" }>,
): ContractPart[] {
  const { group } = scope;
  const products = productsOf(group);
  const besideOf = new Map(products.map((product) => [product, [] as Value[]]));
  const anchors = new Map<Value, Value>(products.map((product) => [product, product]));
  for (const value of group.members) {
    if (definitionOf(value.node).kind !== "reduce") continue;
    const product = products.find((one) => sideOf(value.node, one) === template.beside) ?? products[0];
    anchors.set(value, product);
    besideOf.get(product)?.push(value);
  }
  const coordinates = coordinatesOf(template);
  let parts: { products: Set<Value>; wide: Value[]; narrow: Value[] }[] = [];
  for (const value of group.stores) {
    const needed = anchorsOf(value, scope, anchors);
    if (needed.size === 0) needed.add(products[0]);
    const touched = parts.filter((part) => [...part.products].some((product) => needed.has(product)));
    const isNarrow = placeOf(value.shape, coordinates)?.width === "narrow";
    parts = [
      ...parts.filter((part) => !touched.includes(part)),
      {
        products: new Set([...touched.flatMap((part) => [...part.products]), ...needed]),
        wide: [...touched.flatMap(({ wide }) => wide), ...(isNarrow ? [] : [value])],
        narrow: [...touched.flatMap(({ narrow }) => narrow), ...(isNarrow ? [value] : [])],
      },
    ];
  }
  return parts.map(({ products, wide, narrow }) => ({
    products: [...products].map((product) => ({ product, beside: besideOf.get(product) ?? [] })),
    wideStores: wide,
    narrowStores: narrow,
  }));
}

/** The products that computing a value of the group involves. */
function anchorsOf(
  value: Value,
  { inMemory }: LoweringScope,
  anchors: ReadonlyMap<Value, Value>,
): Set<Value> {
  const found = new Set<Value>();
  const seen = new Set<Value>();
  const visit = (part: Value): void => {
    if (seen.has(part) || inMemory(part)) return;
    seen.add(part);
    const product = anchors.get(part);
    if (product) found.add(product);
    else part.node.inputs.forEach(visit);
  };
  visit(value);
  return found;
}

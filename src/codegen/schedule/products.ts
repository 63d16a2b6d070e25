import type { Node, Value } from "../../graph/node.ts";
import { numel, type Shape, sameShape } from "../../graph/shape.ts";
import { reducedShape } from "../../ops/builders.ts";
import { typed } from "../../ops/table.ts";
import { delinearize, type Expression, equal, linearize, variable } from "../index/expression.ts";
import { isReduction } from "./groups.ts";
import { basesOf, resolveView } from "./views.ts";

/** What may be reduced beside a product while its operands pass by: the left one's rows or the right one's columns. */
export type Side = "rows" | "columns";

/** The dims of a product [..., M, N] over the shared dim K. */
export interface ProductSizes {
  readonly batch: Shape;
  readonly rows: number;
  readonly columns: number;
  readonly shared: number;
}

export function sizesOf(product: Value): ProductSizes {
  const { shape, node } = product;
  const rank = shape.length;
  return {
    batch: shape.slice(0, -2),
    rows: shape[rank - 2],
    columns: shape[rank - 1],
    shared: node.inputs[0].shape[rank - 1],
  };
}

/**
 * Whether a reduction runs over the very elements of a product's operand, along the dim that the product sums over: a
 * bias' gradient sums the columns of what the weight's gradient multiplies.
 */
export function sideOf(reduction: Node, product: Value): Side | undefined {
  if (product.shape.some((size) => size < 2)) return undefined;
  const [left, right] = product.node.inputs;
  const { batch, rows, columns, shared } = sizesOf(product);
  const outer = batch.map((size, dim) => variable(`b${dim}`, size));
  const [m, n, k] = [variable("m", rows), variable("n", columns), variable("k", shared)];
  if (reads(reduction, [...outer, m], [...batch, rows], k, shared, left, [...outer, m, k])) return "rows";
  if (reads(reduction, [...outer, n], [...batch, columns], k, shared, right, [...outer, k, n]))
    return "columns";
  return undefined;
}

/** Whether the reduction's result at `kept` is made of the operand's elements at `index`, for k from 0 to `shared`. */
function reads(
  reduction: Node,
  kept: readonly Expression[],
  keptShape: Shape,
  k: Expression,
  shared: number,
  operand: Value,
  index: readonly Expression[],
): boolean {
  const node = typed(reduction);
  if (!isReduction(node)) return false;
  const [input] = node.inputs;
  const { dims } = node.attrs;
  if (numel(keptShape) * shared !== numel(input.shape)) return false;
  const along = dims.map((dim) => input.shape[dim]);
  if (numel(along) !== shared) return false;
  const reduced = delinearize(k, along);
  const rest = delinearize(linearize(kept, keptShape), reducedShape(input.shape, dims));
  const at = input.shape.map((_, dim) => (dims.includes(dim) ? reduced[dims.indexOf(dim)] : rest[dim]));
  return sameElement(input, at, operand, index);
}

/** Whether two operands show the same elements of the same value. */
export function sameRead(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (!sameShape(a.shape, b.shape)) return false;
  const index = a.shape.map((size, dim) => variable(`i${dim}`, size));
  return sameElement(a, index, b, index);
}

function sameElement(a: Value, atA: readonly Expression[], b: Value, atB: readonly Expression[]): boolean {
  const [one, other] = [resolveView(a, atA), resolveView(b, atB)];
  return (
    one !== undefined &&
    other !== undefined &&
    one.base === other.base &&
    one.guard.kind === "always" &&
    other.guard.kind === "always" &&
    one.index.every((expression, dim) => equal(expression, other.index[dim]))
  );
}

/** Products and the reductions that can be done beside them. */
export interface Pairing {
  readonly sideOf: ReadonlyMap<Node, Side>;
  /** Products that should be placed before a reduction, so that it may join them. */
  readonly waitsFor: ReadonlyMap<Node, readonly Node[]>;
}

export function pairReductions(order: readonly Node[]): Pairing {
  const readers = new Map<Value, Node[]>();
  for (const node of order) {
    if (node.op !== "matmul") continue;
    for (const base of new Set(node.inputs.flatMap(basesOf))) {
      const known = readers.get(base);
      if (known) known.push(node);
      else readers.set(base, [node]);
    }
  }
  const sides = new Map<Node, Side>();
  const waitsFor = new Map<Node, Node[]>();
  for (const node of order) {
    if (!isReduction(typed(node))) continue;
    for (const product of readers.get(basesOf(node.inputs[0])[0]) ?? []) {
      const side = sideOf(node, product.outputs[0]);
      if (side === undefined || (sides.get(product) ?? side) !== side) continue;
      sides.set(product, side);
      waitsFor.set(node, [...(waitsFor.get(node) ?? []), product]);
    }
  }
  return { sideOf: sides, waitsFor };
}

/** The same nodes, inputs first, where reductions come after the products that they wait for unless that makes a circle. */
export function productsFirst(order: readonly Node[], { waitsFor }: Pairing): Node[] {
  if (waitsFor.size === 0) return [...order];
  const known = new Set(order);
  const done = new Set<Node>();
  const blocked = new Map<Node, Node[]>();
  const blockerOf = (node: Node): Node | undefined =>
    node.inputs.find((input) => known.has(input.node) && !done.has(input.node))?.node ??
    waitsFor.get(node)?.find((product) => !done.has(product));
  for (const first of order) {
    const stack = [first];
    for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
      const blocker = blockerOf(node);
      if (blocker === undefined) {
        done.add(node);
        stack.push(...(blocked.get(node) ?? []).reverse());
        blocked.delete(node);
      } else blocked.set(blocker, [...(blocked.get(blocker) ?? []), node]);
    }
  }
  // What still waits stands in a circle: its own order is right too.
  for (const node of order) done.add(node);
  return [...done];
}

import { type Node, topologicalOrder, type Value } from "../../graph/node.ts";
import { sameShape } from "../../graph/shape.ts";
import { build, withInputs } from "../../ops/build.ts";
import { transpose } from "../../ops/builders.ts";
import { typed } from "../../ops/table.ts";

/** A graph in which equal subexpressions are one value; `valueOf` maps the roots of the old graph to the new one. */
export interface SimplifiedGraph {
  readonly valueOf: (value: Value) => Value;
  /** Nodes of the new graph, inputs first; known values are not among them. */
  readonly order: readonly Node[];
}

/**
 * Merges common subexpressions (by equality of op, attrs and operands) and removes what does nothing: casts and
 * movements that change nothing, products and quotients with 1. Bits never change.
 */
export function simplify(roots: readonly Value[], isKnown: (value: Value) => boolean): SimplifiedGraph {
  const replaced = new Map<Value, Value>();
  const ids = new Map<Value, number>();
  const nodes = new Map<string, Node>();
  const lookup = (value: Value): Value => replaced.get(value) ?? value;
  const idOf = (value: Value): number => {
    let id = ids.get(value);
    if (id === undefined) {
      id = ids.size;
      ids.set(value, id);
    }
    return id;
  };
  for (const node of topologicalOrder(roots, isKnown)) {
    const inputs = node.inputs.map(lookup);
    const shortcut = withoutWork(node, inputs);
    if (shortcut) {
      replaced.set(node.outputs[0], lookup(shortcut));
      continue;
    }
    const key = `${node.op}(${inputs.map(idOf).join(",")})${attrsKey(node.attrs)}`;
    let merged = nodes.get(key);
    if (merged === undefined) {
      merged = withInputs(node, inputs);
      nodes.set(key, merged);
    }
    const outputs = merged.outputs;
    node.outputs.forEach((output, i) => {
      if (output !== outputs[i]) replaced.set(output, outputs[i]);
    });
  }
  const order = topologicalOrder(roots.map(lookup), isKnown);
  return { valueOf: lookup, order };
}

/**
 * Products that are only read transposed become the product of the transposed operands, in the other order: a weight's
 * gradient then has the weight's own layout.
 */
export function transposeProducts(
  roots: readonly Value[],
  isKnown: (value: Value) => boolean,
): readonly Value[] {
  const uses = new Map<Value, number>();
  const count = (value: Value): void => void uses.set(value, (uses.get(value) ?? 0) + 1);
  roots.forEach(count);
  const order = topologicalOrder(roots, isKnown);
  for (const node of order) node.inputs.forEach(count);
  const replaced = new Map<Value, Value>();
  const lookup = (value: Value): Value => replaced.get(value) ?? value;
  for (const node of order) {
    const inputs = node.inputs.map(lookup);
    const [product] = inputs;
    const original = node.inputs[0];
    let rebuilt: Node;
    if (
      swapsLastDims(node) &&
      product?.node.op === "matmul" &&
      !isKnown(original) &&
      uses.get(original) === 1
    ) {
      const [left, right] = product.node.inputs;
      rebuilt = build("matmul", [transpose(right, -2, -1), transpose(left, -2, -1)], {});
    } else rebuilt = withInputs(node, inputs);
    if (rebuilt === node) continue;
    node.outputs.forEach((output, i) => {
      replaced.set(output, rebuilt.outputs[i]);
    });
  }
  return roots.map(lookup);
}

function swapsLastDims(original: Node): boolean {
  const node = typed(original);
  if (node.op !== "permute") return false;
  const rank = node.attrs.dims.length;
  return (
    rank >= 2 &&
    node.attrs.dims.every((dim, k) => dim === (k < rank - 2 ? k : k === rank - 1 ? rank - 2 : rank - 1))
  );
}

/** Attributes (plain data) as text; negative zero and NaN keep their own. */
export function attrsKey(attrs: unknown): string {
  if (typeof attrs === "number") return Object.is(attrs, -0) ? "-0" : String(attrs);
  if (typeof attrs === "string") return JSON.stringify(attrs);
  if (Array.isArray(attrs)) return `[${attrs.map(attrsKey).join()}]`;
  if (typeof attrs !== "object" || attrs === null) return String(attrs);
  let text = "";
  for (const [name, value] of Object.entries(attrs)) text += `${name}:${attrsKey(value)},`;
  return `{${text}}`;
}

/** The operand that a node equals, if it does nothing. */
function withoutWork(original: Node, inputs: readonly Value[]): Value | undefined {
  const node = typed(original);
  switch (node.op) {
    case "cast":
      return inputs[0].dtype === node.attrs.dtype ? inputs[0] : undefined;
    case "reshape":
    case "expand":
      return sameShape(inputs[0].shape, node.attrs.shape) ? inputs[0] : undefined;
    case "permute": {
      // Two permutations in a row that undo each other.
      const inner = typed(inputs[0].node);
      const { dims } = node.attrs;
      const undone = inner.op === "permute" && dims.every((dim, k) => inner.attrs.dims[dim] === k);
      return undone ? inner.inputs[0] : dims.every((dim, k) => dim === k) ? inputs[0] : undefined;
    }
    case "mul":
      if (isFull(inputs[0], 1)) return inputs[1];
      return isFull(inputs[1], 1) ? inputs[0] : undefined;
    case "div":
      return isFull(inputs[1], 1) ? inputs[0] : undefined;
    default:
      return undefined;
  }
}

/** Whether a value is one number everywhere, seen through views. */
export function isFull(value: Value, number: number): boolean {
  let current = value;
  while (current.node.op === "expand" || current.node.op === "reshape") current = current.node.inputs[0];
  const node = typed(current.node);
  return node.op === "full" && Object.is(node.attrs.value, number);
}

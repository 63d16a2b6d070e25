import { type Node, topologicalOrder, type Value } from "../../graph/node.ts";
import { build, withInputs } from "../../ops/build.ts";
import { definitionOf, typed } from "../../ops/table.ts";

/** How many reads an element may become by concatenations and paddings one upon the other. */
const mostReads = 8;

/**
 * Bounds what an element of nested concatenations and paddings costs. Each adds its parts, and a guard for each, to
 * whatever reads it, so that the work for one element grows with their number, and doubles where one is read twice. Beyond
 * a limit the inner ones are copied into memory first: casts to their own dtype, which `fuse` stores.
 */
export function cutChains(
  roots: readonly Value[],
  isKnown: (value: Value) => boolean,
): { readonly roots: readonly Value[]; readonly order: readonly Node[] } {
  const replaced = new Map<Value, Value>();
  const copies = new Map<Value, Value>();
  const reads = new Map<Value, number>();
  const readsOf = (value: Value): number => reads.get(value) ?? 1;
  const lookup = (value: Value): Value => replaced.get(value) ?? value;
  const copyOf = (value: Value): Value => {
    let copy = copies.get(value);
    if (copy === undefined) {
      copy = build("cast", [value], { dtype: value.dtype }).outputs[0];
      copies.set(value, copy);
    }
    return copy;
  };
  for (const node of topologicalOrder(roots, isKnown)) {
    let inputs = node.inputs.map(lookup);
    const grows = node.op === "concat" || node.op === "pad";
    if (grows && readsByNode(node, inputs, readsOf) > mostReads) {
      inputs = inputs.map((input) => (readsOf(input) > 1 ? copyOf(input) : input));
    }
    const rebuilt = withInputs(node, inputs);
    node.outputs.forEach((output, i) => {
      replaced.set(output, rebuilt.outputs[i]);
      reads.set(rebuilt.outputs[i], readsByNode(node, inputs, readsOf));
    });
  }
  const cut = roots.map(lookup);
  return { roots: cut, order: topologicalOrder(cut, isKnown) };
}

function readsByNode(node: Node, inputs: readonly Value[], readsOf: (value: Value) => number): number {
  const each = inputs.map(readsOf);
  if (node.op === "concat") return each.reduce((total, n) => total + n, 0);
  if (node.op === "pad") return each[0] + 1;
  // Elementwise ops are computed by whoever reads them; everything else ends in memory.
  const { kind } = definitionOf(node);
  return kind === "movement" || kind === "map" ? Math.max(1, ...each) : 1;
}

/** Whether a value is such a copy. */
export function isCopy({ node, dtype }: Value): boolean {
  return typed(node).op === "cast" && node.inputs[0].dtype === dtype;
}

import { type Node, topologicalOrder, type Value } from "../../graph/node.ts";
import { build } from "../../ops/build.ts";
import { type AttrsOf, definitionOf, type OpName } from "../../ops/table.ts";

/** What a node, and so the kernel that computes it, has to wait for beside its operands. */
export type Waits = ReadonlyMap<Node, readonly Value[]>;

/** A graph without marks, and what they said. */
export interface Unmarked {
  readonly roots: readonly Value[];
  readonly order: readonly Node[];
  readonly waits: Waits;
}

/**
 * Takes the marks (`after`) out of a graph, so that whoever read a value through one reads the value itself. What is
 * computed of marked operands stays apart from equal nodes that are not, and waits for what the mark names: it is done
 * again late, instead of being kept from the first time. Movements compute nothing: what reads through them waits.
 */
export function takeMarks(
  roots: readonly Value[],
  order: readonly Node[],
  isKnown: (value: Value) => boolean,
): Unmarked {
  if (!order.some(({ op }) => op === "after")) return { roots, order, waits: new Map() };
  const replaced = new Map<Value, Value>();
  const lookup = (value: Value): Value => replaced.get(value) ?? value;
  /** What stands behind marks and movements, by the value that shows it. */
  const pending = new Map<Value, readonly Value[]>();
  const waits = new Map<Node, readonly Value[]>();
  for (const node of order) {
    const behind = node.inputs.flatMap((input) => pending.get(input) ?? []);
    if (node.op === "after") {
      const [value, ...signals] = node.inputs;
      replaced.set(node.outputs[0], lookup(value));
      pending.set(node.outputs[0], [...new Set([...(pending.get(value) ?? []), ...signals.map(lookup)])]);
      continue;
    }
    const inputs = node.inputs.map(lookup);
    const same = behind.length === 0 && inputs.every((input, i) => input === node.inputs[i]);
    const rebuilt = same ? node : build(node.op as OpName, inputs, node.attrs as AttrsOf<OpName>);
    node.outputs.forEach((output, i) => {
      replaced.set(output, rebuilt.outputs[i]);
    });
    if (behind.length === 0) continue;
    if (definitionOf(node).kind === "movement") pending.set(node.outputs[0], behind);
    else waits.set(rebuilt, [...new Set(behind)]);
  }
  const unmarked = roots.map(lookup);
  return { roots: unmarked, order: topologicalOrder(unmarked, isKnown), waits };
}

import type { DType } from "./dtype.ts";
import type { Shape } from "./shape.ts";

/** What is known of a value before it is computed. */
export interface ValueType {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** One output of a node: the edge that other nodes read. Identity is object identity. */
export interface Value extends ValueType {
  readonly node: Node;
  /** Which output of the node this is. */
  readonly index: number;
  /** Whether gradients flow to this value. */
  readonly requiresGrad: boolean;
}

/**
 * An operation in the lazy graph. Nodes are plain immutable objects: nothing has run when one is made, and nothing is
 * merged until a plan is built. `op` names an entry of the op table, which also gives `attrs` its type.
 */
export interface Node {
  readonly op: string;
  readonly inputs: readonly Value[];
  readonly attrs: unknown;
  readonly outputs: readonly Value[];
}

/** Makes a node and its output values. Called by the op table's `build` alone, which checks the inputs first. */
export function makeNode(
  op: string,
  inputs: readonly Value[],
  attrs: unknown,
  types: readonly ValueType[],
  requiresGrad: boolean,
): Node {
  const outputs: Value[] = [];
  const node: Node = { op, inputs, attrs, outputs };
  types.forEach(({ shape, dtype }, index) => {
    const differentiable = dtype === "f32" || dtype === "f64";
    outputs.push({ node, index, shape, dtype, requiresGrad: requiresGrad && differentiable });
  });
  return node;
}

/**
 * The nodes that `roots` depend on, each after its inputs. Iterative, so that a long plain loop cannot overflow the
 * stack. `stop` ends the walk at values that need not be computed (realised ones): their nodes are left out unless
 * another path needs them.
 */
export function topologicalOrder(roots: readonly Value[], stop?: (value: Value) => boolean): Node[] {
  const order: Node[] = [];
  const state = new Map<Node, "open" | "done">();
  const stack: Node[] = [];
  const visit = (value: Value): void => {
    if (!state.has(value.node) && !stop?.(value)) stack.push(value.node);
  };
  for (let r = roots.length - 1; r >= 0; r--) visit(roots[r]);
  while (stack.length > 0) {
    const node = stack[stack.length - 1];
    const seen = state.get(node);
    if (seen === undefined) {
      state.set(node, "open");
      for (let i = node.inputs.length - 1; i >= 0; i--) visit(node.inputs[i]);
      continue;
    }
    stack.pop();
    if (seen === "open") {
      state.set(node, "done");
      order.push(node);
    }
  }
  return order;
}

import { makeNode, type Node, type Value } from "../graph/node.ts";
import type { OpDefinition } from "./define.ts";
import { type AttrsOf, type OpName, opTable } from "./table.ts";

/**
 * Builds a node of the table after its shape and dtype rule has passed.
 * @throws ShapeError, DTypeError or ArgumentError from the op's rule, before anything is made.
 */
export function build<Name extends OpName>(op: Name, inputs: readonly Value[], attrs: AttrsOf<Name>): Node {
  // The entry and its attrs share the key `Name`; TypeScript cannot follow that through the union.
  const definition = opTable[op] as unknown as OpDefinition<AttrsOf<Name>>;
  const types = definition.infer(inputs, attrs);
  const asked = (attrs as { readonly requiresGrad?: boolean }).requiresGrad === true;
  const flows = definition.gradient !== "zero" && inputs.some((input) => input.requiresGrad);
  return makeNode(op, inputs, attrs, types, asked || flows);
}

/** The node on other inputs of the same types, so that nothing need be checked again; itself on its own inputs. */
export function withInputs(node: Node, inputs: readonly Value[]): Node {
  if (inputs.every((input, i) => input === node.inputs[i])) return node;
  return makeNode(
    node.op,
    inputs,
    node.attrs,
    node.outputs,
    node.outputs.some(({ requiresGrad }) => requiresGrad),
  );
}

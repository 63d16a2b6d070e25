import { InternalError } from "../graph/errors.ts";
import { type Node, topologicalOrder, type Value } from "../graph/node.ts";
import { withInputs } from "./build.ts";
import { definitionOf } from "./table.ts";

export interface Expansion {
  /** The primitive value that stands for each value of the original graph. */
  readonly valueOf: (value: Value) => Value;
  /** The composite op that a primitive node was expanded from, for names people read. */
  readonly originOf: ReadonlyMap<Node, string>;
}

/**
 * Rewrites the graph below `roots` to primitives: composites are replaced by their decomposition (again and again until
 * none is left) and `detach`, which matters to gradients alone, by its operand. `known` values are kept as they are, or
 * become what `standIns` has for them. Composites in `primitives` stay too, over expanded operands.
 */
export function expandComposites(
  roots: readonly Value[],
  known: (value: Value) => boolean,
  standIns: ReadonlyMap<Value, Value> = new Map(),
  primitives: ReadonlySet<string> = new Set(),
): Expansion {
  const replaced = new Map<Value, Value>(standIns);
  const originOf = new Map<Node, string>();
  const lookup = (value: Value): Value => replaced.get(value) ?? value;

  const expandBelow = (targets: readonly Value[], origin: string | undefined): void => {
    for (const node of topologicalOrder(targets, (value) => known(value) || replaced.has(value))) {
      const definition = definitionOf(node);
      const inputs = node.inputs.map(lookup);
      if (definition.kind === "composite" && !primitives.has(node.op)) {
        if (!definition.decompose)
          throw new InternalError(`${node.op} is composite and has no decomposition`);
        const parts = definition.decompose(inputs, node.attrs);
        expandBelow(parts, origin ?? node.op);
        node.outputs.forEach((output, i) => {
          replaced.set(output, lookup(parts[i]));
        });
        continue;
      }
      if (node.op === "detach") {
        replaced.set(node.outputs[0], inputs[0]);
        continue;
      }
      const rebuilt = withInputs(node, inputs);
      if (origin !== undefined) originOf.set(rebuilt, origin);
      node.outputs.forEach((output, i) => {
        if (!known(output)) replaced.set(output, rebuilt.outputs[i]);
        // Done with: a later composite that reads it must neither walk below it nor claim its nodes.
        replaced.set(rebuilt.outputs[i], rebuilt.outputs[i]);
      });
    }
  };
  expandBelow(
    roots.filter((root) => !known(root)),
    undefined,
  );
  return { valueOf: lookup, originOf };
}

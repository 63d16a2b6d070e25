import type { Node } from "../graph/node.ts";
import { attentions } from "./attention.ts";
import { checkpoints } from "./checkpoint.ts";
import { composites } from "./composite.ts";
import { contractions } from "./contraction.ts";
import { customs } from "./custom.ts";
import type { OpDefinition } from "./define.ts";
import { elementwise } from "./elementwise.ts";
import { indexing } from "./indexing.ts";
import { leaves } from "./leaves.ts";
import { movements } from "./movement.ts";
import { reductions } from "./reduction.ts";
import { scanComposites, scans } from "./scan.ts";
import { sortComposites, sorts } from "./sort.ts";
import { specials } from "./special.ts";

/**
 * The op table: every operation that a graph can hold, one entry each. (The families' gradient rules and the builders
 * refer to each other; they do so inside functions only, never while the modules load.)
 */
export const opTable = {
  ...leaves,
  ...elementwise,
  ...movements,
  ...reductions,
  ...contractions,
  ...scans,
  ...sorts,
  ...indexing,
  ...composites,
  ...attentions,
  ...customs,
  ...checkpoints,
  ...scanComposites,
  ...sortComposites,
  ...specials,
};

export type OpName = keyof typeof opTable;

export type AttrsOf<Name extends OpName> =
  (typeof opTable)[Name] extends OpDefinition<infer Attrs> ? Attrs : never;

type NodeOf<Name extends OpName> = Name extends OpName
  ? Omit<Node, "op" | "attrs"> & { readonly op: Name; readonly attrs: AttrsOf<Name> }
  : never;

/** A node as the table types it: `switch (node.op)` narrows `node.attrs`. */
export type TypedNode = NodeOf<OpName>;

/** Op names of the given kinds. */
export type OpNameOfKind<Kind extends keyof KindFamilies> = keyof KindFamilies[Kind];

interface KindFamilies {
  readonly leaf: typeof leaves;
  readonly map: typeof elementwise;
  readonly movement: typeof movements;
  readonly reduce: typeof reductions;
  readonly contract: typeof contractions;
  readonly scan: typeof scans;
  readonly sort: typeof sorts;
  readonly index: typeof indexing;
  readonly composite: typeof composites &
    typeof attentions &
    typeof customs &
    typeof checkpoints &
    typeof specials;
}

/** The node under the table's types. Nodes are made by `build` alone, which pairs each name with its own attrs. */
export function typed(node: Node): TypedNode {
  return node as TypedNode;
}

/** The entry of a node's op. */
export function definitionOf(node: Node): OpDefinition<unknown> {
  return opTable[node.op as OpName] as OpDefinition<unknown>;
}

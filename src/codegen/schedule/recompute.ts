import type { Value } from "../../graph/node.ts";
import { definitionOf } from "../../ops/table.ts";
import { expensive } from "./costs.ts";
import type { Group } from "./groups.ts";
import { basesOf } from "./views.ts";

// Storing a wide value costs a store and a load an element; a few cheap operations cost less.

/** Up to this many cheap operations are done again instead of storing a wide value. */
const recomputeBudget = 6;

/**
 * How many values that are not stored, but computed again from the next, stand between a value and memory. A sum that runs
 * through all layers would else be added up from its beginning by whoever reads it.
 */
export type Hops = Map<Value, number>;

const mostHops = 2;

/** What a value must be made of to be computed again. */
export interface Sources {
  /** Values that lie in memory, or are computed from it wherever they are read. */
  readonly isFree: (value: Value) => boolean;
  /** Values that are worth storing, or will be stored anyway. */
  readonly isStorable: (value: Value) => boolean;
  /** Where the values computed again are noted, and which lie in memory by now. */
  readonly hops?: Hops;
  readonly isInMemory?: (value: Value) => boolean;
}

/** The values to store from which `value` can cheaply be computed again; undefined if it should be stored itself. */
export function recomputedFrom(value: Value, sources: Sources): Value[] | undefined {
  const { isFree, isStorable, hops, isInMemory } = sources;
  const needed: Value[] = [];
  let cost = 0;
  let far = 0;
  const visit = (part: Value): boolean => {
    if (isFree(part)) {
      if (!isInMemory?.(part)) far = Math.max(far, hops?.get(part) ?? 0);
      return !expensive.has(part.node.op);
    }
    if (isStorable(part)) {
      needed.push(part);
      return true;
    }
    cost += 1;
    const cheap =
      definitionOf(part.node).kind === "map" && !expensive.has(part.node.op) && cost <= recomputeBudget;
    return cheap && part.node.inputs.every((input) => basesOf(input).every(visit));
  };
  if (!visit(value) || far >= mostHops) return undefined;
  hops?.set(value, far + 1);
  return needed;
}

/** Values stored by groups that no few cheap operations make of inputs and of each other. */
export function lastingValues(groups: readonly Group[], isInput: (value: Value) => boolean): Set<Value> {
  const lasting = new Set<Value>();
  const sources: Sources = {
    isFree: (part) => isInput(part) || definitionOf(part.node).kind === "leaf",
    isStorable: (part) => lasting.has(part),
  };
  for (const { members, stores } of groups) {
    for (const value of members) {
      if (stores.has(value) && recomputedFrom(value, sources) === undefined) lasting.add(value);
    }
  }
  return lasting;
}

import { InternalError } from "../../graph/errors.ts";
import type { Value } from "../../graph/node.ts";
import { definitionOf } from "../../ops/table.ts";
import type { Fusion, Group } from "./groups.ts";

/**
 * Whether a group reads a value from memory rather than computing it: an input, or what another group stores. A movement
 * is never read itself, even where a root keeps it in memory: what it shows is.
 */
export function readsFromMemory(
  value: Value,
  group: Group,
  fusion: Fusion,
  isInput: (value: Value) => boolean,
): boolean {
  if (definitionOf(value.node).kind === "movement" || group.inlined.has(value)) return false;
  const owner = fusion.ownerOf.get(value);
  return isInput(value) || (owner !== undefined && owner !== group);
}

/** The values in memory that a group's kernel reads. */
export function readsOf(group: Group, fusion: Fusion, isInput: (value: Value) => boolean): Set<Value> {
  const reads = new Set<Value>();
  const seen = new Set<Value>();
  const visit = (value: Value): void => {
    if (seen.has(value)) return;
    seen.add(value);
    if (readsFromMemory(value, group, fusion, isInput)) reads.add(value);
    else value.node.inputs.forEach(visit);
  };
  group.stores.forEach(visit);
  return reads;
}

/**
 * Kernels in an order in which each runs after those whose results it reads and, where that makes no circle, after those
 * that read what it overwrites (`after` lists such pairs). Among those that could be next, the oldest is.
 */
export function orderGroups(
  fusion: Fusion,
  reads: ReadonlyMap<Group, ReadonlySet<Value>>,
  after: readonly { readonly first: Group; readonly then: Group }[],
): Group[] {
  const groups = fusion.groups.filter((group) => group.stores.size > 0);
  const before = new Map<Group, Set<Group>>(groups.map((group) => [group, new Set()]));
  for (const group of groups) {
    for (const value of reads.get(group) ?? []) {
      const owner = fusion.ownerOf.get(value);
      if (owner && owner !== group) before.get(group)?.add(owner);
    }
  }
  for (const { first, then } of after) {
    if (first !== then && !reaches(before, first, then)) before.get(then)?.add(first);
  }
  const order: Group[] = [];
  const done = new Set<Group>();
  const waiting = new Set(groups);
  while (waiting.size > 0) {
    let next: Group | undefined;
    for (const group of waiting) {
      if ([...(before.get(group) ?? [])].every((other) => done.has(other))) {
        next = group;
        break;
      }
    }
    if (next === undefined) throw new InternalError("schedule: kernels wait for each other in a circle");
    waiting.delete(next);
    done.add(next);
    order.push(next);
  }
  return order;
}

/** Whether `from` runs after `to`. */
function reaches(before: ReadonlyMap<Group, ReadonlySet<Group>>, from: Group, to: Group): boolean {
  const seen = new Set<Group>();
  const stack = [from];
  for (let group = stack.pop(); group !== undefined; group = stack.pop()) {
    if (group === to) return true;
    for (const next of before.get(group) ?? []) {
      if (seen.has(next)) continue;
      seen.add(next);
      stack.push(next);
    }
  }
  return false;
}

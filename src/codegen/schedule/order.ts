import { InternalError } from "../../graph/errors.ts";
import type { Value } from "../../graph/node.ts";
import { definitionOf } from "../../ops/table.ts";
import type { Fusion, Group } from "./groups.ts";
import type { Waits } from "./marks.ts";
import { elementBytes } from "./memory.ts";

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

/** The values in memory that a group's kernel reads; with `waits`, also those that must be there for what it waits for. */
export function readsOf(
  group: Group,
  fusion: Fusion,
  isInput: (value: Value) => boolean,
  waits?: Waits,
): Set<Value> {
  const reads = new Set<Value>();
  const seen = new Set<Value>();
  const visit = (value: Value): void => {
    if (seen.has(value)) return;
    seen.add(value);
    if (readsFromMemory(value, group, fusion, isInput)) {
      reads.add(value);
      return;
    }
    value.node.inputs.forEach(visit);
    waits?.get(value.node)?.forEach(visit);
  };
  group.stores.forEach(visit);
  return reads;
}

/**
 * Kernels in an order in which each runs after those whose results it reads and, where that makes no circle, after those
 * that read what it overwrites (`after` lists such pairs). Among those that could be next, the oldest is; or, where
 * `growth` says by how many bytes a kernel makes what must be kept grow, one for which that is least.
 */
export function orderGroups(
  fusion: Fusion,
  reads: ReadonlyMap<Group, ReadonlySet<Value>>,
  after: readonly { readonly first: Group; readonly then: Group }[],
  growth?: Growth,
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
    let least = Number.POSITIVE_INFINITY;
    for (const group of waiting) {
      if (![...(before.get(group) ?? [])].every((other) => done.has(other))) continue;
      const bytes = growth?.of(group) ?? 0;
      if (bytes >= least) continue;
      [next, least] = [group, bytes];
      if (growth === undefined) break;
    }
    if (next === undefined) throw new InternalError("schedule: kernels wait for each other in a circle");
    waiting.delete(next);
    done.add(next);
    growth?.ran(next);
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

/** How the memory for what later kernels read grows and shrinks as kernels run. */
export class Growth {
  readonly #reads: ReadonlyMap<Group, ReadonlySet<Value>>;
  readonly #isKept: (value: Value) => boolean;
  readonly #readers = new Map<Value, Set<Group>>();

  /** `isKept` tells what takes no memory of its own or is never released: inputs, results, new content of cells. */
  constructor(reads: ReadonlyMap<Group, ReadonlySet<Value>>, isKept: (value: Value) => boolean) {
    this.#reads = reads;
    this.#isKept = isKept;
    for (const [group, values] of reads) {
      for (const value of values) {
        const readers = this.#readers.get(value);
        if (readers) readers.add(group);
        else this.#readers.set(value, new Set([group]));
      }
    }
  }

  /** The bytes that a kernel stores, less those of what nobody else reads any more. */
  of(group: Group): number {
    let bytes = 0;
    for (const value of group.stores) if (!this.#isKept(value)) bytes += elementBytes(value);
    for (const value of this.#reads.get(group) ?? []) {
      if (!this.#isKept(value) && this.#readers.get(value)?.size === 1) bytes -= elementBytes(value);
    }
    return bytes;
  }

  /** Notes that a kernel has run. */
  ran(group: Group): void {
    for (const value of this.#reads.get(group) ?? []) this.#readers.get(value)?.delete(group);
  }
}

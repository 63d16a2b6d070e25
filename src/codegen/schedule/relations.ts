import type { Node, Value } from "../../graph/node.ts";
import type { Group } from "./groups.ts";
import type { Waits } from "./marks.ts";

/** Where values are while groups are being formed. */
export interface Placing {
  readonly isInput: (value: Value) => boolean;
  /** The group in whose loops a value is computed. */
  readonly homeOf: ReadonlyMap<Value, Group>;
  /** The group that stores a value. */
  readonly ownerOf: ReadonlyMap<Value, Group>;
  readonly waits: Waits;
}

/** Which groups must run before which, kept free of circles while groups grow. */
export class Relations {
  readonly #placing: Placing;
  /** All that must run before a group, directly or not. */
  readonly #before = new Map<Group, Set<Group>>();
  /** Groups after which another must run. */
  readonly #followed = new Set<Group>();
  /** Groups that compute a value wherever they read it, because it had no group of its own when they were made. */
  readonly #inlined = new Map<Value, Set<Group>>();

  constructor(placing: Placing) {
    this.#placing = placing;
  }

  /** Notes that the group computes something of `value`, from wherever that lies now. */
  depend(group: Group, value: Value): void {
    for (const other of this.#dependenciesOf(value, group)) this.#order(other, group);
  }

  /** Notes that the group computes a node of its operands, after what the node waits for. */
  compute(group: Group, node: Node): void {
    for (const input of node.inputs) this.depend(group, input);
    this.wait(group, node);
  }

  /** Notes that the group runs after what the node waits for. */
  wait(group: Group, node: Node): void {
    for (const value of this.#waitsOf(node)) this.depend(group, value);
  }

  /** Whether a node waits, beside its operands, for something that needs the group to have finished. */
  waitsFor(node: Node, group: Group): boolean {
    return this.#waitsOf(node).some((value) => this.isBehind(value, group));
  }

  #waitsOf(node: Node): readonly Value[] {
    return this.#placing.waits.get(node) ?? [];
  }

  /** Whether computing `value` needs the group to have finished. */
  isBehind(value: Value, group: Group): boolean {
    for (const other of this.#dependenciesOf(value)) {
      if (other === group || this.#reaches(other, group)) return true;
    }
    return false;
  }

  /**
   * Notes that a free value has got a group. Those that computed it themselves so far may then read it from memory,
   * unless this group waits for them: they go on as before.
   */
  held(value: Value, group: Group): void {
    for (const reader of this.#inlined.get(value) ?? []) {
      if (reader === group) continue;
      if (this.#reaches(group, reader)) reader.inlined.add(value);
      else this.#order(group, reader);
    }
  }

  /** Whether one of two groups must run before the other. */
  areOrdered(a: Group, b: Group): boolean {
    return this.#reaches(a, b) || this.#reaches(b, a);
  }

  /** From now on `group` is what `absorbed` was. */
  absorb(group: Group, absorbed: Group): void {
    for (const first of this.#before.get(absorbed) ?? []) this.#order(first, group);
    this.#before.delete(absorbed);
    for (const [then, before] of this.#before) {
      if (before.delete(absorbed)) this.#order(group, then);
    }
    for (const readers of this.#inlined.values()) {
      if (readers.delete(absorbed)) readers.add(group);
    }
  }

  /** Values in memory that computing `values` reads. */
  readsOf(values: readonly Value[]): Set<Value> {
    const { isInput, ownerOf } = this.#placing;
    const found = new Set<Value>();
    const seen = new Set<Value>();
    const visit = (part: Value): void => {
      if (seen.has(part)) return;
      seen.add(part);
      if (isInput(part) || ownerOf.has(part)) found.add(part);
      else part.node.inputs.forEach(visit);
    };
    values.forEach(visit);
    return found;
  }

  /** Whether computing a value from what lies in memory or has a group takes such a node. */
  computes(value: Value, such: (node: Node) => boolean): boolean {
    const { isInput, homeOf, ownerOf } = this.#placing;
    const seen = new Set<Value>();
    const visit = (part: Value): boolean => {
      if (seen.has(part) || isInput(part) || homeOf.has(part) || ownerOf.has(part)) return false;
      seen.add(part);
      return such(part.node) || part.node.inputs.some(visit);
    };
    return visit(value);
  }

  /** Groups that must have run before `value` can be computed outside of them; notes that `reader` computes what is free. */
  #dependenciesOf(value: Value, reader?: Group): Set<Group> {
    const { isInput, homeOf, ownerOf } = this.#placing;
    const found = new Set<Group>();
    const seen = new Set<Value>();
    const visit = (part: Value): void => {
      if (seen.has(part) || isInput(part)) return;
      seen.add(part);
      const owner = ownerOf.get(part);
      const group = owner ?? homeOf.get(part);
      if (group) found.add(group);
      else if (reader) this.#noteInlined(part, reader);
      // What a group computes without storing it is computed again by others, from what lies below.
      if (owner !== undefined) return;
      part.node.inputs.forEach(visit);
      this.#waitsOf(part.node).forEach(visit);
    };
    visit(value);
    return found;
  }

  #noteInlined(value: Value, reader: Group): void {
    const readers = this.#inlined.get(value);
    if (readers) readers.add(reader);
    else this.#inlined.set(value, new Set([reader]));
  }

  #order(first: Group, then: Group): void {
    if (first === then || this.#reaches(then, first)) return;
    const earlier = [first, ...(this.#before.get(first) ?? [])];
    const add = (before: Set<Group>): void => {
      for (const group of earlier) before.add(group);
    };
    const before = this.#before.get(then) ?? new Set();
    this.#before.set(then, before);
    this.#followed.add(first);
    add(before);
    // Most groups are ordered while nothing follows them yet.
    if (!this.#followed.has(then)) return;
    for (const others of this.#before.values()) if (others.has(then)) add(others);
  }

  /** Whether `from` depends on `to`, directly or not. */
  #reaches(from: Group, to: Group): boolean {
    return this.#before.get(from)?.has(to) ?? false;
  }
}

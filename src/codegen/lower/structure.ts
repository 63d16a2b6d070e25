import type { Value } from "../../graph/node.ts";
import type { Buffer } from "../kernel/ir.ts";
import type { Group, Template } from "../schedule/groups.ts";
import { attrsKey } from "../schedule/simplify.ts";
import type { LoweredGroup } from "./loops.ts";

/** What a group computes, up to the identity of its values. */
interface Structure {
  /** Groups of one key have the same loops. */
  readonly key: string;
  /** The values in the order in which the key numbers them. */
  readonly values: readonly Value[];
}

/**
 * Lowers each structure once: equal layers of a model have equal kernels, which differ in the values they read and write
 * alone.
 */
export class LoweredStructures {
  readonly #known = new Map<string, { readonly lowered: LoweredGroup; readonly values: readonly Value[] }>();

  /** The group's loops, made by `lower` where no group of the same structure came before. */
  lower(group: Group, inMemory: (value: Value) => boolean, lower: () => LoweredGroup): LoweredGroup {
    const { key, values } = structureOf(group, inMemory);
    const known = this.#known.get(key);
    if (known) {
      const places = new Map(known.values.map((value, i) => [value, values[i]]));
      return withValues(known.lowered, group, places);
    }
    const lowered = lower();
    const named = new Set(values);
    if ([...lowered.buffers.keys()].every((value) => named.has(value)))
      this.#known.set(key, { lowered, values });
    return lowered;
  }
}

/** The same loops for another group's values. */
function withValues(lowered: LoweredGroup, group: Group, places: ReadonlyMap<Value, Value>): LoweredGroup {
  const { widen } = lowered;
  const buffers = new Map<Value, Buffer>();
  for (const [value, buffer] of lowered.buffers) buffers.set(places.get(value) ?? value, buffer);
  return {
    ...lowered,
    group,
    buffers,
    ...(widen && { widen: (elements) => withValues(widen(elements), group, places) }),
  };
}

function structureOf(group: Group, inMemory: (value: Value) => boolean): Structure {
  const numbers = new Map<Value, number>();
  const values: Value[] = [];
  const parts: string[] = [];
  const visit = (value: Value): number => {
    const known = numbers.get(value);
    if (known !== undefined) return known;
    const { node, dtype, shape, index } = value;
    const type = `${dtype}[${shape.join()}]`;
    const text = inMemory(value)
      ? `memory ${type}`
      : `${node.op}.${index}(${node.inputs.map(visit).join()})${attrsKey(node.attrs)} ${type}`;
    parts.push(text);
    values.push(value);
    numbers.set(value, values.length - 1);
    return values.length - 1;
  };
  const all = (of: Iterable<Value>): string => [...of].map(visit).join();
  // The lists visit what the parts describe: they come first.
  const stores = all(group.stores);
  const members = all(group.members);
  const key = `${templateKey(group.template, visit)} ${stores} ${members}\n${parts.join("\n")}`;
  return { key, values };
}

function templateKey(template: Template, numberOf: (value: Value) => number): string {
  const { kind } = template;
  switch (kind) {
    case "map":
      return `${kind} ${template.shape.join()}`;
    case "row":
      return `${kind} ${template.rows.join()} ${template.length}`;
    case "reduce":
      return `${kind} ${template.shape.join()} ${template.dims.join()}`;
    case "contract":
      return `${kind} ${template.shape.join()} ${template.beside}`;
    case "sort":
      return `${kind} ${numberOf(template.order)}`;
    case "scatter":
      return `${kind} ${numberOf(template.target)}`;
    case "attend":
    case "attendGradient":
      return `${kind} ${template.node.outputs.map(numberOf).join()}`;
  }
}

import type { Value } from "../../graph/node.ts";
import { build } from "../../ops/build.ts";

/** A value that a program is given, and where it lies if it has a place of its own. */
export interface ProgramInput {
  readonly value: Value;
  readonly region?: { readonly arena: number; readonly byteOffset: number };
}

/**
 * Leaves for inputs that were computed by an earlier run: what they were made of is of no concern to a plan. Inputs that
 * lie in one place (a cell, and the value last assigned to it) have one leaf.
 */
export function standInsOf(inputs: readonly ProgramInput[]): Map<Value, Value> {
  const standIns = new Map<Value, Value>();
  const atPlace = new Map<string, Value>();
  for (const { value, region } of inputs) {
    const place = region && `${region.arena}+${region.byteOffset}`;
    const before = place === undefined ? undefined : atPlace.get(place);
    const leaf = before ?? (value.node.inputs.length > 0 ? standIn(value) : value);
    if (place !== undefined) atPlace.set(place, leaf);
    if (leaf !== value) standIns.set(value, leaf);
  }
  return standIns;
}

function standIn({ shape, dtype }: Value): Value {
  const source = { kind: "result", name: "result" } as const;
  return build("source", [], { shape, dtype, source, version: 0, requiresGrad: false }).outputs[0];
}

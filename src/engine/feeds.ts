import type { DType } from "../graph/dtype.ts";
import type { Node, Value } from "../graph/node.ts";
import { build } from "../ops/build.ts";
import type { SourceAttrs } from "../ops/leaves.ts";
import { typed } from "../ops/table.ts";
import type { ProgramInput, Storage } from "../runtime/device.ts";

/** An input of a program with the data of one run. */
export interface Feed {
  readonly value: Value;
  readonly storage: Storage;
  readonly name: string;
}

/** The known values that the nodes of `order` and the roots read, in a fixed order. */
export function knownInputs(
  order: readonly Node[],
  roots: readonly Value[],
  isKnown: (value: Value) => boolean,
): Set<Value> {
  const known = new Set<Value>();
  for (const node of order) {
    for (const input of node.inputs) if (isKnown(input)) known.add(input);
  }
  for (const root of roots) if (isKnown(root)) known.add(root);
  return known;
}

/** Program inputs with their places: arenas are numbered in the order in which they appear. */
export function describeInputs(inputs: readonly Feed[]): ProgramInput[] {
  const arenas = new Map<unknown, number>();
  return inputs.map(({ value, storage, name }) => {
    if (storage.kind !== "region") return { value, name };
    const arena = arenas.get(storage.block) ?? arenas.size;
    arenas.set(storage.block, arena);
    return { value, name, region: { arena, byteOffset: storage.byteOffset } };
  });
}

/** What a value is called in kernel listings and messages. */
export function nameOf(value: Value): string {
  const node = typed(value.node);
  return node.op === "source" ? node.attrs.source.name : node.op;
}

/** A number as the one element of a host array. */
export function scalarStorage(dtype: DType, value: number): Storage {
  switch (dtype) {
    case "f32":
      return { kind: "host", data: Float32Array.of(value) };
    case "f64":
      return { kind: "host", data: Float64Array.of(value) };
    case "i32":
      return { kind: "host", data: Int32Array.of(value) };
    case "u32":
      return { kind: "host", data: Uint32Array.of(value) };
    case "bool":
      return { kind: "host", data: Uint8Array.of(value) };
  }
}

/** A leaf for data that a run is fed with. */
export function sourceLeaf(attrs: SourceAttrs): Value {
  return build("source", [], attrs).outputs[0];
}

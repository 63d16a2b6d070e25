import { storedIn, usedIn } from "../kernel/buffers.ts";
import type { Buffer, Kernel } from "../kernel/ir.ts";

/** Where a buffer's elements lie: in which of the program's memories, from which byte on. */
export interface Place {
  readonly memory: number;
  readonly byteOffset: number;
}

/** One storage binding of a kernel. */
export interface Binding {
  readonly memory: number;
  /** Where it begins and how long it is; a whole memory has neither. */
  readonly range: { readonly byteOffset: number; readonly bytes: number } | undefined;
  /** Buffers that lie there: those of one binding share its memory. */
  readonly buffers: readonly Buffer[];
  readonly writable: boolean;
}

/**
 * How a kernel's buffers are bound. `separate`: each place is a binding with an offset of its own. `whole`: each memory
 * is one binding of words, and the places in it are numbers that travel in a uniform buffer, in the order of `offsets`.
 */
export interface Layout {
  readonly kind: "separate" | "whole";
  readonly bindings: readonly Binding[];
  /** Of a `whole` layout: the buffers that have an offset, in its order, in elements. */
  readonly offsets: ReadonlyMap<Buffer, number>;
}

/**
 * Chooses bindings. A memory that the kernel writes anywhere must be bound for writing everywhere in it, and no two of
 * its bindings may overlap; where they would, or where there would be more bindings than the device has, memories are
 * bound whole. @throws nothing: the caller checks the number of memories.
 */
export function chooseLayout(
  kernel: Pick<Kernel, "buffers" | "body">,
  placeOf: (buffer: Buffer) => Place,
  maxBindings: number,
): Layout {
  const used = usedIn(kernel.body);
  const buffers = kernel.buffers.filter((buffer) => buffer.access !== "workgroup" && used.has(buffer));
  const written = new Set(
    [...storedIn(kernel.body)].flatMap((b) => (b.access === "workgroup" ? [] : [placeOf(b).memory])),
  );
  const separate = separateBindings(buffers, placeOf, written);
  if (separate !== undefined && separate.length <= maxBindings)
    return { kind: "separate", bindings: separate, offsets: new Map() };
  const memories = [...new Set(buffers.map((buffer) => placeOf(buffer).memory))];
  return {
    kind: "whole",
    bindings: memories.map((memory) => ({
      memory,
      range: undefined,
      buffers: buffers.filter((buffer) => placeOf(buffer).memory === memory),
      writable: written.has(memory),
    })),
    offsets: new Map(buffers.map((buffer) => [buffer, placeOf(buffer).byteOffset / 4])),
  };
}

/** A binding a place; undefined where two of them would overlap, or one place is read as two types. */
function separateBindings(
  buffers: readonly Buffer[],
  placeOf: (buffer: Buffer) => Place,
  written: ReadonlySet<number>,
): Binding[] | undefined {
  const at = new Map<string, { readonly place: Place; readonly buffers: Buffer[] }>();
  for (const buffer of buffers) {
    const place = placeOf(buffer);
    const key = `${place.memory}+${place.byteOffset}`;
    const there = at.get(key);
    if (there) there.buffers.push(buffer);
    else at.set(key, { place, buffers: [buffer] });
  }
  const bindings = [...at.values()].map(({ place: { memory, byteOffset }, buffers: here }): Binding => {
    const length = Math.max(1, ...here.map((buffer) => buffer.length));
    return { memory, range: { byteOffset, bytes: length * 4 }, buffers: here, writable: written.has(memory) };
  });
  const mixed = bindings.some((one) => new Set(one.buffers.map(({ type }) => type)).size > 1);
  const overlap = bindings.some((one) =>
    bindings.some((other) => one !== other && one.writable && overlaps(one, other)),
  );
  return mixed || overlap ? undefined : bindings;
}

function overlaps(one: Binding, other: Binding): boolean {
  if (one.memory !== other.memory || one.range === undefined || other.range === undefined) return false;
  const starts = one.range.byteOffset < other.range.byteOffset + other.range.bytes;
  return starts && other.range.byteOffset < one.range.byteOffset + one.range.bytes;
}

import type { Value } from "../../graph/node.ts";
import { numel } from "../../graph/shape.ts";

/** Where a value or scratch lies while a program runs. */
export type Placement =
  /** The storage that an input is fed with: a region of a cell. */
  | { readonly kind: "input"; readonly input: number }
  /** Memory that all programs of a device share, one after the other. */
  | { readonly kind: "workspace"; readonly byteOffset: number };

/** Something that needs workspace from one step to another, both included. */
export interface Lifetime<Key> {
  readonly key: Key;
  readonly bytes: number;
  readonly from: number;
  readonly to: number;
}

export function elementBytes(value: Value): number {
  return numel(value.shape) * 4;
}

/**
 * Offsets such that things that live at the same time do not overlap: largest first, each at the lowest place that is
 * free throughout its life (Pisarchyk and Lee, Efficient memory management for deep neural net inference, 2020).
 * Offsets are multiples of `alignment`.
 */
export function planMemory<Key>(
  lifetimes: readonly Lifetime<Key>[],
  alignment = 64,
): {
  offsets: Map<Key, number>;
  bytes: number;
} {
  const offsets = new Map<Key, number>();
  const placed: {
    readonly from: number;
    readonly to: number;
    readonly start: number;
    readonly end: number;
  }[] = [];
  let bytes = 0;
  for (const { key, bytes: size, from, to } of [...lifetimes].sort((a, b) => b.bytes - a.bytes)) {
    const length = Math.max(alignment, Math.ceil(size / alignment) * alignment);
    const neighbours = placed
      .filter((other) => other.from <= to && from <= other.to)
      .sort((a, b) => a.start - b.start);
    let start = 0;
    for (const other of neighbours) {
      if (other.start - start >= length) break;
      start = Math.max(start, other.end);
    }
    placed.push({ from, to, start, end: start + length });
    offsets.set(key, start);
    bytes = Math.max(bytes, start + length);
  }
  return { offsets, bytes };
}

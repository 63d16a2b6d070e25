import type { Value } from "../../graph/node.ts";
import { add, constant, type Expression, multiply } from "../index/expression.ts";
import type { Buffer, Statement } from "../kernel/ir.ts";
import type { Group } from "../schedule/groups.ts";
import type { Block } from "./block.ts";
import type { Computation } from "./compute.ts";

/** A kernel before it is named: its statements, and what its buffers hold. */
export interface LoweredGroup {
  readonly group: Group;
  readonly body: readonly Statement[];
  /** Buffers of values, in order of first use; the kernel's parameters. */
  readonly buffers: ReadonlyMap<Value, Buffer>;
  readonly scratch: readonly Buffer[];
  /** Memory that each workgroup has for itself. */
  readonly shared?: readonly Buffer[];
  readonly flops: number;
  /** For elementwise kernels: the same over more elements, which lie behind the first ones in every buffer. */
  readonly widen?: (elements: number) => LoweredGroup;
}

/** Body of a loop over elements: where it stands, which lane of a vector it is (undefined in a tail of single elements). */
export type ElementBody = (inner: Block, index: Expression, lane: Expression | undefined) => void;

/**
 * A loop over `extent` elements, `width` of them at a time in vector registers, and the rest one by one. `width` is a
 * multiple of 4, or 1 for single elements throughout.
 */
export function elementLoop(
  block: Block,
  extent: number,
  width: number,
  tag: "grid" | "loop",
  body: ElementBody,
): void {
  if (width === 1) {
    block.loop("j", extent, tag, (inner, index) => body(inner, index, undefined));
    return;
  }
  const turns = Math.floor(extent / width);
  block.loop("j", turns, tag, (outer, turn) =>
    outer.loop("v", width, "vector", (inner, lane) => body(inner, add(multiply(turn, width), lane), lane)),
  );
  const done = turns * width;
  const four = Math.floor((extent - done) / 4) * 4;
  if (four > 0) {
    block.loop("v", four, "vector", (inner, lane) => body(inner, add(done, lane), lane));
  }
  block.loop("j", extent - done - four, tag, (inner, index) =>
    body(inner, add(done + four, index), undefined),
  );
}

/** A loop over blocks of `size`, and one block of what is left. */
export function blocks(
  block: Block,
  prefix: string,
  extent: number,
  size: number,
  tag: "grid" | "loop",
  body: (inner: Block, size: number, start: Expression) => void,
): void {
  const full = Math.floor(extent / size);
  block.loop(prefix, full, tag, (inner, turn) => body(inner, size, multiply(turn, size)));
  if (extent > full * size) body(block, extent - full * size, constant(full * size));
}

/** A value to be computed at an index, and its place in memory. */
export interface Stored {
  readonly value: Value;
  readonly index: readonly Expression[];
  readonly position: Expression;
}

/** Computes every value at its index before anything is stored, so that a store cannot change what another one reads. */
export function storeAll(block: Block, computation: Computation, values: readonly Stored[]): void {
  const computed = values.map(({ value, index }) => block.let(computation.element(value, index, block)));
  values.forEach(({ value, position }, i) => {
    block.store(computation.bufferOf(value), position, computed[i]);
  });
}

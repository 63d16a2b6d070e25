import type { TypedArray } from "../../../src/graph/dtype.ts";
import { topologicalOrder, type Value } from "../../../src/graph/node.ts";
import { numel } from "../../../src/graph/shape.ts";
import { typed } from "../../../src/ops/table.ts";
import type { Device, Program, Region, Storage } from "../../../src/runtime/device.ts";

/** A cell that a program reads and writes: a constant, whose data it holds at first. */
export interface Cell {
  readonly leaf: Value;
  readonly arena: number;
  readonly byteOffset: number;
}

/** Cells one behind the other at multiples of 256 bytes, each list in an arena of its own. */
export function pack(arenas: readonly (readonly Value[])[]): Cell[] {
  return arenas.flatMap((leaves, arena) => {
    let end = 0;
    return leaves.map((leaf) => {
      const byteOffset = end;
      end += Math.max(256, Math.ceil((numel(leaf.shape) * 4) / 256) * 256);
      return { leaf, arena, byteOffset };
    });
  });
}

export interface CellWrite {
  readonly cell: Cell;
  readonly value: Value;
}

/** The program that computes `outputs` and writes cells; constants that are no cells are fed. */
export function programWithCells(
  cells: readonly Cell[],
  outputs: readonly Value[],
  writes: readonly CellWrite[],
): Program {
  const known = new Set(cells.map(({ leaf }) => leaf));
  const values = [...outputs, ...writes.map(({ value }) => value)];
  const constants = topologicalOrder(values).flatMap((node) => {
    const [value] = node.outputs;
    return node.op === "constant" && !known.has(value) ? [{ value, name: "constant" }] : [];
  });
  const inputs = cells.map(({ leaf, arena, byteOffset }, i) => ({
    value: leaf,
    name: `cell${i}`,
    region: { arena, byteOffset },
  }));
  return {
    inputs: [...inputs, ...constants],
    outputs,
    writes: writes.map(({ cell, value }) => ({ input: cells.indexOf(cell), value })),
  };
}

/** Runs a program once on fresh cells: its outputs, and what the cells hold then. */
export async function runOnCells(
  device: Device,
  cells: readonly Cell[],
  program: Program,
  times = 1,
): Promise<{ readonly outputs: TypedArray[]; readonly cells: TypedArray[] }> {
  const ends = new Map<number, number>();
  for (const { arena, byteOffset, leaf } of cells) {
    ends.set(arena, Math.max(ends.get(arena) ?? 256, byteOffset + numel(leaf.shape) * 4 + 256));
  }
  const blocks = new Map([...ends].map(([arena, bytes]) => [arena, device.createBlock(bytes)]));
  const regions = cells.map(({ leaf, arena, byteOffset }): Region => {
    const block = blocks.get(arena);
    if (block === undefined) throw new Error("no block");
    const region: Region = {
      kind: "region",
      block,
      byteOffset,
      dtype: leaf.dtype,
      length: numel(leaf.shape),
    };
    device.write(region, dataOf(leaf));
    return region;
  });
  const feeds = program.inputs.map(
    ({ value }, i): Storage => regions[i] ?? { kind: "host", data: dataOf(value) },
  );
  const executable = device.prepare(program);
  let results: Storage[] = [];
  for (let i = 0; i < times; i++) results = executable.run(feeds);
  const read = (storages: readonly Storage[]): Promise<TypedArray[]> =>
    Promise.all(storages.map((storage) => device.read(storage)));
  const found = { outputs: await read(results), cells: await read(regions) };
  for (const block of blocks.values()) block.release();
  return found;
}

function dataOf(leaf: Value): TypedArray {
  const node = typed(leaf.node);
  if (node.op !== "constant") throw new Error(`${node.op} has no data`);
  return node.attrs.data;
}

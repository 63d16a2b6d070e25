import { isFloat, type TypedArray } from "../../graph/dtype.ts";
import type { Value } from "../../graph/node.ts";
import { numel } from "../../graph/shape.ts";
import * as b from "../../ops/builders.ts";
import type { Device, Program, Region, Storage } from "../../runtime/device.ts";
import type { CellData, Disagreement, FuzzCase } from "./cases.ts";
import { beyondBounds, describeDifference, sameBits, type Tally } from "./elements.ts";
import { expectedOf } from "./expected.ts";
import { applySteps, buildGraph, type GraphData } from "./graphData.ts";
import { numbersOf } from "./numbers.ts";

/** Runs of one program; each begins with what the one before left in the cells. */
const runs = 3;

/** A case's program on the leaves and results of its graph. */
function programOf({ cells = [] }: FuzzCase, leaves: readonly Value[], outputs: readonly Value[]): Program {
  const regions = new Map(cells.map(({ leaf, arena, byteOffset }) => [leaf, { arena, byteOffset }]));
  return {
    inputs: leaves.map((value, leaf) => {
      const region = regions.get(leaf);
      return { value, name: `leaf${leaf}`, ...(region ? { region } : {}) };
    }),
    outputs,
    writes: cells.flatMap(({ leaf, takes }) =>
      takes === undefined ? [] : [{ input: leaf, value: outputs[takes] }],
    ),
  };
}

/** The cells' regions in blocks of their arenas, filled with what the leaves hold. */
function openCells(device: Device, cells: readonly CellData[], { leaves }: GraphData) {
  const ends = new Map<number, number>();
  for (const { arena, byteOffset, leaf } of cells) {
    const end = byteOffset + 4 * numel(leaves[leaf].shape) + 256;
    ends.set(arena, Math.max(ends.get(arena) ?? 256, Math.ceil(end / 256) * 256));
  }
  const blocks = new Map([...ends].map(([arena, bytes]) => [arena, device.createBlock(bytes)]));
  const regions = new Map<number, Region>();
  for (const { arena, byteOffset, leaf } of cells) {
    const { shape, dtype, numbers } = leaves[leaf];
    const block = blocks.get(arena);
    if (block === undefined) continue;
    const region: Region = { kind: "region", block, byteOffset, dtype, length: numel(shape) };
    device.write(region, numbersOf(numbers, dtype, region.length));
    regions.set(leaf, region);
  }
  return { blocks: [...blocks.values()], regions };
}

/** What the graph gives in f64 where its leaves hold these numbers, and how far off a device may be. */
async function expectedFrom(graph: GraphData, data: readonly TypedArray[]) {
  const leaves = graph.leaves.map(({ shape, dtype }, i) =>
    isFloat(dtype) ? b.constant(shape, "f64", Float64Array.from(data[i])) : b.constant(shape, dtype, data[i]),
  );
  return expectedOf(applySteps(graph, leaves, "f64").outputs);
}

/**
 * Runs a program that changes cells several times. Each run is judged by what the cells held before it, so that nothing adds
 * up; cells that nobody writes must stay what they were to the bit.
 */
export async function judgeCells(
  fuzzCase: FuzzCase,
  device: Device,
  tally: Tally,
): Promise<Disagreement | undefined> {
  const { graph, cells = [] } = fuzzCase;
  const { leaves, outputs } = buildGraph(graph, "f32");
  const data = graph.leaves.map(({ shape, dtype, numbers }) => numbersOf(numbers, dtype, numel(shape)));
  const { blocks, regions } = openCells(device, cells, graph);
  const executable = device.prepare(programOf(fuzzCase, leaves, outputs));
  for (const { template } of executable.kernels) tally.templates.add(template);
  try {
    for (let run = 0; run < runs; run++) {
      const expected = await expectedFrom(graph, data);
      const feeds = data.map((array, i): Storage => regions.get(i) ?? { kind: "host", data: array });
      const results = await Promise.all(executable.run(feeds).map((storage) => device.read(storage)));
      const held = new Map<number, TypedArray>();
      for (const [leaf, region] of regions) held.set(leaf, await device.read(region));
      const compare = (of: string, k: number, actual: TypedArray): Disagreement | undefined => {
        const name = `${of} in run ${run}`;
        const difference = beyondBounds(
          name,
          outputs[k],
          actual,
          expected.values[k],
          expected.bounds[k],
          tally,
        );
        if (!difference) return undefined;
        return { oracle: "bound", device: device.name, message: describeDifference(difference), difference };
      };
      for (const [k, result] of results.entries()) {
        const found = compare(`output ${k}`, k, result);
        if (found) return found;
      }
      for (const { leaf, takes } of cells) {
        const content = held.get(leaf) ?? data[leaf];
        if (takes === undefined && !sameBits(content, data[leaf])) {
          const message = `leaf ${leaf}, a cell that nobody writes, changed in run ${run}`;
          return { oracle: "untouched", device: device.name, message };
        }
        const found = takes === undefined ? undefined : compare(`cell of leaf ${leaf}`, takes, content);
        if (found) return found;
        data[leaf] = content;
      }
    }
    return undefined;
  } finally {
    executable.dispose();
    for (const block of blocks) block.release();
  }
}

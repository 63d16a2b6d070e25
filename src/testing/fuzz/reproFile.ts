import { FileFormatError, FusegradError } from "../../graph/errors.ts";
import { topologicalOrder, type Value } from "../../graph/node.ts";
import { formatShape, numel, sameShape } from "../../graph/shape.ts";
import { type JsonObject, type JsonValue, parseJsonObject } from "../../io/strictJson.ts";
import { build } from "../../ops/build.ts";
import { expandComposites } from "../../ops/expand.ts";
import type { AttrsOf, OpName } from "../../ops/table.ts";
import {
  fail,
  readDType,
  readInteger,
  readList,
  readNumber,
  readRecord,
  readShape,
  readSteps,
  writeAttributes,
  writeNumber,
} from "./attributes.ts";
import { type CellData, type Check, checks, type FuzzCase } from "./cases.ts";
import type { GraphData, LeafData } from "./graphData.ts";
import type { LeafNumbers } from "./numbers.ts";

/** A case that disagrees, with all that is needed to run it alone. */
export interface Repro {
  readonly fuzzCase: FuzzCase;
  /** Names of the devices that it was run on. */
  readonly devices: readonly string[];
  /** What it was made with: of fusegrad and its surroundings. For people. */
  readonly versions: Readonly<Record<string, string>>;
  /** What was found. For people. */
  readonly found: string;
}

/** Larger values are refused before anything is allocated. */
const mostElements = 2 ** 22;
/** As much for all values of a graph together, composites expanded. */
const mostWork = 2 ** 25;

/** The text of a repro file: JSON. */
export function writeRepro({ fuzzCase, devices, versions, found }: Repro): string {
  const { check, graph, cells } = fuzzCase;
  const leaves = graph.leaves.map(({ shape, dtype, numbers }) => ({
    shape,
    dtype,
    numbers: numbers.kind === "list" ? { kind: "list", values: numbers.values.map(writeNumber) } : numbers,
  }));
  const steps = graph.steps.map(({ op, inputs, attrs }) => ({ op, inputs, attrs: writeAttributes(attrs) }));
  const head = { format: "fusegrad-repro", version: 1, versions, devices, found, check };
  // A line for each leaf and step.
  const lines = (items: readonly unknown[]): string =>
    items.map((item) => `\n    ${JSON.stringify(item)}`).join(",");
  const body = [
    `"leaves": [${lines(leaves)}]`,
    `"steps": [${lines(steps)}]`,
    `"results": ${JSON.stringify(graph.results)}`,
    ...(cells ? [`"cells": [${lines(cells)}]`] : []),
  ];
  const members = Object.entries(head).map(([key, value]) => `"${key}": ${JSON.stringify(value)}`);
  return `{\n  ${[...members, ...body].join(",\n  ")}\n}\n`;
}

/**
 * Reads a repro file. Nothing is allocated before all of it is checked, and no value may have more than 4 Mi elements.
 * @throws FileFormatError naming what is wrong.
 */
export function readRepro(text: string): Repro {
  const record = parseJsonObject(text, "repro");
  if (record.format !== "fusegrad-repro") fail("format", '"fusegrad-repro"', record.format);
  if (record.version !== 1) fail("version", "1", record.version);
  const check =
    checks.find((name) => name === record.check) ?? fail("check", checks.join(", "), record.check);
  const { graph, values } = readGraph(record);
  const cells = readCells(record.cells, check, graph, values);
  return {
    fuzzCase: { check, graph, ...(cells ? { cells } : {}) },
    devices: readList(record.devices, "devices", 100, readText),
    versions: Object.fromEntries(
      Object.entries(readRecord(record.versions, "versions")).map(([key, value]) => [
        key,
        readText(value, key),
      ]),
    ),
    found: readText(record.found, "found"),
  };
}

function readText(value: JsonValue | undefined, what: string): string {
  return typeof value === "string" ? value : fail(what, "a text", value);
}

/** The graph, and its values without data. */
function readGraph(record: JsonObject): { readonly graph: GraphData; readonly values: readonly Value[] } {
  const leaves = readList(record.leaves, "leaves", 10_000, readLeaf);
  const values: Value[] = leaves.map(({ shape, dtype }) => standIn(shape, dtype));
  const steps = readSteps(
    record.steps,
    "steps",
    (value) => values[value]?.shape.length ?? 0,
    ({ op, inputs, attrs }, what) => {
      const missing = inputs.find((input) => input >= values.length);
      if (missing !== undefined) fail(`${what}.inputs`, `values below ${values.length}`, missing);
      const operands = inputs.map((input) => values[input]);
      // The reader of attributes has read those of this op.
      const node = checked(what, () => build(op as OpName, operands, attrs as AttrsOf<OpName>));
      for (const { shape } of node.outputs) checkSize(what, numel(shape));
      values.push(...node.outputs);
    },
  );
  const results = readList(record.results, "results", 10_000, (item, what) =>
    readInteger(item, what, 0, values.length - 1),
  );
  checkWork(results.map((result) => values[result]));
  return { graph: { leaves, steps, results }, values };
}

/** A leaf without data: shapes and dtypes are all that building looks at. */
function standIn(shape: LeafData["shape"], dtype: LeafData["dtype"]): Value {
  const source = { kind: "argument", name: "leaf" } as const;
  return build("source", [], { shape, dtype, source, version: 0, requiresGrad: false }).outputs[0];
}

function checked<T>(what: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    if (cause instanceof FileFormatError) throw cause;
    // A FusegradError says what is wrong with the operands; others come of attributes that no builder would give.
    const message = cause instanceof FusegradError ? cause.message : "operands and attributes do not fit";
    throw new FileFormatError(`repro: ${what}: ${message}`, { cause });
  }
}

function checkSize(what: string, elements: number): void {
  if (elements <= mostElements && Number.isSafeInteger(elements) && elements >= 0) return;
  throw new FileFormatError(`repro: ${what} has ${elements} elements, wanted at most ${mostElements}`);
}

/** Composites may need far more than they give. */
function checkWork(results: readonly Value[]): void {
  const expansion = checked("the graph", () => expandComposites(results, () => false));
  let work = 0;
  for (const node of topologicalOrder(results.map(expansion.valueOf))) {
    for (const { shape } of node.outputs) work += numel(shape);
    if (node.op === "matmul") work += numel(node.outputs[0].shape) * (node.inputs[0].shape.at(-1) ?? 1);
  }
  if (!(work <= mostWork))
    throw new FileFormatError(`repro: the graph computes ${work} numbers, wanted at most ${mostWork}`);
}

function readLeaf(value: JsonValue, what: string): LeafData {
  const record = readRecord(value, what);
  const shape = readShape(record.shape, `${what}.shape`);
  const dtype = readDType(record.dtype, `${what}.dtype`);
  checkSize(what, numel(shape));
  const numbers = readNumbers(record.numbers, `${what}.numbers`);
  if (numbers.kind === "list" && numbers.values.length !== numel(shape)) {
    throw new FileFormatError(
      `repro: ${what} lists ${numbers.values.length} numbers, wanted ${numel(shape)} for ${formatShape(shape)}`,
    );
  }
  return { shape, dtype, numbers };
}

function readNumbers(value: JsonValue | undefined, what: string): LeafNumbers {
  const { kind, seed, values } = readRecord(value, what);
  if (kind === "list") return { kind, values: readList(values, `${what}.values`, mostElements, readNumber) };
  if (kind !== "pattern" && kind !== "spread" && kind !== "edges")
    return fail(`${what}.kind`, "list, pattern, spread or edges", kind);
  return { kind, seed: readInteger(seed, `${what}.seed`, 0, 2 ** 32 - 1) };
}

function readCells(
  value: JsonValue | undefined,
  check: Check,
  { leaves, results }: GraphData,
  values: readonly Value[],
): CellData[] | undefined {
  if ((check === "steps") !== (value !== undefined))
    return fail("cells", "a list for the check steps alone", value);
  if (value === undefined) return undefined;
  const cells = readList(value, "cells", leaves.length, (item, what): CellData => {
    const record = readRecord(item, what);
    const cell = {
      leaf: readInteger(record.leaf, `${what}.leaf`, 0, leaves.length - 1),
      arena: readInteger(record.arena, `${what}.arena`, 0, 100),
      byteOffset: readInteger(record.byteOffset, `${what}.byteOffset`, 0, 4 * mostElements),
    };
    if (cell.byteOffset % 256 !== 0) fail(`${what}.byteOffset`, "a multiple of 256", cell.byteOffset);
    if (record.takes === undefined) return cell;
    const takes = readInteger(record.takes, `${what}.takes`, 0, results.length - 1);
    const [old, taken] = [values[cell.leaf], values[results[takes]]];
    if (old.dtype !== taken.dtype || !sameShape(old.shape, taken.shape))
      fail(`${what}.takes`, `a result of ${old.dtype} ${formatShape(old.shape)}`, takes);
    return { ...cell, takes };
  });
  checkOverlaps(cells, leaves);
  return cells;
}

/** No two cells may share memory, and none may take what it cannot hold. */
function checkOverlaps(cells: readonly CellData[], leaves: readonly LeafData[]): void {
  const sorted = [...cells].sort((p, q) => p.arena - q.arena || p.byteOffset - q.byteOffset);
  sorted.forEach(({ arena, byteOffset, leaf }, i) => {
    const next = sorted[i + 1];
    const end = byteOffset + Math.max(1, numel(leaves[leaf].shape)) * 4;
    if (next?.arena === arena && next.byteOffset < end)
      throw new FileFormatError(`repro: cells of leaves ${leaf} and ${next.leaf} overlap`);
  });
}

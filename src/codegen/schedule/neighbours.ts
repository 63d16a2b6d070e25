import type { Value } from "../../graph/node.ts";
import { numel } from "../../graph/shape.ts";
import { format } from "../index/expression.ts";
import type { Buffer, Scalar, Statement } from "../kernel/ir.ts";
import { argsOf } from "../kernel/scalars.ts";
import type { LoweredGroup } from "../lower/loops.ts";
import { mergeSteps, type Step } from "./steps.ts";

/** Where a value lies in a cell. */
export interface CellRegion {
  readonly arena: number;
  readonly byteOffset: number;
  readonly input: number;
}

const alignment = 256;

/** A flat elementwise kernel over cells: what it does, and where it does it. */
interface FlatKernel {
  readonly lowered: LoweredGroup;
  readonly elements: number;
  /** What its buffers are called in `shape`. */
  readonly names: ReadonlyMap<Value, string>;
  /** What is computed, without names and sizes. */
  readonly shape: string;
  readonly byteOffset: number;
}

/**
 * Elementwise kernels that compute the same for cells that lie one behind the other in all their arenas become one kernel
 * over the whole range: an optimizer's step is one kernel a shard. The few bytes of padding between cells are computed
 * too, and read by nobody.
 */
export function mergeNeighbours(
  steps: readonly Step[],
  regionOf: (value: Value) => CellRegion | undefined,
): readonly Step[] {
  const classes = new Map<string, FlatKernel[]>();
  const shared = new Map<Value, number>();
  for (const { lowered } of steps) {
    const flat = describeFlat(lowered, regionOf, shared);
    if (flat === undefined) continue;
    const alike = classes.get(flat.shape) ?? [];
    alike.push(flat);
    classes.set(flat.shape, alike);
  }
  let merged = steps;
  for (const alike of classes.values()) {
    for (const run of runsOf(alike)) {
      const last = run[run.length - 1];
      const elements = (last.byteOffset - run[0].byteOffset) / 4 + last.elements;
      const widened = run.length < 2 ? undefined : widen(run[0], elements);
      if (widened !== undefined)
        merged = mergeSteps(merged, new Set(run.map((flat) => flat.lowered)), widened) ?? merged;
    }
  }
  return merged;
}

/** Kernels whose cells follow each other without a gap but alignment. */
function runsOf(alike: readonly FlatKernel[]): FlatKernel[][] {
  const runs: FlatKernel[][] = [];
  for (const kernel of [...alike].sort((a, b) => a.byteOffset - b.byteOffset)) {
    const run = runs[runs.length - 1];
    const before = run?.[run.length - 1];
    const next =
      before && Math.ceil((before.byteOffset + Math.max(before.elements * 4, 1)) / alignment) * alignment;
    if (run && next === kernel.byteOffset) run.push(kernel);
    else runs.push([kernel]);
  }
  return runs;
}

/** The first kernel of a run over as many elements; undefined where its reads are flat within its own bounds alone. */
function widen({ lowered, names, shape }: FlatKernel, elements: number): LoweredGroup | undefined {
  const widened = lowered.widen?.(elements);
  if (widened === undefined) return undefined;
  const buffers = [...widened.buffers].map(([value, buffer]) => [buffer, names.get(value) ?? ""] as const);
  return formatFlat(widened.body, new Map(buffers)) === shape ? widened : undefined;
}

function describeFlat(
  kernel: LoweredGroup,
  regionOf: (value: Value) => CellRegion | undefined,
  shared: Map<Value, number>,
): FlatKernel | undefined {
  const { group, body, buffers, scratch } = kernel;
  if (group.template.kind !== "map" || scratch.length > 0) return undefined;
  const elements = numel(group.template.shape);
  // A single element is read in place by whatever view: nothing tells how it would be read among others.
  if (elements < 2) return undefined;
  const names = new Map<Value, string>();
  let byteOffset: number | undefined;
  for (const [value, buffer] of buffers) {
    if (numel(value.shape) === 1) {
      // One number for all elements: alike kernels read the very same value.
      if (!shared.has(value)) shared.set(value, shared.size);
      names.set(value, `shared${shared.get(value)}`);
      continue;
    }
    const region = regionOf(value);
    if (region === undefined || buffer.length !== elements) return undefined;
    if (byteOffset !== undefined && byteOffset !== region.byteOffset) return undefined;
    byteOffset = region.byteOffset;
    names.set(value, `arena${region.arena}`);
  }
  if (byteOffset === undefined) return undefined;
  const shape = formatFlat(
    body,
    new Map([...buffers].map(([value, buffer]) => [buffer, names.get(value) ?? ""])),
  );
  return shape === undefined ? undefined : { lowered: kernel, elements, names, shape, byteOffset };
}

/**
 * What an elementwise body computes, without its sizes: undefined if it reads anything of many elements elsewhere than
 * where it writes, or depends on the position itself.
 */
function formatFlat(body: readonly Statement[], names: ReadonlyMap<Buffer, string>): string | undefined {
  const inner = innermost(body);
  const stores = inner.filter((statement) => statement.kind === "store");
  const [first] = stores;
  if (first === undefined || stores.length === 0) return undefined;
  const here = format(first.index);
  if (stores.some((store) => format(store.index) !== here)) return undefined;
  const ids = new Map<Scalar, number>();
  const registers = new Map<unknown, number>();
  const parts: string[] = [];
  let regular = true;
  const describe = (scalar: Scalar): number => {
    const known = ids.get(scalar);
    if (known !== undefined) return known;
    const args = argsOf(scalar).map(describe);
    let text: string = scalar.kind;
    if (scalar.kind === "load") {
      const name = names.get(scalar.buffer) ?? "";
      if (name.startsWith("arena") && format(scalar.index) !== here) regular = false;
      text = `load ${name}`;
    } else if (scalar.kind === "constant")
      text = `${scalar.type} ${Object.is(scalar.value, -0) ? "-0" : scalar.value}`;
    else if (scalar.kind === "register") text = `register ${registers.get(scalar.register)}`;
    else if (scalar.kind === "unary" || scalar.kind === "binary") text = scalar.op;
    else if (scalar.kind === "index" || scalar.kind === "local" || scalar.kind === "guard") regular = false;
    parts.push(`${text}:${scalar.type}(${args.join(",")})`);
    ids.set(scalar, parts.length - 1);
    return parts.length - 1;
  };
  for (const statement of inner) {
    if (statement.kind === "let") {
      registers.set(statement.register, registers.size);
      parts.push(`let ${describe(statement.value)}`);
    } else if (statement.kind === "store") {
      parts.push(`store ${names.get(statement.buffer)} ${describe(statement.value)}`);
    } else regular = false;
  }
  return regular ? parts.join(" ") : undefined;
}

/** The statements of the first loop that contains no other. */
function innermost(body: readonly Statement[]): readonly Statement[] {
  const loop = body.find((statement) => statement.kind === "for");
  return loop?.kind === "for" ? innermost(loop.body) : body;
}

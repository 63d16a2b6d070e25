import { DeviceError } from "../graph/errors.ts";
import { topologicalOrder, type Value } from "../graph/node.ts";
import { typed } from "../ops/table.ts";
import type { Device, Executable, Program, Region, Storage } from "../runtime/device.ts";
import { Cell } from "./cell.ts";
import type { Engine } from "./engine.ts";
import { describeInputs, type Feed, knownInputs, nameOf, scalarStorage } from "./feeds.ts";
import type { Guard, Trace } from "./trace.ts";

/** How one input of a captured plan is fed in each call. */
type InputSource =
  | { readonly kind: "cell"; readonly cell: Cell; readonly region: Region }
  | { readonly kind: "scalar"; readonly index: number; readonly dtype: Value["dtype"] }
  | { readonly kind: "argument"; readonly index: number }
  | { readonly kind: "captured"; readonly storage: Storage };

/** What a call does to a cell's gradient: whether there was one before, and whether one is left. */
interface GradientEffect {
  readonly cell: Cell;
  readonly before: boolean;
  readonly after: boolean;
}

/**
 * A traced function made ready: one plan, what to feed it, and what a call changes on the host (versions, gradients, the
 * numbers that advance).
 */
export class CapturedPlan {
  readonly executable: Executable;
  readonly #outputs: readonly Value[];
  /** Arguments that get a gradient, each with the place of the gradient in the outputs. */
  readonly #argumentGradients: readonly { readonly argument: number; readonly output: number }[];
  readonly #sources: readonly InputSource[];
  readonly #guards: readonly Guard[];
  readonly #scalars: readonly (() => readonly number[])[];
  readonly #versions: ReadonlyMap<Cell, number>;
  readonly #gradients: readonly GradientEffect[];
  /** Cells that are assigned, while the gradients they may have are none of the function's business. */
  readonly #bystanders: readonly Cell[];

  /** @throws DeviceError when the trace spans several devices. */
  /** `prepare` makes the program ready; by default, the device does. */
  constructor(
    engine: Engine,
    device: Device,
    trace: Trace,
    results: readonly Value[],
    prepare = (program: Program): Executable => device.prepare(program),
  ) {
    this.#gradients = keepGradients(trace);
    trace.close();
    const outputs = [...results];
    this.#argumentGradients = trace.arguments.flatMap((leaf, argument) => {
      const gradient = trace.leafGradients.get(leaf);
      return gradient ? [{ argument, output: outputs.push(gradient) - 1 }] : [];
    });
    const writes = [...trace.writes];
    const roots = [...outputs, ...writes.map(([, value]) => value)];
    const isKnown = (value: Value): boolean => value.node.op === "source" || engine.isKnown(value);
    const order = topologicalOrder(roots, isKnown);
    const known = knownInputs(order, roots, isKnown);
    const scalarIndex = new Map(trace.scalars.flatMap(({ leaves }) => leaves).map((leaf, i) => [leaf, i]));
    const argumentIndex = new Map(trace.arguments.map((leaf, i) => [leaf, i]));

    const sources: InputSource[] = [];
    const inputs: Feed[] = [];
    const cells = new Map<Cell, number>();
    const addCell = (cell: Cell, value: Value): void => {
      if (cell.device !== device) {
        throw new DeviceError(
          `compile: ${cell.name} is on ${cell.device.name}, the results on ${device.name}; compile one function a device`,
        );
      }
      const region = cell.ensureRegion(engine.blocks);
      cells.set(cell, inputs.length);
      inputs.push({ value, storage: region, name: cell.name });
      sources.push({ kind: "cell", cell, region });
    };
    for (const value of known) {
      const node = typed(value.node);
      if (node.op === "source" && node.attrs.source instanceof Cell) {
        addCell(node.attrs.source, value);
        continue;
      }
      const scalar = scalarIndex.get(value);
      const argument = argumentIndex.get(value);
      const placeholder: Storage = { kind: "host", data: new Uint8Array(0) };
      if (scalar !== undefined) sources.push({ kind: "scalar", index: scalar, dtype: value.dtype });
      else if (argument !== undefined) sources.push({ kind: "argument", index: argument });
      else sources.push({ kind: "captured", storage: engine.storageOfCaptured(value) });
      inputs.push({ value, storage: placeholder, name: nameOf(value) });
    }
    for (const [cell] of writes) if (!cells.has(cell)) addCell(cell, cell.leaf());

    const program: Program = {
      inputs: describeInputs(inputs),
      outputs,
      writes: writes.map(([cell, value]) => ({ input: cells.get(cell) ?? -1, value })),
    };
    this.#outputs = outputs;
    this.#sources = sources;
    this.#guards = trace.guards;
    this.#scalars = trace.scalars.map(({ compute }) => compute);
    this.#versions = trace.assignments;
    this.#bystanders = writes.flatMap(([cell]) => (trace.gradients.has(cell) ? [] : [cell]));
    this.executable = prepare(program);
  }

  /** Whether everything that the trace took for granted still holds. */
  applies(): boolean {
    return (
      this.#guards.every((guard) => guard()) &&
      this.#sources.every((source) => source.kind !== "cell" || source.cell.region === source.region)
    );
  }

  /**
   * Enqueues a call; `args` holds the data of the tensors passed, or why there is none. Returns a leaf for each result, and
   * the gradients that arguments got, by the argument's place.
   * @throws DeviceError when a call that assigns cells fails; what other calls return rejects when it is read.
   */
  run(
    engine: Engine,
    args: readonly Storage[] | DeviceError,
  ): { results: Value[]; gradients: Map<number, Value> } {
    if (args instanceof DeviceError && this.#versions.size > 0) throw args;
    const cells = this.#sources.flatMap((source) => (source.kind === "cell" ? [source.cell] : []));
    engine.initialise(cells);
    engine.settleGradients(this.#gradients.flatMap(({ cell, before }) => (before ? [cell] : [])));
    engine.settleWherePossible(this.#bystanders);
    const numbers = this.#scalars.flatMap((compute) => compute());
    let results: Value[];
    try {
      if (args instanceof DeviceError) throw args;
      const feeds = this.#sources.map((source) => feedOf(source, numbers, args));
      const storages = this.executable.run(feeds);
      results = this.#outputs.map((output, i) => engine.resultLeaf(output, storages[i]));
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      const explained = engine.runner.failureOf(error, this.#outputs, []);
      if (this.#versions.size > 0) throw explained;
      results = this.#outputs.map((output) => engine.failedLeaf(output, explained));
    }
    for (const [cell, count] of this.#versions) cell.version += count;
    for (const { cell, after } of this.#gradients) {
      cell.gradient = after ? { value: cell.gradientCell.leaf(), pending: new Set() } : undefined;
    }
    const gradients = new Map(
      this.#argumentGradients.map(({ argument, output }) => [argument, results[output]]),
    );
    return { results, gradients };
  }

  dispose(): void {
    this.executable.dispose();
  }
}

function feedOf(source: InputSource, numbers: readonly number[], args: readonly Storage[]): Storage {
  switch (source.kind) {
    case "cell":
      return source.region;
    case "scalar":
      return scalarStorage(source.dtype, numbers[source.index]);
    case "argument":
      return args[source.index];
    case "captured":
      return source.storage;
  }
}

/** Gradients that are left when the function returns are written to the cells that keep them. */
function keepGradients(trace: Trace): GradientEffect[] {
  return [...trace.gradients].map(([cell, value]) => {
    const { gradientCell } = cell;
    if (value !== undefined && !trace.holds(gradientCell, value)) trace.assign(gradientCell, value);
    return { cell, before: trace.hadGradient(cell), after: value !== undefined };
  });
}

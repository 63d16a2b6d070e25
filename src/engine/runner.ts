import type { TypedArray } from "../graph/dtype.ts";
import { DeviceError, DeviceLostError, InternalError, StaleVersionError } from "../graph/errors.ts";
import { type Node, topologicalOrder, type Value, type ValueType } from "../graph/node.ts";
import { formatShape } from "../graph/shape.ts";
import { typed } from "../ops/table.ts";
import type { Device, Executable, Program, Storage } from "../runtime/device.ts";
import { BlockRegistry, Cell } from "./cell.ts";
import { describeInputs, type Feed, knownInputs, nameOf, scalarStorage, sourceLeaf } from "./feeds.ts";
import { PlanCache } from "./planCache.ts";
import { programKey } from "./programKey.ts";

/** A cell and the value that it takes. */
export interface Assignment {
  readonly cell: Cell;
  readonly value: Value;
}

type Realised = { readonly storage: Storage } | { readonly error: DeviceError };

/** How a value is fed to a program instead of being computed. */
type Known = { readonly storage: Storage; readonly cell?: Cell };

const plansKept = 256;

/**
 * Runs graphs outside of compiled functions: knows which values have been computed and where they lie, computes others
 * from them, and keeps the plans made so far. Knows nothing of gradients.
 */
export class Runner {
  readonly blocks = new BlockRegistry();
  readonly #plans = new Map<Device, PlanCache<Executable>>();
  readonly #realised = new WeakMap<Value, Realised>();
  /** Values that were assigned to a cell: the same as its content for as long as the version stands. */
  readonly #assigned = new WeakMap<Value, { readonly cell: Cell; readonly version: number }>();
  readonly #scalars = new WeakMap<Value, Storage>();
  /** Errors that say already what failed. */
  readonly #explained = new WeakSet<DeviceError>();

  /** How many plans are kept ready for a device. */
  plansReady(device: Device): number {
    return this.#plans.get(device)?.size ?? 0;
  }

  isKnown(value: Value): boolean {
    return this.known(value) !== undefined;
  }

  /**
   * What is known of a value without computing: leaves, realised values, and values that a cell holds.
   * @throws DeviceError for a value that a device failed to compute.
   */
  known(value: Value): Known | undefined {
    const realised = this.#realised.get(value);
    if (realised) {
      if ("error" in realised) throw realised.error;
      return realised;
    }
    const assigned = this.#assigned.get(value);
    if (assigned && assigned.cell.version === assigned.version) {
      const { cell } = assigned;
      return { storage: cell.ensureRegion(this.blocks), cell };
    }
    const node = typed(value.node);
    if (node.op === "constant") return { storage: { kind: "host", data: node.attrs.data } };
    if (node.op !== "source") return undefined;
    const { source, version } = node.attrs;
    if (source instanceof Cell) {
      return source.version === version
        ? { storage: source.ensureRegion(this.blocks), cell: source }
        : undefined;
    }
    const scalar = this.#scalars.get(value);
    return scalar && { storage: scalar };
  }

  setScalar(leaf: Value, value: number): void {
    this.#scalars.set(leaf, scalarStorage(leaf.dtype, value));
  }

  /** Whether a cell's content is needed to compute a value. */
  readsCells(value: Value): boolean {
    return topologicalOrder([value], (inner) => this.#realised.has(inner)).some(
      (node) => cellOf(node) !== undefined,
    );
  }

  /** @throws StaleVersionError when a value needs what a cell no longer holds. */
  checkVersions(values: readonly Value[]): void {
    for (const node of topologicalOrder(values, (value) => this.isKnown(value))) checkLeaf(node);
  }

  /** Whether no leaf below a value, or below the first content of a cell, is another runner's. */
  canCompute(value: Value): boolean {
    return topologicalOrder([value], (inner) => this.#realised.has(inner)).every((leaf) => {
      const node = typed(leaf);
      if (node.op !== "source") return true;
      const { source } = node.attrs;
      if (source instanceof Cell) return source.initial === undefined || this.canCompute(source.initial);
      return source.kind === "argument" || this.#scalars.has(node.outputs[0]);
    });
  }

  /** Whether the values can be computed, or are: no cell that they need has been assigned since. */
  isFresh(values: readonly Value[]): boolean {
    const order = topologicalOrder(values, (value) => this.isKnown(value));
    return order.every((node) => cellOf(node) === undefined);
  }

  /** Enqueues what is needed to know the values. Those already known cost nothing. A device's error waits for the reading. */
  realise(device: Device, values: readonly Value[]): void {
    const wanted = [...new Set(values)].filter((value) => !this.#realised.has(value) && !this.isKnown(value));
    if (wanted.length === 0) return;
    try {
      const storages = this.#execute(device, wanted, []);
      wanted.forEach((output, i) => {
        this.#realised.set(output, { storage: storages[i] });
      });
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      for (const output of wanted) this.#realised.set(output, { error });
    }
  }

  /** A copy of the value's data, computing it first if needed. */
  async fetch(device: Device, value: Value): Promise<TypedArray> {
    this.realise(device, [value]);
    const known = this.known(value);
    if (known === undefined) throw new InternalError(`fetch: ${value.node.op} was not realised`);
    if (known.cell) this.initialise([known.cell]);
    return device.read(known.storage);
  }

  /** Where a value's data lies, which must be known (realise it first). Cells are copied out, so that it never changes. */
  storageOf(device: Device, value: Value): Storage {
    const known = this.known(value);
    if (known !== undefined && known.cell === undefined) return known.storage;
    const [copy] = this.#execute(device, [value], []);
    return copy;
  }

  /** A leaf without history for what is known: the value of a run. */
  resultLeaf(type: ValueType, storage: Storage): Value {
    return this.#leafOf(type, { storage });
  }

  /** A leaf for a result that a failing device did not compute: reading it rejects with the error. */
  failedLeaf(type: ValueType, error: DeviceError): Value {
    return this.#leafOf(type, { error });
  }

  /** A leaf that stands for an already computed value, so that its history can go; undefined if it is not computed. */
  settledLeaf(value: Value): Value | undefined {
    const realised = this.#realised.get(value);
    return realised && "storage" in realised ? this.resultLeaf(value, realised.storage) : undefined;
  }

  #leafOf({ shape, dtype }: ValueType, realised: Realised): Value {
    const source = { kind: "result", name: "result" } as const;
    const value = sourceLeaf({ shape, dtype, source, version: 0, requiresGrad: false });
    this.#realised.set(value, realised);
    return value;
  }

  /**
   * Assigns all at once: every value is computed from what the cells held before. Other `results` come along. When it
   * throws, no version has changed.
   */
  assign(assignments: readonly Assignment[], results: readonly Value[]): void {
    const [first] = assignments;
    if (!first) return;
    const wanted = [...new Set(results)].filter((value) => !this.isKnown(value));
    const storages = this.#execute(first.cell.device, wanted, assignments);
    wanted.forEach((output, i) => {
      this.#realised.set(output, { storage: storages[i] });
    });
    for (const { cell, value } of assignments) {
      cell.version += 1;
      this.#assigned.set(value, { cell, version: cell.version });
    }
  }

  /** Gives cells that were never touched their initial content: one run for all of them. */
  initialise(cells: readonly Cell[]): void {
    const assignments = [...new Set(cells)].flatMap((cell) =>
      cell.initial ? [{ cell, value: cell.initial }] : [],
    );
    const [first] = assignments;
    if (first) this.#execute(first.cell.device, [], assignments);
  }

  /** Says which operations failed, unless the error does so already. */
  failureOf(error: DeviceError, outputs: readonly Value[], assignments: readonly Assignment[]): DeviceError {
    if (this.#explained.has(error)) return error;
    const what = [
      ...outputs.map((output) => `${output.node.op} of shape ${formatShape(output.shape)}`),
      ...assignments.map(({ cell }) => `the new content of ${cell.name}`),
    ];
    const listed = what.slice(0, 3).join(", ") + (what.length > 3 ? ` and ${what.length - 3} more` : "");
    const Kind = error instanceof DeviceLostError ? DeviceLostError : DeviceError;
    const explained = new Kind(`computing ${listed}: ${error.message}`, { cause: error });
    this.#explained.add(explained);
    return explained;
  }

  /** Host data that is assigned is written without a plan. */
  #execute(device: Device, outputs: readonly Value[], assignments: readonly Assignment[]): Storage[] {
    try {
      const computed = assignments.filter(({ value }) => value.node.op !== "constant");
      const results = outputs.length + computed.length > 0 ? this.#runProgram(device, outputs, computed) : [];
      for (const { cell, value } of assignments) {
        const node = typed(value.node);
        if (node.op === "constant") device.write(cell.ensureRegion(this.blocks), node.attrs.data);
        cell.initial = undefined;
      }
      return results;
    } catch (error) {
      throw error instanceof DeviceError ? this.failureOf(error, outputs, assignments) : error;
    }
  }

  /** Builds the program, finds or prepares its plan, feeds it. */
  #runProgram(device: Device, outputs: readonly Value[], assignments: readonly Assignment[]): Storage[] {
    const roots = [...outputs, ...assignments.map(({ value }) => value)];
    const isKnown = (value: Value): boolean => this.isKnown(value);
    const order = topologicalOrder(roots, isKnown);
    for (const node of order) checkLeaf(node);
    const known = knownInputs(order, roots, isKnown);
    this.initialise([...known].flatMap((value) => this.known(value)?.cell ?? []));

    const cells = new Map<Cell, number>();
    const inputs: Feed[] = [];
    for (const value of known) {
      const entry = this.known(value);
      if (entry === undefined) throw new InternalError(`${value.node.op} is not known`);
      if (entry.cell) cells.set(entry.cell, inputs.length);
      inputs.push({ value, storage: entry.storage, name: nameOf(value) });
    }
    for (const { cell } of assignments) {
      if (cells.has(cell)) continue;
      cells.set(cell, inputs.length);
      inputs.push({ value: cell.leaf(), storage: cell.ensureRegion(this.blocks), name: cell.name });
    }
    const program: Program = {
      inputs: describeInputs(inputs),
      outputs,
      writes: assignments.map(({ cell, value }) => ({ input: cells.get(cell) ?? -1, value })),
    };
    return this.#planFor(device, program, order).run(inputs.map(({ storage }) => storage));
  }

  #planFor(device: Device, program: Program, order: readonly Node[]): Executable {
    let plans = this.#plans.get(device);
    if (plans === undefined) {
      plans = new PlanCache<Executable>(plansKept, (plan) => plan.dispose());
      this.#plans.set(device, plans);
    }
    const key = programKey(program, order);
    let plan = plans.get(key);
    if (plan === undefined) {
      plan = device.prepare(program);
      plans.set(key, plan);
    }
    return plan;
  }
}

/** The cell that a leaf reads. */
export function cellOf(leaf: Node): Cell | undefined {
  const node = typed(leaf);
  return node.op === "source" && node.attrs.source instanceof Cell ? node.attrs.source : undefined;
}

/** A leaf that is not known reads a cell as it was before. */
function checkLeaf(leaf: Node): void {
  const node = typed(leaf);
  const cell = cellOf(leaf);
  if (node.op !== "source" || cell === undefined) return;
  throw new StaleVersionError(
    `${cell.name} was read at version ${node.attrs.version} and is at version ${cell.version} now: what was computed from ` +
      "it is needed again and cannot be. Read or call backward before the parameter is assigned (or the optimizer steps)",
  );
}

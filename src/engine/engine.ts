import { gradients } from "../autograd/gradients.ts";
import type { DType, TypedArray } from "../graph/dtype.ts";
import { type DeviceError, GradientError, InternalError, TraceError } from "../graph/errors.ts";
import { topologicalOrder, type Value, type ValueType } from "../graph/node.ts";
import { formatShape } from "../graph/shape.ts";
import { add, detach, full } from "../ops/builders.ts";
import type { Device, Storage } from "../runtime/device.ts";
import type { BackwardRecord, BlockRegistry, Cell } from "./cell.ts";
import { nameOf, sourceLeaf } from "./feeds.ts";
import { Generator } from "./random.ts";
import { type Assignment, cellOf, Runner } from "./runner.ts";
import type { Trace } from "./trace.ts";

export type { Assignment } from "./runner.ts";

/** A number that a run is fed with, by its name in kernel listings. */
export interface ScalarSpec {
  readonly name: string;
  readonly dtype: DType;
}

/**
 * Everything that lives between operations: the default device, the gradient mode, random state, gradients, and (in its
 * runner) realised values and plans. There is one current engine; `withEngine` puts another in its place.
 */
export class Engine {
  gradEnabled = true;
  /** Where warnings go. */
  warn: (message: string) => void = (message) => console.warn(message);
  /** The call being compiled, if any. */
  trace: Trace | undefined;
  /** The hooks that modules have now: a compiled function is traced again where there are others. */
  readonly moduleHooks = new Set<object>();
  readonly generator: Generator;
  readonly runner = new Runner();
  readonly #makeDevice: () => Device;
  #device: Device | undefined;
  /** Gradients of leaf tensors that are no cells. */
  readonly #leafGradients = new WeakMap<Value, Value>();

  /** The device is made when the first operation needs it. */
  constructor(makeDevice: () => Device, seed = 0) {
    this.#makeDevice = makeDevice;
    this.generator = new Generator(seed);
  }

  get defaultDevice(): Device {
    this.#device ??= this.#makeDevice();
    return this.#device;
  }

  set defaultDevice(device: Device) {
    this.#device = device;
  }

  get blocks(): BlockRegistry {
    return this.runner.blocks;
  }

  /** How many plans of plain (uncompiled) runs are kept ready for a device. */
  plansReady(device: Device): number {
    return this.runner.plansReady(device);
  }

  // Cells

  read(cell: Cell): Value {
    return this.trace ? this.trace.read(cell) : cell.leaf();
  }

  /** Takes up a new cell. Initial content that is made from other cells is computed now: it means what they hold now. */
  adopt(cell: Cell): void {
    if (cell.initial && this.runner.readsCells(cell.initial)) this.initialise([cell]);
  }

  /** Gives cells that were never touched their initial content: one run for all of them. */
  initialise(cells: readonly Cell[]): void {
    this.runner.initialise(cells);
  }

  /**
   * Assigns all at once: every value is computed from what the cells held before. Outside of a trace, gradients that
   * backward() left on these cells and that are still pending are computed in the same program, with their losses.
   * @throws StaleVersionError or DeviceError; nothing has been assigned then.
   */
  assign(assignments: readonly Assignment[]): void {
    for (const { cell, value } of assignments) {
      if (value.dtype !== cell.dtype || formatShape(value.shape) !== formatShape(cell.shape)) {
        throw new InternalError(
          `assign: ${value.dtype} ${formatShape(value.shape)} to ${cell.name}, ${cell.dtype} ${formatShape(cell.shape)}`,
        );
      }
    }
    if (this.trace) for (const { cell, value } of assignments) this.trace.assign(cell, value);
    else
      this.#settle(
        assignments.map(({ cell }) => cell),
        assignments,
        false,
      );
  }

  // Gradients

  /** The accumulated gradient of a cell, or undefined. */
  gradientOf(cell: Cell): Value | undefined {
    return this.trace ? this.trace.gradient(cell) : cell.gradient?.value;
  }

  clearGradient(cell: Cell): void {
    if (this.trace) this.trace.setGradient(cell, undefined);
    else cell.gradient = undefined;
  }

  /** Puts another gradient in the place of a cell's own: clipping, scaling. */
  setGradient(cell: Cell, value: Value): void {
    if (this.trace) this.trace.setGradient(cell, value);
    else cell.gradient = { value, pending: cell.gradient?.pending ?? new Set() };
  }

  leafGradient(leaf: Value): Value | undefined {
    return (this.trace?.leafGradients ?? this.#leafGradients).get(leaf);
  }

  clearLeafGradient(leaf: Value): void {
    (this.trace?.leafGradients ?? this.#leafGradients).delete(leaf);
  }

  /**
   * Adds the gradients of <root, cotangent> to every leaf that requires one. They have no history of their own.
   * @throws GradientError when nothing below the root requires gradients; StaleVersionError when a parameter that the
   *   gradients need has been assigned since.
   */
  backward(root: Value, cotangent: Value = full(root.shape, root.dtype, 1)): void {
    if (!root.requiresGrad) {
      throw new GradientError(
        "backward: the tensor has no gradient history; it comes from no parameter, from noGrad, or out of a compiled call " +
          "(call backward inside the compiled function)",
      );
    }
    const leaves = topologicalOrder([root], (value) => !value.requiresGrad)
      .filter((node) => node.inputs.every((input) => !input.requiresGrad))
      .flatMap((node) => node.outputs.filter((output) => output.requiresGrad));
    const found = gradients([root], [cotangent], leaves);
    if (!this.trace) this.runner.checkVersions(found.filter((value) => value !== undefined));
    const cells: Cell[] = [];
    const others: Value[] = [];
    const record: BackwardRecord = { root, cells, leaves: others };
    leaves.forEach((leaf, i) => {
      if (found[i] === undefined) return;
      const gradient = detach(found[i]);
      const cell = this.#ownerOf(leaf);
      const before = cell ? this.gradientOf(cell) : this.leafGradient(leaf);
      const value = before ? add(before, gradient) : gradient;
      if (cell === undefined) {
        others.push(leaf);
        (this.trace?.leafGradients ?? this.#leafGradients).set(leaf, value);
        return;
      }
      cells.push(cell);
      if (this.trace) this.trace.setGradient(cell, value);
      else cell.gradient = { value, pending: new Set([...(cell.gradient?.pending ?? []), record]) };
    });
  }

  /**
   * Computes the pending gradients of `cells`, and of all cells that got gradients from the same backward() calls, into
   * the cells that keep them, together with the losses: after this, assigning parameters cannot make them stale.
   */
  settleGradients(cells: readonly Cell[]): void {
    if (!this.trace) {
      this.#settle(cells, [], true);
      return;
    }
    for (const cell of cells) {
      const value = this.trace.gradient(cell);
      if (value === undefined) continue;
      if (value !== this.trace.read(cell.gradientCell)) this.trace.assign(cell.gradientCell, value);
      this.trace.setGradient(cell, this.trace.read(cell.gradientCell));
    }
  }

  /** The same for gradients that may be lost: cells are about to be assigned by a call that does not ask for them. */
  settleWherePossible(cells: readonly Cell[]): void {
    this.#settle(cells, [], false);
  }

  /**
   * One step of an optimizer: `update` gets the gradients of `cells` and gives the assignments, all of which run as one
   * program with the gradients and losses that are still pending. Cells without gradient must not be among them.
   */
  step(cells: readonly Cell[], update: (gradients: readonly Value[]) => readonly Assignment[]): void {
    if (this.trace) this.settleGradients(cells);
    const gradientsNow = cells.map((cell) => {
      const gradient = this.gradientOf(cell);
      if (gradient === undefined) throw new InternalError(`step: ${cell.name} has no gradient`);
      return gradient;
    });
    this.assign(update(gradientsNow));
  }

  /**
   * Makes assignments, together with the gradients that are pending on `cells` or came from the same backward() calls.
   * Unless `strict`, gradients and losses that nobody can compute any more are left behind: asking for them is an error,
   * new content for a cell is none.
   */
  #settle(cells: readonly Cell[], assignments: readonly Assignment[], strict: boolean): void {
    const touched = new Set(cells);
    const records = new Set<BackwardRecord>();
    for (const cell of touched) {
      for (const record of cell.gradient?.pending ?? []) {
        records.add(record);
        // The loop comes to these too.
        for (const other of record.cells) touched.add(other);
      }
    }
    const pending = [...touched].flatMap((cell): Assignment[] => {
      const value = cell.gradient?.value;
      return value && value !== cell.gradientCell.leaf() ? [{ cell, value }] : [];
    });
    const leaves = [...records].flatMap((record) => record.leaves);
    const losses = [...records].map((record) => record.root);
    const results = [...losses, ...leaves.flatMap((leaf) => this.#leafGradients.get(leaf) ?? [])];
    const all = strict || this.runner.isFresh([...results, ...pending.map(({ value }) => value)]);
    const settled = all ? pending : pending.filter(({ value }) => this.runner.isFresh([value]));
    const computed = all ? results : results.filter((value) => this.runner.isFresh([value]));
    const kept = settled.map(({ cell, value }) => ({ cell: cell.gradientCell, value }));
    this.runner.assign([...kept, ...assignments], computed);
    for (const { cell } of settled) {
      cell.gradient = { value: cell.gradientCell.leaf(), pending: new Set() };
    }
    for (const leaf of leaves) {
      const gradient = this.#leafGradients.get(leaf);
      const known = gradient && this.runner.settledLeaf(gradient);
      if (known) this.#leafGradients.set(leaf, known);
    }
  }

  #ownerOf(leaf: Value): Cell | undefined {
    return this.trace ? this.trace.ownerOf(leaf) : cellOf(leaf.node);
  }

  // Host numbers

  /**
   * Leaves for numbers that `compute` gives anew in every call of a compiled function, in the order of these calls;
   * outside of one, once. While a function is traced nothing is computed.
   */
  hostScalars(specs: readonly ScalarSpec[], compute: () => readonly number[]): Value[] {
    const leaves = specs.map(({ name, dtype }) =>
      sourceLeaf({ shape: [], dtype, source: { kind: "scalar", name }, version: 0, requiresGrad: false }),
    );
    if (this.trace) this.trace.scalars.push({ leaves, compute });
    else {
      const numbers = compute();
      leaves.forEach((leaf, i) => {
        this.runner.setScalar(leaf, numbers[i]);
      });
    }
    return leaves;
  }

  // Running

  /** Enqueues what is needed to know the values. Those already known cost nothing. */
  realise(device: Device, values: readonly Value[]): void {
    if (this.trace) {
      throw new TraceError(
        "reading a tensor inside a compiled function is not possible: its value is known only after it returned; return it",
      );
    }
    this.runner.realise(device, values);
  }

  /** A copy of the value's data, computing it first if needed. */
  async fetch(device: Device, value: Value): Promise<TypedArray> {
    return this.runner.fetch(device, value);
  }

  /** Where a value's data lies, which must be known (realise it first). Cells are copied out, so that it never changes. */
  storageOf(device: Device, value: Value): Storage {
    return this.runner.storageOf(device, value);
  }

  /** A leaf without history for what is known: the value of a run. */
  resultLeaf(type: ValueType, storage: Storage): Value {
    return this.runner.resultLeaf(type, storage);
  }

  /** A leaf for a result that a failing device did not compute: reading it rejects with the error. */
  failedLeaf(type: ValueType, error: DeviceError): Value {
    return this.runner.failedLeaf(type, error);
  }

  /** A leaf that stands for an already computed value, so that its history can go; undefined if it is not computed. */
  settledLeaf(value: Value): Value | undefined {
    return this.runner.settledLeaf(value);
  }

  /** The data that an outside tensor has now, for a function that is being compiled: computed at once, then constant. */
  captureOutside(device: Device, value: Value): Value {
    if (value.node.op === "full" || value.node.op === "iota") return value;
    const { trace } = this;
    const before = trace?.captured.get(value);
    if (before) return before;
    this.runner.realise(device, [value]);
    const leaf = this.resultLeaf(value, this.storageOf(device, value));
    trace?.captured.set(value, leaf);
    return leaf;
  }

  /** How a leaf of a trace that is no cell, scalar or argument is fed: host data and earlier results. */
  storageOfCaptured(value: Value): Storage {
    const known = this.runner.known(value);
    if (known === undefined || known.cell) throw new InternalError(`${nameOf(value)} was not captured`);
    return known.storage;
  }

  /** Whether all that a value is made of is known here: results and random numbers of another engine are not. */
  canCompute(value: Value): boolean {
    return this.runner.canCompute(value);
  }

  isKnown(value: Value): boolean {
    return this.runner.isKnown(value);
  }
}

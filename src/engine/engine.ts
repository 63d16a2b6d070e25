import { gradients } from "../autograd/gradients.ts";
import type { DType, TypedArray } from "../graph/dtype.ts";
import { DeviceError, GradientError, InternalError, StaleVersionError, TraceError } from "../graph/errors.ts";
import { type Node, topologicalOrder, type Value } from "../graph/node.ts";
import { formatShape, type Shape } from "../graph/shape.ts";
import { add, full } from "../ops/builders.ts";
import { typed } from "../ops/table.ts";
import type { Device, Executable, Program, ProgramInput, Storage } from "../runtime/device.ts";
import { type BackwardRecord, BlockRegistry, Cell, type GradientState } from "./cell.ts";
import { PlanCache } from "./planCache.ts";
import { programKey } from "./programKey.ts";
import { Generator } from "./random.ts";
import { sourceLeaf, type Trace } from "./trace.ts";

export interface Assignment {
  readonly cell: Cell;
  readonly value: Value;
}

/** A number that a run is fed with, by its name in kernel listings. */
export interface ScalarSpec {
  readonly name: string;
  readonly dtype: DType;
}

type Realised = { readonly storage: Storage } | { readonly error: DeviceError };

/** How a value is fed to a program instead of being computed. */
type Known = { readonly storage: Storage; readonly cell?: Cell };

const plansKept = 256;

/**
 * Everything that lives between operations: the default device, the gradient mode, random state, realised values, and
 * the plans made so far. There is one current engine; `withEngine` puts another in its place.
 */
export class Engine {
  gradEnabled = true;
  /** Where warnings go. */
  warn: (message: string) => void = (message) => console.warn(message);
  /** The call being compiled, if any. */
  trace: Trace | undefined;
  readonly generator: Generator;
  readonly blocks = new BlockRegistry();
  readonly #makeDevice: () => Device;
  #device: Device | undefined;
  readonly #plans = new Map<Device, PlanCache<Executable>>();
  readonly #realised = new WeakMap<Value, Realised>();
  /** Values that were assigned to a cell: the same as its content for as long as the version stands. */
  readonly #assigned = new WeakMap<Value, { readonly cell: Cell; readonly version: number }>();
  readonly #scalars = new WeakMap<Value, Storage>();
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

  /** How many plans of plain (uncompiled) runs are kept ready for a device. */
  plansReady(device: Device): number {
    return this.#plans.get(device)?.size ?? 0;
  }

  // Cells

  read(cell: Cell): Value {
    return this.trace ? this.trace.read(cell) : cell.leaf();
  }

  /** Assigns all at once: every value is computed from what the cells held before. Other `results` come along. */
  assign(assignments: readonly Assignment[], results: readonly Value[] = []): void {
    for (const { cell, value } of assignments) {
      if (value.dtype !== cell.dtype || formatShape(value.shape) !== formatShape(cell.shape)) {
        throw new InternalError(
          `assign: ${value.dtype} ${formatShape(value.shape)} to ${cell.name}, ${cell.dtype} ${formatShape(cell.shape)}`,
        );
      }
    }
    if (this.trace) {
      for (const { cell, value } of assignments) this.trace.assign(cell, value);
      return;
    }
    const [first] = assignments;
    if (!first) return;
    this.#run(first.cell.device, results, assignments);
    for (const { cell, value } of assignments) {
      cell.version += 1;
      this.#assigned.set(value, { cell, version: cell.version });
    }
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

  leafGradient(leaf: Value): Value | undefined {
    return this.#leafGradients.get(leaf);
  }

  clearLeafGradient(leaf: Value): void {
    this.#leafGradients.delete(leaf);
  }

  /**
   * Adds the gradients of <root, cotangent> to every leaf that requires one.
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
    if (!this.trace) this.#checkVersions(found.filter((value) => value !== undefined));
    const cells: Cell[] = [];
    const record: BackwardRecord = { root, cells };
    leaves.forEach((leaf, i) => {
      const gradient = found[i];
      if (gradient === undefined) return;
      const cell = this.#ownerOf(leaf);
      if (cell === undefined) {
        const before = this.#leafGradients.get(leaf);
        this.#leafGradients.set(leaf, before ? add(before, gradient) : gradient);
        return;
      }
      cells.push(cell);
      const before = this.gradientOf(cell);
      const value = before ? add(before, gradient) : gradient;
      if (this.trace) this.trace.setGradient(cell, value);
      else cell.gradient = { value, pending: new Set([...(cell.gradient?.pending ?? []), record]) };
    });
  }

  /**
   * Computes the pending gradients of `cells`, and of all cells that got gradients from the same backward() calls, into
   * the cells that keep them, together with the losses: after this, assigning parameters cannot make them stale.
   */
  settleGradients(cells: readonly Cell[]): void {
    if (this.trace) {
      for (const cell of cells) {
        const value = this.trace.gradient(cell);
        if (value === undefined) continue;
        if (value !== this.trace.read(cell.gradientCell)) this.trace.assign(cell.gradientCell, value);
        this.trace.setGradient(cell, this.trace.read(cell.gradientCell));
      }
      return;
    }
    const { assignments, roots, states } = this.#pendingGradients(cells);
    this.assign(assignments, roots);
    for (const [cell, state] of states) cell.gradient = state;
  }

  /** Puts another gradient in the place of a cell's own: clipping, scaling. */
  setGradient(cell: Cell, value: Value): void {
    if (this.trace) this.trace.setGradient(cell, value);
    else cell.gradient = { value, pending: cell.gradient?.pending ?? new Set() };
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
    const assignments = update(gradientsNow);
    if (this.trace) {
      this.assign(assignments);
      return;
    }
    const pending = this.#pendingGradients(cells);
    this.assign([...pending.assignments, ...assignments], pending.roots);
    for (const [cell, state] of pending.states) cell.gradient = state;
  }

  #pendingGradients(cells: readonly Cell[]): {
    readonly assignments: Assignment[];
    readonly roots: Value[];
    readonly states: Map<Cell, GradientState>;
  } {
    const records = new Set(cells.flatMap((cell) => [...(cell.gradient?.pending ?? [])]));
    const touched = new Set([...records].flatMap((record) => record.cells));
    const assignments: Assignment[] = [];
    const states = new Map<Cell, GradientState>();
    for (const cell of touched) {
      const { gradient } = cell;
      if (gradient === undefined || gradient.pending.size === 0) continue;
      assignments.push({ cell: cell.gradientCell, value: gradient.value });
      // The value stays the gradient: it is known from now on as what the gradient cell holds.
      states.set(cell, { value: gradient.value, pending: new Set() });
    }
    const roots = [...records].map((record) => record.root).filter((root) => this.#known(root) === undefined);
    return { assignments, roots, states };
  }

  #ownerOf(leaf: Value): Cell | undefined {
    if (this.trace) return this.trace.ownerOf(leaf);
    const node = typed(leaf.node);
    return node.op === "source" && node.attrs.source instanceof Cell ? node.attrs.source : undefined;
  }

  #checkVersions(values: readonly Value[]): void {
    for (const node of topologicalOrder(values, (value) => this.#known(value) !== undefined)) this.#checkLeaf(node);
  }

  #checkLeaf(leaf: Node): void {
    const node = typed(leaf);
    if (node.op !== "source" || !(node.attrs.source instanceof Cell)) return;
    const { name, version } = node.attrs.source;
    throw new StaleVersionError(
      `${name} was read at version ${node.attrs.version} and is at version ${version} now: what was computed from it is ` +
        "needed again and cannot be. Read or call backward before the parameter is assigned (or the optimizer steps)",
    );
  }

  // Host numbers

  /**
   * Leaves for numbers that `compute` gives anew in every call of a compiled function, in the order of these calls;
   * outside of one, once.
   */
  hostScalars(specs: readonly ScalarSpec[], compute: () => readonly number[]): Value[] {
    const leaves = specs.map(({ name, dtype }) =>
      sourceLeaf({ shape: [], dtype, source: { kind: "scalar", name }, version: 0, requiresGrad: false }),
    );
    if (this.trace) {
      this.trace.scalars.push({ leaves, compute });
      this.trace.firstScalars.push(...(this.trace.dry ? specs.map(() => 0) : compute()));
    } else {
      compute().forEach((value, i) => this.#scalars.set(leaves[i], scalarStorage(specs[i].dtype, value)));
    }
    return leaves;
  }

  // Running

  /** Enqueues what is needed to know the values. Those already known cost nothing. */
  realise(device: Device, values: readonly Value[]): void {
    if (this.trace) {
      throw new TraceError("reading a tensor inside a compiled function is not possible: its value is known only after it returned; return it");
    }
    const wanted = [...new Set(values)].filter((value) => !this.#realised.has(value) && this.#known(value) === undefined);
    if (wanted.length > 0) this.#run(device, wanted, []);
  }

  /** A copy of the value's data, computing it first if needed. */
  async fetch(device: Device, value: Value): Promise<TypedArray> {
    this.realise(device, [value]);
    const realised = this.#realised.get(value);
    if (realised && "error" in realised) throw realised.error;
    const known = this.#known(value);
    if (known === undefined) throw new InternalError(`fetch: ${value.node.op} was not realised`);
    if (known.cell) this.initialise([known.cell]);
    return device.read(known.storage);
  }

  /** Where a value's data lies, which must be known (realise it first). Regions are copied out, so that it never changes. */
  storageOf(device: Device, value: Value): Storage {
    const realised = this.#realised.get(value);
    if (realised && "error" in realised) throw realised.error;
    const known = this.#known(value);
    if (known !== undefined && known.cell === undefined) return known.storage;
    const [copy] = this.#execute(device, [value], []);
    return copy;
  }

  /** A leaf without history for what is known: the value of a run. */
  resultLeaf(type: { readonly shape: Shape; readonly dtype: DType }, storage: Storage): Value {
    const { shape, dtype } = type;
    const value = sourceLeaf({ shape, dtype, source: { kind: "result", name: "result" }, version: 0, requiresGrad: false });
    this.#realised.set(value, { storage });
    return value;
  }

  /** A leaf for a result that a failing device did not compute: reading it rejects with the error. */
  failedLeaf(type: { readonly shape: Shape; readonly dtype: DType }, error: DeviceError): Value {
    const { shape, dtype } = type;
    const value = sourceLeaf({ shape, dtype, source: { kind: "result", name: "result" }, version: 0, requiresGrad: false });
    this.#realised.set(value, { error });
    return value;
  }

  /** A leaf that stands for an already computed value, so that its history can go; undefined if it is not computed. */
  settledLeaf(value: Value): Value | undefined {
    const realised = this.#realised.get(value);
    return realised && "storage" in realised ? this.resultLeaf(value, realised.storage) : undefined;
  }

  /** The data that an outside tensor has now, for a function that is being compiled: computed at once, then constant. */
  captureOutside(device: Device, value: Value): Value {
    const { trace } = this;
    this.trace = undefined;
    try {
      this.realise(device, [value]);
      return value.node.inputs.length === 0 ? value : this.resultLeaf(value, this.storageOf(device, value));
    } finally {
      this.trace = trace;
    }
  }

  /** How a leaf of a trace that is no cell, scalar or argument is fed: host data and earlier results. */
  storageOfCaptured(value: Value): Storage {
    const known = this.#known(value);
    if (known === undefined || known.cell) throw new InternalError(`${nameOf(value)} was not captured`);
    return known.storage;
  }

  isKnown(value: Value): boolean {
    return this.#known(value) !== undefined;
  }

  #run(device: Device, outputs: readonly Value[], assignments: readonly Assignment[]): void {
    try {
      const storages = this.#execute(device, outputs, assignments);
      outputs.forEach((output, i) => this.#realised.set(output, { storage: storages[i] }));
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      for (const output of outputs) this.#realised.set(output, { error });
      if (assignments.length > 0) throw error;
    }
  }

  /** Runs outside of any trace; host data that is assigned is written without a plan. */
  #execute(device: Device, outputs: readonly Value[], assignments: readonly Assignment[]): Storage[] {
    const computed = assignments.filter(({ value }) => value.node.op !== "constant");
    const results = outputs.length + computed.length > 0 ? this.#runProgram(device, outputs, computed) : [];
    for (const { cell, value } of assignments) {
      const node = typed(value.node);
      if (node.op !== "constant") continue;
      cell.initial = undefined;
      device.write(cell.ensureRegion(this.blocks), node.attrs.data);
    }
    return results;
  }

  /** Builds the program, finds or prepares its plan, feeds it. */
  #runProgram(device: Device, outputs: readonly Value[], assignments: readonly Assignment[]): Storage[] {
    const roots = [...outputs, ...assignments.map(({ value }) => value)];
    const order = topologicalOrder(roots, (value) => this.#known(value) !== undefined);
    const known = knownInputs(order, roots, (value) => this.#known(value) !== undefined);
    for (const node of order) this.#checkLeaf(node);
    const written = new Map(assignments.map((assignment) => [assignment.cell, assignment]));
    this.initialise([...known].flatMap((value) => this.#known(value)?.cell ?? []));
    for (const cell of written.keys()) cell.initial = undefined;

    const feeds: Storage[] = [];
    const cells = new Map<Cell, number>();
    const inputs: { value: Value; storage: Storage; name: string }[] = [];
    for (const value of known) {
      const entry = this.#known(value);
      if (entry === undefined) throw new InternalError(`${value.node.op} is not known`);
      const storage = entry.cell ? entry.cell.ensureRegion(this.blocks) : entry.storage;
      if (entry.cell) cells.set(entry.cell, inputs.length);
      inputs.push({ value, storage, name: nameOf(value) });
    }
    for (const cell of written.keys()) {
      if (cells.has(cell)) continue;
      cells.set(cell, inputs.length);
      inputs.push({ value: cell.leaf(), storage: cell.ensureRegion(this.blocks), name: cell.name });
    }
    for (const { storage } of inputs) feeds.push(storage);
    const program: Program = {
      inputs: describeInputs(inputs),
      outputs,
      writes: assignments.map(({ cell, value }) => ({ input: cells.get(cell) ?? -1, value })),
    };
    return this.#planFor(device, program, order).run(feeds);
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

  /** Gives cells that were never touched their initial content: one run for all of them. */
  initialise(cells: readonly Cell[]): void {
    const pending = [...new Set(cells)].filter((cell) => cell.initial !== undefined);
    if (pending.length === 0) return;
    const assignments = pending.map((cell) => ({ cell, value: cell.initial as Value }));
    for (const cell of pending) cell.initial = undefined;
    this.#execute(pending[0].device, [], assignments);
  }

  /** What is known of a value without computing: leaves, realised values, and values that a cell holds. */
  #known(value: Value): Known | undefined {
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
      return source.version === version ? { storage: source.ensureRegion(this.blocks), cell: source } : undefined;
    }
    const scalar = this.#scalars.get(value);
    return scalar && { storage: scalar };
  }
}

/** The known values that the nodes of `order` and the roots read, in a fixed order. */
export function knownInputs(
  order: readonly Node[],
  roots: readonly Value[],
  isKnown: (value: Value) => boolean,
): Set<Value> {
  const known = new Set<Value>();
  for (const node of order) {
    for (const input of node.inputs) if (isKnown(input)) known.add(input);
  }
  for (const root of roots) if (isKnown(root)) known.add(root);
  return known;
}

/** Program inputs with their places: arenas are numbered in the order in which they appear. */
export function describeInputs(
  inputs: readonly { readonly value: Value; readonly storage: Storage; readonly name: string }[],
): ProgramInput[] {
  const arenas = new Map<unknown, number>();
  return inputs.map(({ value, storage, name }) => {
    if (storage.kind !== "region") return { value, name };
    const arena = arenas.get(storage.block) ?? arenas.size;
    arenas.set(storage.block, arena);
    return { value, name, region: { arena, byteOffset: storage.byteOffset } };
  });
}

export function nameOf(value: Value): string {
  const node = typed(value.node);
  return node.op === "source" ? node.attrs.source.name : node.op;
}

export function scalarStorage(dtype: DType, value: number): Storage {
  switch (dtype) {
    case "f32":
      return { kind: "host", data: Float32Array.of(value) };
    case "f64":
      return { kind: "host", data: Float64Array.of(value) };
    case "i32":
      return { kind: "host", data: Int32Array.of(value) };
    case "u32":
      return { kind: "host", data: Uint32Array.of(value) };
    case "bool":
      return { kind: "host", data: Uint8Array.of(value) };
  }
}

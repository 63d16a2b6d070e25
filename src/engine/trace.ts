import { TraceError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { build } from "../ops/build.ts";
import { detach } from "../ops/builders.ts";
import type { Source } from "../ops/leaves.ts";
import type { Cell } from "./cell.ts";
import { sourceLeaf } from "./feeds.ts";

/** Numbers that are computed on the host before every run, the first included, in the order in which they were asked for. */
export interface HostScalars {
  readonly leaves: readonly Value[];
  readonly compute: () => readonly number[];
}

/** A fact that held while the function was traced; if it no longer holds, the trace does not apply. */
export type Guard = () => boolean;

/**
 * What a function did while it was compiled: which cells it read and assigned, which gradients it left, which numbers
 * it takes anew in every call. Nothing of it touches cells, counters or gradients until the plan runs, so that a trace
 * which is thrown away leaves no mark.
 */
export class Trace {
  readonly scalars: HostScalars[] = [];
  readonly guards: Guard[] = [];
  readonly arguments: Value[] = [];
  /** Gradients that the function left on its arguments, and on tensors of its own. */
  readonly leafGradients = new Map<Value, Value>();
  /** Leaves that stand for tensors from outside. */
  readonly captured = new Map<Value, Value>();
  readonly writes = new Map<Cell, Value>();
  readonly #assignments = new Map<Cell, number>();
  readonly #leaves = new Map<Cell, Value>();
  readonly #owners = new Map<Value, Cell>();
  /** Gradients as the function sees them; cells that are not here have the gradient they had before the call. */
  readonly #gradients = new Map<Cell, Value | undefined>();
  readonly #hadGradient = new Set<Cell>();
  #open = true;

  get gradients(): ReadonlyMap<Cell, Value | undefined> {
    return this.#gradients;
  }

  /** How often each cell was assigned: what its version rises by in a call. */
  get assignments(): ReadonlyMap<Cell, number> {
    return this.#assignments;
  }

  close(): void {
    this.#open = false;
  }

  /** @throws TraceError when the trace has ended. */
  checkOpen(what: string): void {
    if (this.#open) return;
    throw new TraceError(
      `${what}: this tensor belongs to a compiled call that has returned; return it from the function`,
    );
  }

  argument(
    type: { readonly shape: readonly number[]; readonly dtype: Value["dtype"] },
    requiresGrad: boolean,
  ): Value {
    const { shape, dtype } = type;
    const source: Source = { kind: "argument", name: `argument ${this.arguments.length}` };
    const value = sourceLeaf({ shape, dtype, source, version: 0, requiresGrad });
    this.arguments.push(value);
    return value;
  }

  /** The cell's content at this point of the function. */
  read(cell: Cell): Value {
    const written = this.writes.get(cell);
    if (written !== undefined) return written;
    let leaf = this.#leaves.get(cell);
    if (leaf === undefined) {
      const { requiresGrad } = cell;
      leaf = cell.leaf();
      this.#leaves.set(cell, leaf);
      this.#owners.set(leaf, cell);
      this.guards.push(() => cell.requiresGrad === requiresGrad);
    }
    return leaf;
  }

  /** What later reads give is a leaf again: gradients stop at it, as they do at a parameter after a step. */
  assign(cell: Cell, value: Value): void {
    const plain = value.requiresGrad ? detach(value) : value;
    const leaf = build("detach", [plain], { requiresGrad: cell.requiresGrad }).outputs[0];
    this.#owners.set(leaf, cell);
    this.writes.set(cell, leaf);
    this.#assignments.set(cell, (this.#assignments.get(cell) ?? 0) + 1);
  }

  /** The cell that a leaf reads, at any point of the function. */
  ownerOf(leaf: Value): Cell | undefined {
    return this.#owners.get(leaf);
  }

  /** Whether `value` is what the cell holds already. */
  holds(cell: Cell, value: Value): boolean {
    return (this.writes.get(cell) ?? this.#leaves.get(cell)) === value;
  }

  gradient(cell: Cell): Value | undefined {
    if (!this.#gradients.has(cell)) {
      const present = cell.gradient !== undefined;
      this.guards.push(() => (cell.gradient !== undefined) === present);
      if (present) this.#hadGradient.add(cell);
      this.#gradients.set(cell, present ? this.read(cell.gradientCell) : undefined);
    }
    return this.#gradients.get(cell);
  }

  /** Whether the cell had a gradient when the function was called. */
  hadGradient(cell: Cell): boolean {
    return this.#hadGradient.has(cell);
  }

  /** What was there before is not read, so a first call (without gradients) and later ones can share a trace. */
  setGradient(cell: Cell, value: Value | undefined): void {
    this.#gradients.set(cell, value);
  }
}

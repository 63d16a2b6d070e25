import { InternalError } from "../../../graph/errors.ts";
import type { Value } from "../../../graph/node.ts";
import { numel } from "../../../graph/shape.ts";
import { equalTo, lessThan } from "../../index/condition.ts";
import { add, constant, type Expression, linearize, multiply } from "../../index/expression.ts";
import type { Buffer, LocalArray } from "../../kernel/ir.ts";
import * as s from "../../kernel/scalars.ts";
import { type Coordinates, placeOf, type Template } from "../../schedule/groups.ts";
import { type Reducer, reducerOf } from "../accumulate.ts";
import { Block, Names } from "../block.ts";
import { Computation, type LoweringScope, scalarType } from "../compute.ts";
import { type LoweredGroup, storeAll } from "../loops.ts";
import { planPasses, type RowPasses } from "../passes.ts";
import { combineAll } from "./partials.ts";

type RowTemplate = Extract<Template, { kind: "row" }>;

/** Rows shorter than this are left to one invocation each, where there are many of them. */
const shortRow = 32;
const fewRows = 64;
const elementBytes = 4;

/**
 * Rows with a workgroup each: its invocations take every so-manieth element, and combine their partial results in its
 * memory. Wide values that several passes need are kept there too, while there is room. Undefined where one invocation
 * a row is better, or must do: scans go from one element to the next.
 */
export function lowerRowWorkgroups(scope: LoweringScope, template: RowTemplate): LoweredGroup | undefined {
  const { rows, length } = template;
  if (length < shortRow && (length === 1 || numel(rows) >= fewRows)) return undefined;
  const { invocations = 1, sharedBytes = 0 } = scope.target.workgroup ?? {};
  const each = numel(rows) < fewRows ? 8 : 32;
  const size = workgroupSize(length / each, Math.min(invocations, 256));
  const { passes, reductions } = planPasses(scope, template, 0);
  const partialBytes = reductions.length * size * elementBytes;
  if (passes.some(({ scans }) => scans.length > 0) || partialBytes > sharedBytes) return undefined;
  const room = Math.floor((sharedBytes - partialBytes) / (length * elementBytes));
  return new WorkgroupRowWriter(scope, template, size, room).write();
}

interface Accumulator {
  readonly value: Value;
  readonly reducer: Reducer;
  readonly array: LocalArray;
}

class WorkgroupRowWriter {
  readonly #scope: LoweringScope;
  readonly #template: RowTemplate;
  readonly #computation: Computation;
  readonly #passes: RowPasses;
  readonly #invocations: number;
  /** A row of each kept value that the kernel does not store. */
  readonly #rows = new Map<Value, Buffer>();
  readonly #partials = new Map<Value, Buffer>();

  constructor(scope: LoweringScope, template: RowTemplate, invocations: number, mostKept: number) {
    this.#scope = scope;
    this.#template = template;
    this.#computation = new Computation(scope);
    this.#invocations = invocations;
    this.#passes = planPasses(scope, template, mostKept);
    for (const value of this.#passes.kept.keys()) {
      if (scope.group.stores.has(value)) continue;
      const type = scalarType(value.dtype);
      const name = scope.names?.buffer() ?? `row${this.#rows.size}`;
      this.#rows.set(value, { name, type, length: template.length, access: "workgroup" });
    }
    for (const value of this.#passes.reductions) {
      const { type } = reducerOf(value);
      const name = scope.names?.buffer() ?? `partials${this.#partials.size}`;
      this.#partials.set(value, { name, type, length: this.#invocations, access: "workgroup" });
    }
  }

  write(): LoweredGroup {
    const block = new Block(this.#scope.names ?? new Names());
    const { rows, length } = this.#template;
    block.loops("i", rows, "grid", (row, indices) => {
      row.loop("l", this.#invocations, "local", (invocation, lane) => {
        this.#passes.passes.forEach((_, pass) => {
          this.#writePass(invocation, indices, lane, pass);
        });
        for (const value of this.#passes.reductions) this.#computation.unbind(value);
      });
    });
    return {
      group: this.#scope.group,
      body: block.statements,
      buffers: this.#computation.buffers,
      scratch: [],
      shared: [...this.#partials.values(), ...this.#rows.values()],
      flops: this.#passes.operations * numel(rows) * length,
    };
  }

  #coordinates(rows: readonly Expression[], element: Expression): Coordinates {
    const { rows: narrowShape, length } = this.#template;
    return { narrow: rows, narrowShape, wide: [...rows, element], wideShape: [...narrowShape, length] };
  }

  #indexOf(value: Value, coordinates: Coordinates): readonly Expression[] {
    const place = placeOf(value.shape, coordinates);
    if (place === undefined) throw new InternalError(`row kernel: ${value.node.op} has no place in the row`);
    return place.index;
  }

  #writePass(block: Block, rows: readonly Expression[], lane: Expression, pass: number): void {
    const { reductions, wideStores, narrowStores } = this.#passes.passes[pass];
    const computation = this.#computation;
    const accumulators = reductions.map((value): Accumulator => {
      const reducer = reducerOf(value);
      return { value, reducer, array: block.declare(reducer.type, 1, reducer.initial) };
    });
    if (reductions.length > 0 || wideStores.length > 0) {
      const { length } = this.#template;
      block.loop("j", Math.ceil(length / this.#invocations), "loop", (turn, j) => {
        const element = add(multiply(j, this.#invocations), lane);
        const inside = lessThan(element, length);
        turn.when(inside, (inner) => {
          computation.where(inside, () =>
            this.#writeElement(inner, this.#coordinates(rows, element), element, pass, accumulators),
          );
        });
      });
    }
    computation.forget();
    this.#combine(block, accumulators, lane);
    if (narrowStores.length === 0) return;
    const narrow: Coordinates = {
      ...this.#coordinates(rows, rows[0] ?? constant(0)),
      wide: rows,
      wideShape: this.#template.rows,
    };
    const first = equalTo(lane, 0);
    block.when(first, (inner) => {
      const position = linearize(rows, this.#template.rows);
      const values = narrowStores.map((value) => ({ value, index: this.#indexOf(value, narrow), position }));
      computation.where(first, () => storeAll(inner, computation, values));
    });
  }

  #combine(block: Block, accumulators: readonly Accumulator[], lane: Expression): void {
    if (accumulators.length === 0) return;
    const partials = accumulators.map(({ value, reducer, array }) => {
      const buffer = this.#partials.get(value);
      if (buffer === undefined)
        throw new InternalError(`row kernel: ${value.node.op} has no partial results`);
      return { reducer, array, buffer };
    });
    const results = combineAll(block, partials, this.#invocations, lane);
    accumulators.forEach(({ value }, i) => {
      this.#computation.bind(value, s.cast(results[i], scalarType(value.dtype)));
    });
  }

  #writeElement(
    inner: Block,
    coordinates: Coordinates,
    element: Expression,
    pass: number,
    accumulators: readonly Accumulator[],
  ): void {
    const computation = this.#computation;
    const position = linearize(coordinates.wide, coordinates.wideShape);
    for (const value of this.#passes.passes[pass].bound) {
      const [buffer, at] = this.#keptAt(value, position, element);
      const index = this.#indexOf(value, coordinates);
      if (pass === this.#passes.kept.get(value)) {
        const scalar = inner.let(computation.element(value, index, inner));
        inner.store(buffer, at, scalar);
        computation.bind(value, scalar, index);
      } else {
        computation.bind(value, s.load(buffer, at), index);
      }
    }
    for (const { value, reducer, array } of accumulators) {
      const [input] = value.node.inputs;
      const taken = computation.element(input, this.#indexOf(input, coordinates), inner);
      const so = s.local(array, constant(0));
      inner.set(array, constant(0), reducer.combine(so, s.cast(taken, reducer.type)));
    }
    const { wideStores, bound } = this.#passes.passes[pass];
    const values = wideStores
      .filter((value) => !this.#passes.kept.has(value))
      .map((value) => ({ value, index: this.#indexOf(value, coordinates), position }));
    storeAll(inner, computation, values);
    for (const value of bound) computation.unbind(value);
  }

  /** Where a kept value lies; each element is read by the invocation that wrote it. */
  #keptAt(value: Value, position: Expression, element: Expression): [Buffer, Expression] {
    const row = this.#rows.get(value);
    return row ? [row, element] : [this.#computation.bufferOf(value, "readwrite"), position];
  }
}

/**
 * A power of two of invocations, no fewer than wanted where there may be so many. Where rows are many, few invocations for
 * each keep all busy: each combines what the others have, which costs as much as a dozen elements.
 */
function workgroupSize(wanted: number, most: number): number {
  let size = 1;
  while (size < wanted && size * 2 <= most) size *= 2;
  return Math.max(size, Math.min(32, most));
}

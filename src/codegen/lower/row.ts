import { InternalError } from "../../graph/errors.ts";
import type { Value } from "../../graph/node.ts";
import { numel } from "../../graph/shape.ts";
import { type Expression, linearize } from "../index/expression.ts";
import type { Buffer, Scalar } from "../kernel/ir.ts";
import * as s from "../kernel/scalars.ts";
import { type Coordinates, placeOf, type Template } from "../schedule/groups.ts";
import { Accumulator, Scan } from "./accumulate.ts";
import { Block, Names } from "./block.ts";
import { Computation, isScalar, type LoweringScope, scalarType } from "./compute.ts";
import { elementLoop, type LoweredGroup, storeAll } from "./loops.ts";
import { planPasses, type RowPasses } from "./passes.ts";

type RowTemplate = Extract<Template, { kind: "row" }>;

/**
 * Rows, each computed in a few passes over its elements: a pass ends where the next needs its reduction's result. Wide
 * values that several passes need and that cost something are kept in a row of scratch, or read back from where the
 * kernel stores them anyway.
 */
export function lowerRow(scope: LoweringScope, template: RowTemplate): LoweredGroup {
  return (
    new RowWriter(scope, template, isScalar(scope)).write() ??
    (new RowWriter(scope, template, true).write() as LoweredGroup)
  );
}

/** An element of a row. */
interface Place {
  readonly rows: readonly Expression[];
  readonly element: Expression;
  readonly lane: Expression | undefined;
}

/** What a pass carries from one element to the next. */
interface Carried {
  readonly accumulators: readonly Accumulator[];
  readonly scans: ReadonlyMap<Value, Scan>;
}

class RowWriter {
  readonly #scope: LoweringScope;
  readonly #template: RowTemplate;
  readonly #single: boolean;
  readonly #computation: Computation;
  readonly #passes: RowPasses;
  readonly #scratch = new Map<Value, Buffer>();
  readonly #width: number;

  constructor(scope: LoweringScope, template: RowTemplate, single: boolean) {
    this.#scope = scope;
    this.#template = template;
    this.#single = single;
    this.#computation = new Computation(scope);
    // Rows that run side by side share no scratch.
    this.#passes = planPasses(scope, template, isScalar(scope) ? 0 : undefined);
    const { length } = template;
    this.#width = single ? 1 : length >= 64 ? 16 : length >= 8 ? 8 : length >= 4 ? 4 : 1;
    for (const value of this.#passes.kept.keys()) {
      if (scope.group.stores.has(value)) continue;
      const name = `row${this.#scratch.size}`;
      this.#scratch.set(value, { name, type: scalarType(value.dtype), length, access: "scratch" });
    }
  }

  write(): LoweredGroup | undefined {
    const block = new Block(this.#scope.names ?? new Names());
    const { rows, length } = this.#template;
    // Rows that share scratch cannot run side by side.
    block.loops("i", rows, this.#scratch.size > 0 ? "loop" : "grid", (row, indices) => {
      this.#passes.passes.forEach((_, pass) => {
        this.#writePass(row, indices, pass);
      });
      for (const value of this.#passes.reductions) this.#computation.unbind(value);
    });
    if (this.#computation.needsScalarLoops && !this.#single) return undefined;
    const scratch = [...this.#scratch.values()];
    const flops = this.#passes.operations * numel(rows) * length;
    return {
      group: this.#scope.group,
      body: block.statements,
      buffers: this.#computation.buffers,
      scratch,
      flops,
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

  #writePass(row: Block, rows: readonly Expression[], pass: number): void {
    const { reductions, wideStores, narrowStores, ...planned } = this.#passes.passes[pass];
    // A scan carries its result from one element to the next.
    const width = planned.scans.length > 0 ? 1 : this.#width;
    const accumulators = reductions.map((value) => new Accumulator(row, value, width));
    const scans = new Map(planned.scans.map((value) => [value, new Scan(row, value)]));
    const needed = reductions.length > 0 || wideStores.length > 0;
    if (needed) {
      elementLoop(row, this.#template.length, width, "loop", (inner, element, lane) => {
        this.#writeElement(inner, { rows, element, lane }, pass, { accumulators, scans });
      });
    }
    this.#computation.forget();
    for (const accumulator of accumulators)
      this.#computation.bind(accumulator.value, row.let(accumulator.result()));
    // Index variables of a loop are meaningless here: narrow values use the rows' alone.
    const coordinates = this.#coordinates(rows, rows[0] ?? linearize([], []));
    const narrow: Coordinates = {
      ...coordinates,
      wide: coordinates.narrow,
      wideShape: coordinates.narrowShape,
    };
    storeAll(
      row,
      this.#computation,
      narrowStores.map((value) => ({
        value,
        index: this.#indexOf(value, narrow),
        position: linearize(rows, this.#template.rows),
      })),
    );
  }

  #writeElement(inner: Block, at: Place, pass: number, { accumulators, scans }: Carried): void {
    const computation = this.#computation;
    const coordinates = this.#coordinates(at.rows, at.element);
    const position = linearize(coordinates.wide, coordinates.wideShape);
    computation.forget();
    for (const value of this.#passes.passes[pass].bound) {
      const index = this.#indexOf(value, coordinates);
      const element = (of: Value): Scalar => computation.element(of, this.#indexOf(of, coordinates), inner);
      const from = this.#passes.kept.get(value);
      const kept = from === undefined ? undefined : this.#keptAt(value, position, at.element);
      if (kept && from !== pass) {
        computation.bind(value, s.load(...kept), index);
      } else {
        const scan = scans.get(value);
        const scalar = scan ? scan.step(inner, value.node.inputs.map(element)) : inner.let(element(value));
        if (kept) inner.store(...kept, scalar);
        computation.bind(value, scalar, index);
      }
    }
    for (const accumulator of accumulators) {
      const [input] = accumulator.value.node.inputs;
      accumulator.add(inner, computation.element(input, this.#indexOf(input, coordinates), inner), at.lane);
    }
    const { wideStores } = this.#passes.passes[pass];
    storeAll(
      inner,
      computation,
      wideStores
        .filter((value) => !this.#passes.kept.has(value))
        .map((value) => ({ value, index: this.#indexOf(value, coordinates), position })),
    );
    for (const value of this.#passes.passes[pass].bound) computation.unbind(value);
  }

  /** Where a kept value lies: its own output, or scratch of the length of a row. */
  #keptAt(value: Value, position: Expression, element: Expression): [Buffer, Expression] {
    const scratch = this.#scratch.get(value);
    return scratch ? [scratch, element] : [this.#computation.bufferOf(value, "readwrite"), position];
  }
}

import { InternalError } from "../../graph/errors.ts";
import type { Value } from "../../graph/node.ts";
import { numel } from "../../graph/shape.ts";
import {
  add,
  coefficientOf,
  constant,
  type Expression,
  linearize,
  multiply,
  termsOf,
  variable,
} from "../index/expression.ts";
import type { Buffer } from "../kernel/ir.ts";
import * as s from "../kernel/scalars.ts";
import { type Coordinates, placeOf, type Template } from "../schedule/groups.ts";
import { Block, Names } from "./block.ts";
import { Computation, isScalar, type LoweringScope, scalarType } from "./compute.ts";
import { type LoweredGroup, storeAll } from "./loops.ts";

/** Rows and columns of a register tile: 12 vector accumulators, which leaves room for the operands. */
const tileRows = 6;
const tileColumns = 8;
/** Steps of the shared dim that are written out. */
const unroll = 4;
/** Rows of the left operand that stay in the second-level cache while panels of the right one pass by. */
const cachedBytes = 256 * 1024;
/** Above this many operations an element, what follows the product runs in a loop over rows instead of written out. */
const heavyEpilogue = 24;

/**
 * A batch of matrix products. Panels of eight columns of the right operand are copied side by side (through any view),
 * tiles of six rows are multiplied with them in registers, and what follows elementwise is computed before the store.
 */
export function lowerContract(
  scope: LoweringScope,
  { product }: Extract<Template, { kind: "contract" }>,
): LoweredGroup {
  const first = new ContractWriter(scope, product, isScalar(scope)).write();
  return first ?? (new ContractWriter(scope, product, true).write() as LoweredGroup);
}

class ContractWriter {
  readonly #scope: LoweringScope;
  readonly #product: Value;
  readonly #single: boolean;
  readonly #computation: Computation;
  readonly #left: Value;
  readonly #right: Value;
  readonly #rows: number;
  readonly #inner: number;
  readonly #columns: number;
  readonly #panel: Buffer;
  readonly #tile: Buffer;
  #usesTile = false;

  constructor(scope: LoweringScope, product: Value, single: boolean) {
    this.#scope = scope;
    this.#product = product;
    this.#single = single;
    this.#computation = new Computation(scope);
    [this.#left, this.#right] = product.node.inputs;
    const rank = product.shape.length;
    this.#rows = product.shape[rank - 2];
    this.#columns = product.shape[rank - 1];
    this.#inner = this.#left.shape[rank - 1];
    const type = scalarType(product.dtype);
    this.#panel = { name: "panel", type, length: Math.max(this.#inner, 1) * tileColumns, access: "scratch" };
    this.#tile = { name: "tile", type, length: tileRows * tileColumns, access: "scratch" };
  }

  write(): LoweredGroup | undefined {
    const block = new Block(new Names());
    const { shape } = this.#product;
    const batch = shape.slice(0, -2);
    const cached = Math.max(
      tileRows,
      Math.floor(cachedBytes / 4 / Math.max(this.#inner, 1) / tileRows) * tileRows,
    );
    const heavy = this.#epilogueOperations() > heavyEpilogue;
    // The panel is shared: all but the tiles below it come one after the other.
    block.loops("b", batch, "loop", (at, indices) => {
      blocks(at, "m", this.#rows, cached, "loop", (rowBlock, rows, rowStart) => {
        blocks(rowBlock, "n", this.#columns, tileColumns, "loop", (inner, columns, columnStart) => {
          this.#stagePanel(inner, indices, columns, columnStart);
          blocks(inner, "t", rows, tileRows, heavy ? "loop" : "grid", (tile, height, start) => {
            this.#multiplyTile(tile, indices, height, add(rowStart, start), columns, columnStart, heavy);
          });
        });
      });
    });
    if (this.#computation.needsScalarLoops && !this.#single) return undefined;
    const { buffers } = this.#computation;
    const scratch = this.#usesTile ? [this.#panel, this.#tile] : [this.#panel];
    const flops = 2 * numel(shape) * this.#inner;
    return { group: this.#scope.group, body: block.statements, buffers, scratch, flops };
  }

  /** Operations that follow the product for each element. */
  #epilogueOperations(): number {
    const probe = new Computation(this.#scope);
    const block = new Block(new Names());
    const type = scalarType(this.#product.dtype);
    probe.bind(this.#product, s.register({ name: "product", type }));
    const index = this.#product.shape.map((size, dim) => variable(`p${dim}`, size));
    for (const value of this.#scope.group.stores) probe.element(value, this.#indexOf(value, index), block);
    return probe.operations;
  }

  #indexOf(value: Value, index: readonly Expression[]): Expression[] {
    const { shape } = this.#product;
    const coordinates: Coordinates = { wide: index, wideShape: shape, narrow: index, narrowShape: shape };
    const place = placeOf(value.shape, coordinates);
    if (place === undefined)
      throw new InternalError(`contract kernel: ${value.node.op} has no place in the product`);
    return place.index;
  }

  /** Copies eight columns of the right operand, row after row; columns beyond the last are zeros. */
  #stagePanel(block: Block, batch: readonly Expression[], columns: number, start: Expression): void {
    const computation = this.#computation;
    block.loop("k", this.#inner, "loop", (body, k) => {
      computation.forget();
      const at = (column: Expression): Expression => add(multiply(k, tileColumns), column);
      const copy = (inner: Block, column: Expression): void => {
        const element = computation.element(this.#right, [...batch, k, add(start, column)], inner);
        inner.store(this.#panel, at(column), element);
      };
      if (columns === tileColumns && !this.#single) {
        body.loop("v", tileColumns, "vector", copy);
        return;
      }
      body.loop("u", columns, "unroll", copy);
      const zero = s.constant(this.#panel.type, 0);
      body.loop("u", tileColumns - columns, "unroll", (inner, column) => {
        inner.store(this.#panel, at(add(columns, column)), zero);
      });
    });
  }

  #multiplyTile(
    block: Block,
    batch: readonly Expression[],
    height: number,
    rowStart: Expression,
    columns: number,
    columnStart: Expression,
    heavy: boolean,
  ): void {
    const computation = this.#computation;
    const width = columns <= tileColumns / 2 ? tileColumns / 2 : tileColumns;
    const sums = block.declare(this.#panel.type, height * width, 0);
    const step = (body: Block, k: Expression): void => {
      computation.forget();
      body.loop("r", height, "unroll", (row, r) => {
        const left = computation.element(this.#left, [...batch, add(rowStart, r), k], row);
        row.loop("v", width, "vector", (lane, column) => {
          const at = add(multiply(r, width), column);
          const right = s.load(this.#panel, add(multiply(k, tileColumns), column));
          lane.set(sums, at, s.multiplyAdd(left, right, s.local(sums, at)));
        });
      });
    };
    this.#sharedLoop(block, step);

    const follow = (
      row: Block,
      r: Expression,
      sum: (column: Expression) => ReturnType<typeof s.local>,
    ): void => {
      const store = (lane: Block, column: Expression): void => {
        computation.bind(this.#product, sum(column));
        const index = [...batch, add(rowStart, r), add(columnStart, column)];
        const position = linearize(index, this.#product.shape);
        const stores = [...this.#scope.group.stores];
        storeAll(
          lane,
          computation,
          stores.map((value) => ({ value, index: this.#indexOf(value, index), position })),
        );
        computation.unbind(this.#product);
      };
      if (columns % 4 === 0 && !this.#single) row.loop("v", columns, "vector", store);
      else row.loop("u", columns, "unroll", store);
    };
    if (!heavy) {
      block.loop("r", height, "unroll", (row, r) =>
        follow(row, r, (column) => s.local(sums, add(multiply(r, width), column))),
      );
      return;
    }
    this.#usesTile = true;
    block.loop("r", height, "unroll", (row, r) =>
      row.loop("v", width, "vector", (lane, column) => {
        const at = add(multiply(r, width), column);
        lane.store(this.#tile, at, s.local(sums, at));
      }),
    );
    block.loop("r", height, "loop", (row, r) =>
      follow(row, r, (column) => s.load(this.#tile, add(multiply(r, width), column))),
    );
  }

  /** The loop over the shared dim, split where the left operand's index divides it, its innermost part written out by 4. */
  #sharedLoop(block: Block, step: (body: Block, k: Expression) => void): void {
    const divisor = this.#divisorOfShared();
    const unrolled = (body: Block, extent: number, start: Expression): void => {
      const turns = Math.floor(extent / unroll);
      body.loop("k", turns, "loop", (outer, turn) =>
        outer.loop("u", unroll, "unroll", (inner, u) => step(inner, add(start, multiply(turn, unroll), u))),
      );
      body.loop("u", extent - turns * unroll, "unroll", (inner, u) =>
        step(inner, add(start, turns * unroll, u)),
      );
    };
    if (divisor === undefined) {
      unrolled(block, this.#inner, constant(0));
      return;
    }
    block.loop("k", this.#inner / divisor, "loop", (body, turn) =>
      unrolled(body, divisor, multiply(turn, divisor)),
    );
  }

  /** By what the left operand's index divides the shared dim, if that makes it irregular. */
  #divisorOfShared(): number | undefined {
    const probe = new Computation(this.#scope);
    const index = this.#left.shape.map((size, dim) => variable(`p${dim}`, size));
    const element = probe.element(this.#left, index, new Block(new Names()));
    if (element.kind !== "load") return undefined;
    const shared = `p${index.length - 1}`;
    if (coefficientOf(element.index, shared) !== undefined) return undefined;
    for (const { of } of termsOf(element.index)) {
      if (of.kind !== "floorDivide" && of.kind !== "modulo") continue;
      const divisor = of.kind === "floorDivide" ? of.divisor : of.modulus;
      if (of.of.kind === "variable" && of.of.name === shared && this.#inner % divisor === 0) return divisor;
    }
    return undefined;
  }
}

/** A loop over blocks of `size`, and one block of what is left. */
function blocks(
  block: Block,
  prefix: string,
  extent: number,
  size: number,
  tag: "grid" | "loop",
  body: (inner: Block, size: number, start: Expression) => void,
): void {
  const full = Math.floor(extent / size);
  block.loop(prefix, full, tag, (inner, turn) => body(inner, size, multiply(turn, size)));
  if (extent > full * size) body(block, extent - full * size, constant(full * size));
}

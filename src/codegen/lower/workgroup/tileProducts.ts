import type { Value } from "../../../graph/node.ts";
import { and, lessThan } from "../../index/condition.ts";
import { add, constant, type Expression, floorDivide, modulo, multiply } from "../../index/expression.ts";
import type { Buffer, LocalArray, Scalar } from "../../kernel/ir.ts";
import * as s from "../../kernel/scalars.ts";
import type { Block } from "../block.ts";
import type { Computation } from "../compute.ts";

// Products of tiles by a workgroup of 64 invocations, which stand in 8 rows of 8. Each holds some elements of the product
// in registers: of every eighth row and column, so that neighbours read and store side by side.

const side = 8;
export const invocations = side * side;
/** Elements of the memory that slices of operands are staged in. */
export const sliceLength = 1024;

/** A dim cut into tiles of `size`, of which each invocation has `each` rows or columns. The last may reach over the end. */
export interface Tiles {
  readonly total: number;
  readonly count: number;
  readonly each: number;
  readonly size: number;
}

/** As few tiles as possible, and those as small as possible. */
export function tilesOf(total: number, mostEach: number): Tiles {
  const count = Math.ceil(total / (mostEach * side));
  const each = Math.max(1, Math.ceil(total / Math.max(count, 1) / side));
  return { total, count, each, size: each * side };
}

export const rowOf = (lane: Expression, i: Expression): Expression =>
  add(floorDivide(lane, side), multiply(i, side));

export const columnOf = (lane: Expression, j: Expression): Expression =>
  add(modulo(lane, side), multiply(j, side));

/** Rows of an operand from `start` on, each element times a factor; beyond its end there are zeros. */
export interface OperandRows {
  readonly value: Value;
  readonly batch: readonly Expression[];
  readonly start: Expression;
  readonly factor?: number;
}

/** A product's right operand: rows of which a tile of columns is taken. */
export interface RightRows extends OperandRows {
  readonly column: Expression;
  readonly columns: Tiles;
}

/** One step of a shared dim: every left element times every right one, each product added to its sum. */
export function accumulateProducts(
  block: Block,
  sums: LocalArray,
  lefts: readonly Scalar[],
  rights: readonly Scalar[],
): void {
  lefts.forEach((x, i) => {
    rights.forEach((y, j) => {
      const at = constant(i * rights.length + j);
      block.set(sums, at, s.multiplyAdd(x, y, s.local(sums, at)));
    });
  });
}

const indices = (count: number): Expression[] => Array.from({ length: count }, (_, i) => constant(i));

/** Multiplies what lies anywhere, by way of slices in a workgroup's memory. All invocations come by. */
export class TileProducts {
  readonly #computation: Computation;
  readonly #slice: Buffer;

  constructor(computation: Computation, slice: Buffer) {
    this.#computation = computation;
    this.#slice = slice;
  }

  /** Each row of a tile times each row of another: [row of the left, row of the right]. */
  rowsByRows(
    block: Block,
    lane: Expression,
    [left, lefts]: readonly [OperandRows, Tiles],
    [right, rights]: readonly [OperandRows, Tiles],
  ): LocalArray {
    const sums = block.declare("f32", lefts.each * rights.each, 0);
    const depth = widthOf(left.value);
    const step = depth > side ? 2 * side : side;
    const second = step * lefts.size;
    block.loop("k", Math.ceil(depth / step), "loop", (body, turn) => {
      const start = multiply(turn, step);
      this.#stageColumns(body, lane, left, lefts.size, start, step, 0);
      this.#stageColumns(body, lane, right, rights.size, start, step, second);
      body.barrier();
      body.loop("d", step, "loop", (inner, k) => {
        const load = (at: Expression): Scalar => inner.let(s.load(this.#slice, at));
        const xs = indices(lefts.each).map((i) => load(add(multiply(k, lefts.size), rowOf(lane, i))));
        const ys = indices(rights.each).map((j) =>
          load(add(second, multiply(k, rights.size), columnOf(lane, j))),
        );
        accumulateProducts(inner, sums, xs, ys);
      });
      body.barrier();
    });
    return sums;
  }

  /** Adds the product of `left`, whose shared dim is as long as the tile of `shared`, and rows: [row, column]. */
  addProduct(
    block: Block,
    lane: Expression,
    sums: LocalArray,
    left: { readonly rows: Tiles; readonly element: (row: Expression, k: Expression) => Scalar },
    shared: Tiles,
    right: RightRows,
  ): void {
    const step = shared.size % (2 * side) === 0 ? 2 * side : side;
    const { columns } = right;
    block.loop("k", shared.size / step, "loop", (body, turn) => {
      const start = multiply(turn, step);
      this.#stageRows(body, lane, right, start, step);
      body.barrier();
      body.loop("d", step, "loop", (inner, k) => {
        const xs = indices(left.rows.each).map((i) => inner.let(left.element(rowOf(lane, i), add(start, k))));
        const ys = indices(columns.each).map((j) =>
          inner.let(s.load(this.#slice, add(multiply(k, columns.size), columnOf(lane, j)))),
        );
        accumulateProducts(inner, sums, xs, ys);
      });
      body.barrier();
    });
  }

  /** Columns start.. of some rows, into [column, row] from an offset on. */
  #stageColumns(
    block: Block,
    lane: Expression,
    operand: OperandRows,
    rows: number,
    start: Expression,
    step: number,
    offset: number,
  ): void {
    this.#stage(block, lane, step * rows, offset, (body, position) =>
      this.#element(body, operand, modulo(position, rows), add(start, floorDivide(position, rows))),
    );
  }

  /** Rows start.. and a tile of columns, into [row, column]. */
  #stageRows(block: Block, lane: Expression, right: RightRows, start: Expression, step: number): void {
    const { column, columns } = right;
    this.#stage(block, lane, step * columns.size, 0, (body, position) =>
      this.#element(
        body,
        right,
        add(start, floorDivide(position, columns.size)),
        add(column, modulo(position, columns.size)),
      ),
    );
  }

  #stage(
    block: Block,
    lane: Expression,
    length: number,
    offset: number,
    element: (body: Block, position: Expression) => Scalar,
  ): void {
    block.loop("s", length / invocations, "loop", (body, turn) => {
      this.#computation.forget();
      const position = add(multiply(turn, invocations), lane);
      body.store(this.#slice, add(offset, position), element(body, position));
    });
  }

  #element(block: Block, operand: OperandRows, row: Expression, column: Expression): Scalar {
    const { value, batch, start, factor } = operand;
    const at = add(start, row);
    const inside = and(lessThan(at, lengthOf(value)), lessThan(column, widthOf(value)));
    const element = this.#computation.elementWhere(inside, value, [...batch, at, column], block);
    return factor === undefined ? element : s.binary("mul", element, s.constant("f32", factor));
  }
}

const lengthOf = ({ shape }: Value): number => shape[shape.length - 2];
const widthOf = ({ shape }: Value): number => shape[shape.length - 1];

import { add, constant, type Expression, minimum, multiply } from "../index/expression.ts";
import type { Buffer, LocalArray, Scalar, ScalarType } from "../kernel/ir.ts";
import * as s from "../kernel/scalars.ts";
import type { Reducer } from "./accumulate.ts";
import type { Block } from "./block.ts";
import { blocks, elementLoop } from "./loops.ts";

// How attention is cut into tiles that fit registers and the first cache: blocks of queries by tiles of keys.

/** Rows and columns of a register tile: 12 vector accumulators. */
const tileRows = 6;
export const tileColumns = 8;
/** Steps of a shared dim that are written out. */
const unroll = 4;
/** The most queries of a block, and keys of a tile. */
const mostRows = 72;
const mostKeys = 64;

/** A dim cut into equal parts. The last one is moved back so as not to run over the end: it overlaps the one before. */
export interface Parts {
  readonly total: number;
  readonly size: number;
  readonly count: number;
}

/** As few elements twice as possible; then as large parts as possible. */
function cut(total: number, multiple: number, most: number): Parts {
  if (total <= most) return { total, size: total, count: 1 };
  let best: Parts | undefined;
  for (let size = Math.floor(most / multiple) * multiple; size >= most / 3; size -= multiple) {
    const parts = { total, size, count: Math.ceil(total / size) };
    if (best === undefined || parts.count * size < best.count * best.size) best = parts;
  }
  return best as Parts;
}

export const cutQueries = (total: number): Parts => cut(total, tileRows, mostRows);
export const cutKeys = (total: number): Parts => cut(total, tileColumns, mostKeys);

/** Whether some elements belong to two parts. */
export function overlaps({ total, size, count }: Parts): boolean {
  return count * size !== total;
}

/** Where a part begins. */
export function startOf({ total, size }: Parts, index: Expression): Expression {
  return minimum(multiply(index, size), total - size);
}

/** What a part begins with that no part before it has. */
export function firstOf({ size }: Parts, index: Expression): Expression {
  return multiply(index, size);
}

/** To a whole number of register tiles' columns. */
export function padded(columns: number): number {
  return Math.ceil(columns / tileColumns) * tileColumns;
}

export const vectorWidth = (extent: number): number => (extent >= 8 ? 8 : extent >= 4 ? 4 : 1);

export const largest: Reducer = {
  type: "f32",
  initial: Number.NEGATIVE_INFINITY,
  combine: (a, b) => s.binary("maximum", a, b),
};
export const total: Reducer = { type: "f32", initial: 0, combine: (a, b) => s.binary("add", a, b) };

/** Copies rows into a buffer, padded with zeros to whole tiles; `at` says where an element goes. */
export function stage(
  block: Block,
  buffer: Buffer,
  [rows, columns]: readonly [number, number],
  at: (row: Expression, column: Expression) => Expression,
  element: (inner: Block, row: Expression, column: Expression) => Scalar,
): void {
  block.loop("p", rows, "loop", (body, row) => {
    elementLoop(body, columns, vectorWidth(columns), "loop", (inner, column) =>
      inner.store(buffer, at(row, column), element(inner, row, column)),
    );
    body.loop("u", padded(columns) - columns, "unroll", (inner, column) =>
      inner.store(buffer, at(row, add(columns, column)), s.constant(buffer.type, 0)),
    );
  });
}

/** Sets a buffer's first elements to 0. */
export function clear(block: Block, buffer: Buffer, elements: number, value = 0): void {
  elementLoop(block, elements, vectorWidth(elements), "loop", (inner, index) =>
    inner.store(buffer, index, s.constant(buffer.type, value)),
  );
}

/** A product of matrices in scratch memory. */
export interface TileProduct {
  readonly rows: number;
  /** A multiple of the tile's columns. */
  readonly columns: number;
  readonly depth: number;
  readonly left: (row: Expression, k: Expression) => Scalar;
  /** An element of the right operand; its columns lie side by side. */
  readonly right: (k: Expression, panel: Expression, column: Expression) => Scalar;
  /** Takes in a sum of products: called in a loop over vectors of columns. */
  readonly finish: (lane: Block, row: Expression, column: Expression, sum: Scalar) => void;
}

/** Computes the product tile by tile, each in registers. */
export function multiplyTiles(block: Block, product: TileProduct): void {
  block.loop("n", product.columns / tileColumns, "loop", (byPanel, panel) => {
    blocks(byPanel, "m", product.rows, tileRows, "loop", (tile, height, start) => {
      const sums = multiplyTile(tile, product, height, start, panel);
      tile.loop("r", height, "unroll", (row, r) =>
        row.loop("v", tileColumns, "vector", (lane, c) =>
          product.finish(
            lane,
            add(start, r),
            add(multiply(panel, tileColumns), c),
            s.local(sums, add(multiply(r, tileColumns), c)),
          ),
        ),
      );
    });
  });
}

function multiplyTile(
  block: Block,
  { depth, left, right }: TileProduct,
  height: number,
  start: Expression,
  panel: Expression,
): LocalArray {
  const sums = block.declare("f32", height * tileColumns, 0);
  const step = (body: Block, k: Expression): void =>
    body.loop("r", height, "unroll", (row, r) => {
      const factor = left(add(start, r), k);
      row.loop("v", tileColumns, "vector", (lane, c) => {
        const at = add(multiply(r, tileColumns), c);
        lane.set(sums, at, s.multiplyAdd(factor, right(k, panel, c), s.local(sums, at)));
      });
    });
  const turns = Math.floor(depth / unroll);
  block.loop("k", turns, "loop", (outer, turn) =>
    outer.loop("u", unroll, "unroll", (inner, u) => step(inner, add(multiply(turn, unroll), u))),
  );
  block.loop("u", depth - turns * unroll, "unroll", (inner, u) => step(inner, add(turns * unroll, u)));
  return sums;
}

/** Scratch memory of one kernel, made as it is asked for. */
export class Scratch {
  readonly buffers: Buffer[] = [];

  make(name: string, length: number, type: ScalarType = "f32"): Buffer {
    const buffer: Buffer = { name, type, length: Math.max(length, 1), access: "scratch" };
    this.buffers.push(buffer);
    return buffer;
  }
}

/** Element [row, column] of a buffer with rows of the given length. */
export function cell(buffer: Buffer, width: number, row: Expression, column: Expression): Scalar {
  return s.load(buffer, add(multiply(row, width), column));
}

export const zero = constant(0);

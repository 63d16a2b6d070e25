import type { Value } from "../../graph/node.ts";
import { add, coefficientOf, type Expression, multiply, variable } from "../index/expression.ts";
import type { Buffer } from "../kernel/ir.ts";
import * as s from "../kernel/scalars.ts";
import { walkScalars } from "../kernel/scalars.ts";
import { Block, Names } from "./block.ts";
import { Computation, type LoweringScope } from "./compute.ts";
import { blocks } from "./loops.ts";

// The operands of a product, copied in the order in which its tiles read them: panels of columns of the right one, tiles
// of rows of the left one where those lie in another order or are computed.

/** Rows and columns of a register tile: 12 vector accumulators, which leaves room for the operands. */
export const tileRows = 6;
export const tileColumns = 8;

/** Copies eight columns of a right operand, row after row; columns beyond the last are zeros. */
export function stagePanel(
  block: Block,
  computation: Computation,
  right: Value,
  panel: Buffer,
  place: { readonly batch: readonly Expression[]; readonly start: Expression; readonly columns: number },
  single: boolean,
): void {
  const { batch, start, columns } = place;
  block.loop("k", right.shape[right.shape.length - 2], "loop", (body, k) => {
    computation.forget();
    const at = (column: Expression): Expression => add(multiply(k, tileColumns), column);
    const copy = (inner: Block, column: Expression): void => {
      const element = computation.element(right, [...batch, k, add(start, column)], inner);
      inner.store(panel, at(column), element);
    };
    if (columns === tileColumns && !single) {
      body.loop("v", tileColumns, "vector", copy);
      return;
    }
    body.loop("u", columns, "unroll", copy);
    const zero = s.constant(panel.type, 0);
    body.loop("u", tileColumns - columns, "unroll", (inner, column) => {
      inner.store(panel, at(add(columns, column)), zero);
    });
  });
}

/** Along which dim of a left operand neighbours lie side by side; "neither" also where it is gathered. */
export type LeftOrder = "rows" | "shared" | "neither";

/** In which order to copy a left operand; undefined where tiles read it well as it lies. */
export function leftOrderOf(scope: LoweringScope, left: Value): LeftOrder | undefined {
  const probe = new Computation(scope);
  const block = new Block(new Names());
  const index = left.shape.map((extent, dim) => variable(`p${dim}`, extent));
  const element = probe.element(left, index, block);
  block.let(element);
  const coefficients = (dim: number): (number | undefined)[] => {
    const found: (number | undefined)[] = [];
    walkScalars(block.statements, (scalar) => {
      if (scalar.kind === "load") found.push(coefficientOf(scalar.index, `p${dim}`));
    });
    return found;
  };
  const sideBySide = (dim: number): boolean => coefficients(dim).every((one) => one === 0 || one === 1);
  const last = left.shape.length - 1;
  const inShared = sideBySide(last);
  if (element.kind === "load" && (inShared || coefficients(last)[0] === undefined)) return undefined;
  if (inShared) return "shared";
  return sideBySide(last - 1) ? "rows" : "neither";
}

/** Copies rows of a left operand: one tile after the other, in each the elements of one place of the shared dim together. */
export function stageLeft(
  block: Block,
  computation: Computation,
  left: Value,
  buffer: Buffer,
  place: { readonly batch: readonly Expression[]; readonly firstRow: Expression; readonly rows: number },
  order: LeftOrder,
): void {
  const { batch, firstRow, rows } = place;
  const shared = left.shape[left.shape.length - 1];
  const copy =
    (start: Expression, height: number) =>
    (inner: Block, r: Expression, k: Expression): void => {
      const element = computation.element(left, [...batch, add(firstRow, start, r), k], inner);
      inner.store(buffer, packedAt(start, height, shared, r, k), element);
    };
  if (order === "rows") {
    block.loop("k", shared, "loop", (body, k) =>
      blocks(body, "t", rows, tileRows, "loop", (inner, height, start) => {
        computation.forget();
        const copyAt = copy(start, height);
        const four = height >= 4 ? 4 : 0;
        inner.loop("v", four, "vector", (lane, r) => copyAt(lane, r, k));
        inner.loop("u", height - four, "unroll", (one, r) => copyAt(one, add(four, r), k));
      }),
    );
    return;
  }
  blocks(block, "t", rows, tileRows, "loop", (tile, height, start) => {
    const copyAt = copy(start, height);
    const column = (inner: Block, k: Expression): void => {
      computation.forget();
      inner.loop("u", height, "unroll", (one, r) => copyAt(one, r, k));
    };
    const fours = order === "shared" ? Math.floor(shared / 4) : 0;
    tile.loop("k", fours, "loop", (body, four) =>
      body.loop("v", 4, "vector", (lane, k) => column(lane, add(multiply(four, 4), k))),
    );
    tile.loop("k", shared - 4 * fours, "loop", (body, k) => column(body, add(4 * fours, k)));
  });
}

/** Where row `r` of the tile of `height` rows that begins at `start` lies, at `k` of the shared dim. */
export function packedAt(
  start: Expression,
  height: number,
  shared: number,
  r: Expression,
  k: Expression,
): Expression {
  return add(multiply(start, shared), multiply(k, height), r);
}

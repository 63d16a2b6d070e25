import type { Node } from "../../../graph/node.ts";
import { numel } from "../../../graph/shape.ts";
import { and, type Condition, equalTo, lessThan } from "../../index/condition.ts";
import { add, constant, type Expression, modulo, multiply } from "../../index/expression.ts";
import type { Buffer, LocalArray, Scalar } from "../../kernel/ir.ts";
import * as s from "../../kernel/scalars.ts";
import type { Template } from "../../schedule/groups.ts";
import type { Reducer } from "../accumulate.ts";
import { mayAttend } from "../attendScore.ts";
import { largest, total } from "../attendTiles.ts";
import { type Attention, attentionOf, rowFactor, storedAt } from "../attention.ts";
import { Block, Names } from "../block.ts";
import { Computation, type LoweringScope } from "../compute.ts";
import { type LoweredGroup, storeAll } from "../loops.ts";
import { combineLoop } from "./partials.ts";
import {
  columnOf,
  invocations,
  rowOf,
  sliceLength,
  TileProducts,
  type Tiles,
  tilesOf,
} from "./tileProducts.ts";

const infinity = Number.POSITIVE_INFINITY;
const only = constant(0);
/** Rows (queries and keys) and columns (of values) that an invocation has of its tiles. */
export const mostRowsEach = 4;
export const mostColumnsEach = 8;
/** Invocations that share a row of scores. */
const acrossRow = 8;

/**
 * Attention with a workgroup for each block of queries: tiles of keys and values pass by, and scores, their exponentials
 * and the statistics of rows stay in the workgroup's memory, so that nothing grows with the square of the length. What
 * is mixed is summed in registers. The maximum may rise from tile to tile: what was summed so far is then scaled down
 * (Dao et al., FlashAttention, 2022). Wide values are cut: each part of their columns has workgroups of its own.
 */
export function lowerAttendWorkgroups(
  scope: LoweringScope,
  { node }: Extract<Template, { kind: "attend" }>,
): LoweredGroup {
  return new AttendWorkgroupWriter(scope, node).write();
}

/** What a workgroup computes, and which of its invocations does. */
interface Part {
  readonly batch: readonly Expression[];
  /** The first query and the first column, and which part of the columns that is. */
  readonly query: Expression;
  readonly column: Expression;
  readonly chunk: Expression;
  readonly lane: Expression;
}

class AttendWorkgroupWriter {
  readonly #scope: LoweringScope;
  readonly #attention: Attention;
  readonly #computation: Computation;
  readonly #products: TileProducts;
  readonly #queries: Tiles;
  readonly #keys: Tiles;
  readonly #columns: Tiles;
  readonly #shared: Buffer[] = [];
  readonly #slice: Buffer;
  /** [query, key] of a tile: products, then scores, then exponentials. */
  readonly #scores: Buffer;
  /** [query, part of the keys]: partial maxima and sums. */
  readonly #partials: Buffer;
  /** Of each query so far: the largest score, the sum of exponentials, and how much the last tile scaled it down. */
  readonly #maxima: Buffer;
  readonly #sums: Buffer;
  readonly #decays: Buffer;

  constructor(scope: LoweringScope, node: Node) {
    this.#scope = scope;
    this.#attention = attentionOf(node);
    const { scores, value } = this.#attention.operands;
    this.#queries = tilesOf(scores[scores.length - 2], mostRowsEach);
    this.#keys = tilesOf(scores[scores.length - 1], mostRowsEach);
    this.#columns = tilesOf(value.shape[value.shape.length - 1], mostColumnsEach);
    this.#slice = this.#make("slice", sliceLength);
    this.#scores = this.#make("scores", this.#queries.size * this.#keys.size);
    this.#partials = this.#make("partials", this.#queries.size * acrossRow);
    this.#maxima = this.#make("maxima", this.#queries.size);
    this.#sums = this.#make("sums", this.#queries.size);
    this.#decays = this.#make("decays", this.#queries.size);
    this.#computation = new Computation(scope);
    this.#products = new TileProducts(this.#computation, this.#slice);
  }

  #make(name: string, length: number): Buffer {
    const buffer: Buffer = { name, type: "f32", length, access: "workgroup" };
    this.#shared.push(buffer);
    return buffer;
  }

  write(): LoweredGroup {
    const block = new Block(new Names());
    const { scores, query, value } = this.#attention.operands;
    // Values without columns still have statistics.
    const chunks = Math.max(1, this.#columns.count);
    block.loops("b", scores.slice(0, -2), "grid", (at, batch) => {
      at.loop("w", chunks, "grid", (parts, chunk) => {
        parts.loop("i", this.#queries.count, "grid", (queries, i) => {
          queries.loop("l", invocations, "local", (invocation, lane) => {
            const column = multiply(chunk, this.#columns.size);
            const query = multiply(i, this.#queries.size);
            this.#writePart(invocation, { batch, query, column, chunk, lane });
          });
        });
      });
    });
    const widths = query.shape[query.shape.length - 1] + value.shape[value.shape.length - 1];
    return {
      group: this.#scope.group,
      body: block.statements,
      buffers: this.#computation.buffers,
      scratch: [],
      shared: this.#shared,
      flops: 2 * numel(scores) * widths,
    };
  }

  #writePart(block: Block, part: Part): void {
    const { lane, batch, query } = part;
    const mixed = block.declare("f32", this.#queries.each * this.#columns.each, 0);
    block.when(lessThan(lane, this.#queries.size), (body) => {
      body.store(this.#maxima, lane, s.constant("f32", -infinity));
      body.store(this.#sums, lane, s.constant("f32", 0));
    });
    block.loop("j", this.#keys.count, "loop", (body, j) => {
      const key = multiply(j, this.#keys.size);
      const reach = { batch, query, queries: this.#queries.size, key, keys: this.#keys.size };
      body.when(mayAttend(this.#attention.graph.score, reach), (seen) =>
        this.#writeTile(seen, part, key, mixed),
      );
    });
    block.barrier();
    this.#storeResults(block, part, mixed);
    this.#storeStatistics(block, part);
  }

  #writeTile(block: Block, part: Part, key: Expression, mixed: LocalArray): void {
    const { lane, batch } = part;
    const { scale } = this.#attention.attrs;
    const sums = this.#products.rowsByRows(
      block,
      lane,
      [{ value: this.#attention.operands.query, batch, start: part.query, factor: scale }, this.#queries],
      [{ value: this.#attention.operands.key, batch, start: key }, this.#keys],
    );
    block.loop("r", this.#queries.each, "unroll", (row, i) =>
      row.loop("c", this.#keys.each, "unroll", (cell, j) =>
        cell.store(this.#scores, this.#at(lane, i, j), s.local(sums, add(multiply(i, this.#keys.each), j))),
      ),
    );
    this.#writeScores(block, part, key);
    this.#writeExponentials(block, part, key);
    block.loop("r", this.#queries.each, "unroll", (row, i) => {
      const decay = row.let(s.load(this.#decays, rowOf(lane, i)));
      row.loop("c", this.#columns.each, "unroll", (cell, j) => {
        const at = add(multiply(i, this.#columns.each), j);
        cell.set(mixed, at, s.binary("mul", s.local(mixed, at), decay));
      });
    });
    const element = (row: Expression, k: Expression): Scalar =>
      s.load(this.#scores, add(multiply(row, this.#keys.size), k));
    const { value } = this.#attention.operands;
    const right = { value, batch, start: key, column: part.column, columns: this.#columns };
    this.#products.addProduct(block, lane, mixed, { rows: this.#queries, element }, this.#keys, right);
  }

  /** Scores in place of products, the maxima of rows, and by how much they rose. */
  #writeScores(block: Block, part: Part, key: Expression): void {
    const { lane } = part;
    this.#reduceRows(block, lane, largest, (inner, i, j) => {
      const score = inner.let(this.#score(inner, part, key, i, j));
      inner.store(this.#scores, this.#at(lane, i, j), score);
      return score;
    });
    block.when(lessThan(lane, this.#queries.size), (body) => {
      const before = body.let(s.load(this.#maxima, lane));
      const now = body.let(s.binary("maximum", before, this.#combined(body, lane, largest)));
      body.store(this.#decays, lane, s.unary("exp", s.binary("sub", before, shiftOf(now))));
      body.store(this.#maxima, lane, now);
    });
    block.barrier();
  }

  /** Exponentials in place of scores, and their sums. */
  #writeExponentials(block: Block, part: Part, key: Expression): void {
    const { lane } = part;
    this.#reduceRows(block, lane, total, (inner, i, j) => {
      const shift = shiftOf(s.load(this.#maxima, rowOf(lane, i)));
      const at = this.#at(lane, i, j);
      const exponential = inner.let(s.unary("exp", s.binary("sub", s.load(this.#scores, at), shift)));
      inner.store(this.#scores, at, this.#dropped(inner, part, key, i, j, exponential));
      return exponential;
    });
    block.when(lessThan(lane, this.#queries.size), (body) => {
      const sum = s.load(this.#sums, lane);
      const more = this.#combined(body, lane, total);
      body.store(this.#sums, lane, s.multiplyAdd(sum, s.load(this.#decays, lane), more));
    });
  }

  /** Has each invocation reduce its elements of each of its rows into partial results, which then all can see. */
  #reduceRows(
    block: Block,
    lane: Expression,
    { type, initial, combine }: Reducer,
    element: (inner: Block, i: Expression, j: Expression) => Scalar,
  ): void {
    block.loop("r", this.#queries.each, "loop", (row, i) => {
      const array = row.declare(type, 1, initial);
      row.loop("c", this.#keys.each, "loop", (cell, j) => {
        cell.set(array, only, combine(s.local(array, only), element(cell, i, j)));
      });
      const at = add(multiply(rowOf(lane, i), acrossRow), modulo(lane, acrossRow));
      row.store(this.#partials, at, s.local(array, only));
    });
    block.barrier();
  }

  /** The partial results of one row combined. */
  #combined(block: Block, row: Expression, reducer: Reducer): Scalar {
    const at = (turn: Expression): Expression => add(multiply(row, acrossRow), turn);
    return block.let(combineLoop(block, { reducer, buffer: this.#partials }, acrossRow, at));
  }

  #at(lane: Expression, i: Expression, j: Expression): Expression {
    return add(multiply(rowOf(lane, i), this.#keys.size), columnOf(lane, j));
  }

  /** Where an element of a tile stands among all scores, and where there is such an element. */
  #place({ batch, query, lane }: Part, key: Expression, i: Expression, j: Expression) {
    const [row, column] = [add(query, rowOf(lane, i)), add(key, columnOf(lane, j))];
    const inside = and(lessThan(row, this.#queries.total), lessThan(column, this.#keys.total));
    return { index: [...batch, row, column], inside };
  }

  #score(block: Block, part: Part, key: Expression, i: Expression, j: Expression): Scalar {
    const computation = this.#computation;
    const { product, score } = this.#attention.graph;
    const { index, inside } = this.#place(part, key, i, j);
    computation.forget();
    computation.bind(product, s.load(this.#scores, this.#at(part.lane, i, j)));
    const scalar = computation.where(inside, () => computation.element(score, index, block));
    computation.unbind(product);
    return s.guard(inside, scalar, -infinity);
  }

  #dropped(
    block: Block,
    part: Part,
    key: Expression,
    i: Expression,
    j: Expression,
    exponential: Scalar,
  ): Scalar {
    if (this.#attention.kept === undefined) return exponential;
    const { index, inside } = this.#place(part, key, i, j);
    this.#computation.forget();
    const kept = this.#computation.elementWhere(inside, this.#attention.kept, index, block);
    return s.select(kept, exponential, s.constant("f32", 0));
  }

  /** Divides by the sums and stores, with whatever follows elementwise: a row after the other, by way of the slice. */
  #storeResults(block: Block, { batch, query, column, lane }: Part, mixed: LocalArray): void {
    const computation = this.#computation;
    const [result] = this.#attention.node.outputs;
    const { each, size, total: width } = this.#columns;
    block.loop("r", this.#queries.each, "unroll", (body, i) => {
      const at = (j: Expression): Expression => add(multiply(rowOf(lane, only), size), columnOf(lane, j));
      body.loop("c", each, "unroll", (cell, j) =>
        cell.store(this.#slice, at(j), s.local(mixed, add(multiply(i, each), j))),
      );
      const row = rowOf(lane, i);
      const factor = body.let(rowFactor(this.#attention, s.load(this.#sums, row)));
      body.loop("c", each, "loop", (cell, j) => {
        const [queryAt, columnAt] = [add(query, row), add(column, columnOf(lane, j))];
        const inside = and(lessThan(queryAt, this.#queries.total), lessThan(columnAt, width));
        computation.forget();
        computation.bind(result, s.binary("mul", s.load(this.#slice, at(j)), factor));
        this.#bindStatistics(row);
        cell.when(inside, (body) => this.#store(body, inside, [...batch, queryAt], columnAt));
        this.#unbindStatistics();
        computation.unbind(result);
      });
    });
  }

  #bindStatistics(row: Expression): void {
    const [, maximum, logSum] = this.#attention.node.outputs;
    this.#computation.bind(maximum, s.load(this.#maxima, row));
    this.#computation.bind(logSum, s.unary("log", s.load(this.#sums, row)));
  }

  #unbindStatistics(): void {
    for (const statistic of this.#attention.node.outputs.slice(1)) this.#computation.unbind(statistic);
  }

  /** An invocation a query, of the first part of the columns. */
  #storeStatistics(block: Block, { batch, query, chunk, lane }: Part): void {
    const row = add(query, lane);
    const [ofTile, ofAll] = [lessThan(lane, this.#queries.size), lessThan(row, this.#queries.total)];
    const inside = and(ofTile, ofAll, equalTo(chunk, 0));
    this.#computation.forget();
    this.#bindStatistics(lane);
    block.when(inside, (body) => this.#store(body, inside, [...batch, row], undefined));
    this.#unbindStatistics();
  }

  /** Stores the group's values of one element a column, or (without) of one element a row. */
  #store(block: Block, inside: Condition, rows: readonly Expression[], column: Expression | undefined): void {
    const stored = storedAt(this.#attention, this.#scope.group, rows, column);
    this.#computation.where(inside, () => storeAll(block, this.#computation, stored));
  }
}

/** What is subtracted from scores of which this is the largest: nothing where all are -infinity. */
function shiftOf(maximum: Scalar): Scalar {
  const empty = s.binary("eq", maximum, s.constant("f32", -infinity));
  return s.select(empty, s.constant("f32", 0), maximum);
}

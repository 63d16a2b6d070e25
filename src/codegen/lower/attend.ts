import type { Node, Value } from "../../graph/node.ts";
import { numel } from "../../graph/shape.ts";
import { atLeast } from "../index/condition.ts";
import { add, type Expression, floorDivide, modulo, multiply } from "../index/expression.ts";
import type { Buffer, Scalar } from "../kernel/ir.ts";
import * as s from "../kernel/scalars.ts";
import type { Template } from "../schedule/groups.ts";
import { Partials } from "./accumulate.ts";
import { mayAttend } from "./attendScore.ts";
import {
  cell,
  clear,
  cutKeys,
  cutQueries,
  firstOf,
  largest,
  multiplyTiles,
  overlaps,
  type Parts,
  padded,
  Scratch,
  stage,
  startOf,
  tileColumns,
  total,
  vectorWidth,
} from "./attendTiles.ts";
import { type Attention, attentionOf, rowFactor, storedAt } from "./attention.ts";
import { Block, Names } from "./block.ts";
import { Computation, type LoweringScope } from "./compute.ts";
import { elementLoop, type LoweredGroup, storeAll } from "./loops.ts";

const infinity = Number.POSITIVE_INFINITY;

/**
 * Attention, a batch (and head) after the other: keys and values are copied once into panels; a block of queries meets one
 * tile of keys after the other. Scores, their exponentials and what they mix stay in scratch of a tile's size, so
 * that memory grows with the length, not with its square. The maximum may rise from tile to tile: what was summed so far
 * is then scaled down (Milakov and Gimelshein, Online normalizer calculation for softmax, 2018).
 */
export function lowerAttend(
  scope: LoweringScope,
  { node }: Extract<Template, { kind: "attend" }>,
): LoweredGroup {
  return new AttendWriter(scope, node).write();
}

/** Where a tile of scores stands. */
interface Tile {
  readonly batch: readonly Expression[];
  readonly query: Expression;
  readonly key: Expression;
  /** The first key that no tile before has had. */
  readonly newKey: Expression;
}

class AttendWriter {
  readonly #scope: LoweringScope;
  readonly #attention: Attention;
  readonly #computation: Computation;
  readonly #queries: Parts;
  readonly #keys: Parts;
  readonly #depth: number;
  readonly #width: number;
  readonly #scratch = new Scratch();
  /** Keys [tile, panel of 8 keys, depth, 8] and values [panel of 8 columns, key, 8]. */
  readonly #keyPanels: Buffer;
  readonly #valuePanels: Buffer;
  /** Of a block of queries: [query, depth], scores [query, key], what was mixed [query, column] and statistics [query]. */
  readonly #queryRows: Buffer;
  readonly #scores: Buffer;
  readonly #mixed: Buffer;
  readonly #maxima: Buffer;
  readonly #sums: Buffer;
  readonly #decays: Buffer;

  constructor(scope: LoweringScope, node: Node) {
    this.#scope = scope;
    this.#attention = attentionOf(node);
    this.#computation = new Computation(scope);
    const { query, value, scores } = this.#attention.operands;
    this.#queries = cutQueries(scores[scores.length - 2]);
    this.#keys = cutKeys(scores[scores.length - 1]);
    this.#depth = query.shape[query.shape.length - 1];
    this.#width = value.shape[value.shape.length - 1];
    const { size: rows } = this.#queries;
    const { size, count, total: length } = this.#keys;
    this.#keyPanels = this.#scratch.make("keys", count * padded(size) * this.#depth);
    this.#valuePanels = this.#scratch.make("values", padded(this.#width) * length);
    this.#queryRows = this.#scratch.make("queries", rows * padded(this.#depth));
    this.#scores = this.#scratch.make("scores", rows * padded(size));
    this.#mixed = this.#scratch.make("mixed", rows * padded(this.#width));
    this.#maxima = this.#scratch.make("maxima", rows);
    this.#sums = this.#scratch.make("sums", rows);
    this.#decays = this.#scratch.make("decays", rows);
  }

  write(): LoweredGroup {
    const block = new Block(new Names());
    const { scores } = this.#attention.operands;
    // The panels are shared: batches come one after the other, and so do blocks of queries.
    block.loops("b", scores.slice(0, -2), "loop", (at, batch) => {
      this.#stageKeys(at, batch);
      this.#stageValues(at, batch);
      at.loop("i", this.#queries.count, "loop", (body, i) => {
        const query = startOf(this.#queries, i);
        this.#beginRows(body, batch, query);
        body.loop("j", this.#keys.count, "loop", (inner, j) => {
          const tile = { batch, query, key: startOf(this.#keys, j), newKey: firstOf(this.#keys, j) };
          const reach = { ...tile, queries: this.#queries.size, keys: this.#keys.size };
          inner.when(mayAttend(this.#attention.graph.score, reach), (seen) => this.#writeTile(seen, tile, j));
        });
        this.#endRows(body, batch, query);
      });
    });
    const { buffers } = this.#computation;
    const flops = 2 * numel(scores) * (this.#depth + this.#width);
    return {
      group: this.#scope.group,
      body: block.statements,
      buffers,
      scratch: this.#scratch.buffers,
      flops,
    };
  }

  #element(value: Value, index: readonly Expression[], block: Block): Scalar {
    this.#computation.forget();
    return this.#computation.element(value, index, block);
  }

  #stageKeys(block: Block, batch: readonly Expression[]): void {
    const { size, count } = this.#keys;
    const depth = this.#depth;
    block.loop("j", count, "loop", (body, j) => {
      const start = startOf(this.#keys, j);
      stage(
        body,
        this.#keyPanels,
        [depth, size],
        (k, key) =>
          add(
            multiply(j, padded(size) * depth),
            multiply(floorDivide(key, tileColumns), depth * tileColumns),
            multiply(k, tileColumns),
            modulo(key, tileColumns),
          ),
        (inner, k, key) => this.#element(this.#attention.operands.key, [...batch, add(start, key), k], inner),
      );
    });
  }

  #stageValues(block: Block, batch: readonly Expression[]): void {
    const length = this.#keys.total;
    stage(
      block,
      this.#valuePanels,
      [length, this.#width],
      (key, column) =>
        add(
          multiply(floorDivide(column, tileColumns), length * tileColumns),
          multiply(key, tileColumns),
          modulo(column, tileColumns),
        ),
      (inner, key, column) => this.#element(this.#attention.operands.value, [...batch, key, column], inner),
    );
  }

  #beginRows(block: Block, batch: readonly Expression[], query: Expression): void {
    const { size } = this.#queries;
    const { scale } = this.#attention.attrs;
    stage(
      block,
      this.#queryRows,
      [size, this.#depth],
      (row, k) => add(multiply(row, padded(this.#depth)), k),
      (inner, row, k) =>
        s.binary(
          "mul",
          this.#element(this.#attention.operands.query, [...batch, add(query, row), k], inner),
          s.constant("f32", scale),
        ),
    );
    clear(block, this.#mixed, size * padded(this.#width));
    clear(block, this.#maxima, size, -infinity);
    clear(block, this.#sums, size);
  }

  #writeTile(block: Block, tile: Tile, j: Expression): void {
    const { size: rows } = this.#queries;
    const { size } = this.#keys;
    const [depth, wide] = [this.#depth, padded(size)];
    multiplyTiles(block, {
      rows,
      columns: wide,
      depth,
      left: (row, k) => cell(this.#queryRows, padded(depth), row, k),
      right: (k, panel, column) =>
        s.load(
          this.#keyPanels,
          add(
            multiply(j, wide * depth),
            multiply(panel, depth * tileColumns),
            multiply(k, tileColumns),
            column,
          ),
        ),
      finish: (lane, row, column, sum) => lane.store(this.#scores, add(multiply(row, wide), column), sum),
    });
    block.loop("r", rows, "loop", (body, row) => this.#writeRow(body, tile, row));
    const mixedColumns = padded(this.#width);
    multiplyTiles(block, {
      rows,
      columns: mixedColumns,
      depth: size,
      left: (row, k) => cell(this.#scores, wide, row, k),
      right: (k, panel, column) =>
        s.load(
          this.#valuePanels,
          add(
            multiply(panel, this.#keys.total * tileColumns),
            multiply(add(tile.key, k), tileColumns),
            column,
          ),
        ),
      finish: (lane, row, column, sum) => {
        const at = add(multiply(row, mixedColumns), column);
        const before = s.load(this.#mixed, at);
        lane.store(this.#mixed, at, s.multiplyAdd(before, s.load(this.#decays, row), sum));
      },
    });
  }

  /** Turns a row of products into exponentials of scores, and updates its statistics. */
  #writeRow(block: Block, tile: Tile, row: Expression): void {
    const { size } = this.#keys;
    const width = vectorWidth(size);
    const at = (column: Expression): Expression => add(multiply(row, padded(size)), column);
    const most = new Partials(block, largest, width);
    elementLoop(block, size, width, "loop", (inner, column, lane) => {
      const score = inner.let(this.#score(inner, tile, row, column));
      inner.store(this.#scores, at(column), score);
      most.add(inner, score, lane);
    });
    const before = block.let(s.load(this.#maxima, row));
    const now = block.let(s.binary("maximum", before, most.result()));
    const empty = s.binary("eq", now, s.constant("f32", -infinity));
    const shift = block.let(s.select(empty, s.constant("f32", 0), now));
    const decay = block.let(s.unary("exp", s.binary("sub", before, shift)));
    const sum = new Partials(block, total, width);
    elementLoop(block, size, width, "loop", (inner, column, lane) => {
      const exponential = inner.let(s.unary("exp", s.binary("sub", s.load(this.#scores, at(column)), shift)));
      sum.add(inner, exponential, lane);
      inner.store(this.#scores, at(column), this.#dropped(inner, tile, row, column, exponential));
    });
    block.store(this.#sums, row, s.multiplyAdd(s.load(this.#sums, row), decay, sum.result()));
    block.store(this.#maxima, row, now);
    block.store(this.#decays, row, decay);
  }

  #indexOf({ batch, query, key }: Tile, row: Expression, column: Expression): Expression[] {
    return [...batch, add(query, row), add(key, column)];
  }

  #score(block: Block, tile: Tile, row: Expression, column: Expression): Scalar {
    const computation = this.#computation;
    const { product, score } = this.#attention.graph;
    computation.bind(product, cell(this.#scores, padded(this.#keys.size), row, column));
    const scalar = this.#element(score, this.#indexOf(tile, row, column), block);
    computation.unbind(product);
    if (!overlaps(this.#keys)) return scalar;
    return s.guard(atLeast(add(tile.key, column), tile.newKey), scalar, -infinity);
  }

  #dropped(block: Block, tile: Tile, row: Expression, column: Expression, exponential: Scalar): Scalar {
    if (this.#attention.kept === undefined) return exponential;
    const kept = this.#element(this.#attention.kept, this.#indexOf(tile, row, column), block);
    return s.select(kept, exponential, s.constant("f32", 0));
  }

  /** Divides by the sums and stores, with whatever follows elementwise. */
  #endRows(block: Block, batch: readonly Expression[], query: Expression): void {
    const [result, maximum, logSum] = this.#attention.node.outputs;
    const computation = this.#computation;
    block.loop("r", this.#queries.size, "loop", (body, row) => {
      const sum = body.let(s.load(this.#sums, row));
      const factor = body.let(rowFactor(this.#attention, sum));
      computation.bind(maximum, body.let(s.load(this.#maxima, row)));
      computation.bind(logSum, body.let(s.unary("log", sum)));
      const rows = [...batch, add(query, row)];
      elementLoop(body, this.#width, vectorWidth(this.#width), "loop", (inner, column) => {
        computation.bind(
          result,
          s.binary("mul", cell(this.#mixed, padded(this.#width), row, column), factor),
        );
        this.#store(inner, rows, column);
        computation.unbind(result);
      });
      this.#store(body, rows, undefined);
      computation.unbind(maximum);
      computation.unbind(logSum);
    });
  }

  /** Stores the group's values of one element a column, or (without) of one element a row. */
  #store(block: Block, rows: readonly Expression[], column: Expression | undefined): void {
    storeAll(block, this.#computation, storedAt(this.#attention, this.#scope.group, rows, column));
  }
}

import type { Node, Value } from "../../graph/node.ts";
import { numel } from "../../graph/shape.ts";
import { always, and, atLeast, type Condition } from "../index/condition.ts";
import { add, type Expression, floorDivide, linearize, modulo, multiply } from "../index/expression.ts";
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
import { type AttentionGradient, attentionGradientOf } from "./attention.ts";
import { Block, Names } from "./block.ts";
import { Computation, type LoweringScope } from "./compute.ts";
import { elementLoop, type LoweredGroup } from "./loops.ts";

const infinity = Number.POSITIVE_INFINITY;

/**
 * The gradients of attention that the group stores, a batch (and head) after the other. For each tile of keys the blocks of
 * queries pass by: their probabilities are computed again from the rows' statistics. The tile's gradients of keys and
 * values, and those of all queries, are summed in scratch, so that memory grows with the length, not with its square.
 * Dao et al., FlashAttention (2022), algorithm 4.
 */
export function lowerAttendGradient(
  scope: LoweringScope,
  { node }: Extract<Template, { kind: "attendGradient" }>,
): LoweredGroup {
  return new AttendGradientWriter(scope, node).write();
}

/** Where a tile of scores stands, and the first query and key that no tile before has had. */
interface Tile {
  readonly batch: readonly Expression[];
  readonly query: Expression;
  readonly newQuery: Expression;
  readonly key: Expression;
  readonly newKey: Expression;
}

class AttendGradientWriter {
  readonly #scope: LoweringScope;
  readonly #attention: AttentionGradient;
  readonly #computation: Computation;
  readonly #queries: Parts;
  readonly #keys: Parts;
  readonly #depth: number;
  readonly #width: number;
  readonly #scratch = new Scratch();
  /** Of a batch: scaled queries and gradients of the result, row by row; statistics of rows; gradients of queries. */
  readonly #queryRows: Buffer;
  readonly #cotangentRows: Buffer;
  readonly #shifts: Buffer;
  readonly #logSums: Buffer;
  readonly #means: Buffer;
  readonly #ofQueries: Buffer;
  /** Of a tile of keys: keys and values in panels of 8 keys, keys row by row, and their gradients. */
  readonly #keyPanels: Buffer;
  readonly #valuePanels: Buffer;
  readonly #keyRows: Buffer;
  readonly #ofKeys: Buffer;
  readonly #ofValues: Buffer;
  /** Of a block of queries and a tile of keys: products, then probabilities; and gradients of these, then of products. */
  readonly #probabilities: Buffer;
  readonly #slopes: Buffer;

  constructor(scope: LoweringScope, node: Node) {
    this.#scope = scope;
    this.#attention = attentionGradientOf(node);
    const { query, value, scores } = this.#attention.operands;
    this.#computation = new Computation(scope);
    this.#queries = cutQueries(scores[scores.length - 2]);
    this.#keys = cutKeys(scores[scores.length - 1]);
    this.#depth = query.shape[query.shape.length - 1];
    this.#width = value.shape[value.shape.length - 1];
    const [depth, width, keys] = [padded(this.#depth), padded(this.#width), padded(this.#keys.size)];
    const { total: length, size: rows } = this.#queries;
    const make = (name: string, elements: number): Buffer => this.#scratch.make(name, elements);
    this.#queryRows = make("queries", length * depth);
    this.#cotangentRows = make("cotangents", length * width);
    this.#shifts = make("shifts", length);
    this.#logSums = make("logSums", length);
    this.#means = make("means", length);
    this.#ofQueries = make("ofQueries", length * depth);
    this.#keyPanels = make("keyPanels", keys * this.#depth);
    this.#valuePanels = make("valuePanels", keys * this.#width);
    this.#keyRows = make("keys", this.#keys.size * depth);
    this.#ofKeys = make("ofKeys", this.#keys.size * depth);
    this.#ofValues = make("ofValues", this.#keys.size * width);
    this.#probabilities = make("probabilities", rows * keys);
    this.#slopes = make("slopes", rows * keys);
  }

  write(): LoweredGroup {
    const block = new Block(new Names());
    const { scores } = this.#attention.operands;
    const skips = this.#attention.node.outputs.slice(3).every((output) => !this.#wants(output));
    // All batches share the scratch: they come one after the other.
    block.loops("b", scores.slice(0, -2), "loop", (at, batch) => {
      this.#beginBatch(at, batch);
      at.loop("j", this.#keys.count, "loop", (body, j) => {
        const key = startOf(this.#keys, j);
        const newKey = firstOf(this.#keys, j);
        this.#beginKeys(body, batch, key);
        body.loop("i", this.#queries.count, "loop", (inner, i) => {
          const query = startOf(this.#queries, i);
          const tile = { batch, query, newQuery: firstOf(this.#queries, i), key, newKey };
          const reach = { batch, query, queries: this.#queries.size, key, keys: this.#keys.size };
          // What is stored at every score must be stored where it is 0, too.
          const seen = skips ? mayAttend(this.#attention.graph.score, reach) : always;
          inner.when(seen, (at) => this.#writeTile(at, tile));
        });
        this.#endKeys(body, batch, key, newKey);
      });
      this.#endBatch(at, batch);
    });
    return {
      group: this.#scope.group,
      body: block.statements,
      buffers: this.#computation.buffers,
      scratch: this.#scratch.buffers,
      flops: 2 * numel(scores) * this.#operationsOfScore(),
    };
  }

  #wants(output: Value): boolean {
    return this.#scope.group.stores.has(output);
  }

  /** Whether gradients of scores are needed: not for those of the values alone. */
  get #wantsSlopes(): boolean {
    return this.#attention.node.outputs.some((output, i) => i !== 2 && this.#wants(output));
  }

  #operationsOfScore(): number {
    const [ofQuery, ofKey, ofValue] = this.#attention.node.outputs.map((output) =>
      this.#wants(output) ? 1 : 0,
    );
    return this.#depth * (1 + ofQuery + ofKey) + this.#width * ((this.#wantsSlopes ? 1 : 0) + ofValue);
  }

  #element(value: Value, index: readonly Expression[], block: Block): Scalar {
    this.#computation.forget();
    return this.#computation.element(value, index, block);
  }

  #beginBatch(block: Block, batch: readonly Expression[]): void {
    const { query, cotangent, result, maximum, logSum, logSumCotangent } = this.#attention.operands;
    const { scale, emptyRow } = this.#attention.attrs;
    const { total: length } = this.#queries;
    const rows = (buffer: Buffer, columns: number, value: Value, factor: number): void =>
      stage(
        block,
        buffer,
        [length, columns],
        (row, column) => add(multiply(row, padded(columns)), column),
        (inner, row, column) =>
          s.binary("mul", this.#element(value, [...batch, row, column], inner), s.constant("f32", factor)),
      );
    rows(this.#queryRows, this.#depth, query, scale);
    rows(this.#cotangentRows, this.#width, cotangent, 1);
    clear(block, this.#ofQueries, length * padded(this.#depth));
    block.loop("r", length, "loop", (body, row) => {
      const at = [...batch, row];
      const most = body.let(this.#element(maximum, at, body));
      const log = this.#element(logSum, at, body);
      const empty = s.binary("eq", most, s.constant("f32", -infinity));
      const nothing = s.constant("f32", 0);
      body.store(this.#shifts, row, s.select(empty, nothing, most));
      // A row of nothing but -infinity has a sum of 0: its logarithm makes NaN of the probabilities, 0 leaves them 0.
      body.store(this.#logSums, row, emptyRow === "zero" ? s.select(empty, nothing, log) : log);
      const mean = new Partials(body, total, vectorWidth(this.#width));
      elementLoop(body, this.#width, vectorWidth(this.#width), "loop", (inner, column, lane) => {
        const of = cell(this.#cotangentRows, padded(this.#width), row, column);
        mean.add(inner, s.binary("mul", of, this.#element(result, [...at, column], inner)), lane);
      });
      const shift = logSumCotangent
        ? s.binary("sub", mean.result(), this.#element(logSumCotangent, at, body))
        : mean.result();
      body.store(this.#means, row, shift);
    });
  }

  #beginKeys(block: Block, batch: readonly Expression[], start: Expression): void {
    const { key, value } = this.#attention.operands;
    const { size } = this.#keys;
    const panels = (buffer: Buffer, depth: number, of: Value): void =>
      stage(
        block,
        buffer,
        [depth, size],
        (k, at) =>
          add(
            multiply(floorDivide(at, tileColumns), depth * tileColumns),
            multiply(k, tileColumns),
            modulo(at, tileColumns),
          ),
        (inner, k, at) => this.#element(of, [...batch, add(start, at), k], inner),
      );
    panels(this.#keyPanels, this.#depth, key);
    panels(this.#valuePanels, this.#width, value);
    stage(
      block,
      this.#keyRows,
      [size, this.#depth],
      (row, column) => add(multiply(row, padded(this.#depth)), column),
      (inner, row, column) => this.#element(key, [...batch, add(start, row), column], inner),
    );
    clear(block, this.#ofKeys, size * padded(this.#depth));
    clear(block, this.#ofValues, size * padded(this.#width));
  }

  #writeTile(block: Block, tile: Tile): void {
    const [ofQuery, ofKey, ofValue] = this.#attention.node.outputs;
    const { size: rows } = this.#queries;
    const { size: keys } = this.#keys;
    this.#multiplyRows(block, tile, this.#queryRows, this.#keyPanels, this.#depth, this.#probabilities);
    if (this.#wantsSlopes)
      this.#multiplyRows(block, tile, this.#cotangentRows, this.#valuePanels, this.#width, this.#slopes);
    block.loop("r", rows, "loop", (body, row) => this.#writeRow(body, tile, row));
    if (this.#wants(ofValue))
      this.#addToKeys(block, tile, this.#probabilities, this.#cotangentRows, this.#width, this.#ofValues);
    if (this.#wants(ofKey))
      this.#addToKeys(block, tile, this.#slopes, this.#queryRows, this.#depth, this.#ofKeys);
    if (!this.#wants(ofQuery)) return;
    const columns = padded(this.#depth);
    multiplyTiles(block, {
      rows,
      columns,
      depth: keys,
      left: (row, k) => cell(this.#slopes, padded(keys), row, k),
      right: (k, panel, column) => cell(this.#keyRows, columns, k, add(multiply(panel, tileColumns), column)),
      finish: (lane, row, column, sum) => {
        const at = add(multiply(add(tile.query, row), columns), column);
        lane.store(this.#ofQueries, at, s.binary("add", s.load(this.#ofQueries, at), sum));
      },
    });
  }

  /** Rows of the block times panels of the tile, into [query, key]. */
  #multiplyRows(
    block: Block,
    { query }: Tile,
    left: Buffer,
    panels: Buffer,
    depth: number,
    target: Buffer,
  ): void {
    const columns = padded(this.#keys.size);
    multiplyTiles(block, {
      rows: this.#queries.size,
      columns,
      depth,
      left: (row, k) => cell(left, padded(depth), add(query, row), k),
      right: (k, panel, column) =>
        s.load(panels, add(multiply(panel, depth * tileColumns), multiply(k, tileColumns), column)),
      finish: (lane, row, column, sum) => lane.store(target, add(multiply(row, columns), column), sum),
    });
  }

  /** Adds [query, key] transposed times rows of the block to [key, column]. */
  #addToKeys(
    block: Block,
    { query }: Tile,
    left: Buffer,
    right: Buffer,
    width: number,
    target: Buffer,
  ): void {
    const columns = padded(width);
    multiplyTiles(block, {
      rows: this.#keys.size,
      columns,
      depth: this.#queries.size,
      left: (key, k) => cell(left, padded(this.#keys.size), k, key),
      right: (k, panel, column) =>
        cell(right, columns, add(query, k), add(multiply(panel, tileColumns), column)),
      finish: (lane, key, column, sum) => {
        const at = add(multiply(key, columns), column);
        lane.store(target, at, s.binary("add", s.load(target, at), sum));
      },
    });
  }

  /** Products and slopes of a row of the tile become probabilities (after dropout) and gradients of the products. */
  #writeRow(block: Block, tile: Tile, row: Expression): void {
    const { size } = this.#keys;
    const computation = this.#computation;
    const { product, score } = this.#attention.graph;
    const query = add(tile.query, row);
    const isNew = overlaps(this.#queries) ? atLeast(query, tile.newQuery) : always;
    // A query that an earlier block has had: exp(score - infinity) is 0.
    const shift = block.let(s.guard(isNew, s.load(this.#shifts, query), infinity));
    const logSum = block.let(s.guard(isNew, s.load(this.#logSums, query), 0));
    const mean = block.let(s.load(this.#means, query));
    const { dropout } = this.#attention.attrs;
    const nothing = s.constant("f32", 0);
    elementLoop(block, size, vectorWidth(size), "loop", (inner, column) => {
      const at = add(multiply(row, padded(size)), column);
      const key = add(tile.key, column);
      const index = [...tile.batch, query, key];
      computation.bind(product, inner.let(s.load(this.#probabilities, at)));
      const isNewKey = overlaps(this.#keys) ? atLeast(key, tile.newKey) : always;
      const scalar = inner.let(s.guard(isNewKey, this.#element(score, index, inner), -infinity));
      const probability = inner.let(s.unary("exp", s.binary("sub", s.binary("sub", scalar, shift), logSum)));
      const kept = this.#attention.kept && inner.let(this.#element(this.#attention.kept, index, inner));
      const dropped = (x: Scalar): Scalar =>
        kept ? s.select(kept, s.binary("mul", x, s.constant("f32", 1 / (1 - dropout))), nothing) : x;
      if (this.#wantsSlopes) {
        const slope = s.binary("sub", dropped(s.load(this.#slopes, at)), mean);
        computation.bind(this.#attention.ofScore, inner.let(s.binary("mul", probability, slope)));
        const [ofProduct, ...ofCaptured] = this.#attention.derivative.map((value) =>
          inner.let(this.#element(value, index, inner)),
        );
        inner.store(this.#slopes, at, ofProduct);
        inner.when(and(isNew, isNewKey), (stored) => this.#storeCaptured(stored, index, ofCaptured));
        computation.unbind(this.#attention.ofScore);
      }
      inner.store(this.#probabilities, at, dropped(probability));
      computation.unbind(product);
    });
  }

  #storeCaptured(block: Block, index: readonly Expression[], gradients: readonly Scalar[]): void {
    gradients.forEach((gradient, i) => {
      const output = this.#attention.node.outputs[3 + i];
      if (!this.#wants(output)) return;
      block.store(this.#computation.bufferOf(output), linearize(index, output.shape), gradient);
    });
  }

  #endKeys(block: Block, batch: readonly Expression[], start: Expression, newKey: Expression): void {
    const [, ofKey, ofValue] = this.#attention.node.outputs;
    const { size } = this.#keys;
    block.loop("r", size, "loop", (body, row) => {
      const key = add(start, row);
      const isNew: Condition = overlaps(this.#keys) ? atLeast(key, newKey) : always;
      body.when(isNew, (inner) => {
        this.#storeRow(inner, ofKey, this.#ofKeys, row, [...batch, key], 1);
        this.#storeRow(inner, ofValue, this.#ofValues, row, [...batch, key], 1);
      });
    });
  }

  #endBatch(block: Block, batch: readonly Expression[]): void {
    const [ofQuery] = this.#attention.node.outputs;
    block.loop("r", this.#queries.total, "loop", (body, row) =>
      this.#storeRow(body, ofQuery, this.#ofQueries, row, [...batch, row], this.#attention.attrs.scale),
    );
  }

  #storeRow(
    block: Block,
    output: Value,
    from: Buffer,
    row: Expression,
    index: readonly Expression[],
    factor: number,
  ): void {
    if (!this.#wants(output)) return;
    const width = output.shape[output.shape.length - 1];
    elementLoop(block, width, vectorWidth(width), "loop", (inner, column) => {
      const position = linearize([...index, column], output.shape);
      const value = s.binary("mul", cell(from, padded(width), row, column), s.constant("f32", factor));
      inner.store(this.#computation.bufferOf(output), position, value);
    });
  }
}

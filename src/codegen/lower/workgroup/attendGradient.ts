import type { Node, Value } from "../../../graph/node.ts";
import { numel } from "../../../graph/shape.ts";
import { always, and, type Condition, equalTo, lessThan } from "../../index/condition.ts";
import { add, constant, type Expression, linearize, multiply } from "../../index/expression.ts";
import type { Buffer, LocalArray, Scalar } from "../../kernel/ir.ts";
import * as s from "../../kernel/scalars.ts";
import type { Template } from "../../schedule/groups.ts";
import { mayAttend } from "../attendScore.ts";
import { Scratch } from "../attendTiles.ts";
import { type AttentionGradient, attentionGradientOf } from "../attention.ts";
import { Block, Names } from "../block.ts";
import { Computation, type LoweringScope } from "../compute.ts";
import type { LoweredGroup } from "../loops.ts";
import { mostColumnsEach, mostRowsEach } from "./attend.ts";
import {
  columnOf,
  invocations,
  type OperandRows,
  rowOf,
  sliceLength,
  TileProducts,
  type Tiles,
  tilesOf,
} from "./tileProducts.ts";

const infinity = Number.POSITIVE_INFINITY;
const only = constant(0);
const nothing = s.constant("f32", 0);

/**
 * The gradients of attention that the group stores, in stages: what rows need of the results' gradients, then the gradients
 * of values, of keys and of queries. A workgroup has a block of keys (or queries) and a part of their columns; blocks of
 * queries (or keys) pass by, whose probabilities it computes again from the rows' statistics. Memory grows with the
 * length, not with its square. Dao et al., FlashAttention (2022), algorithm 4.
 */
export function lowerAttendGradientWorkgroups(
  scope: LoweringScope,
  { node }: Extract<Template, { kind: "attendGradient" }>,
): LoweredGroup {
  return new AttendGradientWorkgroupWriter(scope, node).write();
}

/** Where a tile of scores stands, and which invocation computes; `captured` where it stores what has an element a score. */
interface Tile {
  readonly batch: readonly Expression[];
  readonly query: Expression;
  readonly key: Expression;
  readonly lane: Expression;
  readonly captured: Condition;
}

/** A stage sums tiles times rows: transposed tiles times rows of queries, or tiles times keys. */
interface Stage {
  readonly along: "keys" | "queries";
  readonly tile: "probabilities" | "slopes";
  /** What is summed; undefined where nobody wants it, and only what is captured has gradients. */
  readonly output: Value | undefined;
  /** The rows that tiles are multiplied with. */
  readonly rows: Value;
  readonly rowFactor: number;
  readonly factor: number;
}

class AttendGradientWorkgroupWriter {
  readonly #scope: LoweringScope;
  readonly #attention: AttentionGradient;
  readonly #computation: Computation;
  readonly #products: TileProducts;
  readonly #queries: Tiles;
  readonly #keys: Tiles;
  readonly #scratch = new Scratch();
  /** Of each query: what is subtracted from the gradients of its probabilities. */
  readonly #means: Buffer;
  readonly #slice: Buffer;
  /** [query, key] of a tile: products, then probabilities or gradients of products; and gradients of probabilities. */
  readonly #tile: Buffer;
  readonly #ofProbabilities: Buffer;

  constructor(scope: LoweringScope, node: Node) {
    this.#scope = scope;
    this.#attention = attentionGradientOf(node);
    const { scores } = this.#attention.operands;
    this.#queries = tilesOf(scores[scores.length - 2], mostRowsEach);
    this.#keys = tilesOf(scores[scores.length - 1], mostRowsEach);
    this.#means = this.#scratch.make("means", numel(scores.slice(0, -1)));
    const elements = this.#queries.size * this.#keys.size;
    this.#slice = { name: "slice", type: "f32", length: sliceLength, access: "workgroup" };
    this.#tile = { name: "tile", type: "f32", length: elements, access: "workgroup" };
    this.#ofProbabilities = { name: "ofProbabilities", type: "f32", length: elements, access: "workgroup" };
    this.#computation = new Computation(scope);
    this.#products = new TileProducts(this.#computation, this.#slice);
  }

  write(): LoweredGroup {
    const block = new Block(new Names());
    if (this.#wantsSlopes) this.#writeMeans(block);
    for (const stage of this.#stages()) {
      if (block.statements.length > 0) block.barrier("device");
      this.#writeStage(block, stage);
    }
    return {
      group: this.#scope.group,
      body: block.statements,
      buffers: this.#computation.buffers,
      scratch: this.#wantsSlopes ? this.#scratch.buffers : [],
      shared: [this.#slice, this.#tile, this.#ofProbabilities],
      flops: 2 * numel(this.#attention.operands.scores) * this.#operationsOfScore(),
    };
  }

  #wants(output: Value): boolean {
    return this.#scope.group.stores.has(output) && numel(output.shape) > 0;
  }

  get #wantsCaptured(): boolean {
    return this.#attention.node.outputs.slice(3).some((output) => this.#wants(output));
  }

  /** Whether gradients of scores are needed: not for those of the values alone. */
  get #wantsSlopes(): boolean {
    return this.#attention.node.outputs.some((output, i) => i !== 2 && this.#wants(output));
  }

  #stages(): Stage[] {
    const [ofQuery, ofKey, ofValue] = this.#attention.node.outputs;
    const { query, key, cotangent } = this.#attention.operands;
    const { scale } = this.#attention.attrs;
    const stages: Stage[] = [];
    const one = { rowFactor: 1, factor: 1 };
    if (this.#wants(ofValue))
      stages.push({ along: "keys", tile: "probabilities", output: ofValue, rows: cotangent, ...one });
    if (this.#wants(ofKey))
      stages.push({ along: "keys", tile: "slopes", output: ofKey, rows: query, rowFactor: scale, factor: 1 });
    const output = this.#wants(ofQuery) ? ofQuery : undefined;
    if (output !== undefined || this.#wantsCaptured)
      stages.push({ along: "queries", tile: "slopes", output, rows: key, rowFactor: 1, factor: scale });
    return stages;
  }

  #operationsOfScore(): number {
    const depth = this.#attention.operands.query.shape[this.#attention.operands.query.shape.length - 1];
    const width = this.#attention.operands.value.shape[this.#attention.operands.value.shape.length - 1];
    return this.#stages().reduce(
      (sum, { tile, rows }) =>
        sum + depth + (tile === "slopes" ? width : 0) + rows.shape[rows.shape.length - 1],
      0,
    );
  }

  /** The sum over each row of the result times its gradient, less the gradient of the logarithm of the row's sum. */
  #writeMeans(block: Block): void {
    const { scores, cotangent, result, logSumCotangent } = this.#attention.operands;
    const computation = this.#computation;
    const shape = scores.slice(0, -1);
    block.loops("m", shape, "grid", (body, at) => {
      const sum = body.declare("f32", 1, 0);
      const so = s.local(sum, only);
      body.loop("c", result.shape[result.shape.length - 1], "loop", (inner, column) => {
        computation.forget();
        const [x, y] = [cotangent, result].map((of) => computation.element(of, [...at, column], inner));
        inner.set(sum, only, s.multiplyAdd(x, y, so));
      });
      computation.forget();
      const mean = logSumCotangent ? s.binary("sub", so, computation.element(logSumCotangent, at, body)) : so;
      body.store(this.#means, linearize(at, shape), mean);
    });
  }

  #writeStage(block: Block, stage: Stage): void {
    const { along, output, rows } = stage;
    const [fixed, passing] = along === "keys" ? [this.#keys, this.#queries] : [this.#queries, this.#keys];
    const columns = tilesOf(rows.shape[rows.shape.length - 1], mostColumnsEach);
    // What is stored at every score must be stored where it is 0, too.
    const storesCaptured = along === "queries" && this.#wantsCaptured;
    block.loops("b", this.#attention.operands.scores.slice(0, -2), "grid", (at, batch) => {
      at.loop("w", Math.max(1, columns.count), "grid", (parts, chunk) => {
        parts.loop("i", fixed.count, "grid", (blocks, i) => {
          blocks.loop("l", invocations, "local", (body, lane) => {
            const sums = body.declare("f32", fixed.each * columns.each, 0);
            const here = multiply(i, fixed.size);
            const column = multiply(chunk, columns.size);
            body.loop("j", passing.count, "loop", (inner, j) => {
              const there = multiply(j, passing.size);
              const [query, key] = along === "keys" ? [there, here] : [here, there];
              const captured = storesCaptured ? equalTo(chunk, 0) : always;
              const tile = { batch, query, key, lane, captured };
              const reach = { batch, query, queries: this.#queries.size, key, keys: this.#keys.size };
              const seen = storesCaptured ? always : mayAttend(this.#attention.graph.score, reach);
              inner.when(seen, (body) => {
                this.#writeTile(body, tile, stage.tile, storesCaptured);
                if (output === undefined) return;
                const right = { value: rows, batch, start: there, factor: stage.rowFactor, column, columns };
                const element = (row: Expression, k: Expression): Scalar =>
                  along === "keys" ? this.#cell(this.#tile, k, row) : this.#cell(this.#tile, row, k);
                this.#products.addProduct(body, lane, sums, { rows: fixed, element }, passing, right);
              });
            });
            if (output === undefined) return;
            const index = (i: Expression, j: Expression): Expression[] => [
              ...batch,
              add(here, rowOf(lane, i)),
              add(column, columnOf(lane, j)),
            ];
            this.#storeSums(body, output, stage.factor, sums, { rows: fixed, columns, index });
          });
        });
      });
    });
  }

  #cell(buffer: Buffer, query: Expression, key: Expression): Scalar {
    return s.load(buffer, add(multiply(query, this.#keys.size), key));
  }

  /** Leaves probabilities (after dropout) or gradients of products in the tile, and stores gradients of what is captured. */
  #writeTile(block: Block, tile: Tile, what: Stage["tile"], storesCaptured: boolean): void {
    const { lane, batch, query, key } = tile;
    const { cotangent, value } = this.#attention.operands;
    const { scale } = this.#attention.attrs;
    const rows = (of: Value, start: Expression, factor?: number): OperandRows => {
      return { value: of, batch, start, factor };
    };
    const multiplyInto = (target: Buffer, left: OperandRows, right: OperandRows): void => {
      const sums = this.#products.rowsByRows(block, lane, [left, this.#queries], [right, this.#keys]);
      block.loop("r", this.#queries.each, "unroll", (row, i) =>
        row.loop("c", this.#keys.each, "unroll", (cell, j) =>
          cell.store(
            target,
            add(multiply(rowOf(lane, i), this.#keys.size), columnOf(lane, j)),
            s.local(sums, add(multiply(i, this.#keys.each), j)),
          ),
        ),
      );
    };
    multiplyInto(
      this.#tile,
      rows(this.#attention.operands.query, query, scale),
      rows(this.#attention.operands.key, key),
    );
    if (what === "slopes") multiplyInto(this.#ofProbabilities, rows(cotangent, query), rows(value, key));
    block.loop("r", this.#queries.each, "loop", (body, i) =>
      this.#writeRow(body, tile, i, what === "slopes", storesCaptured),
    );
  }

  /** An invocation's elements of one of its rows. */
  #writeRow(block: Block, tile: Tile, i: Expression, wantsSlopes: boolean, storesCaptured: boolean): void {
    const { lane, batch } = tile;
    const row = rowOf(lane, i);
    const query = add(tile.query, row);
    const isQuery = lessThan(query, this.#queries.total);
    const statistics = this.#statisticsOf(block, [...batch, query], isQuery);
    const shape = this.#attention.operands.scores.slice(0, -1);
    const mean = wantsSlopes
      ? block.let(s.guard(isQuery, s.load(this.#means, linearize([...batch, query], shape)), 0))
      : nothing;
    block.loop("c", this.#keys.each, "loop", (inner, j) => {
      const column = columnOf(lane, j);
      const key = add(tile.key, column);
      const inside = and(isQuery, lessThan(key, this.#keys.total));
      const index = [...batch, query, key];
      const at = add(multiply(row, this.#keys.size), column);
      const probability = this.#probability(inner, s.load(this.#tile, at), index, inside, statistics);
      const dropped = this.#dropping(inner, index, inside);
      if (!wantsSlopes) {
        inner.store(this.#tile, at, dropped(probability));
        return;
      }
      const slope = s.binary("sub", dropped(s.load(this.#ofProbabilities, at)), mean);
      const ofScore = inner.let(s.binary("mul", probability, slope));
      const [ofProduct, ...ofCaptured] = this.#derivatives(inner, ofScore, index, inside);
      inner.store(this.#tile, at, ofProduct);
      if (storesCaptured)
        inner.when(and(inside, tile.captured), (stored) => this.#storeCaptured(stored, index, ofCaptured));
    });
    this.#computation.unbind(this.#attention.graph.product);
  }

  /** What is subtracted from the scores of a query before the exponential. */
  #statisticsOf(block: Block, at: readonly Expression[], isQuery: Condition): readonly Scalar[] {
    const { maximum, logSum } = this.#attention.operands;
    this.#computation.forget();
    const of = (value: Value): Scalar => block.let(this.#computation.elementWhere(isQuery, value, at, block));
    const most = of(maximum);
    const log = of(logSum);
    const empty = s.binary("eq", most, s.constant("f32", -infinity));
    const shift = block.let(s.select(empty, nothing, most));
    // A row of nothing but -infinity has a sum of 0: its logarithm makes NaN of the probabilities, 0 leaves them 0.
    return [
      shift,
      this.#attention.attrs.emptyRow === "zero" ? block.let(s.select(empty, nothing, log)) : log,
    ];
  }

  /** The probability of a score; from then on the score's product is known by its name. */
  #probability(
    block: Block,
    product: Scalar,
    index: readonly Expression[],
    inside: Condition,
    statistics: readonly Scalar[],
  ): Scalar {
    const computation = this.#computation;
    computation.forget();
    computation.bind(this.#attention.graph.product, block.let(product));
    const element = computation.where(inside, () =>
      computation.element(this.#attention.graph.score, index, block),
    );
    const score = s.guard(inside, element, -infinity);
    return block.let(
      s.unary(
        "exp",
        statistics.reduce((x, y) => s.binary("sub", x, y), score),
      ),
    );
  }

  /** Drops what dropout drops, and scales the rest. */
  #dropping(block: Block, index: readonly Expression[], inside: Condition): (x: Scalar) => Scalar {
    if (this.#attention.kept === undefined) return (x) => x;
    const kept = block.let(this.#computation.elementWhere(inside, this.#attention.kept, index, block));
    const factor = s.constant("f32", 1 / (1 - this.#attention.attrs.dropout));
    return (x) => s.select(kept, s.binary("mul", x, factor), nothing);
  }

  /** Gradients of the product and of what is captured; 0 where there is no score. */
  #derivatives(
    block: Block,
    ofScore: Scalar,
    index: readonly Expression[],
    inside: Condition,
  ): readonly Scalar[] {
    const computation = this.#computation;
    computation.bind(this.#attention.ofScore, ofScore);
    const found = this.#attention.derivative.map((value) =>
      block.let(computation.elementWhere(inside, value, index, block)),
    );
    computation.unbind(this.#attention.ofScore);
    return found;
  }

  #storeCaptured(block: Block, index: readonly Expression[], gradients: readonly Scalar[]): void {
    gradients.forEach((gradient, i) => {
      const output = this.#attention.node.outputs[3 + i];
      if (!this.#wants(output)) return;
      block.store(this.#computation.bufferOf(output), linearize(index, output.shape), gradient);
    });
  }

  #storeSums(
    block: Block,
    output: Value,
    factor: number,
    sums: LocalArray,
    at: {
      readonly rows: Tiles;
      readonly columns: Tiles;
      readonly index: (i: Expression, j: Expression) => Expression[];
    },
  ): void {
    const { rows, columns } = at;
    block.loop("r", rows.each, "unroll", (body, i) =>
      body.loop("c", columns.each, "unroll", (cell, j) => {
        const index = at.index(i, j);
        const [row, column] = index.slice(-2);
        cell.when(and(lessThan(row, rows.total), lessThan(column, columns.total)), (inner) => {
          const sum = s.local(sums, add(multiply(i, columns.each), j));
          const value = s.binary("mul", sum, s.constant("f32", factor));
          inner.store(this.#computation.bufferOf(output), linearize(index, output.shape), value);
        });
      }),
    );
  }
}

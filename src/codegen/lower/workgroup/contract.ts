import { InternalError } from "../../../graph/errors.ts";
import type { Value } from "../../../graph/node.ts";
import { numel } from "../../../graph/shape.ts";
import { and, type Condition, lessThan } from "../../index/condition.ts";
import {
  add,
  constant,
  type Expression,
  floorDivide,
  linearize,
  modulo,
  multiply,
  variable,
} from "../../index/expression.ts";
import type { Buffer, LocalArray, Scalar } from "../../kernel/ir.ts";
import * as s from "../../kernel/scalars.ts";
import { type Coordinates, placeOf, type Template } from "../../schedule/groups.ts";
import { type ProductSizes, sizesOf } from "../../schedule/products.ts";
import { reducerOf } from "../accumulate.ts";
import { Block, Names } from "../block.ts";
import { Computation, type LoweringScope, scalarType } from "../compute.ts";
import { type ContractPart, type PlannedProduct, partsOf } from "../contractParts.ts";
import { type LoweredGroup, storeAll } from "../loops.ts";

type ContractTemplate = Extract<Template, { kind: "contract" }>;

/** Rows and columns that an invocation computes: 16 accumulators. */
const each = 4;
/** Steps of the shared dim that are staged at a time. */
const depth = 16;
/** Up to this many multiplications, staging costs more than it saves. */
const smallProduct = 32 ** 3;
/** Above this many operations an element, what follows the products runs in a loop instead of written out. */
const heavyEpilogue = 24;

/**
 * Batches of matrix products. A workgroup computes a tile: it stages slices of both operands (through any view) in its
 * memory, and each invocation multiplies sixteen elements in registers. What follows elementwise is computed before the
 * store. Small products have an invocation an element. Each part is a stage of its own, and so are its reductions.
 */
export function lowerContractTiles(scope: LoweringScope, template: ContractTemplate): LoweredGroup {
  return new TileWriter(scope, template).write();
}

/** Sides of a part's tiles, and the memory that a workgroup stages slices in. */
interface Tiling {
  readonly rows: number;
  readonly columns: number;
  readonly invocations: number;
  readonly left: Buffer;
  readonly right: Buffer;
  /** Sums of a heavy epilogue, each read by the invocation that wrote it. */
  readonly sums: readonly Buffer[] | undefined;
}

/** Where a workgroup's tile begins, and which of its invocations computes. */
interface Tile {
  readonly batch: readonly Expression[];
  readonly row: Expression;
  readonly column: Expression;
  readonly lane: Expression;
}

class TileWriter {
  readonly #scope: LoweringScope;
  readonly #template: ContractTemplate;
  readonly #computation: Computation;
  readonly #sizes: ProductSizes;
  readonly #shared: Buffer[] = [];

  constructor(scope: LoweringScope, template: ContractTemplate) {
    this.#scope = scope;
    this.#template = template;
    this.#computation = new Computation(scope);
    this.#sizes = sizesOf(partsOf(scope, template)[0].products[0].product);
  }

  write(): LoweredGroup {
    const block = new Block(new Names());
    const parts = partsOf(this.#scope, this.#template);
    let flops = 0;
    for (const part of parts) {
      const work = part.products.reduce((total, { product }) => total + sizesOf(product).shared, 0);
      flops += 2 * numel(this.#template.shape) * work;
      const { rows, columns } = this.#sizes;
      if (part.wideStores.length > 0) {
        if (block.statements.length > 0) block.barrier("device");
        if (rows * columns * work <= smallProduct) this.#writeSmall(block, part);
        else this.#writeTiles(block, part);
      }
      if (part.narrowStores.length > 0) {
        if (block.statements.length > 0) block.barrier("device");
        this.#writeReductions(block, part);
      }
    }
    const { buffers } = this.#computation;
    const body = block.statements;
    return { group: this.#scope.group, body, buffers, scratch: [], shared: this.#shared, flops };
  }

  #writeSmall(block: Block, part: ContractPart): void {
    const computation = this.#computation;
    block.loops("i", this.#template.shape, "grid", (cell, index) => {
      const [row, column] = index.slice(-2);
      const batch = index.slice(0, -2);
      const sums = part.products.map(({ product }) => {
        const array = cell.declare(scalarType(product.dtype), 1, 0);
        const sum = s.local(array, constant(0));
        const [left, right] = product.node.inputs;
        cell.loop("k", sizesOf(product).shared, "loop", (body, k) => {
          computation.forget();
          const x = computation.element(left, [...batch, row, k], body);
          const y = computation.element(right, [...batch, k, column], body);
          body.set(array, constant(0), s.multiplyAdd(x, y, sum));
        });
        return sum;
      });
      computation.forget();
      this.#storeElement(cell, part, index, sums);
    });
  }

  #writeTiles(block: Block, part: ContractPart): void {
    const tiling = this.#tilingFor(part);
    const { batch: batchShape, rows, columns } = this.#sizes;
    block.loops("b", batchShape, "grid", (at, batch) => {
      at.loop("m", Math.ceil(rows / tiling.rows), "grid", (rowTiles, m) => {
        rowTiles.loop("n", Math.ceil(columns / tiling.columns), "grid", (columnTiles, n) => {
          columnTiles.loop("l", tiling.invocations, "local", (invocation, lane) => {
            const tile = { batch, row: multiply(m, tiling.rows), column: multiply(n, tiling.columns), lane };
            this.#writeTile(invocation, part, tiling, tile);
          });
        });
      });
    });
  }

  #tilingFor(part: ContractPart): Tiling {
    const { invocations = 64, sharedBytes = 0 } = this.#scope.target.workgroup ?? {};
    const heavy = this.#epilogueOperations(part) > heavyEpilogue;
    const most = heavy || invocations < 256 ? 32 : 64;
    const rows = tileSize(this.#sizes.rows, most);
    const columns = tileSize(this.#sizes.columns, most);
    const [{ product }] = part.products;
    const type = scalarType(product.dtype);
    const shared = (name: string, length: number): Buffer => {
      const unique = `${name}${this.#shared.length}`;
      const buffer: Buffer = { name: unique, type, length, access: "workgroup" };
      this.#shared.push(buffer);
      return buffer;
    };
    const left = shared("left", depth * rows);
    const right = shared("right", depth * columns);
    const words = left.length + right.length + part.products.length * rows * columns;
    const kept = heavy && words * 4 <= sharedBytes;
    const sums = kept ? part.products.map(() => shared("sums", rows * columns)) : undefined;
    return { rows, columns, invocations: (rows * columns) / each ** 2, left, right, sums };
  }

  #writeTile(block: Block, part: ContractPart, tiling: Tiling, tile: Tile): void {
    // Neighbouring invocations have neighbouring columns: what they read and store lies side by side.
    const { lane } = tile;
    const across = tiling.columns / each;
    const rowOf = (i: Expression): Expression =>
      add(floorDivide(lane, across), multiply(i, tiling.rows / each));
    const columnOf = (j: Expression): Expression => add(modulo(lane, across), multiply(j, across));
    const arrays = part.products.map(({ product }) => {
      const sums = block.declare(tiling.left.type, each ** 2, 0);
      block.loop("k", Math.ceil(sizesOf(product).shared / depth), "loop", (body, turn) => {
        this.#stage(body, product, tiling, tile, multiply(turn, depth));
        body.barrier();
        body.loop("d", depth, "loop", (step, k) => multiplySlices(step, tiling, k, sums, rowOf, columnOf));
        body.barrier();
      });
      return sums;
    });
    const { sums } = tiling;
    const cells = (
      tag: "loop" | "unroll",
      visit: (cell: Block, i: Expression, j: Expression) => void,
    ): void =>
      block.loop("r", each, tag, (row, i) => row.loop("c", each, tag, (cell, j) => visit(cell, i, j)));
    const place = (i: Expression, j: Expression): Expression =>
      add(multiply(rowOf(i), tiling.columns), columnOf(j));
    if (sums) {
      cells("unroll", (cell, i, j) => {
        arrays.forEach((array, p) => {
          cell.store(sums[p], place(i, j), s.local(array, add(multiply(i, each), j)));
        });
      });
    }
    cells(sums ? "loop" : "unroll", (cell, i, j) => {
      const values = arrays.map((array, p) =>
        sums ? s.load(sums[p], place(i, j)) : s.local(array, add(multiply(i, each), j)),
      );
      const index = [...tile.batch, add(tile.row, rowOf(i)), add(tile.column, columnOf(j))];
      this.#storeElement(cell, part, index, values);
    });
  }

  /** Copies a slice of both operands; beyond their ends there are zeros. */
  #stage(block: Block, product: Value, tiling: Tiling, tile: Tile, start: Expression): void {
    const computation = this.#computation;
    const { rows, columns, shared } = sizesOf(product);
    const [left, right] = product.node.inputs;
    const copy = (slice: Buffer, element: (body: Block, position: Expression) => Scalar): void => {
      block.loop("s", slice.length / tiling.invocations, "loop", (body, turn) => {
        computation.forget();
        const position = add(multiply(turn, tiling.invocations), tile.lane);
        body.store(slice, position, element(body, position));
      });
    };
    copy(tiling.left, (body, position) => {
      const row = add(tile.row, modulo(position, tiling.rows));
      const k = add(start, floorDivide(position, tiling.rows));
      const inside = and(lessThan(row, rows), lessThan(k, shared));
      return computation.elementWhere(inside, left, [...tile.batch, row, k], body);
    });
    copy(tiling.right, (body, position) => {
      const k = add(start, floorDivide(position, tiling.columns));
      const column = add(tile.column, modulo(position, tiling.columns));
      const inside = and(lessThan(k, shared), lessThan(column, columns));
      return computation.elementWhere(inside, right, [...tile.batch, k, column], body);
    });
  }

  /** Computes and stores what is made of one element of the products. */
  #storeElement(
    block: Block,
    { products, wideStores }: ContractPart,
    index: readonly Expression[],
    sums: readonly Scalar[],
  ): void {
    const computation = this.#computation;
    const { rows, columns } = this.#sizes;
    const [row, column] = index.slice(-2);
    const inside: Condition = and(lessThan(row, rows), lessThan(column, columns));
    const position = linearize(index, this.#template.shape);
    products.forEach(({ product }, i) => {
      computation.bind(product, sums[i]);
    });
    block.when(inside, (body) => {
      const values = wideStores.map((value) => ({ value, index: this.#wideIndex(value, index), position }));
      computation.where(inside, () => storeAll(body, computation, values));
    });
    for (const { product } of products) computation.unbind(product);
  }

  /** Reductions along the shared dim of operands' rows or columns, an invocation each, and what is made of them. */
  #writeReductions(block: Block, { products, narrowStores }: ContractPart): void {
    const computation = this.#computation;
    const { batch, rows, columns } = this.#sizes;
    const narrowShape = [...batch, this.#template.beside === "rows" ? rows : columns];
    block.loops("i", narrowShape, "grid", (body, index) => {
      const reductions = products.flatMap((product) => this.#reduceBeside(body, product, index));
      computation.forget();
      for (const { value, array } of reductions)
        computation.bind(value, s.cast(s.local(array, constant(0)), scalarType(value.dtype)));
      const coordinates = { wide: index, wideShape: narrowShape, narrow: index, narrowShape };
      const position = linearize(index, narrowShape);
      const values = narrowStores.map((value) => ({ value, index: indexOf(value, coordinates), position }));
      storeAll(body, computation, values);
      for (const { value } of reductions) computation.unbind(value);
    });
  }

  #reduceBeside(
    block: Block,
    { product, beside }: PlannedProduct,
    index: readonly Expression[],
  ): { readonly value: Value; readonly array: LocalArray }[] {
    if (beside.length === 0) return [];
    const [left, right] = product.node.inputs;
    const batch = index.slice(0, -1);
    const at = index[index.length - 1];
    const found = beside.map((value) => {
      const { type, initial } = reducerOf(value);
      return { value, array: block.declare(type, 1, initial) };
    });
    block.loop("k", sizesOf(product).shared, "loop", (body, k) => {
      this.#computation.forget();
      const element =
        this.#template.beside === "rows"
          ? this.#computation.element(left, [...batch, at, k], body)
          : this.#computation.element(right, [...batch, k, at], body);
      for (const { value, array } of found) {
        const { type, combine } = reducerOf(value);
        body.set(array, constant(0), combine(s.local(array, constant(0)), s.cast(element, type)));
      }
    });
    return found;
  }

  #wideIndex(value: Value, index: readonly Expression[]): readonly Expression[] {
    const { shape } = this.#template;
    return indexOf(value, { wide: index, wideShape: shape, narrow: index, narrowShape: shape });
  }

  /** Operations that follow the products for each element. */
  #epilogueOperations({ products, wideStores }: ContractPart): number {
    const probe = new Computation(this.#scope);
    const block = new Block(new Names());
    for (const { product } of products)
      probe.bind(product, s.register({ name: "product", type: scalarType(product.dtype) }));
    const index = this.#template.shape.map((size, dim) => variable(`p${dim}`, size));
    for (const value of wideStores) probe.element(value, this.#wideIndex(value, index), block);
    return probe.operations;
  }
}

/** One step of the shared dim: a column of the left slice times a row of the right one. */
function multiplySlices(
  block: Block,
  { left, right, rows, columns }: Tiling,
  k: Expression,
  sums: LocalArray,
  rowOf: (i: Expression) => Expression,
  columnOf: (j: Expression) => Expression,
): void {
  const four = Array.from({ length: each }, (_, i) => constant(i));
  const load = (slice: Buffer, width: number, at: Expression): Scalar =>
    block.let(s.load(slice, add(multiply(k, width), at)));
  const xs = four.map((i) => load(left, rows, rowOf(i)));
  const ys = four.map((j) => load(right, columns, columnOf(j)));
  xs.forEach((x, i) => {
    ys.forEach((y, j) => {
      const at = constant(i * each + j);
      block.set(sums, at, s.multiplyAdd(x, y, s.local(sums, at)));
    });
  });
}

function indexOf(value: Value, coordinates: Coordinates): readonly Expression[] {
  const place = placeOf(value.shape, coordinates);
  if (place === undefined)
    throw new InternalError(`contract kernel: ${value.node.op} has no place in the product`);
  return place.index;
}

/** Tiles of 16, 32 or 64: as large as there is something for all invocations to do. */
function tileSize(extent: number, most: number): number {
  if (extent > 32 && most >= 64) return 64;
  return extent > 16 ? 32 : 16;
}

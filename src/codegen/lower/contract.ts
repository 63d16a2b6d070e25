import { InternalError } from "../../graph/errors.ts";
import type { Value } from "../../graph/node.ts";
import { numel } from "../../graph/shape.ts";
import { equalTo } from "../index/condition.ts";
import {
  add,
  coefficientOf,
  constant,
  type Expression,
  linearize,
  multiply,
  subtract,
  termsOf,
  variable,
} from "../index/expression.ts";
import type { Buffer, LocalArray, Scalar } from "../kernel/ir.ts";
import * as s from "../kernel/scalars.ts";
import { type Coordinates, placeOf, type Template } from "../schedule/groups.ts";
import { type ProductSizes, sizesOf } from "../schedule/products.ts";
import { reducerOf } from "./accumulate.ts";
import { Block, Names } from "./block.ts";
import { Computation, type LoweringScope, scalarType } from "./compute.ts";
import { type ContractPart, type PlannedProduct, partsOf } from "./contractParts.ts";
import {
  type LeftOrder,
  leftOrderOf,
  packedAt,
  stageLeft,
  stagePanel,
  tileColumns,
  tileRows,
} from "./contractStaging.ts";
import { blocks, type LoweredGroup, storeAll } from "./loops.ts";

type ContractTemplate = Extract<Template, { kind: "contract" }>;

/** Steps of the shared dim that are written out. */
const unroll = 4;
/** Rows of the left operand that stay in the last cache while panels of the right one, each copied once, pass by. */
const cachedBytes = 4 * 1024 * 1024;
/** The same where the rows are copied. */
const packedBytes = 2 * 1024 * 1024;
/** Fewer rows than that are not worth copying a panel for. */
const fewestRows = 96;
/** Below so many columns a left operand is read too seldom to be copied. */
const columnsWorthPacking = 32;
/** Above this many operations an element, what follows the product runs in a loop over rows instead of written out. */
const heavyEpilogue = 24;

/**
 * Batches of matrix products. Panels of eight columns of the right operand are copied side by side (through any view),
 * tiles of six rows are multiplied with them in registers, and what follows elementwise is computed before the store.
 * Tiles of several products that are needed together wait in scratch. Rows of the left operand are reduced with the first
 * panel, columns of the right one with the first rows.
 */
export function lowerContract(scope: LoweringScope, template: ContractTemplate): LoweredGroup {
  const first = new ContractWriter(scope, template, false).write();
  return first ?? (new ContractWriter(scope, template, true).write() as LoweredGroup);
}

/** Where a tile stands: its batch, its first row and column, and how many of each. */
interface Tile {
  readonly batch: readonly Expression[];
  readonly rowStart: Expression;
  readonly height: number;
  readonly columnStart: Expression;
  readonly columns: number;
}

class ContractWriter {
  readonly #scope: LoweringScope;
  readonly #template: ContractTemplate;
  readonly #single: boolean;
  readonly #computation: Computation;
  readonly #sizes: ProductSizes;
  readonly #scratch: Buffer[] = [];
  /** Left operands that are copied, and from which row on. */
  #packed = new Map<Value, { readonly buffer: Buffer; readonly firstRow: Expression }>();

  constructor(scope: LoweringScope, template: ContractTemplate, single: boolean) {
    this.#scope = scope;
    this.#template = template;
    this.#single = single;
    this.#computation = new Computation(scope);
    this.#sizes = sizesOf(partsOf(scope, template)[0].products[0].product);
  }

  write(): LoweredGroup | undefined {
    const block = new Block(new Names());
    const parts = partsOf(this.#scope, this.#template);
    const panels = this.#panelsOf(parts);
    for (const part of parts) this.#writePart(block, part, panels);
    if (this.#computation.needsScalarLoops && !this.#single) return undefined;
    const { buffers } = this.#computation;
    const flops = parts
      .flatMap(({ products }) => products)
      .reduce((total, { product }) => total + 2 * numel(product.shape) * sizesOf(product).shared, 0);
    return { group: this.#scope.group, body: block.statements, buffers, scratch: this.#scratch, flops };
  }

  /** Eight columns of a right operand each, as many as a part has products. */
  #panelsOf(parts: readonly ContractPart[]): Buffer[] {
    const most = Math.max(...parts.map(({ products }) => products.length));
    const panels = Array.from({ length: most }, (_, i): Buffer => {
      const used = parts.flatMap(({ products }) => (products[i] ? [products[i].product] : []));
      const length = Math.max(1, ...used.map((product) => sizesOf(product).shared)) * tileColumns;
      return { name: `panel${i}`, type: scalarType(used[0].dtype), length, access: "scratch" };
    });
    this.#scratch.push(...panels);
    return panels;
  }

  #writePart(block: Block, part: ContractPart, panels: readonly Buffer[]): void {
    const { batch, rows: allRows, columns: allColumns } = this.#sizes;
    const { products } = part;
    const shared = Math.max(1, ...products.map(({ product }) => sizesOf(product).shared));
    const packed = this.#leftsToPack(products);
    const bytes = packed.size > 0 ? packedBytes : cachedBytes;
    const cached = Math.max(fewestRows, Math.floor(bytes / 4 / shared / tileRows) * tileRows);
    const heavy = this.#epilogueOperations(part) > heavyEpilogue;
    const tiles = heavy || products.length > 1 ? this.#tilesFor(products) : undefined;
    // The panels are shared: all but the tiles below them come one after the other.
    block.loops("b", batch, "loop", (at, indices) => {
      blocks(at, "m", allRows, cached, "loop", (rowBlock, rows, firstRow) => {
        this.#packLefts(rowBlock, packed, { batch: indices, firstRow, rows }, Math.min(cached, allRows));
        blocks(rowBlock, "n", allColumns, tileColumns, "loop", (inner, columns, columnStart) => {
          products.forEach(({ product }, i) => {
            const place = { batch: indices, start: columnStart, columns };
            stagePanel(inner, this.#computation, product.node.inputs[1], panels[i], place, this.#single);
          });
          if (this.#template.beside === "columns" && products.some(({ beside }) => beside.length > 0)) {
            inner.when(equalTo(firstRow, 0), (first) => {
              this.#reduceColumns(first, part, panels, indices, columns, columnStart);
            });
          }
          const reduces =
            this.#template.beside === "rows" && products.some(({ beside }) => beside.length > 0);
          blocks(inner, "t", rows, tileRows, tiles || reduces ? "loop" : "grid", (body, height, start) => {
            const tile = { batch: indices, rowStart: add(firstRow, start), height, columnStart, columns };
            this.#writeTile(body, part, panels, tiles, tile);
            if (reduces) body.when(equalTo(columnStart, 0), (first) => this.#reduceRows(first, part, tile));
          });
        });
      });
    });
  }

  /** The left operands that do not lie as tiles read them. */
  #leftsToPack(products: readonly PlannedProduct[]): Map<Value, LeftOrder> {
    const { rows, columns } = this.#sizes;
    const found = new Map<Value, LeftOrder>();
    if (rows < tileRows || columns < columnsWorthPacking) return found;
    for (const { product } of products) {
      const [left] = product.node.inputs;
      const order = leftOrderOf(this.#scope, left);
      if (order !== undefined) found.set(left, this.#single ? "neither" : order);
    }
    return found;
  }

  #packLefts(
    block: Block,
    orders: ReadonlyMap<Value, LeftOrder>,
    place: { readonly batch: readonly Expression[]; readonly firstRow: Expression; readonly rows: number },
    mostRows: number,
  ): void {
    this.#packed = new Map();
    const copies = [...orders].map(([left, order], i) => {
      const type = scalarType(left.dtype);
      const length = mostRows * left.shape[left.shape.length - 1];
      const buffer = this.#scratchOf({ name: `left${i}x${length}`, type, length, access: "scratch" });
      stageLeft(block, this.#computation, left, buffer, place, order);
      return [left, { buffer, firstRow: place.firstRow }] as const;
    });
    this.#packed = new Map(copies);
  }

  #tilesFor(products: readonly PlannedProduct[]): Buffer[] {
    const length = tileRows * tileColumns;
    return products.map(({ product }, i) =>
      this.#scratchOf({ name: `tile${i}`, type: scalarType(product.dtype), length, access: "scratch" }),
    );
  }

  /** Scratch of a name, which parts share. */
  #scratchOf(wanted: Buffer): Buffer {
    const known = this.#scratch.find(({ name, type }) => name === wanted.name && type === wanted.type);
    if (known === undefined) this.#scratch.push(wanted);
    return known ?? wanted;
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

  #wideIndex(value: Value, index: readonly Expression[]): readonly Expression[] {
    const { shape } = this.#template;
    return this.#indexOf(value, { wide: index, wideShape: shape, narrow: index, narrowShape: shape });
  }

  #indexOf(value: Value, coordinates: Coordinates): readonly Expression[] {
    const place = placeOf(value.shape, coordinates);
    if (place === undefined)
      throw new InternalError(`contract kernel: ${value.node.op} has no place in the product`);
    return place.index;
  }

  #writeTile(
    block: Block,
    part: ContractPart,
    panels: readonly Buffer[],
    tiles: readonly Buffer[] | undefined,
    tile: Tile,
  ): void {
    const width = tile.columns <= tileColumns / 2 ? tileColumns / 2 : tileColumns;
    const sums = part.products.map(({ product }, i) => {
      const array = this.#multiplyTile(block, product, panels[i], tile, width);
      if (tiles) this.#keepTile(block, array, tiles[i], tile.height, width);
      return array;
    });
    block.loop("r", tile.height, tiles ? "loop" : "unroll", (row, r) => {
      const at = (column: Expression): Expression => add(multiply(r, width), column);
      this.#storeRow(row, part, tile, r, (i, column) =>
        tiles ? s.load(tiles[i], at(column)) : s.local(sums[i], at(column)),
      );
    });
  }

  /** Multiplies rows of the left operand with the panel; the sums are `height` rows of `width` elements. */
  #multiplyTile(block: Block, product: Value, panel: Buffer, tile: Tile, width: number): LocalArray {
    const sums = block.declare(panel.type, tile.height * width, 0);
    this.#sharedLoop(block, product, (body, k) => {
      body.loop("r", tile.height, "unroll", (row, r) => {
        const left = this.#leftElement(row, product, tile, r, k);
        row.loop("v", width, "vector", (lane, column) => {
          const at = add(multiply(r, width), column);
          const right = s.load(panel, add(multiply(k, tileColumns), column));
          lane.set(sums, at, s.multiplyAdd(left, right, s.local(sums, at)));
        });
      });
    });
    return sums;
  }

  #leftElement(block: Block, product: Value, tile: Tile, r: Expression, k: Expression): Scalar {
    const [left] = product.node.inputs;
    const packed = this.#packed.get(left);
    if (packed === undefined)
      return this.#computation.element(left, [...tile.batch, add(tile.rowStart, r), k], block);
    const start = subtract(tile.rowStart, packed.firstRow);
    const { shared } = sizesOf(product);
    return s.load(packed.buffer, packedAt(start, tile.height, shared, r, k));
  }

  #keepTile(block: Block, sums: LocalArray, tile: Buffer, height: number, width: number): void {
    block.loop("r", height, "unroll", (row, r) =>
      row.loop("v", width, "vector", (lane, column) => {
        const at = add(multiply(r, width), column);
        lane.store(tile, at, s.local(sums, at));
      }),
    );
  }

  /** What follows the products elementwise, for one row of a tile. */
  #storeRow(
    block: Block,
    { products, wideStores }: ContractPart,
    { batch, rowStart, columns, columnStart }: Tile,
    r: Expression,
    sumOf: (product: number, column: Expression) => Scalar,
  ): void {
    const computation = this.#computation;
    const store = (lane: Block, column: Expression): void => {
      products.forEach(({ product }, i) => {
        computation.bind(product, sumOf(i, column));
      });
      const index = [...batch, add(rowStart, r), add(columnStart, column)];
      const position = linearize(index, this.#template.shape);
      storeAll(
        lane,
        computation,
        wideStores.map((value) => ({ value, index: this.#wideIndex(value, index), position })),
      );
      for (const { product } of products) computation.unbind(product);
    };
    if (columns % 4 === 0 && !this.#single) block.loop("v", columns, "vector", store);
    else block.loop("u", columns, "unroll", store);
  }

  /** The reductions of a tile's rows of left operands, which are in the cache. */
  #reduceRows(block: Block, part: ContractPart, tile: Tile): void {
    const arrays = new Map<Value, LocalArray>();
    for (const { product, beside } of part.products) {
      if (beside.length === 0) continue;
      for (const value of beside) arrays.set(value, declareReduction(block, value, tile.height));
      this.#sharedLoop(block, product, (body, k) => {
        body.loop("r", tile.height, "unroll", (row, r) => {
          const element = this.#leftElement(row, product, tile, r, k);
          for (const value of beside) accumulate(row, value, arrays, r, element);
        });
      });
    }
    this.#storeReductions(block, part, arrays, tile.height, (r) => [...tile.batch, add(tile.rowStart, r)]);
  }

  /** The reductions of a panel's columns of right operands. */
  #reduceColumns(
    block: Block,
    part: ContractPart,
    panels: readonly Buffer[],
    batch: readonly Expression[],
    columns: number,
    start: Expression,
  ): void {
    const arrays = new Map<Value, LocalArray>();
    part.products.forEach(({ product, beside }, i) => {
      if (beside.length === 0) return;
      for (const value of beside) arrays.set(value, declareReduction(block, value, tileColumns));
      block.loop("k", sizesOf(product).shared, "loop", (body, k) => {
        body.loop("v", tileColumns, "vector", (lane, column) => {
          const element = s.load(panels[i], add(multiply(k, tileColumns), column));
          for (const value of beside) accumulate(lane, value, arrays, column, element);
        });
      });
    });
    this.#storeReductions(block, part, arrays, columns, (column) => [...batch, add(start, column)]);
  }

  /** What is made of the reductions' results, which wait in scratch: one row or column after the other. */
  #storeReductions(
    block: Block,
    { narrowStores }: ContractPart,
    arrays: ReadonlyMap<Value, LocalArray>,
    count: number,
    indexAt: (at: Expression) => readonly Expression[],
  ): void {
    const { batch, rows, columns } = this.#sizes;
    const narrowShape = [...batch, this.#template.beside === "rows" ? rows : columns];
    const computation = this.#computation;
    const results = [...arrays].map(([value, array], i) => {
      const length = Math.max(tileRows, tileColumns);
      const buffer = this.#scratchOf({ name: `beside${i}`, type: array.type, length, access: "scratch" });
      block.loop("u", count, "unroll", (body, at) => body.store(buffer, at, s.local(array, at)));
      return { value, buffer };
    });
    block.loop("r", count, "loop", (body, at) => {
      computation.forget();
      const narrow = indexAt(at);
      const coordinates: Coordinates = { wide: narrow, wideShape: narrowShape, narrow, narrowShape };
      for (const { value, buffer } of results)
        computation.bind(value, s.cast(s.load(buffer, at), scalarType(value.dtype)));
      storeAll(
        body,
        computation,
        narrowStores.map((value) => ({
          value,
          index: this.#indexOf(value, coordinates),
          position: linearize(narrow, narrowShape),
        })),
      );
      for (const { value } of results) computation.unbind(value);
    });
  }

  /** The loop over the shared dim, split where the left operand's index divides it, its innermost part written out by 4. */
  #sharedLoop(block: Block, product: Value, step: (body: Block, k: Expression) => void): void {
    const { shared } = sizesOf(product);
    const divisor = this.#divisorOfShared(product);
    const stepAt = (body: Block, k: Expression): void => {
      this.#computation.forget();
      step(body, k);
    };
    const unrolled = (body: Block, extent: number, start: Expression): void => {
      const turns = Math.floor(extent / unroll);
      body.loop("k", turns, "loop", (outer, turn) =>
        outer.loop("u", unroll, "unroll", (inner, u) => stepAt(inner, add(start, multiply(turn, unroll), u))),
      );
      body.loop("u", extent - turns * unroll, "unroll", (inner, u) =>
        stepAt(inner, add(start, turns * unroll, u)),
      );
    };
    if (divisor === undefined) {
      unrolled(block, shared, constant(0));
      return;
    }
    block.loop("k", shared / divisor, "loop", (body, turn) =>
      unrolled(body, divisor, multiply(turn, divisor)),
    );
  }

  /** By what a left operand's index divides the shared dim, if that makes it irregular. */
  #divisorOfShared(product: Value): number | undefined {
    const probe = new Computation(this.#scope);
    const [left] = product.node.inputs;
    const { shared: size } = sizesOf(product);
    if (this.#packed.has(left)) return undefined;
    const index = left.shape.map((extent, dim) => variable(`p${dim}`, extent));
    const element = probe.element(left, index, new Block(new Names()));
    if (element.kind !== "load") return undefined;
    const shared = `p${index.length - 1}`;
    if (coefficientOf(element.index, shared) !== undefined) return undefined;
    for (const { of } of termsOf(element.index)) {
      if (of.kind !== "floorDivide" && of.kind !== "modulo") continue;
      const divisor = of.kind === "floorDivide" ? of.divisor : of.modulus;
      if (of.of.kind === "variable" && of.of.name === shared && size % divisor === 0) return divisor;
    }
    return undefined;
  }
}

function declareReduction(block: Block, value: Value, length: number): LocalArray {
  const { type, initial } = reducerOf(value);
  return block.declare(type, length, initial);
}

function accumulate(
  block: Block,
  value: Value,
  arrays: ReadonlyMap<Value, LocalArray>,
  at: Expression,
  element: Scalar,
): void {
  const array = arrays.get(value);
  if (array === undefined) throw new InternalError(`contract kernel: ${value.node.op} has no accumulator`);
  const { type, combine } = reducerOf(value);
  block.set(array, at, combine(s.local(array, at), s.cast(element, type)));
}

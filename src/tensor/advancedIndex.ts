import { isInteger } from "../graph/dtype.ts";
import { ArgumentError, DTypeError, ShapeError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { broadcastShapes, formatShape, numel, type Shape, sameShape, stridesOf } from "../graph/shape.ts";
import * as b from "../ops/builders.ts";
import { typed } from "../ops/table.ts";
import { checkHostIndex } from "./hostIndex.ts";
import { slice } from "./movement.ts";
import type { SliceRange } from "./ranges.ts";

/**
 * Advanced indexing on graph values, as in PyTorch's x[i, :, j]. An entry is what `slice` takes, "..." for all dims that
 * no other entry is for, "newAxis", or a value: integers, whose negative ones count from the end, or a bool mask that is
 * known on the host, over as many dims as it has.
 */
export type IndexEntry = SliceRange | "..." | "newAxis" | Value;

/** An entry for each dim, and the integers that index it. */
interface DimIndex {
  readonly dim: number;
  readonly index: Value;
}

function isValue(entry: IndexEntry): entry is Value {
  return typeof entry === "object" && entry !== null && "node" in entry;
}

/** A view with plain entries applied, and the integer indices that are left, by dim of that view. */
interface Resolved {
  readonly view: Value;
  readonly indices: readonly DimIndex[];
}

/** x[entries]; indices outside their dim, where a device computes them, read 0. */
export function index(x: Value, entries: readonly IndexEntry[]): Value {
  const { view, indices } = resolve(x, entries);
  if (indices.length === 0) return view;
  const plan = planOf(view, indices);
  const [before, , after] = plan.split;
  const flat = b.reshape(plan.moved, [numel(before), numel(plan.indexed), numel(after)]);
  const where = b.expand(b.reshape(plan.position, [1, numel(plan.shape), 1]), [
    numel(before),
    numel(plan.shape),
    numel(after),
  ]);
  return b.reshape(b.gather(flat, 1, where), [...before, ...plan.shape, ...after]);
}

/** Ranges and numbers first, as PyTorch does; values become integer indices of single dims. */
function resolve(x: Value, entries: readonly IndexEntry[]): Resolved {
  const expanded = entries.flatMap((entry): readonly IndexEntry[] =>
    isValue(entry) ? maskIndices(entry) : [entry],
  );
  const used = expanded.filter((entry) => entry !== "..." && entry !== "newAxis").length;
  const missing = x.shape.length - used;
  if (missing < 0 || expanded.filter((entry) => entry === "...").length > 1) {
    throw new ArgumentError(
      `index: ${used} entries for the dims of ${formatShape(x.shape)}; give at most one a dim, and "..." once`,
    );
  }
  const rest: null[] = Array.from({ length: missing }, () => null);
  const full = expanded.flatMap((entry): readonly IndexEntry[] => (entry === "..." ? rest : [entry]));
  const ranges = full.flatMap((entry): readonly SliceRange[] =>
    entry === "newAxis" ? [] : [isValue(entry) || entry === "..." ? null : entry],
  );
  const sliced = slice(x, ranges);
  const shape: number[] = [];
  const indices: DimIndex[] = [];
  let next = 0;
  for (const entry of full) {
    if (entry === "newAxis") shape.push(1);
    else if (typeof entry !== "number") {
      if (isValue(entry)) indices.push({ dim: shape.length, index: entry });
      shape.push(sliced.shape[next++]);
    }
  }
  return { view: b.reshape(sliced, [...shape, ...sliced.shape.slice(next)]), indices };
}

/** A mask as the coordinates at which it holds; integers as they are. */
function maskIndices(entry: Value): Value[] {
  if (entry.dtype !== "bool") {
    if (!isInteger(entry.dtype)) {
      throw new DTypeError(
        `index: an index is ${entry.dtype}, wanted i32, u32 or bool; cast it with .to("i32")`,
      );
    }
    return [entry];
  }
  const node = typed(entry.node);
  if (node.op !== "constant") {
    throw new ArgumentError(
      "index: a mask that a device computes gives as many elements as its data says; use await x.maskedSelect(mask)",
    );
  }
  const strides = stridesOf(entry.shape);
  const found = [...node.attrs.data].flatMap((holds, i) => (holds === 0 ? [] : [i]));
  return entry.shape.map((size, dim) => {
    const along = Int32Array.from(found, (i) => Math.floor(i / strides[dim]) % size);
    return b.constant([found.length], "i32", along);
  });
}

interface Plan {
  /** The view with its indexed dims side by side: at their place if they are neighbours, else first. */
  readonly moved: Value;
  /** Dims before, indexed, and after. */
  readonly split: readonly [Shape, Shape, Shape];
  readonly indexed: Shape;
  /** The common shape of the indices, and the row-major position among the indexed dims; -1 outside. */
  readonly shape: Shape;
  readonly position: Value;
}

function planOf(view: Value, indices: readonly DimIndex[]): Plan {
  const dims = indices.map(({ dim }) => dim);
  const neighbours = dims.every((dim, i) => i === 0 || dim === dims[i - 1] + 1);
  const others = view.shape.flatMap((_, dim) => (dims.includes(dim) ? [] : [dim]));
  const first = neighbours ? dims[0] : 0;
  const order = [...others.slice(0, first), ...dims, ...others.slice(first)];
  const moved = b.permute(view, order);
  const end = first + dims.length;
  const indexed = moved.shape.slice(first, end);
  const shape = indices.reduce<Shape>(
    (common, { index: at }) => broadcastShapes("index", common, at.shape),
    [],
  );
  return {
    moved,
    split: [moved.shape.slice(0, first), indexed, moved.shape.slice(end)],
    indexed,
    shape,
    position: positionIn(view, indices, indexed, shape),
  };
}

function positionIn(view: Value, indices: readonly DimIndex[], indexed: Shape, shape: Shape): Value {
  const strides = stridesOf(indexed);
  const number = (value: number): Value => b.full([], "i32", value);
  let position = number(0);
  let inside: Value | undefined;
  indices.forEach(({ dim, index: at }, i) => {
    checkHostIndex("index", at, view.shape, dim, { fromEnd: true });
    const size = number(indexed[i]);
    const given = b.cast(at, "i32");
    const along = b.where(b.lt(given, number(0)), b.add(given, size), given);
    const here = b.logicalAnd(b.ge(along, number(0)), b.lt(along, size));
    inside = inside ? b.logicalAnd(inside, here) : here;
    position = b.add(position, b.mul(along, number(strides[i])));
  });
  const safe = inside ? b.where(inside, position, number(-1)) : position;
  return sameShape(safe.shape, shape) ? safe : b.expand(safe, shape);
}

/**
 * A copy of x with x[entries] replaced by `values` (broadcast), or increased by them where `accumulate` is given. What
 * lies outside is dropped; of several values for one place the last stays.
 */
export function indexPut(
  x: Value,
  entries: readonly IndexEntry[],
  values: Value,
  accumulate: boolean,
): Value {
  // Where each element of x[entries] stands in x, by indexing positions instead of elements.
  const count = numel(x.shape);
  const positions = b.reshape(b.iota(count, "i32"), x.shape);
  // A place outside reads 0: told apart by counting from 1.
  const one = b.full([], "i32", 1);
  const places = b.sub(index(b.add(positions, one), entries), one);
  if (!sameShape(broadcastShapes("indexPut", places.shape, values.shape), places.shape)) {
    throw new ShapeError(
      `indexPut: values ${formatShape(values.shape)} do not broadcast to ${formatShape(places.shape)}`,
    );
  }
  const target = b.reshape(places, [numel(places.shape)]);
  const source = b.reshape(b.expand(b.cast(values, x.dtype), places.shape), target.shape);
  const base = b.reshape(x, [count]);
  const written = accumulate
    ? b.scatterAdd(base, 0, target, source)
    : b.scatterReduce(base, 0, target, source, "replace");
  return b.reshape(written, x.shape);
}

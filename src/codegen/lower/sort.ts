import { InternalError } from "../../graph/errors.ts";
import { numel } from "../../graph/shape.ts";
import { typed } from "../../ops/table.ts";
import { add, type Expression, linearize, multiply, subtract } from "../index/expression.ts";
import type { Buffer, Scalar } from "../kernel/ir.ts";
import * as s from "../kernel/scalars.ts";
import type { Template } from "../schedule/groups.ts";
import { Block, Names } from "./block.ts";
import { Computation, type LoweringScope } from "./compute.ts";
import { elementLoop, type LoweredGroup } from "./loops.ts";

type SortTemplate = Extract<Template, { kind: "sort" }>;

/**
 * The order of each row's elements, by a sorting network: which pairs are compared does not depend on the data, so that
 * neighbouring pairs are compared in vector registers, and any target can run it. Elements become integer keys in
 * scratch, which are moved together with their positions; equal keys are told apart by those, so that the sort is stable.
 */
export function lowerSort(scope: LoweringScope, template: SortTemplate): LoweredGroup {
  return writeSort(scope, template, false) ?? (writeSort(scope, template, true) as LoweredGroup);
}

function writeSort(scope: LoweringScope, { order }: SortTemplate, single: boolean): LoweredGroup | undefined {
  const node = typed(order.node);
  if (node.op !== "argsort") throw new InternalError(`sort kernel: ${node.op} is no argsort`);
  const [input] = node.inputs;
  const { descending } = node.attrs;
  const computation = new Computation(scope);
  const positions = computation.bufferOf(order, "readwrite");
  const keys: Buffer = { name: "keys", type: "i32", length: numel(order.shape), access: "scratch" };
  const length = order.shape[order.shape.length - 1];
  const rows = order.shape.slice(0, -1);
  const block = new Block(new Names());
  block.loops("i", rows, "grid", (row, indices) => {
    const start = multiply(linearize(indices, rows), length);
    elementLoop(row, length, single ? 1 : widthFor(length), "loop", (body, element) => {
      computation.forget();
      const value = computation.element(input, [...indices, element], body);
      const key = ascendingKey(value);
      body.store(keys, add(start, element), descending ? s.unary("bitwiseNot", key) : key);
      body.store(positions, add(start, element), s.indexValue(element, "i32"));
    });
    writeNetwork(row, length, (body, low, high) =>
      compareExchange(body, { keys, positions }, add(start, low), add(start, high)),
    );
  });
  if (computation.needsScalarLoops && !single) return undefined;
  const { buffers } = computation;
  return { group: scope.group, body: block.statements, buffers, scratch: [keys], flops: 0 };
}

/** An i32 that orders as the value does; both zeros are equal, NaN is greatest. */
function ascendingKey(value: Scalar): Scalar {
  switch (value.type) {
    case "i32":
      return value;
    case "bool":
      return s.cast(value, "i32");
    case "u32":
      return s.binary("bitwiseXor", s.bitcast(value, "i32"), s.constant("i32", -(2 ** 31)));
    case "f32": {
      const zero = s.constant("f32", 0);
      const bits = s.bitcast(s.select(s.binary("eq", value, zero), zero, value), "i32");
      // Of negative numbers, those with more magnitude are smaller.
      const sign = s.binary("shiftRight", bits, s.constant("i32", 31));
      const ordered = s.binary(
        "bitwiseXor",
        bits,
        s.binary("bitwiseAnd", sign, s.constant("i32", 2 ** 31 - 1)),
      );
      return s.select(s.binary("eq", value, value), ordered, s.constant("i32", 2 ** 31 - 1));
    }
  }
}

type ComparePair = (body: Block, low: Expression, high: Expression) => void;

/**
 * Batcher's bitonic network (Sorting networks and their applications, 1968), in the form in which every comparison puts
 * the smaller element first: sorted blocks are doubled by comparing each element with its mirror image, then with those
 * half as far away each time. Any length will do, since elements beyond the end would stay there.
 */
function writeNetwork(row: Block, length: number, compare: ComparePair): void {
  for (let size = 2; size < 2 * length; size *= 2) {
    const half = size / 2;
    pairs(
      row,
      length,
      size,
      (rest) => [Math.max(0, size - rest), half],
      (body, start, at) => compare(body, add(start, at), subtract(add(start, size - 1), at)),
    );
    for (let distance = half / 2; distance >= 1; distance /= 2) {
      pairs(
        row,
        length,
        2 * distance,
        (rest) => [0, Math.min(distance, rest - distance)],
        (body, start, at) => compare(body, add(start, at), add(start, distance, at)),
      );
    }
  }
}

/**
 * Loops over all pairs of each block of `size` elements; of `rest` elements of the last block, those pairs that
 * `range` names, from and to.
 */
function pairs(
  row: Block,
  length: number,
  size: number,
  range: (rest: number) => readonly [from: number, to: number],
  body: (inner: Block, start: Expression, at: Expression) => void,
): void {
  const within = (block: Block, start: Expression, [from, to]: readonly [number, number]): void => {
    const count = Math.max(0, to - from);
    elementLoop(block, count, widthFor(count), "loop", (inner, at) => body(inner, start, add(from, at)));
  };
  const whole = Math.floor(length / size);
  row.loop("p", whole, "loop", (inner, turn) => within(inner, multiply(turn, size), range(size)));
  if (whole * size < length) within(row, add(whole * size), range(length - whole * size));
}

function widthFor(count: number): number {
  return count >= 4 ? 4 : 1;
}

/** Puts the smaller of two keys first, with its position; of equal ones the one that stood first. */
function compareExchange(
  body: Block,
  { keys, positions }: { readonly keys: Buffer; readonly positions: Buffer },
  low: Expression,
  high: Expression,
): void {
  const [a, b] = [body.let(s.load(keys, low)), body.let(s.load(keys, high))];
  const [i, j] = [body.let(s.load(positions, low)), body.let(s.load(positions, high))];
  const later = s.binary("logicalAnd", s.binary("eq", a, b), s.binary("lt", j, i));
  const swap = body.let(s.binary("logicalOr", s.binary("lt", b, a), later));
  body.store(keys, low, s.select(swap, b, a));
  body.store(keys, high, s.select(swap, a, b));
  body.store(positions, low, s.select(swap, j, i));
  body.store(positions, high, s.select(swap, i, j));
}

import { ArgumentError, ShapeError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { formatShape } from "../graph/shape.ts";
import * as b from "../ops/builders.ts";

/** What stands beyond the edges: one number, the mirror image, the edge itself, or the other end. */
export type PadMode = "constant" | "reflect" | "replicate" | "circular";

/**
 * Grows each of the trailing dims by `[before, after]`, last dim first; negative amounts cut off.
 * @throws ArgumentError for an odd number of amounts or too many; ShapeError where a dim is too short for its mode.
 */
export function pad(x: Value, amounts: readonly number[], mode: PadMode, value: number): Value {
  const dims = amounts.length / 2;
  if (!Number.isInteger(dims) || dims > x.shape.length || !amounts.every(Number.isInteger)) {
    throw new ArgumentError(
      `pad: amounts [${amounts.join(", ")}] for ${formatShape(x.shape)}; give 2 integers a dim, last dim first`,
    );
  }
  const amount = (dim: number, side: 0 | 1): number => amounts[2 * (x.shape.length - 1 - dim) + side] ?? 0;
  const before = x.shape.map((_, dim) => amount(dim, 0));
  const after = x.shape.map((_, dim) => amount(dim, 1));
  const kept = crop(x, before, after);
  const grown = (sides: readonly number[]): number[] => sides.map((n) => Math.max(n, 0));
  if (mode === "constant") return padConstant(kept, grown(before), grown(after), value);
  return before.reduce(
    (y, _, dim) => padDim(y, dim, Math.max(before[dim], 0), Math.max(after[dim], 0), mode),
    kept,
  );
}

/** Without what negative amounts cut off. */
function crop(x: Value, before: readonly number[], after: readonly number[]): Value {
  const starts = before.map((n) => Math.max(-n, 0));
  const sizes = x.shape.map((size, dim) => size - starts[dim] - Math.max(-after[dim], 0));
  if (sizes.some((size) => size < 0)) {
    throw new ShapeError(
      `pad: [${before.join(", ")}] before and [${after.join(", ")}] after cut more than ${formatShape(x.shape)} has`,
    );
  }
  return b.narrow(x, starts, sizes);
}

function padConstant(x: Value, before: readonly number[], after: readonly number[], value: number): Value {
  const padded = b.pad(x, before, after);
  if (value === 0 || padded === x) return padded;
  const inside = b.pad(b.full(x.shape, "bool", 1), before, after);
  return b.where(inside, padded, b.scalarLike(padded, value));
}

function padDim(
  x: Value,
  dim: number,
  before: number,
  after: number,
  mode: Exclude<PadMode, "constant">,
): Value {
  if (before === 0 && after === 0) return x;
  const size = x.shape[dim];
  const most = { reflect: size - 1, circular: size, replicate: size === 0 ? 0 : Number.POSITIVE_INFINITY }[
    mode
  ];
  if (Math.max(before, after) > most) {
    throw new ShapeError(
      `pad: ${mode} by ${before} and ${after} along dim ${dim} of ${formatShape(x.shape)}; at most ${most} each`,
    );
  }
  const part = (start: number, length: number): Value =>
    b.narrow(
      x,
      x.shape.map((_, i) => (i === dim ? start : 0)),
      x.shape.map((n, i) => (i === dim ? length : n)),
    );
  const edge = (start: number, length: number): Value =>
    b.expand(
      part(start, 1),
      x.shape.map((n, i) => (i === dim ? length : n)),
    );
  const sides = {
    reflect: () => [b.flip(part(1, before), [dim]), b.flip(part(size - 1 - after, after), [dim])],
    circular: () => [part(size - before, before), part(0, after)],
    replicate: () => [edge(0, before), edge(size - 1, after)],
  }[mode]();
  return b.concat(
    [sides[0], x, sides[1]].filter((value) => value.shape[dim] > 0),
    dim,
  );
}

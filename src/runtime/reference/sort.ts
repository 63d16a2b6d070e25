import type { TypedArray } from "../../graph/dtype.ts";
import type { Value } from "../../graph/node.ts";

/** Positions that sort each row of the last dim; equal elements keep their order, NaN counts as greatest. */
export function evaluateArgsort({ shape }: Value, descending: boolean, data: TypedArray): TypedArray {
  const length = shape[shape.length - 1];
  const order = new Int32Array(data.length);
  for (let start = 0; start < data.length; start += length) {
    // Array.prototype.sort is stable.
    const row = Array.from({ length }, (_, i) => i).sort((i, j) => {
      const difference = compare(data[start + i], data[start + j]);
      return descending ? -difference : difference;
    });
    order.set(row, start);
  }
  return order;
}

/** Negative where x comes before y. Both zeros are equal. */
function compare(x: number, y: number): number {
  if (Number.isNaN(x) || Number.isNaN(y)) return Number(Number.isNaN(x)) - Number(Number.isNaN(y));
  return x < y ? -1 : Number(x > y);
}

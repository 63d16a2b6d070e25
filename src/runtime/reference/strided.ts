import type { Shape } from "../../graph/shape.ts";
import { stridesOf } from "../../graph/shape.ts";

/**
 * Visits the positions of `shape` in row-major order. `offset` is `start` plus the dot product of the
 * position's coordinates with `strides`: where that element lies in another array.
 */
export function forEachOffset(
  shape: Shape,
  strides: readonly number[],
  start: number,
  visit: (position: number, offset: number) => void,
): void {
  const coordinates = shape.map(() => 0);
  const count = shape.reduce((product, size) => product * size, 1);
  let offset = start;
  for (let position = 0; position < count; position++) {
    visit(position, offset);
    // Count up like an odometer: the last dim runs fastest.
    for (let dim = shape.length - 1; dim >= 0; dim--) {
      offset += strides[dim];
      if (++coordinates[dim] < shape[dim]) break;
      offset -= strides[dim] * shape[dim];
      coordinates[dim] = 0;
    }
  }
}

/** Row-major strides of `shape`, with 0 along the given dims. */
export function stridesWithout(shape: Shape, dims: readonly number[]): number[] {
  return stridesOf(shape).map((stride, dim) => (dims.includes(dim) ? 0 : stride));
}

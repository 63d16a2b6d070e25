import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/graph/errors.ts";
import { arange } from "../../src/tensor/create.ts";
import type { SliceRange } from "../../src/tensor/ranges.ts";
import { onReferenceDevice } from "../nn/reference.ts";

onReferenceDevice();

/** Python's `list[start:stop:step]`, by its definition: from start by step while before stop, ends clipped. */
function pythonSlice<T>(list: readonly T[], start: number | null, stop: number | null, step: number): T[] {
  const size = list.length;
  const at = (index: number | null, missing: number): number => {
    if (index === null) return missing;
    const fromFront = index < 0 ? index + size : index;
    return step > 0 ? Math.min(Math.max(fromFront, 0), size) : Math.min(Math.max(fromFront, -1), size - 1);
  };
  const from = at(start, step > 0 ? 0 : size - 1);
  const to = at(stop, step > 0 ? size : -1);
  const result: T[] = [];
  for (let i = from; step > 0 ? i < to : i > to; i += step) result.push(list[i]);
  return result;
}

const end = fc.option(fc.integer({ min: -9, max: 9 }), { nil: null });
const step = fc.integer({ min: -4, max: 4 }).filter((s) => s !== 0);

describe("slice", () => {
  it("agrees with Python in two dims", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 6 })),
        fc.tuple(end, end, step),
        fc.tuple(end, end, step),
        async ([rows, columns], first, second) => {
          const list = Array.from({ length: rows }, (_, i) =>
            Array.from({ length: columns }, (_, j) => i * columns + j),
          );
          const wanted = pythonSlice(list, ...first).map((row) => pythonSlice(row, ...second));
          const x = arange(rows * columns).reshape([rows, columns]);
          const part = x.slice(first as SliceRange, second as SliceRange);
          expect(part.shape[0]).toBe(wanted.length);
          expect(await part.array()).toEqual(wanted);
        },
      ),
      { numRuns: 150 },
    );
  });

  it("drops indexed dims, and takes missing and null ranges whole", async () => {
    const x = arange(24).reshape([2, 3, 4]);
    expect(await x.slice(1, null, -1).array()).toEqual([15, 19, 23]);
    expect(await x.slice(-1, 0).array()).toEqual([12, 13, 14, 15]);
    expect(x.slice([1]).shape).toEqual([1, 3, 4]);
    expect(x.slice([null, 1], [1, null], [null, null, -2]).shape).toEqual([1, 2, 2]);
    expect(() => x.slice(0, 0, 0, 0)).toThrow(ArgumentError);
    expect(() => x.slice([0, 1, 0])).toThrow(ArgumentError);
    expect(() => x.slice([0.5])).toThrow(ArgumentError);
  });
});

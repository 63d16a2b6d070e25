import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError, DTypeError, ShapeError } from "../../src/graph/errors.ts";
import {
  diag,
  eye,
  fullLike,
  linspace,
  logspace,
  onesLike,
  randLike,
  randnLike,
  tensor,
  trilIndices,
  triuIndices,
  zerosLike,
} from "../../src/index.ts";
import { onReferenceDevice } from "../nn/reference.ts";

onReferenceDevice();

describe("tensors made by a rule", () => {
  it("eye has ones where row and column are the same", async () => {
    expect(await eye(2, 3).array()).toEqual([
      [1, 0, 0],
      [0, 1, 0],
    ]);
    expect((await eye(0).data()).length).toBe(0);
    expect(eye(2, 2, { dtype: "i32" }).dtype).toBe("i32");
    expect(() => eye(-1)).toThrow(ArgumentError);
  });

  it("linspace begins and ends exactly, with equal steps between", async () => {
    const finite = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    await fc.assert(
      fc.asyncProperty(finite, finite, fc.integer({ min: 2, max: 40 }), async (start, end, count) => {
        const values = await linspace(start, end, count, { dtype: "f64" }).data();
        expect(values.length).toBe(count);
        // -0 and 0 are the same end.
        expect(values[0] === start && values[count - 1] === end).toBe(true);
        const step = (end - start) / (count - 1);
        values.forEach((value: number, i: number) => {
          expect(Math.abs(value - (start + i * step))).toBeLessThanOrEqual(
            1e-9 * (1 + Math.abs(start) + Math.abs(end)),
          );
        });
      }),
      { numRuns: 50 },
    );
    expect(await linspace(3, 9, 1).array()).toEqual([3]);
    expect(await linspace(3, 9, 0).array()).toEqual([]);
    expect(() => linspace(0, 1, 3, { dtype: "i32" })).toThrow(DTypeError);
    expect(() => linspace(0, 1, 2.5)).toThrow(ArgumentError);
  });

  it("logspace has powers", async () => {
    expect(await logspace(0, 3, 4, 2, { dtype: "f64" }).array()).toEqual([1, 2, 4, 8]);
    expect(await logspace(-1, 1, 3, 10, { dtype: "f64" }).array()).toEqual([0.1, 1, 10]);
  });

  it("diag makes a matrix of a vector, and takes it back", async () => {
    const vector = tensor([1, 2]);
    expect(await diag(vector, 1).array()).toEqual([
      [0, 1, 0],
      [0, 0, 2],
      [0, 0, 0],
    ]);
    expect(await diag(diag(vector, -2), -2).array()).toEqual([1, 2]);
    expect(() => diag(tensor(1))).toThrow(ShapeError);
  });

  it("indices of triangles go row by row", async () => {
    expect(await trilIndices(3, 3).array()).toEqual([
      [0, 1, 1, 2, 2, 2],
      [0, 0, 1, 0, 1, 2],
    ]);
    expect(await triuIndices(2, 3, 1).array()).toEqual([
      [0, 0, 1],
      [1, 2, 2],
    ]);
    expect(trilIndices(2, 2, -2).shape).toEqual([2, 0]);
  });
});

describe("tensors like another", () => {
  it("have its shape and dtype, or the dtype that is asked for", async () => {
    const x = tensor([[1, 2, 3]], { dtype: "i32" });
    expect(await zerosLike(x).array()).toEqual([[0, 0, 0]]);
    expect(onesLike(x).dtype).toBe("i32");
    expect(await fullLike(x, 2.5, { dtype: "f32" }).array()).toEqual([[2.5, 2.5, 2.5]]);
    expect(() => fullLike(x, 2.5)).toThrow(DTypeError);
    expect(() => randLike(x)).toThrow(DTypeError);
    expect(() => randnLike(x)).toThrow(DTypeError);
    const uniform = await randLike(x, { dtype: "f32" }).data();
    expect(uniform.every((value: number) => value >= 0 && value < 1)).toBe(true);
    expect(randnLike(x, { dtype: "f64" }).shape).toEqual([1, 3]);
  });
});

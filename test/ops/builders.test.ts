import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { allocateArray, type DType } from "../../src/graph/dtype.ts";
import type { Value } from "../../src/graph/node.ts";
import { numel, type Shape } from "../../src/graph/shape.ts";
import * as b from "../../src/ops/builders.ts";
import { ReferenceDevice } from "../../src/runtime/reference/device.ts";
import { evaluateOn } from "../../src/testing/index.ts";

const device = new ReferenceDevice();

/** 1, 2, 3, ... in the given shape. */
function counting(shape: Shape, dtype: DType = "f32"): Value {
  return b.constant(
    shape,
    dtype,
    allocateArray(dtype, numel(shape)).map((_, i) => i + 1),
  );
}

const read = async (value: Value): Promise<number[]> => [...(await evaluateOn(device, [value]))[0]];

describe("binary builders", () => {
  it("broadcast both operands", async () => {
    const sum = b.add(counting([2, 1]), counting([3]));
    expect(sum.shape).toEqual([2, 3]);
    expect(await read(sum)).toEqual([2, 3, 4, 3, 4, 5]);
    expect(b.mul(counting([1]), counting([0, 1])).shape).toEqual([0, 1]);
  });

  it.each([
    ["i32", "f32", "add", "f32"],
    ["bool", "u32", "add", "u32"],
    ["f32", "f64", "mul", "f64"],
    ["i32", "i32", "div", "f32"],
    ["bool", "bool", "div", "f32"],
    ["u32", "u32", "pow", "f32"],
    ["i32", "i32", "floorDivide", "i32"],
    ["i32", "f32", "lt", "bool"],
  ] as const)("%s with %s under %s gives %s", (x, y, op, result) => {
    expect(b.binary(op, counting([1], x), counting([1], y)).dtype).toBe(result);
  });

  it("where broadcasts all three", async () => {
    const chosen = b.where(b.gt(counting([2, 1]), b.full([], "f32", 1)), counting([3]), b.full([], "i32", 9));
    expect(chosen).toMatchObject({ shape: [2, 3], dtype: "f32" });
    expect(await read(chosen)).toEqual([9, 9, 9, 1, 2, 3]);
  });
});

describe("matmul", () => {
  it.each([
    [[3], [3], []],
    [[3], [3, 2], [2]],
    [[2, 3], [3], [2]],
    [[4, 2, 3], [3], [4, 2]],
    [[3], [4, 3, 2], [4, 2]],
    [
      [4, 2, 3],
      [3, 5],
      [4, 2, 5],
    ],
    [
      [4, 2, 3],
      [4, 3, 5],
      [4, 2, 5],
    ],
    [
      [1, 2, 3],
      [6, 4, 3, 5],
      [6, 4, 2, 5],
    ],
    [
      [2, 0],
      [0, 3],
      [2, 3],
    ],
  ])("%j times %j gives %j", (x, y, result) => {
    expect(b.matmul(counting(x), counting(y)).shape).toEqual(result);
  });

  it("multiplies", async () => {
    expect(await read(b.matmul(counting([2, 3]), counting([3, 2])))).toEqual([22, 28, 49, 64]);
    expect(await read(b.matmul(counting([3]), counting([3])))).toEqual([14]);
    expect(await read(b.matmul(counting([2, 1, 2]), counting([2, 2])))).toEqual([7, 10, 15, 22]);
    expect(await read(b.matmul(counting([2, 0]), counting([0, 1])))).toEqual([0, 0]);
  });
});

describe("movement builders", () => {
  it("return their operand where nothing moves", () => {
    const x = counting([2, 3]);
    expect(b.reshape(x, [2, 3])).toBe(x);
    expect(b.permute(x, [0, 1])).toBe(x);
    expect(b.expand(x, [2, 3])).toBe(x);
    expect(b.narrow(x, [0, 0], [2, 3])).toBe(x);
    expect(b.pad(x, [0, 0], [0, 0])).toBe(x);
    expect(b.flip(x, [])).toBe(x);
    expect(b.concat([x], 1)).toBe(x);
    expect(b.cast(x, "f32")).toBe(x);
    expect(b.reduce("sum", x, [])).toBe(x);
    expect(b.transpose(counting([]), 0, -1).shape).toEqual([]);
  });

  it("dilate puts zeros between neighbours", async () => {
    expect(await read(b.dilate(counting([3]), 0, 3))).toEqual([1, 0, 0, 2, 0, 0, 3]);
    const matrix = b.dilate(counting([2, 2]), 0, 2);
    expect(matrix.shape).toEqual([3, 2]);
    expect(await read(matrix)).toEqual([1, 2, 0, 0, 3, 4]);
  });

  it("sumToShape undoes expand, up to how often it repeats", async () => {
    const size = fc.constantFrom(1, 2, 3);
    await fc.assert(
      fc.asyncProperty(
        fc.array(size, { maxLength: 3 }),
        fc.array(size, { maxLength: 2 }),
        async (kept, added) => {
          const x = counting(kept.map((n, i) => (i % 2 === 0 ? 1 : n)));
          const wide = b.expand(x, [...added, ...kept]);
          const times = numel(wide.shape) / numel(x.shape);
          const back = b.sumToShape(wide, x.shape);
          expect(back.shape).toEqual(x.shape);
          expect(await read(back)).toEqual((await read(x)).map((element) => element * times));
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe("reductions", () => {
  it("sum counts bools", async () => {
    const sum = b.sum(b.gt(counting([4]), b.full([], "f32", 2)), [0]);
    expect(sum).toMatchObject({ shape: [1], dtype: "i32" });
    expect(await read(sum)).toEqual([2]);
  });

  it("the mean of nothing is NaN", async () => {
    expect(await read(b.mean(counting([2, 2]), [1]))).toEqual([1.5, 3.5]);
    expect(await read(b.mean(counting([2, 0]), [1]))).toEqual([NaN, NaN]);
  });

  it("scalars have one element along dim 0", async () => {
    const scalar = b.full([], "f32", 3);
    expect(await read(b.softmax(scalar, 0))).toEqual([1]);
    expect(await read(b.logSoftmax(scalar, 0))).toEqual([0]);
    expect(await read(b.argmax(scalar, 0))).toEqual([0]);
  });
});

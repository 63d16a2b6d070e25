import { describe, expect, it } from "vitest";
import { allocateArray, type DType } from "../../../src/graph/dtype.ts";
import type { Value } from "../../../src/graph/node.ts";
import { numel, type Shape } from "../../../src/graph/shape.ts";
import * as b from "../../../src/ops/builders.ts";
import { ReferenceDevice } from "../../../src/runtime/reference/device.ts";
import { evaluateOn } from "../../../src/testing/index.ts";

const device = new ReferenceDevice();
const read = async (value: Value): Promise<number[]> => [...(await evaluateOn(device, [value]))[0]];

function tensor(shape: Shape, dtype: DType, numbers: readonly number[]): Value {
  const data = allocateArray(dtype, numel(shape));
  data.set(numbers);
  return b.constant(shape, dtype, data);
}

/** 0, 1, 2, ... in the given shape. */
const counting = (shape: Shape): Value =>
  tensor(
    shape,
    "f32",
    Array.from({ length: numel(shape) }, (_, i) => i),
  );

const MAX = 2 ** 31 - 1;

describe("leaves", () => {
  it("full and iota", async () => {
    expect(await read(b.full([2], "i32", -3))).toEqual([-3, -3]);
    expect(await read(b.full([], "f64", NaN))).toEqual([NaN]);
    expect(await read(b.iota(4, "u32"))).toEqual([0, 1, 2, 3]);
    expect(await read(b.iota(0, "f32"))).toEqual([]);
  });
});

describe("movement", () => {
  it("permutes", async () => {
    expect(await read(b.permute(counting([2, 3]), [1, 0]))).toEqual([0, 3, 1, 4, 2, 5]);
    const moved = b.permute(counting([2, 1, 3]), [2, 0, 1]);
    expect(moved.shape).toEqual([3, 2, 1]);
    expect(await read(moved)).toEqual([0, 3, 1, 4, 2, 5]);
  });

  it("expands stretched and new dims", async () => {
    expect(await read(b.expand(tensor([2, 1], "i32", [1, 2]), [2, 2, 3]))).toEqual([
      1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2,
    ]);
    expect(await read(b.expand(tensor([1], "i32", [1]), [0]))).toEqual([]);
    expect(await read(b.expand(tensor([], "bool", [1]), [2]))).toEqual([1, 1]);
  });

  it("slices forwards and backwards", async () => {
    const x = counting([3, 4]);
    expect(await read(b.slice(x, [1, 0], [2, 2], [1, 2]))).toEqual([4, 6, 8, 10]);
    expect(await read(b.slice(x, [2, 3], [2, 2], [-2, -3]))).toEqual([11, 8, 3, 0]);
    expect(await read(b.slice(x, [0, 0], [0, 4], [1, 1]))).toEqual([]);
  });

  it("pads with zeros and with false", async () => {
    expect(await read(b.pad(tensor([2], "f32", [1, 2]), [1], [2]))).toEqual([0, 1, 2, 0, 0]);
    expect(await read(b.pad(tensor([1, 1], "bool", [1]), [1, 0], [0, 1]))).toEqual([0, 0, 1, 0]);
    expect(await read(b.pad(tensor([0], "f32", []), [1], [1]))).toEqual([0, 0]);
  });

  it("flips", async () => {
    expect(await read(b.flip(counting([2, 3]), [1]))).toEqual([2, 1, 0, 5, 4, 3]);
    expect(await read(b.flip(counting([2, 3]), [0, 1]))).toEqual([5, 4, 3, 2, 1, 0]);
  });

  it("concatenates, empty parts included", async () => {
    const [x, y] = [counting([2, 2]), tensor([2, 1], "f32", [8, 9])];
    expect(await read(b.concat([x, tensor([2, 0], "f32", []), y, x], 1))).toEqual([
      0, 1, 8, 0, 1, 2, 3, 9, 2, 3,
    ]);
    expect(await read(b.concat([x, x], 0))).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
  });
});

describe("reductions", () => {
  it.each<readonly [b.ReduceName, DType, readonly number[], number]>([
    ["sum", "i32", [MAX, 1, 1], -MAX],
    ["sum", "u32", [2 ** 32 - 1, 3], 2],
    ["sum", "f32", [], 0],
    ["prod", "f32", [], 1],
    ["prod", "i32", [65537, 65537], 131073],
    ["prod", "u32", [2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1], 2 ** 32 - 1],
    ["max", "f32", [1, NaN, 3], NaN],
    ["max", "f32", [-Infinity, -Infinity], -Infinity],
    ["max", "i32", [-5, -3], -3],
    ["max", "bool", [0, 1, 0], 1],
    ["min", "bool", [0, 1], 0],
    ["min", "bool", [1, 1], 1],
    ["min", "u32", [2 ** 32 - 1, 7], 7],
    ["min", "i32", [-5, MAX], -5],
    ["min", "f64", [Infinity, NaN], NaN],
  ])("%s of %s %j is %d", async (op, dtype, x, expected) => {
    expect(await read(b.reduce(op, tensor([x.length], dtype, x), [0]))).toEqual([expected]);
  });

  it("reduce any dims, which stay with size 1", async () => {
    const sum = b.sum(counting([2, 3, 2]), [0, 2]);
    expect(sum.shape).toEqual([1, 3, 1]);
    expect(await read(sum)).toEqual([14, 22, 30]);
    expect(await read(b.reduce("max", counting([2, 3]), [0]))).toEqual([3, 4, 5]);
    expect(await read(b.sum(tensor([0, 2], "f32", []), [0]))).toEqual([0, 0]);
    expect(await read(b.reduce("max", tensor([0, 2], "f32", []), [1]))).toEqual([]);
  });

  it("accumulate f32 in float64 and round once", async () => {
    expect(await read(b.sum(tensor([3], "f32", [2 ** 24, 1, 1]), [0]))).toEqual([2 ** 24 + 2]);
    expect(await read(b.reduce("prod", tensor([3], "f32", [1e30, 1e30, 1e-30]), [0]))).toEqual([
      Math.fround(1e30),
    ]);
    expect(await read(b.sum(tensor([2], "f32", [3e38, 3e38]), [0]))).toEqual([Infinity]);
  });
});

describe("matmul", () => {
  it("multiplies batches", async () => {
    const product = b.matmul(counting([2, 2, 2]), counting([2, 2, 1]));
    expect(await read(product)).toEqual([1, 3, 23, 33]);
  });

  it("wraps integers, and rounds f32 once", async () => {
    const i32 = tensor([1, 2], "i32", [65537, MAX]);
    expect(await read(b.matmul(i32, b.transpose(i32, 0, 1)))).toEqual([131074]);
    const u32 = tensor([1, 1], "u32", [2 ** 32 - 1]);
    expect(await read(b.matmul(u32, u32))).toEqual([1]);
    const ones = tensor([3, 1], "f32", [1, 1, 1]);
    expect(await read(b.matmul(tensor([1, 3], "f32", [2 ** 24, 1, 1]), ones))).toEqual([2 ** 24 + 2]);
  });

  it("gives NaN for an infinity times 0", async () => {
    expect(await read(b.matmul(tensor([1, 1], "f32", [Infinity]), tensor([1, 1], "f32", [0])))).toEqual([
      NaN,
    ]);
  });
});

describe("gather and scatterAdd", () => {
  const x = tensor([3, 2], "f32", [1, 2, 3, 4, 5, 6]);

  it("gather reads along a dim, and 0 outside", async () => {
    const index = tensor([2, 2], "i32", [2, 0, -1, 3]);
    expect(await read(b.gather(x, 0, index))).toEqual([5, 2, 0, 0]);
    expect(await read(b.gather(x, 1, tensor([2, 3], "u32", [1, 1, 0, 0, 2 ** 32 - 1, 1])))).toEqual([
      2, 2, 1, 3, 0, 4,
    ]);
    expect(await read(b.gather(tensor([1], "bool", [1]), 0, tensor([2], "i32", [0, 9])))).toEqual([1, 0]);
  });

  it("gather takes fewer positions along the other dims, and scalars", async () => {
    expect(await read(b.gather(x, 0, tensor([2, 1], "i32", [1, 2])))).toEqual([3, 5]);
    expect(await read(b.gather(tensor([], "f32", [7]), 0, tensor([], "i32", [0])))).toEqual([7]);
  });

  it("scatterAdd adds repeated indices and drops those outside", async () => {
    const base = tensor([3], "f32", [10, 20, 30]);
    const index = tensor([5], "i32", [0, 2, 0, -1, 3]);
    expect(await read(b.scatterAdd(base, 0, index, tensor([5], "f32", [1, 2, 3, 4, 5])))).toEqual([
      14, 20, 32,
    ]);
    const flat = tensor([2, 2], "i32", [0, 0, 0, 0]);
    expect(
      await read(
        b.scatterAdd(tensor([2, 2], "i32", [MAX, 0, 0, 0]), 1, flat, tensor([2, 2], "i32", [1, 1, 2, 3])),
      ),
    ).toEqual([-MAX, 0, 5, 0]);
  });

  it("scatterAdd adds in order, in the dtype itself", async () => {
    const index = tensor([3], "i32", [0, 0, 0]);
    const base = tensor([1], "f32", [0]);
    expect(await read(b.scatterAdd(base, 0, index, tensor([3], "f32", [2 ** 24, 1, 1])))).toEqual([2 ** 24]);
    expect(await read(b.scatterAdd(base, 0, index, tensor([3], "f32", [1, 1, 2 ** 24])))).toEqual([
      2 ** 24 + 2,
    ]);
  });
});

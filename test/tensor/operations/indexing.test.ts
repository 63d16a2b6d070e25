import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ArgumentError,
  DTypeError,
  IndexOutOfRangeError,
  ShapeError,
  TraceError,
} from "../../../src/graph/errors.ts";
import type { Value } from "../../../src/graph/node.ts";
import * as b from "../../../src/ops/builders.ts";
import { index, indexPut } from "../../../src/tensor/advancedIndex.ts";
import { compile } from "../../../src/tensor/compile.ts";
import { arange, tensor, zeros } from "../../../src/tensor/create.ts";
import { scatterReduce } from "../../../src/tensor/scattering.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { gradcheck } from "../../../src/testing/index.ts";
import { alongDim, make, read, toHost, toTensor } from "./samples.ts";

const ints = (data: number[] | number[][]): Tensor => tensor(data, { dtype: "i32" });

describe("advanced indexing", () => {
  const x = arange(24).to("f32").reshape([2, 3, 4]);
  const value = (i: number, j: number, k: number): number => 12 * i + 4 * j + k;

  it("pairs indices, which broadcast", async () => {
    expect(await x.index([ints([0, 1, -1]), ints([2, 0, -3])]).array()).toEqual([
      [0, 1, 2, 3].map((k) => value(0, 2, k)),
      [0, 1, 2, 3].map((k) => value(1, 0, k)),
      [0, 1, 2, 3].map((k) => value(1, 0, k)),
    ]);
    expect(await x.index([ints([[0], [1]]), 1, ints([3, 0])]).array()).toEqual([
      [value(0, 1, 3), value(0, 1, 0)],
      [value(1, 1, 3), value(1, 1, 0)],
    ]);
  });

  it("puts the dims of indices in their place, or first where they are apart", async () => {
    const i = ints([
      [0, 1],
      [1, 0],
      [0, 0],
    ]);
    expect(x.index([null, i]).shape).toEqual([2, 3, 2, 4]);
    expect(x.index([null, i, i]).shape).toEqual([2, 3, 2]);
    expect(x.index([i, null, i]).shape).toEqual([3, 2, 3]);
    expect(x.index(["...", i]).shape).toEqual([2, 3, 3, 2]);
    expect(x.index([i, "newAxis", [1]]).shape).toEqual([3, 2, 1, 2, 4]);
    const found = await read(x.index([i, [null, null, 2], i]));
    const at = [
      [0, 1],
      [1, 0],
      [0, 0],
    ];
    expect(found).toEqual(make([3, 2, 2], ([a, c, j]) => value(at[a][c], 2 * j, at[a][c])));
  });

  it("takes masks that are known", async () => {
    const mask = tensor([
      [true, false, true],
      [false, true, false],
    ]);
    expect(await x.index([mask, 1]).array()).toEqual([value(0, 0, 1), value(0, 2, 1), value(1, 1, 1)]);
    expect(await x.index([null, tensor([false, true, false])]).shape).toEqual([2, 1, 4]);
  });

  it("checks what is known, and reads 0 where a device leaves the dim", async () => {
    expect(() => x.index([ints([2])])).toThrow(IndexOutOfRangeError);
    expect(() => x.index([ints([-3])])).toThrow(IndexOutOfRangeError);
    const computed = ints([0, 1]).add(1);
    expect(await x.index([computed, 0, 0]).array()).toEqual([12, 0]);
    expect(() => x.index([0, 0, 0, 0])).toThrow(ArgumentError);
    expect(() => x.index([tensor([0.5])])).toThrow(DTypeError);
    expect(() => x.index([x.gt(3)])).toThrow(ArgumentError);
    expect(() => x.index([ints([0, 1]), ints([0, 1, 2])])).toThrow(ShapeError);
  });

  it("writes what it reads", async () => {
    const y = x.indexPut([ints([0, 1]), ints([1, 2])], tensor([[-1], [-2]]));
    expect(await y.index([0, 1]).array()).toEqual([-1, -1, -1, -1]);
    expect(await y.index([1, 2]).array()).toEqual([-2, -2, -2, -2]);
    expect(await y.sum().item()).toBe(276 - (4 + 5 + 6 + 7) - (20 + 21 + 22 + 23) - 12);
    const counted = zeros([3]).indexPut([ints([0, 2, 0, -1])], 1, { accumulate: true });
    expect(await counted.array()).toEqual([2, 0, 2]);
    expect(
      await zeros([2])
        .indexPut([ints([0, 1]).add(1)], 5)
        .array(),
    ).toEqual([0, 5]);
  });

  it("has gradients", async () => {
    const data = toHost(make([3, 4], ([r, c]) => r * 4 + c));
    const rows = b.constant([2, 2], "i32", Int32Array.of(0, 2, 2, -1));
    const columns = b.constant([2], "i32", Int32Array.of(3, 1));
    await gradcheck(([v]) => index(v, [rows, columns]), [data]);
    await gradcheck(([v]) => index(v, [[1], columns]), [data]);
    const source = toHost(make([2, 2], ([r, c]) => r - c));
    const different = b.constant([2, 2], "i32", Int32Array.of(0, 1, 2, 0));
    const put =
      (accumulate: boolean) =>
      ([v, s]: readonly Value[]) =>
        indexPut(v, [different, columns], s, accumulate);
    await gradcheck(put(true), [data, source]);
    await gradcheck(put(false), [data, source]);
  });
});

describe("gathering", () => {
  it("take counts from both ends, in row-major order", async () => {
    const x = tensor([
      [1, 2],
      [3, 4],
    ]);
    expect(
      await x
        .take(
          ints([
            [3, -4],
            [0, 1],
          ]),
        )
        .array(),
    ).toEqual([
      [4, 1],
      [1, 2],
    ]);
    expect(() => x.take(ints([4]))).toThrow(IndexOutOfRangeError);
  });

  it("takeAlongDim broadcasts", async () => {
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(await x.takeAlongDim(ints([[2, 0]]), 1).array()).toEqual([
      [3, 1],
      [6, 4],
    ]);
    expect(await x.takeAlongDim(ints([5, 0])).array()).toEqual([6, 1]);
  });

  it("repeatInterleave takes a number for each", async () => {
    const x = tensor([
      [1, 2],
      [3, 4],
    ]);
    expect(await x.repeatInterleave([0, 2], 0).array()).toEqual([
      [3, 4],
      [3, 4],
    ]);
    expect(await x.repeatInterleave([1, 0, 2, 0]).array()).toEqual([1, 3, 3]);
    expect(() => x.repeatInterleave([1], 0)).toThrow(ArgumentError);
  });
});

describe("scattering", () => {
  const modes = ["sum", "prod", "mean", "amax", "amin"] as const;
  const combine = {
    sum: (a: number, x: number) => a + x,
    mean: (a: number, x: number) => a + x,
    prod: (a: number, x: number) => a * x,
    amax: (a: number, x: number) => Math.max(a, x),
    amin: (a: number, x: number) => Math.min(a, x),
  };

  it("combines contributions with and without what stood there", async () => {
    const drawn = fc.tuple(
      fc.constantFrom(...modes),
      fc.boolean(),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: -4, max: 4 })), {
        minLength: 1,
        maxLength: 8,
      }),
    );
    await fc.assert(
      fc.asyncProperty(drawn, async ([mode, includeSelf, writes]) => {
        const base = [2, -1, 3, 0.5];
        const expected = base.map((start, i) => {
          const given = writes.filter(([to]) => to === i).map(([, x]) => x);
          const all = includeSelf || given.length === 0 ? [start, ...given] : given;
          const total = all.reduce((a, x) => combine[mode](a, x));
          return mode === "mean" ? total / all.length : total;
        });
        const [to, from] = [ints(writes.map(([i]) => i)), tensor(writes.map(([, x]) => x))];
        const found = await read(tensor(base).scatterReduce(0, to, from, mode, { includeSelf }));
        found.data.forEach((x, i) => {
          expect(x).toBeCloseTo(expected[i], 4);
        });
      }),
      { numRuns: 40 },
    );
  });

  it("replaces, the last of several staying; numbers are written everywhere", async () => {
    const x = zeros([2, 3]);
    expect(
      await x
        .scatter(
          1,
          ints([
            [0, 0],
            [2, 1],
          ]),
          tensor([
            [1, 2],
            [3, 4],
          ]),
        )
        .array(),
    ).toEqual([
      [2, 0, 0],
      [0, 4, 3],
    ]);
    expect(await x.scatter(0, ints([[1, 0, 1]]), 7).array()).toEqual([
      [0, 7, 0],
      [7, 0, 7],
    ]);
    const added = x.add(2).scatter(1, ints([[1, 1]]), tensor([[3, 4]]), { reduce: "multiply" });
    expect(await added.array()).toEqual([
      [2, 24, 2],
      [2, 2, 2],
    ]);
  });

  it("the source may be larger than the index, not smaller", async () => {
    const x = zeros([2, 2]);
    expect(
      await x
        .scatterAdd(
          0,
          ints([[1]]),
          tensor([
            [5, 6],
            [7, 8],
          ]),
        )
        .array(),
    ).toEqual([
      [0, 0],
      [5, 0],
    ]);
    expect(() => x.scatterAdd(0, ints([[1, 0]]), tensor([[5]]))).toThrow(ShapeError);
    expect(() => x.scatter(0, ints([[2, 0]]), 1)).toThrow(IndexOutOfRangeError);
  });

  it("rows are added, copied and filled", async () => {
    await fc.assert(
      fc.asyncProperty(alongDim, async ([sample, dim]) => {
        const x = toTensor(sample);
        const last = sample.shape[dim] - 1;
        const index = ints([last, 0]);
        const row = x.indexSelect(dim, index);
        const moved = x.indexAdd(dim, index, row, { alpha: 2 });
        const factor = (i: number): number => 1 + 2 * (Number(i === 0) + Number(i === last));
        const strides = sample.shape.slice(dim + 1).reduce((a, n) => a * n, 1);
        const along = (i: number): number => Math.floor(i / strides) % sample.shape[dim];
        expect(await read(moved)).toEqual({
          shape: sample.shape,
          data: sample.data.map((v, i) => v * factor(along(i)) + 0),
        });
        expect(await read(x.indexCopy(dim, index, row))).toEqual(sample);
        expect((await read(x.indexFill(dim, index, 9))).data).toEqual(
          sample.data.map((v, i) => (along(i) === 0 || along(i) === last ? 9 : v)),
        );
      }),
      { numRuns: 12 },
    );
  });

  it("put writes in row-major order", async () => {
    const x = tensor([
      [1, 2],
      [3, 4],
    ]);
    expect(await x.put(ints([-1, 0]), tensor([8, 9])).array()).toEqual([
      [9, 2],
      [3, 8],
    ]);
    expect(await x.put(ints([0, 0]), tensor([8, 9]), { accumulate: true }).array()).toEqual([
      [18, 2],
      [3, 4],
    ]);
  });

  it("masks take the source's elements in order", async () => {
    const mask = tensor([
      [true, false],
      [false, true],
    ]);
    const x = tensor([
      [1, 2],
      [3, 4],
    ]);
    expect(await x.maskedScatter(mask, tensor([8, 9, 10])).array()).toEqual([
      [8, 2],
      [3, 9],
    ]);
    expect(() => x.maskedScatter(x, x)).toThrow(DTypeError);
  });

  it("all modes have gradients, ties and the base among them", async () => {
    const to = b.constant([5], "i32", Int32Array.of(0, 2, 2, 0, 3));
    const [base, source] = [
      toHost({ shape: [4], data: [1, 2, 3, -1] }),
      toHost({ shape: [5], data: [2, 5, 1, -2, 4] }),
    ];
    for (const mode of modes) {
      for (const includeSelf of [true, false]) {
        const apply = ([x, from]: readonly Value[]) => scatterReduce(x, 0, to, from, mode, includeSelf);
        await gradcheck(apply, [base, source]);
      }
    }
    const x = tensor([2, 2], { requiresGrad: true });
    const from = tensor([2, 1], { requiresGrad: true });
    x.scatterReduce(0, ints([0, 1]), from, "amax")
      .sum()
      .backward();
    expect(await x.grad?.array()).toEqual([0.5, 1]);
    expect(await from.grad?.array()).toEqual([0.5, 0]);
  });

  it("products have gradients at zeros", async () => {
    const x = tensor([0, 3], { requiresGrad: true });
    const from = tensor([2, 0, 5], { requiresGrad: true });
    x.scatterReduce(0, ints([0, 1, 1]), from, "prod")
      .sum()
      .backward();
    expect(await x.grad?.array()).toEqual([2, 0]);
    expect(await from.grad?.array()).toEqual([0, 15, 0]);
  });
});

describe("what the data decides", () => {
  it("nonzero and maskedSelect agree with plain loops", async () => {
    await fc.assert(
      fc.asyncProperty(alongDim, async ([sample]) => {
        const x = toTensor(sample);
        const coordinates = make(sample.shape, (c) =>
          c.reduce((n, i, dim) => n * sample.shape[dim] + i, 0),
        ).data;
        const flat = coordinates.filter((i) => sample.data[i] !== 0);
        const rows = await read(await x.nonzero());
        expect(rows.shape).toEqual([flat.length, sample.shape.length]);
        flat.forEach((i, row) => {
          const found = rows.data.slice(row * sample.shape.length, (row + 1) * sample.shape.length);
          expect(found.reduce((n, c, dim) => n * sample.shape[dim] + c, 0)).toBe(i);
        });
        const chosen = await (await x.maskedSelect(x.gt(0))).array();
        expect(chosen).toEqual(sample.data.filter((v) => v > 0));
      }),
      { numRuns: 15 },
    );
  });

  it("unique sorts, counts, and says where each stands", async () => {
    await fc.assert(
      fc.asyncProperty(alongDim, async ([sample]) => {
        const { values, inverse, counts } = await toTensor(sample).unique();
        const expected = [...new Set(sample.data.map((v) => v + 0))].sort((a, c) => a - c);
        expect(await values.array()).toEqual(expected);
        expect(inverse.shape).toEqual(sample.shape);
        expect((await read(inverse)).data.map((i) => expected[i])).toEqual(sample.data.map((v) => v + 0));
        expect(await counts.array()).toEqual(expected.map((v) => sample.data.filter((w) => w === v).length));
      }),
      { numRuns: 15 },
    );
  });

  it("unique along a dim compares whole slices", async () => {
    const x = tensor([
      [2, 1],
      [1, 5],
      [2, 1],
      [1, 3],
    ]);
    const { values, inverse, counts } = await x.unique({ dim: 0 });
    expect(await values.array()).toEqual([
      [1, 3],
      [1, 5],
      [2, 1],
    ]);
    expect(await inverse.array()).toEqual([2, 1, 2, 0]);
    expect(await counts.array()).toEqual([1, 1, 2]);
    const columns = await x.t().unique({ dim: 1 });
    expect(await columns.values.t().array()).toEqual([
      [1, 3],
      [1, 5],
      [2, 1],
    ]);
  });

  it("of nothing there is nothing", async () => {
    expect((await zeros([0]).nonzero()).shape).toEqual([0, 1]);
    expect((await zeros([2, 3]).nonzero()).shape).toEqual([0, 2]);
    expect(await (await zeros([0]).unique()).values.array()).toEqual([]);
    expect(await (await zeros([2]).maskedSelect(tensor([false, false]))).array()).toEqual([]);
  });

  it("bincount counts and weighs", async () => {
    const x = ints([1, 3, 1, 0]);
    expect(await (await x.bincount()).array()).toEqual([1, 2, 0, 1]);
    expect(await (await x.bincount({ minlength: 6 })).array()).toEqual([1, 2, 0, 1, 0, 0]);
    expect(await (await x.bincount({ weights: tensor([0.5, 1, 2, 4]) })).array()).toEqual([4, 2.5, 0, 1]);
    await expect(ints([-1]).bincount()).rejects.toThrow(ArgumentError);
    await expect(tensor([1.5]).bincount()).rejects.toThrow(DTypeError);
  });

  it("gradients flow through what was selected", async () => {
    const x = tensor([1, -2, 3], { requiresGrad: true });
    (await x.maskedSelect(x.gt(0)))
      .mul(tensor([10, 20]))
      .sum()
      .backward();
    expect(await x.grad?.array()).toEqual([10, 0, 20]);
  });

  it("is refused inside a compiled function", async () => {
    const pending: Promise<unknown>[] = [];
    const step = compile((x: Tensor) => {
      pending.push(x.nonzero().catch((error: unknown) => error));
      return x.sum();
    });
    step(tensor([1, 0]));
    expect(await pending[0]).toBeInstanceOf(TraceError);
  });
});

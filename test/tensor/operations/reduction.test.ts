import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DTypeError, ShapeError } from "../../../src/graph/errors.ts";
import type { Value } from "../../../src/graph/node.ts";
import * as b from "../../../src/ops/builders.ts";
import { tensor, zeros } from "../../../src/tensor/create.ts";
import { logsumexp, norm, variance } from "../../../src/tensor/statistics.ts";
import { gradcheck, gradgradcheck } from "../../../src/testing/index.ts";
import { alongDim, fromLines, linesOf, numbers, read, shapes, toHost, toTensor } from "./samples.ts";

const sum = (line: readonly number[]): number => line.reduce((a, b) => a + b, 0);
const mean = (line: readonly number[]): number => sum(line) / line.length;
const squares = (line: readonly number[]): number => sum(line.map((x) => (x - mean(line)) ** 2));

describe("reductions along a dim agree with plain loops", () => {
  const p3 = (line: readonly number[]): number => sum(line.map((x) => Math.abs(x) ** 3)) ** (1 / 3);
  const cases = {
    sum: [(x, dim) => x.sum({ dim }), sum],
    mean: [(x, dim) => x.mean({ dim }), mean],
    var: [(x, dim) => x.var({ dim }), (line) => squares(line) / (line.length - 1)],
    "var without correction": [
      (x, dim) => x.var({ dim, correction: 0 }),
      (line) => squares(line) / line.length,
    ],
    std: [(x, dim) => x.std({ dim }), (line) => Math.sqrt(squares(line) / (line.length - 1))],
    prod: [(x, dim) => x.prod({ dim }), (line) => line.reduce((a, b) => a * b, 1)],
    amax: [(x, dim) => x.amax({ dim }), (line) => Math.max(...line)],
    amin: [(x, dim) => x.amin({ dim }), (line) => Math.min(...line)],
    "max, values": [(x, dim) => x.max(dim).values, (line) => Math.max(...line)],
    "max, indices": [(x, dim) => x.max(dim).indices, (line) => line.indexOf(Math.max(...line))],
    "min, indices": [(x, dim) => x.min(dim).indices, (line) => line.indexOf(Math.min(...line))],
    argmax: [(x, dim) => x.argmax(dim), (line) => line.indexOf(Math.max(...line))],
    argmin: [(x, dim) => x.argmin(dim), (line) => line.indexOf(Math.min(...line))],
    any: [(x, dim) => x.any({ dim }), (line) => Number(line.some((n) => n !== 0))],
    all: [(x, dim) => x.all({ dim }), (line) => Number(line.every((n) => n !== 0))],
    countNonzero: [(x, dim) => x.countNonzero({ dim }), (line) => line.filter((n) => n !== 0).length],
    logsumexp: [(x, dim) => x.logsumexp({ dim }), (line) => Math.log(sum(line.map(Math.exp)))],
    "norm 0": [(x, dim) => x.norm({ p: 0, dim }), (line) => line.filter((n) => n !== 0).length],
    "norm 1": [(x, dim) => x.norm({ p: 1, dim }), (line) => sum(line.map(Math.abs))],
    "norm 2": [(x, dim) => x.norm({ dim }), (line) => Math.hypot(...line)],
    "norm 3": [(x, dim) => x.norm({ p: 3, dim }), p3],
    "norm inf": [(x, dim) => x.norm({ p: Infinity, dim }), (line) => Math.max(...line.map(Math.abs))],
    "norm -inf": [(x, dim) => x.norm({ p: -Infinity, dim }), (line) => Math.min(...line.map(Math.abs))],
    "norm -1": [(x, dim) => x.norm({ p: -1, dim }), (line) => 1 / sum(line.map((n) => 1 / Math.abs(n)))],
  } satisfies Record<
    string,
    readonly [
      (x: ReturnType<typeof toTensor>, dim: number) => ReturnType<typeof toTensor>,
      (line: readonly number[]) => number,
    ]
  >;

  it.each(Object.entries(cases))("%s", async (_, [ours, plain]) => {
    await fc.assert(
      fc.asyncProperty(alongDim, async ([sample, dim]) => {
        const found = await read(ours(toTensor(sample), dim));
        const expected = linesOf(sample, dim).map(plain);
        expect(found.shape).toEqual(sample.shape.filter((__, i) => i !== dim));
        found.data.forEach((x, i) => {
          if (Number.isFinite(expected[i])) expect(x).toBeCloseTo(expected[i], 4);
          else expect(x).toEqual(expected[i]);
        });
      }),
      { numRuns: 12 },
    );
  });

  it("keep the dim where asked, and reduce several", async () => {
    const x = tensor([
      [
        [1, 2],
        [3, 4],
      ],
      [
        [5, 6],
        [7, 8],
      ],
    ]);
    expect((await read(x.sum({ dim: [0, -1], keepdim: true }))).shape).toEqual([1, 2, 1]);
    expect(await x.logsumexp({ dim: [0, 2] }).array()).toEqual([
      expect.closeTo(6.3312, 3),
      expect.closeTo(8.3312, 3),
    ]);
    expect(await x.max(1, { keepdim: true }).values.array()).toEqual([[[3, 4]], [[7, 8]]]);
    expect(await x.argmin().item()).toBe(0);
    expect((await read(x.argmax(undefined, { keepdim: true }))).shape).toEqual([1, 1, 1]);
  });
});

describe("edges", () => {
  it("NaN wins, with its first index", async () => {
    const x = tensor([1, NaN, 3, NaN]);
    expect(await x.max(0).values.item()).toBeNaN();
    expect(await x.max(0).indices.item()).toBe(1);
    expect(await x.argmin(0).item()).toBe(1);
  });

  it("logsumexp of infinities, and of nothing", async () => {
    const x = tensor([
      [-Infinity, -Infinity],
      [Infinity, 0],
      [-Infinity, 1],
    ]);
    expect(await x.logsumexp({ dim: 1 }).array()).toEqual([-Infinity, Infinity, 1]);
    expect(await tensor([1000, 1000]).logsumexp().item()).toBeCloseTo(1000 + Math.log(2), 3);
    expect(await zeros([2, 0]).logsumexp({ dim: 1 }).array()).toEqual([-Infinity, -Infinity]);
  });

  it("one element has no variance, and integers no mean", async () => {
    expect(await tensor([3]).var().item()).toBeNaN();
    expect(() => tensor([1, 2], { dtype: "i32" }).mean()).toThrow(DTypeError);
    expect(() => zeros([0]).max()).toThrow(ShapeError);
  });

  it("bools are counted", async () => {
    const x = tensor([true, false, true]);
    expect(await x.sum().item()).toBe(2);
    expect(await x.prod().item()).toBe(0);
    expect(await x.max(0).values.item()).toBe(1);
    expect(await x.max(0).indices.item()).toBe(0);
  });
});

describe("gradients", () => {
  const one = (apply: (x: Value) => Value) => (inputs: readonly Value[]) => [apply(inputs[0])];
  const smooth = {
    variance: (x: Value) => variance(x, [x.shape.length - 1], 0),
    logsumexp: (x: Value) => logsumexp(x, [0]),
    "norm 3": (x: Value) => norm(x, 3, [0]),
    "norm 2": (x: Value) => norm(x, 2, [x.shape.length - 1]),
  };

  it.each(Object.entries(smooth))("of %s agree with differences, twice", async (_, apply) => {
    await fc.assert(
      fc.asyncProperty(shapes.chain(numbers), async (sample) => {
        // Away from 0, where norms have a kink.
        const input = toHost({
          ...sample,
          data: sample.data.map((x, i) => x + (x < 0 ? -0.3 : 0.3) + i / 64),
        });
        await gradcheck(one(apply), [input]);
        await gradgradcheck(one(apply), [input]);
      }),
      { numRuns: 10 },
    );
  });

  const gradientOf = async (
    apply: (x: ReturnType<typeof tensor>) => ReturnType<typeof tensor>,
    data: number[],
  ) => {
    const x = tensor(data, { requiresGrad: true });
    apply(x).backward();
    return (await x.grad?.array()) as number[];
  };

  it("are 0 where a norm or a deviation is 0", async () => {
    for (const p of [0.5, 1, 1.5, 2, 3, Infinity])
      expect(await gradientOf((x) => x.norm({ p }), [0, 0])).toEqual([0, 0]);
    expect(await gradientOf((x) => x.std(), [2, 2])).toEqual([0, 0]);
    expect(await gradientOf((x) => x.norm({ p: 1.5 }), [0, 4])).toEqual([0, 1]);
  });

  it("go to the index that max chose, and are shared by amax", async () => {
    expect(await gradientOf((x) => x.max(0).values, [1, 5, 5])).toEqual([0, 1, 0]);
    expect(await gradientOf((x) => x.amax(), [1, 5, 5])).toEqual([0, 0.5, 0.5]);
    expect(await gradientOf((x) => x.max(), [1, 5, 5])).toEqual([0, 0.5, 0.5]);
  });

  it("of a product are right at zeros, the second too", async () => {
    expect(await gradientOf((x) => x.prod(), [2, 0, 5])).toEqual([0, 10, 0]);
    expect(await gradientOf((x) => x.prod(), [2, 0, 0])).toEqual([0, 0, 0]);
    const product = one((x) => b.reduce("prod", x, [0]));
    for (const data of [
      [2, 0, 5],
      [0, 0, 3],
    ])
      await gradgradcheck(product, [toHost({ shape: [3], data })]);
  });
});

describe("lines", () => {
  it("are taken apart and put together again", () => {
    fc.assert(
      fc.property(alongDim, ([sample, dim]) => {
        expect(fromLines(linesOf(sample, dim), sample.shape, dim)).toEqual(sample);
      }),
    );
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError, ShapeError } from "../../../src/graph/errors.ts";
import { tensor } from "../../../src/tensor/create.ts";
import { bucketize, searchsorted } from "../../../src/tensor/functions.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { alongDim, fromLines, linesOf, read, type Sample, toTensor } from "./samples.ts";

type Line = readonly number[];

/** What each line becomes, as one sample. */
const byLine = (sample: Sample, dim: number, apply: (line: Line) => number[]): Sample =>
  fromLines(linesOf(sample, dim).map(apply), sample.shape, dim);

const order = (line: Line, descending = false): number[] =>
  line.map((_, i) => i).sort((i, j) => (descending ? line[j] - line[i] : line[i] - line[j]));

/** The running combination of a line. */
const running =
  (combine: (total: number, x: number) => number) =>
  (line: Line): number[] =>
    line.map((_, i) => line.slice(0, i + 1).reduce((total, x) => combine(total, x)));

const lastBest =
  (best: (...line: number[]) => number) =>
  (line: Line): number[] =>
    line.map((_, i) => line.lastIndexOf(best(...line.slice(0, i + 1)), i));

const logAddExp = (line: Line): number[] =>
  line.map((_, i) => Math.log(line.slice(0, i + 1).reduce((total, x) => total + Math.exp(x), 0)));

/** The median's line: its lower middle element. */
const middle = (line: Line): number[] => [[...line].sort((a, b) => a - b)[Math.floor((line.length - 1) / 2)]];

function modeOf(line: Line): number[] {
  const counts = new Map<number, number>();
  for (const x of line) counts.set(x, (counts.get(x) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return [Math.min(...[...counts].filter(([, n]) => n === most).map(([x]) => x))];
}

describe("scans and sorts agree with plain loops", () => {
  const keepdim = { keepdim: true };
  const cases: readonly [string, (x: Tensor, dim: number) => Tensor, (line: Line) => number[]][] = [
    ["cumsum", (x, dim) => x.cumsum(dim), running((a, b) => a + b)],
    ["cumprod", (x, dim) => x.cumprod(dim), running((a, b) => a * b)],
    ["cummax, values", (x, dim) => x.cummax(dim).values, running(Math.max)],
    ["cummax, indices", (x, dim) => x.cummax(dim).indices, lastBest(Math.max)],
    ["cummin, values", (x, dim) => x.cummin(dim).values, running(Math.min)],
    ["cummin, indices", (x, dim) => x.cummin(dim).indices, lastBest(Math.min)],
    ["logcumsumexp", (x, dim) => x.logcumsumexp(dim), logAddExp],
    ["diff", (x, dim) => x.diff({ dim }), (line) => line.slice(1).map((x, i) => x - line[i])],
    ["sort", (x, dim) => x.sort({ dim }).values, (line) => [...line].sort((a, b) => a - b)],
    ["argsort", (x, dim) => x.argsort({ dim }), (line) => order(line)],
    ["argsort, descending", (x, dim) => x.argsort({ dim, descending: true }), (line) => order(line, true)],
    ["topk", (x, dim) => x.topk(1, { dim }).values, (line) => [Math.max(...line)]],
    [
      "topk, smallest",
      (x, dim) => x.topk(1, { dim, largest: false }).indices,
      (line) => order(line).slice(0, 1),
    ],
    ["kthvalue", (x, dim) => x.kthvalue(1, dim, keepdim).values, (line) => [Math.min(...line)]],
    ["median", (x, dim) => x.median(dim, keepdim).values, middle],
    ["mode", (x, dim) => x.mode(dim, keepdim).values, modeOf],
    ["mode, index", (x, dim) => x.mode(dim, keepdim).indices, (line) => [line.lastIndexOf(modeOf(line)[0])]],
  ];

  it.each(cases)("%s", async (_, ours, plain) => {
    await fc.assert(
      fc.asyncProperty(alongDim, async ([sample, dim]) => {
        const found = await read(ours(toTensor(sample), dim));
        const expected = byLine(sample, dim, plain);
        expect(found.shape).toEqual(expected.shape);
        found.data.forEach((x, i) => {
          expect(x).toBeCloseTo(expected.data[i], 3);
        });
      }),
      { numRuns: 10 },
    );
  });

  it("long rows of every length near a power of two are sorted", async () => {
    for (const length of [63, 64, 65, 127, 128, 129, 1000]) {
      const data = Array.from({ length: 2 * length }, (_, i) => ((i * 7919) % 101) - 50);
      const { indices } = toTensor({ shape: [2, length], data }).sort({ descending: true });
      const rows = [data.slice(0, length), data.slice(length)];
      expect(await indices.array()).toEqual(rows.map((row) => order(row, true)));
    }
  });
});

describe("NaN", () => {
  const x = tensor([2, NaN, 1, NaN, 3]);

  it("counts as greatest when sorting", async () => {
    expect(await x.sort().values.array()).toEqual([1, 2, 3, NaN, NaN]);
    expect(await x.sort({ descending: true }).indices.array()).toEqual([1, 3, 4, 0, 2]);
    expect(await x.topk(3).values.array()).toEqual([NaN, NaN, 3]);
  });

  it("is the median where there is one, with its first index", async () => {
    expect(await x.median().item()).toBeNaN();
    expect(await x.median(0).indices.item()).toBe(1);
  });

  it("stays in what runs on", async () => {
    expect(await x.cummax(0).values.array()).toEqual([2, NaN, NaN, NaN, NaN]);
    expect(await x.cummax(0).indices.array()).toEqual([0, 1, 1, 3, 3]);
    expect(await x.logcumsumexp(0).array()).toEqual([2, NaN, NaN, NaN, NaN]);
  });
});

describe("gradients", () => {
  const gradientOf = async (data: number[], apply: (x: Tensor) => Tensor) => {
    const x = tensor(data, { requiresGrad: true });
    const y = apply(x);
    y.mul(tensor(Array.from({ length: y.numel }, (_, i) => 10 ** i)))
      .sum()
      .backward();
    return await x.grad?.array();
  };

  it("go where the elements came from", async () => {
    expect(await gradientOf([3, 1, 2], (x) => x.sort().values)).toEqual([100, 1, 10]);
    expect(await gradientOf([3, 1, 2], (x) => x.topk(2).values)).toEqual([1, 0, 10]);
    expect(await gradientOf([3, 1, 2, 4], (x) => x.median(0).values)).toEqual([0, 0, 1, 0]);
    expect(await gradientOf([1, 1, 0, 2], (x) => x.cummax(0).values)).toEqual([1, 110, 0, 1000]);
  });

  it("of a running product are exact at zeros", async () => {
    expect(await gradientOf([2, 0, 3], (x) => x.cumprod(0))).toEqual([1, 20 + 600, 0]);
  });

  it("of a running logsumexp do not flow to -inf, and do not overflow", async () => {
    const found = (await gradientOf([-Infinity, -2000, 2000], (x) => x.logcumsumexp(0))) as number[];
    expect(found).toEqual([0, 10, 100]);
  });
});

describe("searchsorted", () => {
  it("finds the place before or behind equal elements", async () => {
    const sample = fc.tuple(
      fc.array(fc.integer({ min: -4, max: 4 }), { maxLength: 9 }),
      fc.array(fc.integer({ min: -6, max: 6 }), { minLength: 1, maxLength: 6 }),
      fc.boolean(),
    );
    await fc.assert(
      fc.asyncProperty(sample, async ([unsorted, values, right]) => {
        const sorted = [...unsorted].sort((a, b) => a - b);
        const found = searchsorted(tensor(sorted, { shape: [sorted.length] }), tensor(values), { right });
        const place = (v: number): number => sorted.filter((s) => (right ? s <= v : s < v)).length;
        expect(await found.array()).toEqual(values.map(place));
      }),
      { numRuns: 30 },
    );
  });

  it("searches each row in its own, and puts NaN behind all", async () => {
    const sorted = tensor([
      [1, 3, 5],
      [2, 4, 6],
    ]);
    expect(
      await searchsorted(
        sorted,
        tensor([
          [3, 9],
          [3, NaN],
        ]),
      ).array(),
    ).toEqual([
      [1, 3],
      [1, 3],
    ]);
    expect(
      await bucketize(
        tensor([
          [0, 3],
          [4, 7],
        ]),
        tensor([1, 3, 5]),
        { right: true },
      ).array(),
    ).toEqual([
      [0, 2],
      [2, 3],
    ]);
  });
});

describe("what is refused", () => {
  const x = tensor([[1, 2, 3]]);
  it("more than there is, and what does not fit", () => {
    expect(() => x.topk(4)).toThrow(ArgumentError);
    expect(() => x.kthvalue(0)).toThrow(ArgumentError);
    expect(() => x.cumsum(2)).toThrow(ArgumentError);
    expect(() => searchsorted(tensor([[1], [2]]), x)).toThrow(ShapeError);
  });
});

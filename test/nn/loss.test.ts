import { describe, expect, it } from "vitest";
import { ArgumentError, IndexOutOfRangeError, ShapeError } from "../../src/graph/errors.ts";
import { binaryCrossEntropyWithLogits, crossEntropy, mseLoss } from "../../src/nn/functional/index.ts";
import { randn, tensor, zeros } from "../../src/tensor/create.ts";
import { Parameter } from "../../src/tensor/parameter.ts";
import { onReferenceDevice } from "./reference.ts";

onReferenceDevice();

const f64 = { dtype: "f64" } as const;
const i32 = { dtype: "i32" } as const;

function logSoftmax(row: readonly number[]): number[] {
  const total = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
  return row.map((x) => x - total);
}

describe("crossEntropy", () => {
  it("averages over the targets that count", async () => {
    const logits = new Parameter(randn([4, 3], f64));
    const loss = crossEntropy(logits, tensor([2, -100, 0, 1], i32));
    loss.backward();
    const rows = (await logits.array()) as number[][];
    const wanted = -(logSoftmax(rows[0])[2] + logSoftmax(rows[2])[0] + logSoftmax(rows[3])[1]) / 3;
    expect(await loss.item()).toBeCloseTo(wanted, 12);
    const gradient = (await logits.grad?.array()) as number[][];
    expect(gradient[1].map(Math.abs)).toEqual([0, 0, 0]);
    gradient[0].forEach((g, j) => {
      expect(g).toBeCloseTo((Math.exp(logSoftmax(rows[0])[j]) - (j === 2 ? 1 : 0)) / 3, 12);
    });
  });

  it("sums or does not reduce, and ignores another class on request", async () => {
    const logits = zeros([3, 4]);
    const target = tensor([0, 1, 2], i32);
    const each = (await crossEntropy(logits, target, {
      reduction: "none",
      ignoreIndex: 1,
    }).array()) as number[];
    expect(each[1]).toBe(0);
    expect(each[0]).toBeCloseTo(Math.log(4), 6);
    expect(await crossEntropy(logits, target, { reduction: "sum" }).item()).toBeCloseTo(3 * Math.log(4), 5);
  });

  it("is NaN when nothing counts, as in PyTorch", async () => {
    expect(await crossEntropy(zeros([2, 3]), tensor([-100, -100], i32)).item()).toBeNaN();
  });

  it("spreads label smoothing over all classes", async () => {
    const logits = randn([2, 3], f64);
    const loss = crossEntropy(logits, tensor([1, -100], i32), { labelSmoothing: 0.1 });
    const [row] = (await logits.array()) as number[][];
    const p = logSoftmax(row);
    expect(await loss.item()).toBeCloseTo(-0.9 * p[1] - (0.1 / 3) * (p[0] + p[1] + p[2]), 12);
  });

  it("takes classes in dim 1 of more dims, and a single row", async () => {
    const logits = randn([2, 3, 5], f64);
    const target = tensor(
      [
        [0, 1, 2, 0, 1],
        [2, 2, -100, 0, 1],
      ],
      i32,
    );
    const each = await crossEntropy(logits, target, { reduction: "none" }).array();
    const rows = (await logits.array()) as number[][][];
    (each as number[][]).forEach((row, n) => {
      row.forEach((value, t) => {
        const label = [
          [0, 1, 2, 0, 1],
          [2, 2, -100, 0, 1],
        ][n][t];
        const wanted = label === -100 ? 0 : -logSoftmax(rows[n].map((column) => column[t]))[label];
        expect(value).toBeCloseTo(wanted, 12);
      });
    });
    expect(await crossEntropy(zeros([4]), tensor(3, i32)).item()).toBeCloseTo(Math.log(4), 6);
  });

  it("checks shapes, and targets that the host knows", () => {
    const logits = zeros([2, 3]);
    expect(() => crossEntropy(logits, tensor([0, 3], i32))).toThrow(IndexOutOfRangeError);
    expect(() => crossEntropy(logits, tensor([0, -1], i32))).toThrow(
      "crossEntropy: index -1 is outside dim 1 of [2, 3]",
    );
    expect(() => crossEntropy(logits, tensor([0], i32))).toThrow(ShapeError);
    expect(() => crossEntropy(logits, tensor([0, 1], i32), { labelSmoothing: 2 })).toThrow(ArgumentError);
  });
});

describe("other losses", () => {
  it("mseLoss", async () => {
    expect(await mseLoss(tensor([1, 2]), tensor([3, 5])).item()).toBe(6.5);
    expect(await mseLoss(tensor([1, 2]), tensor([3, 5]), { reduction: "sum" }).item()).toBe(13);
    expect(await mseLoss(tensor([1, 2]), tensor([3, 5]), { reduction: "none" }).array()).toEqual([4, 9]);
    expect(() => mseLoss(tensor([1, 2]), tensor([3]))).toThrow(ShapeError);
  });

  it("binaryCrossEntropyWithLogits, at extremes too", async () => {
    const logits = new Parameter(tensor([-1000, 1000, 0.5, -3]));
    const each = binaryCrossEntropyWithLogits(logits, tensor([1, 1, 0, 0.25]), { reduction: "none" });
    each.sum().backward();
    const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
    const [a, b, c, d] = (await each.array()) as number[];
    expect([a, b]).toEqual([1000, 0]);
    expect(c).toBeCloseTo(-Math.log(1 - sigmoid(0.5)), 6);
    expect(d).toBeCloseTo(-0.25 * Math.log(sigmoid(-3)) - 0.75 * Math.log(1 - sigmoid(-3)), 6);
    const slopes = (await logits.grad?.array()) as number[];
    expect(slopes[0]).toBe(-1);
    expect(slopes[2]).toBeCloseTo(sigmoid(0.5), 6);
    expect(slopes[3]).toBeCloseTo(sigmoid(-3) - 0.25, 6);
  });
});

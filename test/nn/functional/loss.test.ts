import { describe, expect, it } from "vitest";
import { ArgumentError, DTypeError, IndexOutOfRangeError, ShapeError } from "../../../src/graph/errors.ts";
import {
  binaryCrossEntropy,
  binaryCrossEntropyWithLogits,
  cosineEmbeddingLoss,
  crossEntropy,
  hingeEmbeddingLoss,
  huberLoss,
  klDiv,
  l1Loss,
  marginRankingLoss,
  nllLoss,
  smoothL1Loss,
  tripletMarginLoss,
} from "../../../src/nn/functional/index.ts";
import { tensor, zeros } from "../../../src/tensor/create.ts";
import { Parameter } from "../../../src/tensor/parameter.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { lossSpecs } from "../../../src/testing/specs/functions/loss.ts";
import { onReferenceDevice } from "../reference.ts";
import { checkFunctions } from "./checkFunctions.ts";

checkFunctions(lossSpecs);
onReferenceDevice();

const f64 = { dtype: "f64" } as const;
const i32 = { dtype: "i32" } as const;
const none = { reduction: "none" } as const;
const numbers = async (x: Tensor | undefined): Promise<number[]> => [...((await x?.data()) ?? [])];

async function expectClose(actual: Tensor | undefined, wanted: readonly number[]): Promise<void> {
  const found = await numbers(actual);
  expect(found.length).toBe(wanted.length);
  found.forEach((x, i) => {
    expect(x).toBeCloseTo(wanted[i], 10);
  });
}

describe("crossEntropy with weights and smoothing, in plain loops", () => {
  const logits = [
    [0.5, -1, 2],
    [1, 1.5, -0.25],
    [-2, 0.75, 0],
  ];
  const logs = logits.map((row) => {
    const total = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
    return row.map((x) => x - total);
  });
  const weight = [0.5, 2, 3];
  const target = [2, -100, 1];
  const x = (): Tensor => tensor(logits, f64);
  const w = (): Tensor => tensor(weight, f64);
  const t = (): Tensor => tensor(target, i32);
  const counted = [0, 2];

  it("divides by the weights of the targets that count", async () => {
    const each = counted.map((n) => -weight[target[n]] * logs[n][target[n]]);
    await expectClose(crossEntropy(x(), t(), { weight: w(), ...none }), [each[0], 0, each[1]]);
    await expectClose(crossEntropy(x(), t(), { weight: w() }), [(each[0] + each[1]) / (3 + 2)]);
    await expectClose(crossEntropy(x(), t(), { weight: w(), reduction: "sum" }), [each[0] + each[1]]);
    await expectClose(nllLoss(tensor(logs, f64), t(), { weight: w() }), [(each[0] + each[1]) / 5]);
  });

  it("smooths towards the weighted sum over all classes", async () => {
    const e = 0.3;
    const each = counted.map((n) => {
      const all = logs[n].reduce((sum, log, c) => sum - weight[c] * log, 0);
      return (1 - e) * -weight[target[n]] * logs[n][target[n]] + (e / 3) * all;
    });
    const options = { weight: w(), labelSmoothing: e };
    await expectClose(crossEntropy(x(), t(), options), [(each[0] + each[1]) / 5]);
  });

  it("smooths over the other classes, less the entropy, in the form of tensor2tensor", async () => {
    const e = 0.3;
    const shares = (n: number, c: number): number => (c === target[n] ? 1 - e : e / 2);
    const each = counted.map((n) =>
      logs[n].reduce((sum, log, c) => sum + shares(n, c) * (Math.log(shares(n, c)) - log), 0),
    );
    const options = { labelSmoothing: e, labelSmoothingForm: "t2t" } as const;
    await expectClose(crossEntropy(x(), t(), { ...options, ...none }), [each[0], 0, each[1]]);
    await expectClose(crossEntropy(x(), t(), options), [(each[0] + each[1]) / 2]);
  });

  it("takes probabilities as targets, and means over rows", async () => {
    const shares = [
      [0.2, 0.3, 0.5],
      [1, 0, 0],
      [0, 0.5, 0.5],
    ];
    const each = shares.map((row, n) => -row.reduce((sum, p, c) => sum + p * weight[c] * logs[n][c], 0));
    const loss = crossEntropy(x(), tensor(shares, f64), { weight: w() });
    await expectClose(loss, [(each[0] + each[1] + each[2]) / 3]);
  });

  it("refuses what does not fit", () => {
    expect(() => crossEntropy(x(), t(), { weight: zeros([2], f64) })).toThrow("weight [2], wanted [3]");
    expect(() => crossEntropy(x(), zeros([2, 3], f64))).toThrow("class indices are i32");
    expect(() => crossEntropy(x(), zeros([3, 3], f64), { ignoreIndex: 1 })).toThrow(ArgumentError);
    expect(() => nllLoss(x(), tensor([0, 3, 1], i32))).toThrow(IndexOutOfRangeError);
    expect(() => nllLoss(x(), zeros([3], { dtype: "bool" }))).toThrow(DTypeError);
    expect(() => nllLoss(x(), zeros([2], i32))).toThrow(ShapeError);
  });
});

describe("losses of differences", () => {
  it("bend where they should", async () => {
    const [x, zero] = [tensor([0.25, -1, 3], f64), zeros([3], f64)];
    await expectClose(l1Loss(x, zero, none), [0.25, 1, 3]);
    await expectClose(smoothL1Loss(x, zero, { ...none, beta: 0.5 }), [0.0625, 0.75, 2.75]);
    await expectClose(smoothL1Loss(x, zero, { ...none, beta: 0 }), [0.25, 1, 3]);
    await expectClose(huberLoss(x, zero, { ...none, delta: 0.5 }), [0.03125, 0.375, 1.375]);
    expect(() => huberLoss(x, zero, { delta: 0 })).toThrow(ArgumentError);
    expect(() => smoothL1Loss(x, zero, { beta: -1 })).toThrow(ArgumentError);
    expect(() => l1Loss(x, zeros([2], f64))).toThrow(ShapeError);
  });
});

describe("losses of probabilities", () => {
  it("binaryCrossEntropy cuts logarithms off at -100", async () => {
    const p = new Parameter(tensor([0, 1, 0.25, 0], f64));
    const loss = binaryCrossEntropy(p, tensor([1, 0, 0.5, 0], f64), none);
    await expectClose(loss, [100, 100, -0.5 * Math.log(0.25) - 0.5 * Math.log(0.75), 0]);
    loss.sum().backward();
    const gradient = await numbers(p.grad);
    expect(gradient.every(Number.isFinite)).toBe(true);
    expect(gradient[2]).toBeCloseTo(-0.5 / 0.25 + 0.5 / 0.75, 10);
  });

  it("with logits: the slope at 0, weights of positives, and no overflow", async () => {
    const x = new Parameter(tensor([0, 1000, -1000], f64));
    const options = { posWeight: tensor([3, 1, 2], f64), ...none };
    const loss = binaryCrossEntropyWithLogits(x, tensor([1, 0, 1], f64), options);
    loss.sum().backward();
    await expectClose(loss, [3 * Math.log(2), 1000, 2000]);
    await expectClose(x.grad, [-1.5, 1, -2]);
  });

  it("klDiv is 0 where the target is, whatever the input", async () => {
    const [input, target] = [tensor([-1, -2], f64), tensor([0, 0.5], f64)];
    const last = 0.5 * (Math.log(0.5) + 2);
    await expectClose(klDiv(input, target, none), [0, last]);
    await expectClose(klDiv(input.reshape([1, 2]), target.reshape([1, 2]), { reduction: "batchmean" }), [
      last,
    ]);
    await expectClose(klDiv(input, tensor([-3, -1], f64), { ...none, logTarget: true }), [
      Math.exp(-3) * -2,
      Math.exp(-1),
    ]);
  });
});

describe("losses of pairs", () => {
  it("follow the sign of the target", async () => {
    const a = tensor(
      [
        [3, 4],
        [1, 0],
        [1, 0],
      ],
      f64,
    );
    const b = tensor(
      [
        [4, 3],
        [1, 1],
        [-1, 0],
      ],
      f64,
    );
    const signs = tensor([1, -1, -1], i32);
    await expectClose(cosineEmbeddingLoss(a, b, signs, { ...none, margin: 0.5 }), [
      1 - 24 / 25,
      Math.SQRT1_2 - 0.5,
      0,
    ]);
    const [x, y] = [tensor([2, 1, 0], f64), tensor([1, 3, 0], f64)];
    await expectClose(
      marginRankingLoss(x, y, tensor([1, 1, -1], f64), { ...none, margin: 0.5 }),
      [0, 2.5, 0.5],
    );
    await expectClose(
      hingeEmbeddingLoss(x, tensor([1, -1, -1], f64), { ...none, margin: 1.5 }),
      [2, 0.5, 1.5],
    );
    expect(() => cosineEmbeddingLoss(a, b, tensor([[1]], i32))).toThrow(ShapeError);
  });

  it("tripletMarginLoss compares distances, of the positive too with swap", async () => {
    const [anchor, positive, negative] = [tensor([0, 0], f64), tensor([3, 0], f64), tensor([3, 4], f64)];
    const exact = { eps: 0, margin: 3 } as const;
    await expectClose(tripletMarginLoss(anchor, positive, negative, exact), [3 - 5 + 3]);
    await expectClose(tripletMarginLoss(anchor, positive, negative, { ...exact, swap: true }), [3 - 4 + 3]);
    await expectClose(tripletMarginLoss(anchor, positive, negative, { ...exact, p: 1 }), [0]);
    await expectClose(tripletMarginLoss(anchor, positive, negative, { ...exact, p: Infinity }), [3 - 4 + 3]);
    expect(() => tripletMarginLoss(anchor, positive, negative, { p: 0 })).toThrow(ArgumentError);
  });
});

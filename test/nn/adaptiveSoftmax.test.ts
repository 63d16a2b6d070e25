import { describe, expect, it } from "vitest";
import { ArgumentError, IndexOutOfRangeError, ShapeError } from "../../src/graph/errors.ts";
import { AdaptiveEmbedding, AdaptiveLogSoftmax } from "../../src/nn/adaptiveSoftmax.ts";
import { crossEntropy, linear } from "../../src/nn/functional/index.ts";
import { arange, randn, tensor } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { onReferenceDevice } from "./reference.ts";

onReferenceDevice();

const options = { vocabulary: 11, embeddingWidth: 4, width: 6, cutoffs: [3, 7], dtype: "f64" } as const;
const i32 = (ids: number[]): Tensor => tensor(ids, { dtype: "i32" });
const rows = async (x: Tensor): Promise<number[][]> => (await x.array()) as number[][];

describe("AdaptiveEmbedding", () => {
  it("gives each cluster's vectors, projected to one width", async () => {
    const embedding = new AdaptiveEmbedding({ ...options, divisor: 2 });
    expect(embedding.tables.map(({ weight }) => weight.shape)).toEqual([
      [3, 4],
      [4, 2],
      [4, 1],
    ]);
    expect(embedding.projections.map(({ shape }) => shape)).toEqual([
      [6, 4],
      [6, 2],
      [6, 1],
    ]);
    const found = await rows(embedding.forward(i32([2, 3, 10])));
    for (const [i, [cluster, row]] of [
      [0, 2],
      [1, 0],
      [2, 3],
    ].entries()) {
      const vector = embedding.tables[cluster].weight.slice([row, row + 1]);
      const wanted = await rows(linear(vector, embedding.projections[cluster]).mul(Math.sqrt(6)));
      for (const [d, x] of wanted[0].entries()) expect(found[i][d]).toBeCloseTo(x, 12);
    }
    expect(() => embedding.forward(i32([11]))).toThrow(IndexOutOfRangeError);
  });

  it("has one table with divisor 1, and a projection only where widths differ", () => {
    const shared = new AdaptiveEmbedding(options);
    expect(shared.namedParameters().map(([name]) => name)).toEqual(["tables.0.weight", "projections.0"]);
    const plain = new AdaptiveEmbedding({ ...options, width: 4 });
    expect(plain.namedParameters().map(([name]) => name)).toEqual(["tables.0.weight"]);
  });
});

describe("AdaptiveLogSoftmax", () => {
  const forms = [
    { divisor: 1 },
    { divisor: 2 },
    { divisor: 1, embeddingWidth: 6 },
    { divisor: 1, cutoffs: [] },
  ];
  it.each(forms)("gives probabilities, whose logarithms the losses are: %o", async (form) => {
    const softmax = new AdaptiveLogSoftmax({ ...options, ...form });
    const hidden = randn([2, 3, 6], { dtype: "f64" });
    const scores = softmax.forward(hidden);
    expect(scores.shape).toEqual([2, 3, 11]);
    for (const total of await scores.exp().sum({ dim: -1 }).data()) expect(total).toBeCloseTo(1, 12);
    const targets = [0, 2, 3, 6, 7, 10];
    const losses = await softmax.losses(hidden, i32(targets).reshape([2, 3])).data();
    const flat = await rows(scores.reshape([6, 11]));
    for (const [i, target] of targets.entries()) expect(losses[i]).toBeCloseTo(-flat[i][target], 12);
  });

  it("is a plain softmax without clusters", async () => {
    const softmax = new AdaptiveLogSoftmax({ ...options, cutoffs: [], embeddingWidth: 6 });
    const hidden = randn([4, 6], { dtype: "f64" });
    const targets = i32([1, 10, 5, 0]);
    const plain = linear(hidden, softmax.layers[0].weight, softmax.layers[0].bias);
    const wanted = await crossEntropy(plain, targets, { reduction: "none" }).data();
    const found = await softmax.losses(hidden, targets).data();
    for (const [i, loss] of wanted.entries()) expect(found[i]).toBeCloseTo(loss, 12);
  });

  it("counts nothing for -100, and knows each token's cluster", async () => {
    const softmax = new AdaptiveLogSoftmax({ ...options, divisor: 2 });
    const hidden = randn([2, 6], { dtype: "f64" });
    expect((await softmax.losses(hidden, i32([-100, 4])).data())[0]).toBe(0);
    expect(await softmax.clusterOf(arange(0, 11)).array()).toEqual([0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
  });

  it("has the gradients of the log-probabilities that it picks", async () => {
    const softmax = new AdaptiveLogSoftmax({ ...options, divisor: 2 });
    const data = await randn([4, 6], { dtype: "f64" }).data();
    const targets = [1, 5, 9, 3];
    const gradients = async (loss: (hidden: Tensor) => Tensor): Promise<number[][]> => {
      softmax.zeroGrad();
      const hidden = tensor(data, { shape: [4, 6], requiresGrad: true });
      loss(hidden).backward();
      const all = [hidden.grad, ...softmax.parameters().map(({ grad }) => grad)];
      return Promise.all(all.map(async (gradient) => Array.from((await gradient?.data()) ?? [])));
    };
    const found = await gradients((hidden) => softmax.losses(hidden, i32(targets)).sum());
    const wanted = await gradients((hidden) =>
      softmax.forward(hidden).gather(1, i32(targets).unsqueeze(1)).sum().neg(),
    );
    expect(found.map(({ length }) => length)).toEqual(wanted.map(({ length }) => length));
    for (const [i, gradient] of wanted.entries())
      for (const [j, x] of gradient.entries()) expect(found[i][j]).toBeCloseTo(x, 12);
  });

  it("shares what an embedding gives it", () => {
    const embedding = new AdaptiveEmbedding({ ...options, divisor: 2 });
    const softmax = new AdaptiveLogSoftmax(
      { ...options, divisor: 2 },
      {
        tables: embedding.tables.map(({ weight }) => weight),
        projections: [undefined, embedding.projections[1]],
      },
    );
    expect(softmax.layers[2].weight).toBe(embedding.tables[2].weight);
    expect(softmax.projections[1]).toBe(embedding.projections[1]);
    expect(softmax.projections[0]).not.toBe(embedding.projections[0]);
  });

  it("refuses cut-offs and targets that do not fit", () => {
    const make = (change: object) => () => new AdaptiveLogSoftmax({ ...options, ...change });
    expect(make({ cutoffs: [7, 3] })).toThrow(ArgumentError);
    expect(make({ cutoffs: [3, 11] })).toThrow(ArgumentError);
    expect(make({ divisor: 4 })).toThrow(ArgumentError);
    const softmax = new AdaptiveLogSoftmax(options);
    const hidden = randn([2, 6], { dtype: "f64" });
    expect(() => softmax.losses(hidden, i32([1, 2, 3]))).toThrow(ShapeError);
    expect(() => softmax.losses(hidden, i32([1, 11]))).toThrow(IndexOutOfRangeError);
  });
});

import { describe, expect, it } from "vitest";
import { ArgumentError, DTypeError, ShapeError } from "../../src/graph/errors.ts";
import { MultiHeadAttention } from "../../src/nn/attention.ts";
import {
  attentionProbabilities,
  maskedSoftmax,
  type ScorePosition,
  scaledDotProductAttention,
} from "../../src/nn/functional/index.ts";
import { allOf, causalMask, paddingMask } from "../../src/nn/masks.ts";
import { compile } from "../../src/tensor/compile.ts";
import { arange, ones, randn, tensor, zeros } from "../../src/tensor/create.ts";
import { Parameter } from "../../src/tensor/parameter.ts";
import { manualSeed } from "../../src/tensor/random.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { onReferenceDevice } from "./reference.ts";

onReferenceDevice();

const f64 = { dtype: "f64" } as const;

/** Attention by its index form, for one head: rows of q, k and v, and which pairs are allowed. */
function attendSlowly(
  q: number[][],
  k: number[][],
  v: number[][],
  allowed: (i: number, j: number) => boolean,
): number[][] {
  return q.map((query, i) => {
    const weights = k.map((key, j) =>
      allowed(i, j)
        ? Math.exp(query.reduce((sum, x, d) => sum + x * key[d], 0) / Math.sqrt(query.length))
        : 0,
    );
    const total = weights.reduce((a, b) => a + b, 0);
    return v[0].map((_, d) =>
      total === 0 ? 0 : weights.reduce((sum, w, j) => sum + w * v[j][d], 0) / total,
    );
  });
}

describe("scaledDotProductAttention", () => {
  it("agrees with its index form under combined masks", async () => {
    const [q, k, v] = [randn([2, 1, 3, 4], f64), randn([2, 1, 5, 4], f64), randn([2, 1, 5, 2], f64)];
    const padding = tensor([
      [true, true, true, false, true],
      [true, false, true, true, false],
    ]);
    const causal = causalMask(3, 5);
    const output = scaledDotProductAttention(q, k, v, {
      mask: [paddingMask(padding), undefined, causal],
    });
    const rows = async (t: typeof q): Promise<number[][][][]> => (await t.array()) as number[][][][];
    const [qs, ks, vs, found, keys] = [
      await rows(q),
      await rows(k),
      await rows(v),
      await rows(output),
      await padding.array(),
    ];
    for (const b of [0, 1]) {
      const wanted = attendSlowly(
        qs[b][0],
        ks[b][0],
        vs[b][0],
        (i, j) => j <= i + 2 && (keys as boolean[][])[b][j],
      );
      wanted.forEach((row, i) => {
        row.forEach((x, d) => {
          expect(found[b][0][i][d]).toBeCloseTo(x, 12);
        });
      });
    }
  });

  it("gives zeros, and zero gradients, to a query that may attend nothing", async () => {
    const leaf = (shape: number[]): Parameter => new Parameter(randn(shape));
    const [q, k, v] = [leaf([1, 1, 2, 4]), leaf([1, 1, 3, 4]), leaf([1, 1, 3, 4])];
    const mask = tensor([
      [
        [
          [false, false, false],
          [true, false, true],
        ],
      ],
    ]);
    const output = scaledDotProductAttention(q, k, v, { mask });
    const probabilities = attentionProbabilities(q, k, { mask });
    output
      .mul(arange(8).reshape([1, 1, 2, 4]))
      .sum()
      .backward();
    const [empty] = ((await output.array()) as number[][][][])[0][0];
    expect(empty).toEqual([0, 0, 0, 0]);
    expect(((await probabilities.array()) as number[][][][])[0][0][0]).toEqual([0, 0, 0]);
    const gradient = async (p: Parameter): Promise<number[][]> =>
      ((await (p.grad as Tensor).array()) as number[][][][])[0][0];
    expect((await gradient(q))[0].map(Math.abs)).toEqual([0, 0, 0, 0]);
    expect((await gradient(q))[1].every((x) => Number.isFinite(x) && x !== 0)).toBe(true);
    expect((await gradient(k))[1].map(Math.abs)).toEqual([0, 0, 0, 0]);
    expect((await gradient(v)).flat().every(Number.isFinite)).toBe(true);
  });

  it("adds a score bias before it masks", async () => {
    const [q, k, v] = [zeros([1, 1, 1, 2]), zeros([1, 1, 3, 2]), tensor([[[[1], [2], [4]]]])];
    const scoreBias = tensor([[[[0, Math.log(3), 1000]]]]);
    const mask = tensor([[[[true, true, false]]]]);
    const output = scaledDotProductAttention(q, k, v, { scoreBias, mask });
    expect(await output.item()).toBeCloseTo(1.75, 6);
  });

  it("drops probabilities while training", async () => {
    const value = ones([1, 1, 64, 1]);
    const [q, k] = [zeros([1, 1, 50, 2]), zeros([1, 1, 64, 2])];
    const result = scaledDotProductAttention(q, k, value, { dropout: 0.5, training: true });
    const data = (await result.data()) as Float32Array;
    expect(new Set(data).size).toBeGreaterThan(5);
    expect(data.reduce((a, b) => a + b, 0) / 50).toBeCloseTo(1, 1);
    const calm = scaledDotProductAttention(q, k, value, { dropout: 0.5 });
    expect(new Set(await calm.data())).toEqual(new Set([1]));
  });

  it("is causal, aligned at the end", async () => {
    const [q, k, v] = [randn([1, 2, 3, 4], f64), randn([1, 2, 5, 4], f64), randn([1, 2, 5, 4], f64)];
    const causal = await scaledDotProductAttention(q, k, v, { isCausal: true }).data();
    const masked = await scaledDotProductAttention(q, k, v, { mask: causalMask(3, 5) }).data();
    expect(causal).toEqual(masked);
    expect(causal).not.toEqual(await scaledDotProductAttention(q, k, v).data());
  });

  it("applies a score function to the scores and their positions, then bias and mask", async () => {
    const [q, k, v] = [randn([2, 3, 4, 8], f64), randn([2, 3, 6, 8], f64), randn([2, 3, 6, 8], f64)];
    const slopes = tensor([1, 0.5, 0.25], f64);
    // ALiBi: Press, Smith and Lewis (2022).
    const options = {
      scoreFunction: (score: Tensor, { head, query, key }: ScorePosition) =>
        score.sub(
          slopes
            .indexSelect(0, head.reshape([3]))
            .reshape([1, 3, 1, 1])
            .mul(query.sub(key).abs()),
        ),
      isCausal: true,
    };
    const distance = arange(4).reshape([4, 1]).sub(arange(6)).abs();
    const scoreBias = slopes.reshape([3, 1, 1]).mul(distance).neg();
    const wanted = await scaledDotProductAttention(q, k, v, { scoreBias, isCausal: true }).data();
    const actual = await scaledDotProductAttention(q, k, v, options).data();
    const mixed = await attentionProbabilities(q, k, options).matmul(v).data();
    actual.forEach((x, i) => {
      expect(x).toBeCloseTo(wanted[i], 12);
      expect(mixed[i]).toBeCloseTo(wanted[i], 12);
    });
  });

  it("broadcasts leading dims, such as heads that share keys", async () => {
    const [q, k, v] = [randn([2, 4, 3, 2], f64), randn([2, 1, 5, 2], f64), randn([5, 2], f64)];
    const shared = await scaledDotProductAttention(q, k, v).data();
    const whole = [2, 4, 5, 2];
    expect(shared).toEqual(await scaledDotProductAttention(q, k.expand(whole), v.expand(whole)).data());
  });

  it("drops the same probabilities when compiled", async () => {
    const [q, k, v] = [randn([1, 2, 6, 4]), randn([1, 2, 6, 4]), randn([1, 2, 6, 4])];
    const attend = (x: Tensor): Tensor =>
      scaledDotProductAttention(x, k, v, { dropout: 0.5, training: true, isCausal: true });
    manualSeed(3);
    const plain = [await attend(q).data(), await attend(q).data()];
    manualSeed(3);
    const compiled = compile(attend);
    const replayed = [await compiled(q).data(), await compiled(q).data()];
    expect(replayed).toEqual(plain);
    expect(plain[0]).not.toEqual(plain[1]);
  });

  it("refuses what does not fit", () => {
    const [q, k, v] = [ones([2, 3, 4]), ones([2, 5, 4]), ones([2, 5, 4])];
    expect(() => scaledDotProductAttention(q, ones([2, 5, 3]), v)).toThrow(ShapeError);
    expect(() => scaledDotProductAttention(q, k, v, { scoreBias: ones([4, 5]) })).toThrow(ShapeError);
    expect(() => scaledDotProductAttention(q, k, v, { mask: ones([3, 5]) })).toThrow(DTypeError);
    expect(() => scaledDotProductAttention(q, k, v, { dropout: 2 })).toThrow(ArgumentError);
    expect(() => scaledDotProductAttention(q, k, v, { scoreFunction: (s) => s })).toThrow(/four dims/);
    const heads = [ones([1, 1, 3, 4]), ones([1, 1, 5, 4]), ones([1, 1, 5, 4])] as const;
    const transposed = (s: Tensor): Tensor => s.transpose(2, 3);
    expect(() => scaledDotProductAttention(...heads, { scoreFunction: transposed })).toThrow(ShapeError);
  });
});

describe("masks", () => {
  it("say which keys may be attended", async () => {
    expect(await causalMask(2).array()).toEqual([
      [
        [
          [true, false],
          [true, true],
        ],
      ],
    ]);
    expect(await causalMask(1, 3).array()).toEqual([[[[true, true, true]]]]);
    expect(await paddingMask(tensor([[1, 0, 2]])).array()).toEqual([[[[true, false, true]]]]);
    expect(paddingMask(ones([2, 3, 4])).shape).toEqual([2, 1, 3, 4]);
    expect(allOf([undefined])).toBeUndefined();
    expect(() => paddingMask(ones([2]))).toThrow(ShapeError);
    expect(() => allOf([ones([2])])).toThrow(DTypeError);
  });

  it("leave the softmax of rows without padding as it is", async () => {
    const scores = randn([3, 4]);
    const all = tensor(
      Array.from({ length: 12 }, () => true),
      { shape: [3, 4] },
    );
    expect(await maskedSoftmax(scores, all).array()).toEqual(await maskedSoftmax(scores).array());
  });
});

describe("MultiHeadAttention", () => {
  it("treats every head as attention of its own", async () => {
    const layer = new MultiHeadAttention(4, 2, f64);
    const x = randn([1, 3, 4], f64);
    const { output, probabilities } = layer.forward(x);
    expect(output.shape).toEqual([1, 3, 4]);
    expect(probabilities.shape).toEqual([1, 2, 3, 3]);
    const project = async (linear: typeof layer.query): Promise<number[][]> =>
      ((await linear.forward(x).array()) as number[][][])[0];
    const [q, k, v] = [await project(layer.query), await project(layer.key), await project(layer.value)];
    const heads = [0, 2].map((at) => {
      const part = (rows: number[][]): number[][] => rows.map((row) => row.slice(at, at + 2));
      return attendSlowly(part(q), part(k), part(v), () => true);
    });
    const mixed = heads[0].map((row, i) => [...row, ...heads[1][i]]);
    const wanted = (await layer.output.forward(tensor([mixed], f64)).data()) as Float64Array;
    ((await output.data()) as Float64Array).forEach((value, i) => {
      expect(value).toBeCloseTo(wanted[i], 12);
    });
  });

  it("attends to another input of another width", () => {
    const layer = new MultiHeadAttention(4, 2, { keyWidth: 6, headWidth: 3, bias: false });
    const { output, probabilities } = layer.forward(ones([2, 3, 4]), { key: ones([2, 5, 6]) });
    expect(output.shape).toEqual([2, 3, 4]);
    expect(probabilities.shape).toEqual([2, 2, 3, 5]);
    expect(layer.namedParameters().map(([name, { shape }]) => [name, shape])).toEqual([
      ["query.weight", [6, 4]],
      ["key.weight", [6, 6]],
      ["value.weight", [6, 6]],
      ["output.weight", [4, 6]],
    ]);
  });

  it("checks its arguments", () => {
    expect(() => new MultiHeadAttention(5, 2)).toThrow(ArgumentError);
    expect(() => new MultiHeadAttention(4, 2, { dropout: -1 })).toThrow(ArgumentError);
    expect(() => new MultiHeadAttention(4, 2).forward(ones([3, 4]))).toThrow(ShapeError);
  });
});

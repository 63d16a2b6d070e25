import { describe, expect, it } from "vitest";
import { ArgumentError, ShapeError } from "../../../src/graph/errors.ts";
import {
  eluPlusOne,
  linear,
  linearAttention,
  multiHeadAttentionForward,
  scaledDotProductAttention,
} from "../../../src/nn/functional/index.ts";
import { randn, tensor, zeros } from "../../../src/tensor/create.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { sequenceSpecs } from "../../../src/testing/specs/functions/sequence.ts";
import { onReferenceDevice } from "../reference.ts";
import { checkFunctions } from "./checkFunctions.ts";

checkFunctions(sequenceSpecs);
onReferenceDevice();

const f64 = { dtype: "f64" } as const;
const drawn = async (...shape: number[]): Promise<Tensor> =>
  tensor(await randn(shape, f64).data(), f64).reshape(shape);
const numbers = async (x: Tensor): Promise<number[]> => [...(await x.data())];

function expectClose(actual: readonly number[], wanted: readonly number[]): void {
  expect(actual.length).toBe(wanted.length);
  actual.forEach((x, i) => {
    expect(x).toBeCloseTo(wanted[i], 9);
  });
}

describe("multiHeadAttentionForward", () => {
  it("attends in each head to its part of the projections", async () => {
    const [x, wi, wo] = [await drawn(3, 2, 4), await drawn(12, 4), await drawn(4, 4)];
    const weights = { inProjWeight: wi, outProjWeight: wo };
    const { output, weights: shares } = multiHeadAttentionForward(x, x, x, weights, { numHeads: 2 });
    const [q, k, v] = [0, 1, 2].map((i) =>
      linear(x, wi.narrow(0, 4 * i, 4))
        .reshape([3, 2, 2, 2])
        .permute([1, 2, 0, 3]),
    );
    const mixed = scaledDotProductAttention(q, k, v).permute([2, 0, 1, 3]).reshape([3, 2, 4]);
    expectClose(await numbers(output), await numbers(linear(mixed, wo)));
    expectClose(await numbers(shares.sum({ dim: -1 })), new Array(6).fill(1));
  });

  it("hides keys from everybody, and all keys but those added at the end", async () => {
    const [x, wi, wo] = [await drawn(2, 1, 2), await drawn(6, 2), await drawn(2, 2)];
    const weights = { inProjWeight: wi, outProjWeight: wo };
    const hide = (...bits: boolean[]): Tensor => tensor([bits]);
    const one = multiHeadAttentionForward(x, x, x, weights, {
      numHeads: 1,
      keyPaddingMask: hide(false, true),
    });
    expect(await one.weights.array()).toEqual([
      [
        [1, 0],
        [1, 0],
      ],
    ]);
    const added = multiHeadAttentionForward(x, x, x, weights, {
      numHeads: 1,
      keyPaddingMask: hide(true, true),
      addZeroAttn: true,
    });
    expect(await added.weights.array()).toEqual([
      [
        [0, 0, 1],
        [0, 0, 1],
      ],
    ]);
    expect((await numbers(added.output)).map(Math.abs)).toEqual([0, 0, 0, 0]);
    const none = multiHeadAttentionForward(x, x, x, weights, { numHeads: 1, attnMask: tensor([[true]]) });
    expect((await numbers(none.output)).every(Number.isNaN)).toBe(true);
  });

  it("refuses heads that do not divide the width, and missing projections", () => {
    const x = zeros([2, 1, 4]);
    const outProjWeight = zeros([4, 4]);
    expect(() => multiHeadAttentionForward(x, x, x, { outProjWeight }, { numHeads: 3 })).toThrow(
      ArgumentError,
    );
    expect(() => multiHeadAttentionForward(x, x, x, { outProjWeight }, { numHeads: 2 })).toThrow(
      "give inProjWeight, or qProjWeight",
    );
    expect(() => multiHeadAttentionForward(x.squeeze(1), x, x, { outProjWeight }, { numHeads: 2 })).toThrow(
      ShapeError,
    );
  });
});

describe("linearAttention", () => {
  /** The definition: weights φ(q) φ(k)ᵀ, masked and divided by their sum. */
  async function direct(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    causal: boolean,
    kept?: boolean[],
  ): Promise<number[]> {
    const [queries, keys] = [await eluPlusOne(q).array(), await eluPlusOne(k).array()] as number[][][][][];
    const values = (await v.array()) as number[][][][];
    return queries.flatMap((heads, n) =>
      heads.flatMap((rows, h) =>
        rows.flatMap((query, t) => {
          const weights = keys[n][h].map((key, s) =>
            (causal && s > t) || kept?.[s] === false
              ? 0
              : key.reduce((sum: number, value, i) => sum + value * query[i], 0),
          );
          const total = weights.reduce((sum, w) => sum + w, 0) + 1e-6;
          return values[n][h][0].map(
            (_, e) => weights.reduce((sum, w, s) => sum + w * values[n][h][s][e], 0) / total,
          );
        }),
      ),
    );
  }

  it("is the definition's, with padding, over more than one chunk if causal", async () => {
    const [q, k, v] = [await drawn(1, 2, 3, 2), await drawn(1, 2, 4, 2), await drawn(1, 2, 4, 3)];
    const kept = [true, false, true, true];
    const masked = linearAttention(q, k, v, { keyMask: tensor([kept]) });
    expectClose(await numbers(masked), await direct(q, k, v, false, kept));
    const long = [await drawn(1, 1, 150, 2), await drawn(1, 1, 150, 2), await drawn(1, 1, 150, 2)] as const;
    expectClose(await numbers(linearAttention(...long, { isCausal: true })), await direct(...long, true));
  });

  it("refuses what does not fit", () => {
    const x = zeros([1, 1, 3, 2]);
    expect(() => linearAttention(x, zeros([1, 1, 3, 4]), x)).toThrow(ShapeError);
    expect(() => linearAttention(x, zeros([1, 1, 4, 2]), zeros([1, 1, 4, 2]), { isCausal: true })).toThrow(
      "T = S if causal",
    );
  });
});

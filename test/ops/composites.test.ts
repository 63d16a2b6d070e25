import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { topologicalOrder, type Value } from "../../src/graph/node.ts";
import * as b from "../../src/ops/builders.ts";
import { expandComposites } from "../../src/ops/expand.ts";
import { definitionOf } from "../../src/ops/table.ts";
import { ReferenceDevice } from "../../src/runtime/reference/device.ts";
import { assertClose, evaluateOn } from "../../src/testing/index.ts";

const device = new ReferenceDevice();
const read = async (value: Value): Promise<number[]> => [...(await evaluateOn(device, [value]))[0]];
const vector = (...data: number[]): Value => b.constant([data.length], "f64", Float64Array.from(data));
const matrix = (rows: number, ...data: number[]): Value =>
  b.constant([rows, data.length / rows], "f64", Float64Array.from(data));
const row = (min = -5, max = 5): fc.Arbitrary<number[]> =>
  fc.array(fc.double({ min, max, noNaN: true }), { minLength: 1, maxLength: 9 });

const close = { atol: 1e-12, rtol: 1e-12 };

/** Compares a composite on one row with a formula of plain numbers. */
async function agrees(op: (x: Value) => Value, formula: (x: readonly number[]) => number[], range?: number) {
  await fc.assert(
    fc.asyncProperty(row(range && -range, range), async (numbers) => {
      const [actual] = await evaluateOn(device, [op(vector(...numbers))]);
      assertClose(actual, formula(numbers), close);
    }),
    { numRuns: 60 },
  );
}

function naiveSoftmax(x: readonly number[]): number[] {
  const total = x.reduce((sum, value) => sum + Math.exp(value), 0);
  return x.map((value) => Math.exp(value) / total);
}

describe("softmax and logSoftmax", () => {
  it("agree with the formula", async () => {
    await agrees((x) => b.softmax(x, 0), naiveSoftmax);
    await agrees(
      (x) => b.logSoftmax(x, 0),
      (x) => naiveSoftmax(x).map(Math.log),
    );
  });

  it("do not overflow", async () => {
    assertClose(
      Float64Array.from(await read(b.softmax(vector(1000, 1000, 999), 0))),
      naiveSoftmax([1, 1, 0]),
      close,
    );
    assertClose(Float64Array.from(await read(b.logSoftmax(vector(-1000, 0), 0))), [-1000, 0], close);
  });

  it("mask with -Infinity; a row of nothing else is NaN", async () => {
    expect(await read(b.softmax(vector(-Infinity, 2, 2), 0))).toEqual([0, 0.5, 0.5]);
    expect(await read(b.softmax(vector(-Infinity, -Infinity), 0))).toEqual([NaN, NaN]);
  });

  it("work along any dim", async () => {
    expect(await read(b.softmax(matrix(2, 0, 1, 0, 1), 0))).toEqual([0.5, 0.5, 0.5, 0.5]);
  });
});

describe("layerNorm", () => {
  const naive = (x: readonly number[], eps: number): number[] => {
    const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
    const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
    return x.map((value) => (value - mean) / Math.sqrt(variance + eps));
  };

  it("agrees with the formula", async () => {
    await agrees(
      (x) => b.layerNorm(x, 1, 1e-3),
      (x) => naive(x, 1e-3),
    );
  });

  it("applies weight and bias, over one trailing dim or several", async () => {
    const x = matrix(2, 1, 2, 4, 8, 16, 32);
    const affine = b.layerNorm(x, 1, 1e-5, vector(1, 2, 3), vector(0, 1, 0));
    const rows = [naive([1, 2, 4], 1e-5), naive([8, 16, 32], 1e-5)];
    const expected = rows.flatMap(([p, q, r]) => [p, 2 * q + 1, 3 * r]);
    assertClose(Float64Array.from(await read(affine)), expected, close);
    const all = Float64Array.from(await read(b.layerNorm(x, 2, 1e-5)));
    assertClose(all, naive([1, 2, 4, 8, 16, 32], 1e-5), close);
  });
});

describe("crossEntropy", () => {
  it("is minus the log probability of the target, 0 for ignored rows", async () => {
    const logits = matrix(3, 1, 2, 3, 1000, 0, -1000, 0.5, 0.25, 0);
    const target = b.constant([3], "i32", Int32Array.of(2, -100, 0));
    const expected = [-Math.log(naiveSoftmax([1, 2, 3])[2]), 0, -Math.log(naiveSoftmax([0.5, 0.25, 0])[0])];
    assertClose(Float64Array.from(await read(b.crossEntropy(logits, target, -100))), expected, close);
  });

  it("neither overflows nor loses small losses", async () => {
    const logits = matrix(2, 1000, 0, 1000, 0);
    const target = b.constant([2], "i32", Int32Array.of(0, 1));
    expect(await read(b.crossEntropy(logits, target, -100))).toEqual([0, 1000]);
  });

  it("ignores rows of NaN", async () => {
    const target = b.constant([1], "i32", Int32Array.of(-1));
    expect(await read(b.crossEntropy(matrix(1, NaN, 1), target, -1))).toEqual([0]);
  });
});

describe("activations", () => {
  it("gelu of both forms", async () => {
    const cubic = (x: number): number => Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
    await agrees(
      (x) => b.gelu(x, "tanh"),
      (x) => x.map((value) => 0.5 * value * (1 + Math.tanh(cubic(value)))),
    );
    // The normal distribution function at 1 and 2, to 16 digits.
    const expected = [0.8413447460685429, 2 * 0.9772498680518208, -2 * (1 - 0.9772498680518208), 0];
    assertClose(Float64Array.from(await read(b.gelu(vector(1, 2, -2, 0), "none"))), expected, close);
  });

  it("sigmoid does not overflow", async () => {
    await agrees(
      (x) => b.unary("sigmoid", x),
      (x) => x.map((value) => 1 / (1 + Math.exp(-value))),
    );
    expect(await read(b.unary("sigmoid", vector(1e4, -1e4, 0)))).toEqual([1, 0, 0.5]);
    expect(await read(b.unary("sigmoid", vector(NaN)))).toEqual([NaN]);
  });

  it("relu keeps NaN", async () => {
    expect(await read(b.unary("relu", vector(-1, 2, NaN, -Infinity)))).toEqual([0, 2, NaN, 0]);
  });
});

describe("argmax", () => {
  it("is the first of equal ones, and of NaN", async () => {
    expect(await read(b.argmax(matrix(2, 1, 3, 3, 5, 4, 3), 1))).toEqual([1, 0]);
    expect(await read(b.argmax(matrix(3, 1, NaN, 3, 3, NaN, NaN), 1))).toEqual([1, 0, 0]);
    expect(await read(b.argmax(vector(-Infinity, -Infinity), 0))).toEqual([0]);
  });
});

describe("expandComposites", () => {
  const x = b.constant([3], "f64", Float64Array.of(1, 2, 3));

  it("leaves primitives alone, and names the composite that each came from", () => {
    const first = b.softmax(b.exp(x), 0);
    const second = b.gelu(b.neg(first), "none");
    const expansion = expandComposites([second], () => false);
    const order = topologicalOrder([expansion.valueOf(second)]);
    expect(order.some((node) => definitionOf(node).kind === "composite")).toBe(false);
    const origins = (op: string) =>
      order.filter((node) => node.op === op).map((node) => expansion.originOf.get(node));
    expect(origins("max")).toEqual(["softmax"]);
    expect(origins("erf")).toEqual(["gelu"]);
    expect(origins("neg")).toEqual([undefined]);
    expect(origins("exp").sort()).toEqual(["softmax", undefined]);
  });

  it("keeps known values, and reads through detach", () => {
    const hidden = b.softmax(x, 0);
    const result = b.exp(b.detach(hidden));
    const expansion = expandComposites([result], (value) => value === hidden);
    expect(expansion.valueOf(hidden)).toBe(hidden);
    expect(expansion.valueOf(result).node.inputs[0]).toBe(hidden);
  });
});

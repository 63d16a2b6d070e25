import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd/gradients.ts";
import { programKey } from "../../src/engine/programKey.ts";
import { ArgumentError, DTypeError, ShapeError } from "../../src/graph/errors.ts";
import { topologicalOrder, type Value } from "../../src/graph/node.ts";
import { numel, type Shape } from "../../src/graph/shape.ts";
import * as b from "../../src/ops/builders.ts";
import { captureSubgraph, formatSubgraph } from "../../src/ops/subgraph.ts";
import { ReferenceDevice } from "../../src/runtime/reference/device.ts";
import { programOf } from "../../src/testing/evaluate.ts";
import { evaluateOn, gradcheck, gradgradcheck } from "../../src/testing/index.ts";

const device = new ReferenceDevice();

function leaf(shape: Shape, seed = 1): Value {
  const data = Float64Array.from({ length: numel(shape) }, (_, i) => Math.sin(seed * 7 + i * 1.7));
  return b.constant(shape, "f64", data, true);
}

const plain = { scale: 0.5, emptyRow: "nan" } as const;

/** The softmax of the scores, by its own op, times the values. */
function composed(q: Value, k: Value, v: Value, score: (s: Value) => Value = (s) => s): Value {
  const product = b.mul(b.matmul(q, b.transpose(k, -2, -1)), b.scalarLike(q, 0.5));
  return b.matmul(b.softmax(score(product), product.shape.length - 1), v);
}

async function expectClose(actual: readonly Value[], expected: readonly Value[]): Promise<void> {
  const [found, wanted] = [await evaluateOn(device, actual), await evaluateOn(device, expected)];
  found.forEach((array, i) => {
    array.forEach((x, j) => {
      expect(x).toBeCloseTo(wanted[i][j], 10);
    });
  });
}

describe("attention", () => {
  it("is the softmax of its scores times its values, with the same gradients", async () => {
    const operands = [leaf([2, 3, 4], 1), leaf([2, 5, 4], 2), leaf([2, 5, 2], 3)] as const;
    const score = (s: Value): Value => b.tanh(b.mul(s, b.scalarLike(s, 2)));
    const [result] = b.attention(operands, { ...plain, score });
    const wanted = composed(...operands, score);
    const cotangent = leaf(result.shape, 9);
    await expectClose(
      [result, ...(gradients([result], [cotangent], operands) as Value[])],
      [wanted, ...(gradients([wanted], [cotangent], operands) as Value[])],
    );
  });

  it("gives one operand in three places the sum of its gradients, to second order", async () => {
    const x = leaf([3, 4]);
    const [result] = b.attention([x, x, x], plain);
    const wanted = composed(x, x, x);
    const first = [result, wanted].map((y) => gradients([y], [leaf(y.shape, 4)], [x])[0] as Value);
    const second = first.map((g) => gradients([g], [leaf(g.shape, 5)], [x])[0] as Value);
    await expectClose([first[0], second[0]], [first[1], second[1]]);
  });

  it("has gradients of first and second order for what its score captures, and for its statistics", async () => {
    const host = (shape: Shape, seed: number) => ({
      shape,
      dtype: "f64" as const,
      data: Float64Array.from({ length: numel(shape) }, (_, i) => Math.sin(seed + i * 2.3)),
    });
    const inputs = [host([2, 3], 1), host([4, 3], 2), host([4, 3], 3), host([2, 4], 4), host([2, 1], 5)];
    const fn = ([q, k, v, bias, slope]: readonly Value[]): readonly Value[] => {
      const score = (s: Value): Value => b.mul(b.add(s, bias), slope);
      const [result, maximum, logSum] = b.attention([q, k, v], { ...plain, score });
      return [result, b.add(maximum, logSum)];
    };
    await gradcheck(fn, inputs);
    await gradgradcheck(fn, inputs);
  });

  it("with statistics that add up to the logarithm of the sum of exponentials", async () => {
    const [q, k, v] = [leaf([3, 2], 1), leaf([4, 2], 2), leaf([4, 2], 3)];
    const [, maximum, logSum] = b.attention([q, k, v], plain);
    const scores = b.mul(b.matmul(q, b.transpose(k, 0, 1)), b.scalarLike(q, 0.5));
    const wanted = b.reshape(b.log(b.sum(b.exp(scores), [1])), [3]);
    await expectClose([b.add(maximum, logSum)], [wanted]);
  });

  it("refuses operands that do not fit, naming them", () => {
    const [q, k, v] = [leaf([2, 3, 4]), leaf([2, 5, 4]), leaf([2, 5, 2])];
    expect(() => b.attention([q, leaf([2, 5, 3]), v], plain)).toThrow(/attention: .*\[2, 5, 3\]/);
    expect(() => b.attention([q, k, leaf([2, 4, 2])], plain)).toThrow(ShapeError);
    expect(() => b.attention([q, leaf([1, 5, 4]), v], plain)).toThrow(ShapeError);
    expect(() => b.attention([q, leaf([2, 0, 4]), leaf([2, 0, 2])], plain)).toThrow(/no row to attend to/);
    expect(() => b.attention([q, k, b.cast(v, "f32")], plain)).toThrow(DTypeError);
    const kept = b.full([2, 3, 4], "bool", 1);
    expect(() => b.attention([q, k, v], { ...plain, dropout: { kept, probability: 0.5 } })).toThrow(
      ShapeError,
    );
  });

  it("takes elementwise score functions only", () => {
    const operands = [leaf([2, 3, 4]), leaf([2, 5, 4]), leaf([2, 5, 2])] as const;
    const attend = (score: (s: Value) => Value) => () => b.attention(operands, { ...plain, score });
    expect(attend((s) => b.sum(s, [2]))).toThrow(ArgumentError);
    expect(attend((s) => b.softmax(s, 2))).toThrow(/compute that outside and capture it/);
    expect(attend((s) => b.transpose(s, 1, 2))).toThrow(ArgumentError);
    expect(attend((s) => b.add(s, leaf([7, 2, 3, 5])))).toThrow(ArgumentError);
  });
});

describe("a score's subgraph", () => {
  const score = b.constant([2, 3], "f32", new Float32Array(6));

  it("captures what does not depend on the score, as it was before it was broadcast", () => {
    const bias = b.constant([3], "f32", new Float32Array(3));
    const doubled = b.mul(bias, b.scalarLike(bias, 2));
    const { subgraph, values } = captureSubgraph(score, b.add(b.mul(score, b.scalarLike(score, 3)), doubled));
    expect(values).toEqual([doubled]);
    expect(formatSubgraph(subgraph, ["s", "c0"])).toBe("add(mul(s, 3), c0)");
  });

  it("may ignore the score", () => {
    const bias = b.constant([2, 3], "f32", new Float32Array(6));
    const { subgraph, values } = captureSubgraph(score, b.expand(bias, [2, 3]));
    expect(values).toEqual([bias]);
    expect(subgraph.results).toEqual([1]);
  });

  it("is part of what tells programs apart", () => {
    const keyOf = (factor: number): string => {
      const operands = [leaf([2, 3]), leaf([2, 3]), leaf([2, 3])] as const;
      const outputs = b.attention(operands, { ...plain, score: (s) => b.mul(s, b.scalarLike(s, factor)) });
      const { program } = programOf(outputs);
      return programKey(
        program,
        topologicalOrder(outputs, (value) => value.node.op === "constant"),
      );
    };
    expect(keyOf(2)).toBe(keyOf(2));
    expect(keyOf(2)).not.toBe(keyOf(-2));
    expect(keyOf(Number.NaN)).not.toBe(keyOf(Number.NEGATIVE_INFINITY));
  });
});

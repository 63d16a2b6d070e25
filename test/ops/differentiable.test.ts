import { describe, expect, it } from "vitest";
import { type OpName, opTable } from "../../src/ops/table.ts";
import { opNames, specOf } from "../../src/testing/index.ts";

/** The ops that gradients flow through: those that gradients.test.ts compares with central differences, twice. */
const differentiable = `
  neg abs exp expm1 log log1p log2 log10 sqrt rsqrt reciprocal sin cos tanh erf erfc erfinv lgamma
  add sub mul div pow atan2 maximum minimum fmod remainder where cast
  reshape permute expand slice pad flip unfold after concat
  sum prod max min matmul gather scatterAdd scatterReduce
  cumsum cumprod cummax cummin linearRecurrence logcumsumexp sort fold
  softmax logSoftmax layerNorm crossEntropy gelu sigmoid relu attention attentionGradient custom checkpoint
  tan asin acos atan sinh cosh asinh acosh atanh hypot logaddexp xlogy polygamma
`;

/** All others, and why. */
const others: Readonly<Record<string, string>> = {
  "has no operand": "source constant full iota",
  "is constant between its jumps": "sign floor ceil round trunc floorDivide",
  "gives truth values": "logicalNot logicalAnd logicalOr eq ne lt le gt ge",
  "takes bits": "bitwiseNot bitwiseAnd bitwiseOr bitwiseXor shiftLeft shiftRight bitcast threefry2x32",
  "gives indices": "argsort argmax argmin",
  "stops gradients, which is its use": "detach",
};

const words = (text: string): string[] => text.trim().split(/\s+/);

describe("the ops that differentiate", () => {
  it("are those listed here, all of them twice", () => {
    expect(opNames.filter((name) => specOf(name).differentiable).sort()).toEqual(
      words(differentiable).sort(),
    );
    for (const name of words(differentiable)) expect(specOf(name as OpName).secondOrder, name).toBe(true);
  });

  it("lack those only that have a reason", () => {
    const excused = Object.values(others).flatMap(words);
    expect([...words(differentiable), ...excused].sort()).toEqual(Object.keys(opTable).sort());
    for (const name of excused) expect(["zero", "none"], name).toContain(opTable[name as OpName].gradient);
  });
});

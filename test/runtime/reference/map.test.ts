import { describe, expect, it } from "vitest";
import { allocateArray, type DType } from "../../../src/graph/dtype.ts";
import type { Value } from "../../../src/graph/node.ts";
import { build } from "../../../src/ops/build.ts";
import * as b from "../../../src/ops/builders.ts";
import { erf } from "../../../src/ops/specialFunctions.ts";
import { ReferenceDevice } from "../../../src/runtime/reference/device.ts";
import { evaluateOn } from "../../../src/testing/index.ts";

const device = new ReferenceDevice();
const read = async (value: Value): Promise<number[]> => [...(await evaluateOn(device, [value]))[0]];

function vector(dtype: DType, numbers: readonly number[]): Value {
  const data = allocateArray(dtype, numbers.length);
  data.set(numbers);
  return b.constant([numbers.length], dtype, data);
}

const MIN = -(2 ** 31);
const MAX = 2 ** 31 - 1;
const UMAX = 2 ** 32 - 1;

describe("unary ops", () => {
  it.each<readonly [b.UnaryName, DType, readonly number[], readonly number[]]>([
    ["neg", "i32", [1, MIN], [-1, MIN]],
    ["neg", "u32", [1, 0], [UMAX, 0]],
    ["abs", "i32", [-5, MIN], [5, MIN]],
    ["sign", "f32", [-3, 0, 2, NaN, -Infinity], [-1, 0, 1, NaN, -1]],
    ["sign", "u32", [0, UMAX], [0, 1]],
    ["exp", "f32", [-Infinity, 0, 89, NaN], [0, 1, Infinity, NaN]],
    ["log", "f32", [0, 1, -1, Infinity], [-Infinity, 0, NaN, Infinity]],
    ["sqrt", "f32", [4, -1, Infinity], [2, NaN, Infinity]],
    ["rsqrt", "f32", [4, 0, Infinity, -1], [0.5, Infinity, 0, NaN]],
    ["reciprocal", "f32", [4, 0, -0, Infinity], [0.25, Infinity, -Infinity, 0]],
    ["tanh", "f32", [0, Infinity, -Infinity, NaN], [0, 1, -1, NaN]],
    ["erf", "f32", [0, Infinity, -Infinity, NaN, 7], [0, 1, -1, NaN, 1]],
    ["floor", "f32", [-1.5, 1.5, -0, Infinity], [-2, 1, -0, Infinity]],
    ["ceil", "f32", [-1.5, 1.5], [-1, 2]],
    ["trunc", "f32", [-1.5, 1.5, NaN], [-1, 1, NaN]],
    ["round", "f32", [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.4, 0.6], [0, 2, 2, -0, -2, -2, 0, 1]],
    ["round", "f64", [2 ** 52 + 1, 0.49999999999999994, -Infinity, NaN], [2 ** 52 + 1, 0, -Infinity, NaN]],
    ["logicalNot", "bool", [0, 1], [1, 0]],
    ["bitwiseNot", "i32", [0, -1, MAX], [-1, 0, MIN]],
    ["bitwiseNot", "u32", [0, UMAX], [UMAX, 0]],
  ])("%s of %s %j", async (op, dtype, x, expected) => {
    expect(await read(b.unary(op, vector(dtype, x)))).toEqual(expected);
  });

  it("f32 rounds once", async () => {
    expect(await read(b.exp(vector("f32", [1])))).toEqual([Math.fround(Math.exp(1))]);
    expect(await read(b.exp(vector("f64", [1])))).toEqual([Math.exp(1)]);
  });
});

describe("erf", () => {
  // Computed to 17 digits with mpmath.
  it.each([
    [1e-300, 1.1283791670955126e-300],
    [0.1, 0.1124629160182849],
    [0.5, 0.5204998778130465],
    [1, 0.8427007929497149],
    [2, 0.9953222650189527],
    [2.24, 0.9984642312848625],
    [2.26, 0.9986071211165418],
    [3, 0.9999779095030014],
    [5.5, 0.9999999999999927],
  ])("of %f is odd and exact to 2e-15", (x, expected) => {
    expect(Math.abs(erf(x) / expected - 1)).toBeLessThan(2e-15);
    expect(erf(-x)).toBe(-erf(x));
  });
});

describe("binary ops", () => {
  it.each<readonly [b.BinaryName, DType, readonly number[], readonly number[], readonly number[]]>([
    ["add", "i32", [MAX, 1], [1, 2], [MIN, 3]],
    ["add", "u32", [UMAX], [2], [1]],
    ["sub", "u32", [1], [2], [UMAX]],
    ["mul", "i32", [65537, MAX, -7], [65537, MAX, 3], [131073, 1, -21]],
    ["mul", "u32", [UMAX, 65536], [UMAX, 65536], [1, 0]],
    ["div", "f32", [1, -1, 0, 1], [0, 0, 0, 3], [Infinity, -Infinity, NaN, Math.fround(1 / 3)]],
    [
      "pow",
      "f32",
      [2, -8, 0, NaN, 1, -1, 0],
      [3, 1 / 3, 0, 0, NaN, Infinity, -1],
      [8, NaN, 1, 1, 1, 1, Infinity],
    ],
    ["maximum", "f32", [1, NaN, 2, -0], [2, 1, NaN, 0], [2, NaN, NaN, 0]],
    ["minimum", "i32", [MIN, 4], [MAX, 3], [MIN, 3]],
    ["maximum", "u32", [UMAX], [1], [UMAX]],
    ["remainder", "i32", [7, -7, 7, -7, 5, MIN], [3, 3, -3, -3, 0, -1], [1, 2, -2, -1, 0, 0]],
    ["remainder", "u32", [UMAX, 5], [10, 0], [5, 0]],
    ["remainder", "f32", [7.5, -7.5, 7.5, 1], [2, 2, -2, 0], [1.5, 0.5, -0.5, NaN]],
    ["floorDivide", "i32", [7, -7, 7, -7, 5, MIN], [3, 3, -3, -3, 0, -1], [2, -3, -3, 2, 0, MIN]],
    ["floorDivide", "u32", [UMAX, 5], [2, 0], [MAX, 0]],
    ["floorDivide", "f32", [7.5, -7.5, 1], [2, 2, 0], [3, -4, Infinity]],
    ["eq", "f32", [1, NaN, 0], [1, NaN, -0], [1, 0, 1]],
    ["ne", "f32", [1, NaN, 0], [1, NaN, -0], [0, 1, 0]],
    ["lt", "f32", [1, NaN, -Infinity], [2, 1, Infinity], [1, 0, 1]],
    ["le", "u32", [UMAX, 1], [1, 1], [0, 1]],
    ["gt", "i32", [-1, 1], [1, -1], [0, 1]],
    ["ge", "f64", [1, NaN], [1, NaN], [1, 0]],
    ["logicalAnd", "bool", [0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 1]],
    ["logicalOr", "bool", [0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 1]],
    ["bitwiseAnd", "u32", [0xf0f0f0f0], [0xff000000], [0xf0000000]],
    ["bitwiseOr", "i32", [MIN], [1], [MIN + 1]],
    ["bitwiseXor", "bool", [0, 1, 1], [1, 1, 0], [1, 0, 1]],
    ["shiftLeft", "i32", [1, 1, 3], [31, 32, 33], [MIN, 1, 6]],
    ["shiftLeft", "u32", [1], [31], [2 ** 31]],
    ["shiftRight", "i32", [-8, MIN], [1, 31], [-4, -1]],
    ["shiftRight", "u32", [UMAX, 8], [1, 33], [MAX, 4]],
  ])("%s of %s %j and %j", async (op, dtype, x, y, expected) => {
    expect(await read(b.binary(op, vector(dtype, x), vector(dtype, y)))).toEqual(expected);
  });

  it("each f32 op rounds", async () => {
    const x = vector("f32", [16777216]);
    const one = vector("f32", [1]);
    expect(await read(b.add(b.add(x, one), one))).toEqual([16777216]);
    expect(await read(b.mul(vector("f32", [0.1]), vector("f32", [0.1])))).toEqual([
      Math.fround(Math.fround(0.1) * Math.fround(0.1)),
    ]);
  });

  it("where takes neither NaN nor sign from the other branch", async () => {
    const condition = vector("bool", [1, 0, 1]);
    expect(await read(b.where(condition, vector("f32", [1, NaN, -0]), vector("f32", [NaN, 2, 0])))).toEqual([
      1, 2, -0,
    ]);
  });
});

describe("cast", () => {
  it.each<readonly [DType, DType, readonly number[], readonly number[]]>([
    ["f32", "i32", [1.9, -1.9, NaN, Infinity, -Infinity, 3e9, -3e9], [1, -1, 0, MAX, MIN, MAX, MIN]],
    ["f32", "u32", [1.9, -0.5, -7, NaN, Infinity, 3e9], [1, 0, 0, 0, UMAX, 3e9]],
    ["f64", "i32", [MAX + 0.5, MIN - 0.5], [MAX, MIN]],
    ["f32", "bool", [0, -0, 0.1, NaN, -Infinity], [0, 0, 1, 1, 1]],
    ["i32", "bool", [0, -1, 256], [0, 1, 1]],
    ["bool", "f32", [0, 1], [0, 1]],
    ["i32", "u32", [-1, 5], [UMAX, 5]],
    ["u32", "i32", [UMAX, 5], [-1, 5]],
    ["i32", "f32", [MAX, 16777217], [2 ** 31, 16777216]],
    ["u32", "f64", [UMAX], [UMAX]],
    ["f64", "f32", [0.1, 1e39], [Math.fround(0.1), Infinity]],
    ["f32", "f64", [0.1], [Math.fround(0.1)]],
  ])("%s to %s of %j", async (from, to, x, expected) => {
    expect(await read(b.cast(vector(from, x), to))).toEqual(expected);
  });

  it("bitcast keeps the bits, also of a view inside a larger buffer", async () => {
    expect(await read(b.bitcast(vector("f32", [1, -0]), "i32"))).toEqual([0x3f800000, MIN]);
    expect(await read(b.bitcast(vector("u32", [0x7fc00000, 0x40490fdb]), "f32"))).toEqual([
      NaN,
      Math.fround(Math.PI),
    ]);
    const inside = b.constant([2], "f32", new Float32Array([9, 1, 2]).subarray(1));
    expect(await read(b.bitcast(inside, "u32"))).toEqual([0x3f800000, 0x40000000]);
  });
});

describe("threefry2x32", () => {
  // Known answers of Random123 for 20 rounds: counter, key, result.
  it.each([
    [
      [0, 0],
      [0, 0],
      [0x6b200159, 0x99ba4efe],
    ],
    [
      [UMAX, UMAX],
      [UMAX, UMAX],
      [0x1cb996fc, 0xbb002be7],
    ],
    [
      [0x243f6a88, 0x85a308d3],
      [0x13198a2e, 0x03707344],
      [0xc4923a9c, 0x483df7a0],
    ],
  ])("of counter %j under key %j", async (counter, key, expected) => {
    const words = [...key, ...counter].map((word) => vector("u32", [word]));
    const { outputs } = build("threefry2x32", words, {});
    expect((await evaluateOn(device, outputs)).map(([word]) => word)).toEqual(expected);
  });

  it("broadcasts one key over many counters", async () => {
    const scalar = (word: number): Value => b.full([], "u32", word);
    const [first, second] = b.threefry2x32([scalar(0), scalar(0)], [b.iota(3, "u32"), scalar(0)]);
    const [x, y] = await evaluateOn(device, [first, second]);
    expect([x[0], y[0]]).toEqual([0x6b200159, 0x99ba4efe]);
    expect(new Set([...x, ...y]).size).toBe(6);
  });
});

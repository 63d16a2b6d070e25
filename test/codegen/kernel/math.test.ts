import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { evaluateBinary, evaluateUnary } from "../../../src/codegen/kernel/arithmetic.ts";
import type { BinaryScalarOp, Register, UnaryScalarOp } from "../../../src/codegen/kernel/ir.ts";
import { expandMath, threefry2x32 } from "../../../src/codegen/kernel/math.ts";
import { argsOf, binary, constant, mapScalar, register, unary } from "../../../src/codegen/kernel/scalars.ts";
import { erf, erfc, erfinv, lgamma } from "../../../src/ops/specialFunctions.ts";
import { evaluateScalar } from "./evaluateScalar.ts";

const X: Register = { name: "x", type: "f32" };
const Y: Register = { name: "y", type: "f32" };
const none: ReadonlySet<string> = new Set();

const expandUnary = (op: UnaryScalarOp) => expandMath(unary(op, register(X)), none);
const expandBinary = (op: BinaryScalarOp) => expandMath(binary(op, register(X), register(Y)), none);

/** The distance of y from `exact` in units in the last place of a float near `exact`. */
function ulps(y: number, exact: number): number {
  const nearest = Math.fround(exact);
  if (Object.is(y, nearest) || (Number.isNaN(y) && Number.isNaN(exact))) return 0;
  if (!Number.isFinite(y) && Math.abs(exact) >= 3.4028234e38 && y === Math.sign(exact) * Infinity) return 0;
  if (!Number.isFinite(y) || !Number.isFinite(nearest)) return Infinity;
  if (Math.abs(exact) < 2 ** -126) return Math.abs(y - exact) <= 2 ** -126 ? 0 : Infinity;
  const exponent = Math.floor(Math.log2(Math.abs(exact)));
  return Math.abs(y - exact) / 2 ** (exponent - 23);
}

/** Every exponent and both signs, `perExponent` mantissas spread over each. */
function allMagnitudes(perExponent: number): Float32Array {
  const bits = new Uint32Array(512 * perExponent);
  for (let at = 0; at < bits.length; at++) {
    const mantissa = (at * 0x9e3779b1) & 0x7fffff;
    bits[at] = (Math.floor(at / perExponent) << 23) | mantissa;
  }
  return new Float32Array(bits.buffer);
}

const edges = Float32Array.of(
  0,
  -0,
  1,
  -1,
  0.5,
  -0.5,
  2,
  -2,
  3,
  -3,
  1e-45,
  -1e-45,
  1e-40,
  2 ** -126,
  -(2 ** -126),
  3.4028235e38,
  -3.4028235e38,
  Infinity,
  -Infinity,
  NaN,
  88.72283,
  88.72284,
  88.7,
  -87.33654,
  -87.33655,
  -87.4,
  -103,
  -104,
  1e4,
  -1e4,
  0.6,
  0.59999996,
  0.93,
  0.92999995,
  3.95,
  4,
  9.1,
  9,
  0.78,
  0.7853982,
  1.5707964,
  Math.PI,
  6.2831855,
  8192,
  16367173e20,
  0.99999994,
  1.0000001,
  0.70710677,
  Math.SQRT1_2,
  Math.SQRT2,
  16777215,
  16777216,
  16777217,
  -16777215,
  1.5,
  -1.5,
  0.33333334,
);

function worst(actual: ArrayLike<number>, exact: (at: number) => number): { ulps: number; at: number } {
  let result = { ulps: 0, at: -1 };
  for (let at = 0; at < actual.length; at++) {
    const error = ulps(actual[at], exact(at));
    if (error > result.ulps) result = { ulps: error, at };
  }
  return result;
}

const functions = [
  { op: "exp", bound: 1.5, exact: Math.exp, from: -88, to: 89 },
  { op: "log", bound: 1, exact: Math.log, from: 0, to: 2 },
  { op: "tanh", bound: 1.5, exact: Math.tanh, from: -10, to: 10 },
  { op: "erf", bound: 1.5, exact: erf, from: -5, to: 5 },
  { op: "sin", bound: 1.75, exact: Math.sin, from: -8192, to: 8192 },
  { op: "cos", bound: 1.75, exact: Math.cos, from: -8192, to: 8192 },
  { op: "expm1", bound: 1.5, exact: Math.expm1, from: -3, to: 3 },
  { op: "log1p", bound: 1.5, exact: Math.log1p, from: -1, to: 3 },
  { op: "log2", bound: 0.6, exact: Math.log2, from: 0, to: 3 },
  { op: "log10", bound: 0.6, exact: Math.log10, from: 0, to: 12 },
  { op: "erfc", bound: 4, exact: erfc, from: -4, to: 10 },
  { op: "erfinv", bound: 2.75, exact: erfinv, from: -1, to: 1 },
] as const;

describe.each(functions)("$op", ({ op, bound, exact, from, to }) => {
  const where = Float32Array.from({ length: 20_000 }, (_, at) => from + ((to - from) * at) / 20_000);

  it.each([false, true])(`stays within ${bound} ulp of float64 (products fused: %s)`, (fused) => {
    for (const x of [allMagnitudes(40), where, edges]) {
      const y = evaluateScalar(expandUnary(op), new Map([[X, x]]), fused);
      const { ulps: error, at } = worst(y, (at) => exact(x[at]));
      expect(error, `${op}(${x[at]}) is ${y[at]}, wanted ${exact(x[at])}`).toBeLessThanOrEqual(bound);
    }
  });

  it("keeps special values and signed zeros", () => {
    const x = Float32Array.of(0, -0, Infinity, -Infinity, NaN);
    const actual = [...evaluateScalar(expandUnary(op), new Map([[X, x]]))];
    expect(actual).toEqual([...x].map((value) => Math.fround(exact(value))));
  });
});

describe("lgamma", () => {
  const evaluate = (x: Float32Array) => evaluateScalar(expandUnary("lgamma"), new Map([[X, x]]));

  it("stays within 2.75 ulp for positive numbers", () => {
    const near = Float32Array.from({ length: 20_000 }, (_, at) => (6 * (at + 1)) / 20_000);
    for (const x of [allMagnitudes(120).map(Math.abs), near]) {
      const y = evaluate(x);
      const { ulps: error, at } = worst(y, (at) => lgamma(x[at]));
      expect(error, `lgamma(${x[at]}) is ${y[at]}, wanted ${lgamma(x[at])}`).toBeLessThanOrEqual(2.75);
    }
  });

  it("is as exact as its terms for negative ones", () => {
    const x = Float32Array.from({ length: 20_000 }, (_, at) => (-12 * (at + 0.5)) / 20_000);
    const y = evaluate(x);
    const excess = x.map((value, at) => Math.abs(y[at] - lgamma(value)) - 3e-7 * Math.abs(lgamma(value)));
    expect(excess.reduce((a, b) => Math.max(a, b))).toBeLessThanOrEqual(2e-6);
  });

  it("is infinite at 0, the negative integers and the infinities, and 0 at 1 and 2", () => {
    const x = Float32Array.of(0, -0, -1, -2, -1e30, Infinity, -Infinity, 1, 2, NaN);
    expect([...evaluate(x)]).toEqual([...Array<number>(7).fill(Infinity), 0, 0, NaN]);
  });
});

describe("atan2", () => {
  const evaluate = (y: Float32Array, x: Float32Array) =>
    evaluateScalar(
      expandBinary("atan2"),
      new Map([
        [X, y],
        [Y, x],
      ]),
    );

  it("stays within 2 ulp", () => {
    const y = allMagnitudes(120);
    // Coordinates of like size: quotients that count.
    const x = y.map((value, at) => Math.fround(value * Math.tan((at % 4999) / 800)));
    const actual = evaluate(y, x);
    const { ulps: error, at } = worst(actual, (at) => Math.atan2(y[at], x[at]));
    expect(error, `atan2(${y[at]}, ${x[at]}) is ${actual[at]}`).toBeLessThanOrEqual(2);
  });

  it("has C's signs and special cases for all pairs of edge values", () => {
    const pairs = [...edges].flatMap((y) => [...edges].map((x) => [y, x] as const));
    const y = Float32Array.from(pairs, ([value]) => value);
    const x = Float32Array.from(pairs, ([, value]) => value);
    evaluate(y, x).forEach((angle, at) => {
      const exact = Math.fround(Math.atan2(y[at], x[at]));
      if (exact === 0) expect(angle, `atan2(${y[at]}, ${x[at]})`).toBe(exact);
      else expect(ulps(angle, exact), `atan2(${y[at]}, ${x[at]})`).toBeLessThanOrEqual(2);
    });
  });
});

describe.each(["fmod", "remainder", "floorDivide"] as const)("%s", (op) => {
  it.each(["f32", "i32", "u32"] as const)("is exact for %s, edges included", (type) => {
    const make = { f32: Float32Array, i32: Int32Array, u32: Uint32Array }[type];
    const [a, b]: Register[] = ["a", "b"].map((name) => ({ name, type }));
    const special = type === "f32" ? [...edges] : [0, 1, -1, 2, 7, -7, 2 ** 31 - 1, -(2 ** 31), 2 ** 32 - 1];
    const pairs = special.flatMap((x) => special.map((y) => [x, y] as const));
    const drawn = allMagnitudes(40);
    drawn.forEach((x, i) => {
      pairs.push([type === "f32" ? x : i * 0x9e3779b1, type === "f32" ? drawn[(i * 7) % 20480] : i % 977]);
    });
    const x = make.from(pairs.map(([value]) => value));
    const y = make.from(pairs.map(([, value]) => value));
    const expanded = expandMath(binary(op, register(a), register(b)), none);
    const found = evaluateScalar(expanded, new Map<Register, typeof x>([[a, x]]).set(b, y));
    const wrong = pairs.flatMap((_, i) => {
      const exact = evaluateBinary(op, type, x[i], y[i]);
      return Object.is(found[i], exact) ? [] : [`${op}(${x[i]}, ${y[i]}) is ${found[i]}, wanted ${exact}`];
    });
    expect(wrong).toEqual([]);
  });
});

describe("pow", () => {
  const pow = expandBinary("pow");
  const evaluate = (x: Float32Array, y: Float32Array) =>
    evaluateScalar(
      pow,
      new Map([
        [X, x],
        [Y, y],
      ]),
    );

  it("stays within 4.5 ulp where results are finite", () => {
    const x = allMagnitudes(300).map((value, at) =>
      at % 2 === 0 ? Math.abs(value) : 0.5 + (at % 9973) / 9973,
    );
    const y = x.map(
      (value, at) => ((((at * 0.6180339887) % 1) * 2 - 1) * 150) / (Math.abs(Math.log2(value)) + 1e-6),
    );
    const actual = evaluate(x, y);
    const { ulps: error, at } = worst(actual, (at) => x[at] ** y[at]);
    expect(error, `pow(${x[at]}, ${y[at]}) is ${actual[at]}, wanted ${x[at] ** y[at]}`).toBeLessThanOrEqual(
      4.5,
    );
  });

  it("has the special cases of C for all pairs of edge values", () => {
    const pairs = [...edges].flatMap((x) => [...edges].map((y) => [x, y] as const));
    const x = Float32Array.from(pairs, ([value]) => value);
    const y = Float32Array.from(pairs, ([, value]) => value);
    const { ulps: error, at } = worst(evaluate(x, y), (at) => evaluateBinary("pow", "f32", x[at], y[at]));
    expect(error, `pow(${x[at]}, ${y[at]})`).toBeLessThanOrEqual(4.5);
  });
});

describe("expandMath", () => {
  it("leaves the target's intrinsics and everything else alone", () => {
    const exp = unary("exp", register(X));
    expect(expandMath(exp, new Set(["exp"]))).toBe(exp);
    const root = unary("sqrt", register(X));
    expect(expandMath(root, none)).toBe(root);
  });

  it("expands a shared operand once, and nested functions", () => {
    const exp = unary("exp", register(X));
    const expanded = expandMath(binary("add", exp, unary("log", exp)), none);
    const seen = new Set<object>();
    mapScalar(expanded, (of) => {
      seen.add(of);
      if (of.kind === "unary") expect(["exp", "log"]).not.toContain(of.op);
      return of;
    });
    const [left, right] = argsOf(expanded);
    const inRight = new Set<object>();
    mapScalar(right, (of) => {
      inRight.add(of);
      return of;
    });
    expect(inRight.has(left)).toBe(true);
  });

  it.each([
    ["exp", 18],
    ["log", 32],
    ["tanh", 36],
    ["erf", 36],
    ["sin", 150],
    ["pow", 110],
  ] as const)("needs few operations for %s", (op, limit) => {
    let operations = 0;
    mapScalar(op === "pow" ? expandBinary(op) : expandUnary(op), (of) => {
      if (argsOf(of).length > 0 && of.kind !== "bitcast") operations += 1;
      return of;
    });
    expect(operations).toBeLessThanOrEqual(limit);
  });
});

describe("constants", () => {
  it("folds functions of constants to the nearest float", () => {
    expect(unary("exp", constant("f32", 1))).toEqual(constant("f32", Math.E));
    expect(evaluateUnary("erf", "f32", 0.5)).toBe(Math.fround(0.5204998778130465));
    expect(erf(-3)).toBeCloseTo(-0.9999779095030014, 15);
    expect(erf(1e-3)).toBeCloseTo(0.0011283787909692363, 18);
  });
});

describe("threefry2x32", () => {
  const names: Register[] = ["k0", "k1", "c0", "c1"].map((name) => ({ name, type: "u32" }));
  const words = threefry2x32(...(names.map(register) as unknown as Parameters<typeof threefry2x32>));
  const evaluate = (...inputs: number[]) => {
    const values = new Map(names.map((name, at) => [name, Uint32Array.of(inputs[at])]));
    return words.map((word) => evaluateScalar(word, values)[0]);
  };

  // Known answers of Random123 (kat_vectors, threefry2x32 with 20 rounds).
  it.each([
    { key: [0, 0], counter: [0, 0], words: [0x6b200159, 0x99ba4efe] },
    {
      key: [0xffffffff, 0xffffffff],
      counter: [0xffffffff, 0xffffffff],
      words: [0x1cb996fc, 0xbb002be7],
    },
    { key: [0x13198a2e, 0x03707344], counter: [0x243f6a88, 0x85a308d3], words: [0xc4923a9c, 0x483df7a0] },
  ])("matches the published vector $words", ({ key, counter, words }) => {
    expect(evaluate(...key, ...counter)).toEqual(words);
  });

  it("gives the same words for constants, by folding", () => {
    fc.assert(
      fc.property(fc.tuple(...names.map(() => fc.nat(0xffffffff))), (inputs) => {
        const of = (at: number) => constant("u32", inputs[at]);
        const folded = threefry2x32(of(0), of(1), of(2), of(3));
        expect(folded).toEqual(evaluate(...inputs).map((word) => constant("u32", word)));
      }),
      { numRuns: 20 },
    );
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  assertClose,
  compareArrays,
  describeComparison,
  MismatchError,
  ulpDistance,
  ulpOf,
} from "../../src/testing/index.ts";

describe("ulpDistance", () => {
  it("counts representable numbers", () => {
    expect(ulpDistance(1, 1 + 2 ** -23, "f32")).toBe(1);
    expect(ulpDistance(1, 1 - 2 ** -24, "f32")).toBe(1);
    expect(ulpDistance(1, 1 + 2 ** -52, "f64")).toBe(1);
    expect(ulpDistance(-(2 ** -149), 2 ** -149, "f32")).toBe(2);
    expect(ulpDistance(3.4028234663852886e38, Infinity, "f32")).toBe(1);
  });

  it("is 0 between both zeros and between two NaN, infinite between NaN and a number", () => {
    expect(ulpDistance(0, -0, "f32")).toBe(0);
    expect(ulpDistance(0, -0, "f64")).toBe(0);
    expect(ulpDistance(NaN, NaN, "f32")).toBe(0);
    expect(ulpDistance(NaN, 1, "f32")).toBe(Infinity);
  });

  it("is a distance: symmetric, 0 for equal numbers alone, additive along the line", () => {
    const number = fc.float({ noNaN: true });
    fc.assert(
      fc.property(number, number, number, (x, y, z) => {
        const [a, b, c] = [x, y, z].sort((p, q) => p - q);
        expect(ulpDistance(a, b, "f32")).toBe(ulpDistance(b, a, "f32"));
        expect(ulpDistance(a, b, "f32") === 0).toBe(a === b);
        expect(ulpDistance(a, b, "f32") + ulpDistance(b, c, "f32")).toBe(ulpDistance(a, c, "f32"));
      }),
    );
  });
});

describe("ulpOf", () => {
  it("is the gap to the next number", () => {
    const finite = fc.float({ noNaN: true, noDefaultInfinity: true, max: Math.fround(1e38), min: 0 });
    fc.assert(
      fc.property(finite, (x) => {
        expect(ulpDistance(x, x + ulpOf(x, "f32"), "f32")).toBe(1);
      }),
    );
    expect(ulpOf(-8, "f64")).toBe(2 ** -49);
    expect(ulpOf(8 - 2 ** -21, "f32")).toBe(2 ** -21);
  });
});

describe("compareArrays", () => {
  it("takes NaN for NaN, an infinity for itself and 0 for -0", () => {
    const special = Float32Array.of(NaN, Infinity, -Infinity, 0);
    expect(compareArrays(special, [NaN, Infinity, -Infinity, -0]).equal).toBe(true);
    expect(compareArrays(special, [1, Infinity, -Infinity, 0]).equal).toBe(false);
    expect(compareArrays(special, [NaN, -Infinity, -Infinity, 0], { atol: 1e9, rtol: 1 }).equal).toBe(false);
    expect(compareArrays(Float32Array.of(1), [NaN], { atol: 1e9 }).equal).toBe(false);
  });

  it("rounds what an f32 array is compared with", () => {
    expect(compareArrays(Float32Array.of(0.1, Infinity), [0.1, 1e39]).equal).toBe(true);
    expect(compareArrays(Float64Array.of(Math.fround(0.1)), [0.1]).equal).toBe(false);
  });

  it("allows each kind of tolerance", () => {
    const next = Float32Array.of(1 + 2 ** -22);
    expect(compareArrays(next, [1], { ulps: 1 }).equal).toBe(false);
    expect(compareArrays(next, [1], { ulps: 2 }).equal).toBe(true);
    expect(compareArrays(next, [1], { atol: 1e-6 }).equal).toBe(true);
    expect(compareArrays(Int32Array.of(11), [10], { rtol: 0.1 }).equal).toBe(true);
    expect(compareArrays(Int32Array.of(11), [10], { ulps: 9 }).equal).toBe(false);
  });

  it("reports the first mismatch and the largest error", () => {
    const report = compareArrays(Float32Array.of(1, 2, 5), [1, 3, 3]);
    expect(report).toMatchObject({
      mismatches: 2,
      first: { index: 1, actual: 2, expected: 3 },
      maxAbsoluteError: 2,
    });
    expect(describeComparison(report)).toMatch(/^2 of 3 elements differ; first at 1: 2, expected 3/);
  });

  it("reports lengths that differ", () => {
    expect(describeComparison(compareArrays(Int32Array.of(1), [1, 2]))).toBe("1 elements, expected 2");
    expect(describeComparison(compareArrays(Int32Array.of(1), [1]))).toBe("equal");
  });
});

describe("assertClose", () => {
  it("throws with the name given", () => {
    assertClose(Float32Array.of(1), [1]);
    expect(() => assertClose(Float32Array.of(1), [2], {}, "loss")).toThrow(MismatchError);
    expect(() => assertClose(Float32Array.of(1), [2], {}, "loss")).toThrow(/^loss: 1 of 1/);
  });
});

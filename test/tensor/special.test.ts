import { describe, expect, it } from "vitest";
import { onDevice } from "../../src/cli/devices.ts";
import { ArgumentError } from "../../src/graph/errors.ts";
import { tensor } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const inf = Infinity;
const devices = ["wasm", "reference"] as const;

/** Operands, and what PyTorch gives for them; signs of zeros count. */
const edges: readonly (readonly [
  name: string,
  apply: (x: Tensor) => Tensor,
  given: readonly number[],
  wanted: readonly (number | boolean)[],
])[] = [
  ["exp2", (x) => x.exp2(), [0, 3, -1, inf, -inf, NaN], [1, 8, 0.5, inf, 0, NaN]],
  ["expm1", (x) => x.expm1(), [-0, 0, 1e-10, -inf, inf, NaN], [-0, 0, 1e-10, -1, inf, NaN]],
  ["log1p", (x) => x.log1p(), [-0, 1e-10, -1, -2, inf, NaN], [-0, 1e-10, -inf, NaN, inf, NaN]],
  ["log2", (x) => x.log2(), [8, 2 ** -140, 0, -1, inf], [3, -140, -inf, NaN, inf]],
  ["log10", (x) => x.log10(), [1000, 1e10, 0, -1, inf], [3, 10, -inf, NaN, inf]],
  ["tan", (x) => x.tan(), [-0, 0, inf, NaN], [-0, 0, NaN, NaN]],
  ["asin", (x) => x.asin(), [-0, 1, -1, 2], [-0, Math.PI / 2, -Math.PI / 2, NaN]],
  ["acos", (x) => x.acos(), [1, -1, 0, -2], [0, Math.PI, Math.PI / 2, NaN]],
  ["atan", (x) => x.atan(), [-0, inf, -inf, NaN], [-0, Math.PI / 2, -Math.PI / 2, NaN]],
  ["sinh", (x) => x.sinh(), [-0, 89, -100, inf, NaN], [-0, Math.sinh(89), -inf, inf, NaN]],
  ["cosh", (x) => x.cosh(), [0, 89, -100, -inf, NaN], [1, Math.cosh(89), inf, inf, NaN]],
  ["asinh", (x) => x.asinh(), [-0, 1e30, -1e30, -inf], [-0, Math.asinh(1e30), -Math.asinh(1e30), -inf]],
  ["acosh", (x) => x.acosh(), [1, 1e30, 0.5, -3, inf], [0, Math.acosh(1e30), NaN, NaN, inf]],
  ["atanh", (x) => x.atanh(), [-0, 1, -1, 2, inf], [-0, inf, -inf, NaN, NaN]],
  ["erfc", (x) => x.erfc(), [0, inf, -inf, -9, NaN], [1, 0, 2, 2, NaN]],
  ["erfinv", (x) => x.erfinv(), [-0, 1, -1, 2, NaN], [-0, inf, -inf, NaN, NaN]],
  ["lgamma", (x) => x.lgamma(), [1, 2, 0, -1, inf, -inf, NaN], [0, 0, inf, inf, inf, inf, NaN]],
  ["digamma", (x) => x.digamma(), [0, -0, -1, -2, inf, NaN], [-inf, inf, NaN, NaN, inf, NaN]],
  ["trigamma", (x) => x.polygamma(1), [0, -1, 1], [inf, inf, Math.PI ** 2 / 6]],
  ["logit", (x) => x.logit(), [0, 1, 0.5, 2], [-inf, inf, 0, NaN]],
  ["logit moved", (x) => x.logit(0.25), [0, 1, 0.5], [Math.log(1 / 3), Math.log(3), 0]],
  ["sinc", (x) => x.sinc(), [0, -0, 0.5], [1, 1, 2 / Math.PI]],
  ["frac", (x) => x.frac(), [1.5, -1.5, 2], [0.5, -0.5, 0]],
  ["round", (x) => x.round(), [0.5, 1.5, -0.5, 2.5, -2.5], [0, 2, -0, 2, -2]],
  ["sign", (x) => x.sign(), [-3, 0, 2, NaN], [-1, 0, 1, NaN]],
  ["isinf", (x) => x.isinf(), [inf, -inf, NaN, 1], [true, true, false, false]],
  ["isposinf", (x) => x.isposinf(), [inf, -inf, NaN, 1], [true, false, false, false]],
  ["isneginf", (x) => x.isneginf(), [inf, -inf, NaN, 1], [false, true, false, false]],
  ["isfinite", (x) => x.isfinite(), [inf, -inf, NaN, 1], [false, false, false, true]],
  ["isnan", (x) => x.isnan(), [inf, NaN, 1], [false, true, false]],
  [
    "nanToNum",
    (x) => x.nanToNum(),
    [NaN, inf, -inf, 2],
    [0, 3.4028234663852886e38, -3.4028234663852886e38, 2],
  ],
  ["nanToNum to others", (x) => x.nanToNum({ nan: 7, posinf: 8, neginf: 9 }), [NaN, inf, -inf], [7, 8, 9]],
  ["clamp", (x) => x.clamp({ min: -1, max: 1 }), [-2, 0.5, 2, NaN, -inf], [-1, 0.5, 1, NaN, -1]],
  ["clamp upside down", (x) => x.clamp({ min: 1, max: -1 }), [-2, 0, 2], [-1, -1, -1]],
  ["atan2 of -0", (x) => x.atan2(-0), [0, -0, 1], [Math.PI, -Math.PI, Math.PI / 2]],
  ["hypot", (x) => x.hypot(inf), [NaN, 1, -inf], [inf, inf, inf]],
  ["hypot of large", (x) => x.hypot(4e30), [3e30, 0], [5e30, 4e30]],
  ["logaddexp", (x) => x.logaddexp(-inf), [-inf, 3, inf, NaN], [-inf, 3, inf, NaN]],
  ["logaddexp of infinities", (x) => x.logaddexp(inf), [inf, -inf], [inf, inf]],
  ["xlogy", (x) => x.xlogy(0), [0, 1, -1], [0, -inf, inf]],
  ["xlogy of NaN", (x) => x.xlogy(NaN), [0], [NaN]],
  ["copysign", (x) => x.copysign(-0), [0, 2, -3], [-0, -2, -3]],
  ["fmod", (x) => x.fmod(2), [5.5, -5.5, inf, -0], [1.5, -1.5, NaN, -0]],
  ["fmod by infinity", (x) => x.fmod(-inf), [5.5, -5.5], [5.5, -5.5]],
  ["remainder", (x) => x.remainder(-2), [5.5, -5.5, 1e30], [-0.5, -1.5, 0]],
  ["remainder by infinity", (x) => x.remainder(inf), [5.5, -5.5], [5.5, inf]],
  ["floorDivide", (x) => x.floorDivide(0.5), [1.25, -1.25, inf], [2, -3, NaN]],
  ["floorDivide by 0", (x) => x.floorDivide(0), [1, -1, 0], [inf, -inf, NaN]],
  ["div towards 0", (x) => x.div(2, { roundingMode: "trunc" }), [-3, 3], [-1, 1]],
  ["lerp", (x) => x.lerp(tensor([10, 10]), 0.75), [2, 10], [8, 10]],
];

describe.each(devices)("on %s", (device) => {
  it.each(edges)("%s has PyTorch's values at the edges", async (_, apply, given, wanted) => {
    const found = await onDevice(device, 0, () => apply(tensor([...given])).data());
    const exact = wanted.map((value) => Math.fround(Number(value)));
    exact.forEach((value, i) => {
      const close = Math.abs(found[i] - value) <= 4e-7 * Math.abs(value);
      const same = value === 0 || !Number.isFinite(value) ? Object.is(found[i], value) : close;
      expect(same, `of ${given[i]}: ${found[i]}, wanted ${value}`).toBe(true);
    });
  });

  it("integers keep to integers where PyTorch does", async () => {
    await onDevice(device, 0, async () => {
      const x = tensor([7, -7, 0, -(2 ** 31)], { dtype: "i32" });
      expect(await x.fmod(4).array()).toEqual([3, -3, 0, 0]);
      expect(await x.remainder(4).array()).toEqual([3, 1, 0, 0]);
      expect(await x.div(4, { roundingMode: "trunc" }).array()).toEqual([1, -1, 0, -(2 ** 29)]);
      expect(await x.div(4, { roundingMode: "floor" }).array()).toEqual([1, -2, 0, -(2 ** 29)]);
      expect(await x.bitwiseAnd(5).array()).toEqual([5, 1, 0, 0]);
      expect(await x.bitwiseNot().array()).toEqual([-8, 6, -1, 2 ** 31 - 1]);
      expect(await x.bitwiseLeftShift(1).array()).toEqual([14, -14, 0, 0]);
      expect(await x.bitwiseRightShift(1).array()).toEqual([3, -4, 0, -(2 ** 30)]);
      expect(await x.isinf().array()).toEqual([false, false, false, false]);
      expect(x.atan2(2).dtype).toBe("f32");
      const t = tensor([true, false]);
      expect(await t.logicalXor(tensor([true, true])).array()).toEqual([false, true]);
      expect(await t.bitwiseNot().array()).toEqual([false, true]);
    });
  });
});

describe("gradients", () => {
  const gradientOf = async (apply: (x: Tensor) => Tensor, numbers: readonly number[]): Promise<number[]> => {
    const x = tensor([...numbers], { requiresGrad: true });
    apply(x).sum().backward();
    return [...((await x.grad?.data()) ?? [])].map((value) => value + 0);
  };

  it("of clamp count at both bounds", async () => {
    expect(await gradientOf((x) => x.clamp({ min: -1, max: 1 }), [-2, -1, 0, 1, 2])).toEqual([0, 1, 1, 1, 0]);
  });

  it("of clamp flow to bounds that are tensors, where they decide", async () => {
    const min = tensor([0, 0], { requiresGrad: true });
    tensor([-1, 1]).clamp({ min }).sum().backward();
    expect(await min.grad?.array()).toEqual([1, 0]);
  });

  it("of hypot are NaN at the origin, of xlogy 0 where x is", async () => {
    expect(await gradientOf((x) => x.hypot(0), [0, -2])).toEqual([NaN, -1]);
    expect(await gradientOf((x) => x.xlogy(4), [0, 1])).toEqual([0, Math.fround(Math.log(4))]);
  });

  it("of fmod and remainder count how often the divisor went", async () => {
    const y = tensor([2, 2], { requiresGrad: true });
    tensor([5, -5]).fmod(y).sum().backward();
    expect(await y.grad?.array()).toEqual([-2, 2]);
    y.zeroGrad();
    tensor([5, -5]).remainder(y).sum().backward();
    expect(await y.grad?.array()).toEqual([-2, 3]);
  });
});

it("polygamma refuses what is no order", () => {
  expect(() => tensor([1]).polygamma(-1)).toThrow(ArgumentError);
  expect(() => tensor([1]).polygamma(0.5)).toThrow(/integer from 0 to 100/);
});

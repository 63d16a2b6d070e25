import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DTypeError } from "../../src/graph/errors.ts";
import { arange, ones, tensor } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { onEachDevice } from "./worlds.ts";

const i32 = { dtype: "i32" } as const;
const u32 = { dtype: "u32" } as const;

onEachDevice(() => {
  describe("number literals", () => {
    it("take the tensor's dtype where it holds them", async () => {
      const ints = tensor([1, 2], i32);
      const cases: [Tensor, string, unknown][] = [
        [ints.add(1), "i32", [2, 3]],
        [ints.mul(1.5), "f32", [1.5, 3]],
        [ones([2]).add(1), "f32", [2, 2]],
        [tensor([1, 2], u32).mul(3), "u32", [3, 6]],
        [tensor([true, false]).add(1), "i32", [2, 1]],
        [tensor([true, false]).mul(0.5), "f32", [0.5, 0]],
        [ints.add(true), "i32", [2, 3]],
        [ints.maximum(1.5), "f32", [1.5, 2]],
      ];
      for (const [found, dtype, wanted] of cases) {
        expect([found.dtype, await found.array()]).toEqual([dtype, wanted]);
      }
    });
  });

  describe("dtypes", () => {
    it("meet as in PyTorch", async () => {
      const ints = tensor([3, -3], i32);
      const floats = tensor([0.5, 2]);
      const cases: [Tensor, string, unknown][] = [
        [ints.add(floats), "f32", [3.5, -1]],
        [ints.div(tensor([2, 2], i32)), "f32", [1.5, -1.5]],
        [ints.add(tensor([true, false])), "i32", [4, -3]],
        [tensor([true, true, false]).sum(), "i32", 2],
        [ints.eq(3), "bool", [true, false]],
        [ints.to("f32").to("bool"), "bool", [true, true]],
      ];
      for (const [found, dtype, wanted] of cases) {
        expect([found.dtype, await found.array()]).toEqual([dtype, wanted]);
      }
    });

    it("refuse u32 with i32", () => {
      expect(() => tensor([1], u32).add(tensor([1], i32))).toThrow(DTypeError);
      expect(() => tensor([1], u32).add(tensor([1], i32))).toThrow('.to("i32")');
    });

    it("wrap at 32 bits", async () => {
      const big = tensor([2 ** 31 - 1, -(2 ** 31)], i32);
      expect(await big.add(tensor([1, -1], i32)).array()).toEqual([-(2 ** 31), 2 ** 31 - 1]);
      expect(await big.mul(big).array()).toEqual([1, 0]);
      expect(
        await tensor([65536 * 32768], { dtype: "u32" })
          .mul(2)
          .array(),
      ).toEqual([0]);
      expect(
        await tensor([2 ** 31 - 1, 1, 1], i32)
          .sum()
          .item(),
      ).toBe(-(2 ** 31) + 1);
      expect(await big.neg().array()).toEqual([-(2 ** 31) + 1, -(2 ** 31)]);
    });

    it("divide integers downward: quotient and remainder belong together", async () => {
      const [a, b] = [tensor([7, -7, 7, -7, 6], i32), tensor([3, 3, -3, -3, -3], i32)];
      expect(await a.floorDivide(b).array()).toEqual([2, -3, -3, 2, -2]);
      expect(await a.remainder(b).array()).toEqual([1, 2, -2, -1, 0]);
      const integer = fc.integer({ min: -(2 ** 31) + 1, max: 2 ** 31 - 1 });
      await fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.tuple(
              integer,
              integer.filter((n) => n !== 0),
            ),
            { minLength: 8, maxLength: 8 },
          ),
          async (pairs) => {
            const x = tensor(
              pairs.map(([left]) => left),
              i32,
            );
            const y = tensor(
              pairs.map(([, right]) => right),
              i32,
            );
            const quotient = await x.floorDivide(y).data();
            const rest = await x.remainder(y).data();
            pairs.forEach(([left, right], i) => {
              // An integer has no negative zero.
              const expected = Math.floor(left / right) + 0;
              expect(quotient[i]).toBe(expected);
              expect(rest[i]).toBe(left - expected * right + 0);
              expect(rest[i] === 0 || Math.sign(rest[i]) === Math.sign(right)).toBe(true);
            });
          },
        ),
        { numRuns: 25 },
      );
    });

    it("floor floats too", async () => {
      const [a, b] = [tensor([5.5, -5.5, 5.5]), tensor([2, 2, -2])];
      expect(await a.floorDivide(b).array()).toEqual([2, -3, -3]);
      expect(await a.remainder(b).array()).toEqual([1.5, 0.5, -0.5]);
    });

    it("keep floats' infinities and not-a-number", async () => {
      const x = tensor([1, -1, 0]).div(tensor([0, 0, 0]));
      expect(await x.array()).toEqual([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]);
      expect(await x.amax().item()).toBeNaN();
      expect(await x.isnan().array()).toEqual([false, false, true]);
    });
  });

  it("integers count and floats do not mix in by themselves", async () => {
    expect([arange(3).dtype, arange(0, 1, 0.5).dtype]).toEqual(["i32", "f32"]);
    expect(() => arange(3).mean()).toThrow('cast it with .to("f32")');
    expect(() => tensor([1.5], i32)).toThrow(DTypeError);
    expect(() => tensor([1], { dtype: "i32", requiresGrad: true })).toThrow(DTypeError);
  });
});

import { describe, expect, it } from "vitest";
import { erf } from "../../src/ops/specialFunctions.ts";
import { ReferenceDevice } from "../../src/runtime/reference/device.ts";
import { WasmDevice } from "../../src/runtime/wasm/device.ts";
import { functionErrors } from "../../src/testing/errorBounds.ts";
import { type BoundedName, boundedFunctions, floatsFrom, measureUlps } from "../../src/testing/ulps.ts";
import { seed } from "../runtime/agreement/tries.ts";

const devices = [new ReferenceDevice(), new WasmDevice()];
const names = Object.keys(boundedFunctions) as BoundedName[];

/** Each run begins at another float; the stride is odd, so that mantissas differ from exponent to exponent. */
const floats = floatsFrom(seed % 65_537, 65_537, 2 ** 16 - 1);

describe.each(devices)("on $name", (device) => {
  it.each(names)("%s stays within its bound over all exponents", async (name) => {
    const { ulps, at } = await measureUlps(device, name, floats);
    expect(ulps, `${name}(${at}), seed ${seed}`).toBeLessThanOrEqual(boundedFunctions[name].bound);
  });
});

it("counts NaN, infinities and signed zeros as exact where they should be", async () => {
  const { ulps } = await measureUlps(devices[0], "sqrt", Float32Array.of(-1, 4, Infinity, -0));
  expect(ulps).toBe(0);
});

it("promises no more in a graph's error bounds than the functions are measured to keep", () => {
  for (const name of names) {
    // A power is not of one exact number alone: its bound is computed from its operands.
    if (name === "pow") continue;
    const [ulps] = functionErrors[name];
    expect(ulps, name).toBeGreaterThanOrEqual(boundedFunctions[name].bound);
  }
});

describe("the definition of erf in float64", () => {
  const digits = 80n;
  const one = 10n ** digits;
  /** 2 / sqrt(pi) in units of 10^-80, to 40 digits. */
  const slope = 11283791670955125738961589031215451716881n * 10n ** 40n;

  /** A float's own value in units of 10^-80, rounded. */
  function units(x: number): bigint {
    const scale = 2 ** 60;
    return (BigInt(Math.round(x * scale)) * one) / BigInt(scale);
  }

  /** The series of Taylor in whole numbers: as exact as its first term. */
  function erfExactly(x: number): number {
    const at = units(x);
    const square = (at * at) / one;
    let power = at;
    let sum = 0n;
    for (let n = 0n; power !== 0n; n++) {
      sum += (n % 2n === 0n ? power : -power) / (2n * n + 1n);
      power = (power * square) / one / (n + 1n);
    }
    return Number((sum * slope) / one / 10n ** 60n) / 1e20;
  }

  it("is right to 14 digits", () => {
    for (let i = 1; i <= 400; i++) {
      // Multiples of 2^-12, so that the float has few digits.
      const x = Math.round(i * 0.0137 * 4096) / 4096;
      expect(Math.abs(erf(x) / erfExactly(x) - 1), `erf(${x})`).toBeLessThan(4e-15);
    }
  });
});

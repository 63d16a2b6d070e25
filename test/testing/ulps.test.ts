import { describe, expect, it } from "vitest";
import { ReferenceDevice } from "../../src/runtime/reference/device.ts";
import { WasmDevice } from "../../src/runtime/wasm/device.ts";
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

import { describe, expect, it } from "vitest";
import * as b from "../../src/ops/builders.ts";
import {
  CheckedWasmDevice,
  compareDevices,
  type HostTensor,
  MismatchError,
  matchers,
} from "../../src/testing/index.ts";
import { BrokenDevice } from "./fuzz/brokenDevice.ts";

const x: HostTensor = { shape: [2, 2], dtype: "f32", data: Float32Array.of(0.1, 2, -3, 4) };

describe("compareDevices", () => {
  it("passes devices that round differently, and counts what was compared", async () => {
    const devices = [new CheckedWasmDevice(), new BrokenDevice(() => false)];
    expect(await compareDevices(([a]) => b.softmax(b.exp(a), 1), [x], devices)).toEqual({
      compared: 8,
      undecided: 0,
    });
  });

  it("names the device, the element and the distance", async () => {
    const broken = new BrokenDevice((values) => values.some(({ node }) => node.op === "exp"));
    const comparison = compareDevices(([a]) => [a, b.exp(a)], [x], [new CheckedWasmDevice(), broken]);
    await expect(comparison).rejects.toThrow(MismatchError);
    await expect(comparison).rejects.toThrow(/reference: output 0 .* at 0: 1\.1.*, expected 0\.1.* ulps off/);
  });
});

describe("toBeAllclose", () => {
  const close = matchers.toBeAllclose;

  it("compares nested arrays and typed arrays within tolerances", () => {
    expect(close([[1, 2]], [[1, 2.00001]]).pass).toBe(true);
    expect(close(Float32Array.of(1, Number.NaN), [1, Number.NaN]).pass).toBe(true);
    expect(close([1], [1.1]).pass).toBe(false);
    expect(close([1], [1.1], { atol: 0.2 }).pass).toBe(true);
    expect(close([1], [1 + 2 ** -23], { ulps: 1 }).pass).toBe(true);
    expect(close([1], [1 + 2 ** -22], { ulps: 1 }).pass).toBe(false);
  });

  it("says what differs", () => {
    expect(close([1, 2], [[1, 2]]).message()).toBe("expected shape [1, 2], got [2]");
    expect(close([1, 3], [1, 2]).message()).toMatch(/1 of 2 elements differ; first at 1: 3, expected 2/);
    expect(() => close("no" as never, [1])).toThrow(/wanted numbers/);
  });
});

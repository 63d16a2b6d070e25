import { describe, expect, it } from "vitest";
import { withEngine } from "../../src/engine/current.ts";
import { Engine } from "../../src/engine/engine.ts";
import { ArgumentError, DeviceError } from "../../src/graph/errors.ts";
import { Linear } from "../../src/nn/linear.ts";
import { WasmDevice } from "../../src/runtime/wasm/device.ts";
import { randn, tensor } from "../../src/tensor/create.ts";
import { eachTestAlone } from "./worlds.ts";

eachTestAlone();

describe("tensors of another engine", () => {
  const device = new WasmDevice();
  const other = new Engine(() => device, 3);
  const here = { device };

  it("are refused at the call once they are results or random", async () => {
    const [result, derived, random] = withEngine(other, () => {
      const x = tensor([1, 2]).mul(3).realize();
      return [x, x.add(1), randn([2])];
    });
    for (const foreign of [result, derived, random]) {
      expect(() => foreign.add(1)).toThrow(ArgumentError);
      expect(() => tensor([1, 2], here).mul(foreign)).toThrow(/another engine/);
      expect(() => foreign.realize()).toThrow(ArgumentError);
      await expect(foreign.data()).rejects.toThrow(ArgumentError);
    }
  });

  it("are fine where all that they are made of is here", async () => {
    const [sum, layer] = withEngine(other, () => {
      const made = new Linear(2, 1, { bias: false });
      made.weight.assign(tensor([[1, 2]]));
      return [tensor([1, 2]).add(1), made];
    });
    expect(await sum.mul(2).array()).toEqual([4, 6]);
    expect(await layer.forward(tensor([[3, 4]], here)).array()).toEqual([[11]]);
  });

  it("on another device are refused as such", () => {
    const there = withEngine(other, () => tensor([1, 2]));
    expect(() => tensor([1, 2]).add(there)).toThrow(DeviceError);
  });
});

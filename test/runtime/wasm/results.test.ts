import { describe, expect, it } from "vitest";
import { WasmDevice } from "../../../src/runtime/wasm/device.ts";
import { compile } from "../../../src/tensor/compile.ts";
import { tensor } from "../../../src/tensor/create.ts";
import { eachTestAlone } from "../../engine/worlds.ts";

eachTestAlone(() => new WasmDevice());

describe("results that wait in the workspace", () => {
  const double = compile((x: ReturnType<typeof tensor>) => x.mul(2));

  it("keep their values when the same plan, another one and a larger one run", async () => {
    const first = double(tensor([1, 2, 3]));
    const second = double(tensor([4, 5, 6]));
    const third = tensor([7, 8, 9]).add(1).realize();
    const large = tensor(new Float32Array(1 << 20))
      .add(3)
      .realize();
    expect(await first.array()).toEqual([2, 4, 6]);
    expect(await second.array()).toEqual([8, 10, 12]);
    expect(await third.array()).toEqual([8, 9, 10]);
    expect((await large.data()).every((value) => value === 3)).toBe(true);
  });

  it("are copied for each reader, before and after they leave it", async () => {
    const result = double(tensor([1, 2]));
    const [before, again] = [await result.data(), await result.data()];
    before[0] = 100;
    double(tensor([5, 5]));
    const after = await result.data();
    after[1] = 100;
    expect([...again]).toEqual([2, 4]);
    expect(await result.array()).toEqual([2, 4]);
  });

  it("can be fed to the next run", async () => {
    const once = double(tensor([1, 2]));
    expect(await double(double(once)).add(once).array()).toEqual([10, 20]);
  });

  it("are apart from a bool's place on the device", async () => {
    const positive = tensor([-1, 1]).gt(0).realize();
    tensor([3, 4]).add(1).realize();
    expect(await positive.array()).toEqual([false, true]);
  });
});

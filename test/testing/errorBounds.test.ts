import { describe, expect, it } from "vitest";
import type { Value } from "../../src/graph/node.ts";
import * as b from "../../src/ops/builders.ts";
import { ReferenceDevice } from "../../src/runtime/reference/device.ts";
import { errorBounds, evaluateOn } from "../../src/testing/index.ts";

const device = new ReferenceDevice();
const numbers = (values: readonly number[]): Value =>
  b.constant([values.length], "f64", Float64Array.from(values));

async function boundsOf(value: Value): Promise<number[]> {
  const [bounds] = await evaluateOn(device, errorBounds([value]));
  return Array.from(bounds);
}

describe("error bounds", () => {
  it("are 0 for what f32 computes exactly", async () => {
    expect(await boundsOf(b.add(numbers([1, 2.5]), numbers([0.25, -4])))).toEqual([0, 0]);
  });

  it("are a few units in the last place for a function of exact numbers", async () => {
    const [bound] = await boundsOf(b.exp(numbers([1])));
    expect(bound).toBeGreaterThan(0);
    expect(bound).toBeLessThan(Math.E * 2 ** -18);
  });

  it("promise nothing beyond an overflow, not even of a function whose values are bounded", async () => {
    const huge = b.mul(numbers([1e30]), numbers([1e30]));
    const back = b.mul(huge, b.scalarLike(huge, 1e-59));
    for (const bounded of [b.erf(back), b.tanh(back), b.sign(back)]) {
      expect(await boundsOf(bounded)).toEqual([Number.POSITIVE_INFINITY]);
    }
  });
});

import { describe, expect, it } from "vitest";
import { planProgram } from "../../../src/codegen/plan.ts";
import { cutChains, isCopy } from "../../../src/codegen/schedule/chains.ts";
import type { Target } from "../../../src/codegen/target.ts";
import type { Value } from "../../../src/graph/node.ts";
import * as b from "../../../src/ops/builders.ts";
import { ReferenceDevice } from "../../../src/runtime/reference/device.ts";
import { WasmDevice } from "../../../src/runtime/wasm/device.ts";
import { evaluateOn, programOf } from "../../../src/testing/evaluate.ts";

const target: Target = {
  name: "wasm",
  dtypes: ["bool", "u32", "i32", "f32"],
  intrinsics: new Set(),
  composites: new Set(),
};
const three = (): Value => b.constant([3], "f32", Float32Array.of(1, 2, 3));

/** One op upon the other. */
function chain(depth: number, step: (x: Value) => Value): Value {
  let x = three();
  for (let i = 0; i < depth; i++) x = step(x);
  return x;
}

const steps: Readonly<Record<string, (x: Value) => Value>> = {
  concat: (x) => b.concat([x, three()], 0),
  "concat of itself": (x) => b.narrow(b.concat([x, b.flip(x, [0])], 0), [1], [4]),
  "concat of what is computed from it": (x) => b.narrow(b.concat([b.neg(x), b.mul(x, x)], 0), [0], [3]),
  pad: (x) => b.flip(b.pad(x, [1], [0]), [0]),
};

describe("chains of concatenations and paddings", () => {
  it.each(Object.entries(steps))(
    "%s: the work grows with the depth, and the values are right",
    async (_, step) => {
      const value = chain(40, step);
      const [found] = await evaluateOn(new WasmDevice(), [value]);
      const [expected] = await evaluateOn(new ReferenceDevice(), [value]);
      expect(found).toEqual(expected);
    },
  );

  it("are cut into kernels of bounded size", () => {
    const sizes = [20, 40].map((depth) => {
      const value = chain(depth, steps["concat of itself"]);
      const { kernels } = planProgram(programOf([value]).program, target);
      return kernels.length;
    });
    expect(sizes[0]).toBeGreaterThan(2);
    expect(sizes[1]).toBeLessThanOrEqual(2 * sizes[0] + 1);
  });

  it("are left alone while they are short, and where one concatenation has many parts", () => {
    const parts = b.concat(
      Array.from({ length: 40 }, () => three()),
      0,
    );
    for (const value of [parts, b.neg(parts), chain(3, steps.concat), chain(3, steps.pad)]) {
      const { roots, order } = cutChains([value], () => false);
      expect(roots[0]).toBe(value);
      expect(order.flatMap(({ outputs }) => outputs).some(isCopy)).toBe(false);
    }
  });
});

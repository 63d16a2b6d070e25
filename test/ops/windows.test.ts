import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/autograd/gradients.ts";
import { ArgumentError, DTypeError, ShapeError } from "../../src/graph/errors.ts";
import { topologicalOrder, type Value } from "../../src/graph/node.ts";
import * as b from "../../src/ops/builders.ts";
import { expandComposites } from "../../src/ops/expand.ts";
import { ReferenceDevice } from "../../src/runtime/reference/device.ts";
import { evaluateOn } from "../../src/testing/index.ts";

const device = new ReferenceDevice();
const counting = (count: number): Float64Array => Float64Array.from({ length: count }, (_, i) => i + 1);
const leaf = (shape: readonly number[], requiresGrad = false): Value =>
  b.constant(shape, "f64", counting(shape.reduce((a, n) => a * n, 1)), requiresGrad);
const read = async (...values: Value[]): Promise<number[][]> =>
  (await evaluateOn(device, values)).map((array) => [...array]);

const windows = fc
  .record({
    size: fc.integer({ min: 1, max: 5 }),
    step: fc.integer({ min: 1, max: 4 }),
    dilation: fc.integer({ min: 1, max: 3 }),
    extra: fc.integer({ min: 0, max: 9 }),
  })
  .map(({ extra, ...form }) => ({ ...form, length: (form.size - 1) * form.dilation + 1 + extra }));

describe("unfold and fold in plain loops", () => {
  it("take windows apart and lay them back, each the gradient of the other", async () => {
    await fc.assert(
      fc.asyncProperty(windows, async ({ size, step, dilation, length }) => {
        const count = Math.floor((length - (size - 1) * dilation - 1) / step) + 1;
        const x = leaf([length, 2], true);
        const g = leaf([count, 2, size], true);
        const taken: number[] = [];
        const laid = new Array<number>(length * 2).fill(0);
        for (let i = 0; i < count; i++)
          for (let c = 0; c < 2; c++)
            for (let k = 0; k < size; k++) {
              const at = (i * step + k * dilation) * 2 + c;
              taken.push(at + 1);
              laid[at] += (i * 2 + c) * size + k + 1;
            }
        const apart = b.unfold(x, { dim: 0, size, step, dilation });
        const back = b.fold(g, { dim: 0, length, step, dilation });
        expect(apart.shape).toEqual([count, 2, size]);
        expect(back.shape).toEqual([length, 2]);
        const [dx] = gradients([apart], [b.detach(g)], [x]);
        const [dg] = gradients([back], [b.detach(x)], [g]);
        const found = await read(apart, back, dx as Value, dg as Value);
        expect(found).toEqual([taken, laid, laid, taken]);
      }),
      { numRuns: 60 },
    );
  });

  it("windows without overlap are laid back by movement alone", () => {
    const opsOf = (step: number, size: number, dilation: number, length: number): Set<string> => {
      const count = Math.floor((length - (size - 1) * dilation - 1) / step) + 1;
      const value = b.fold(leaf([count, size]), { dim: 0, length, step, dilation });
      const primitive = expandComposites([value], () => false).valueOf(value);
      return new Set(topologicalOrder([primitive]).map(({ op }) => op));
    };
    expect(opsOf(3, 3, 1, 12)).not.toContain("sum");
    expect(opsOf(4, 3, 1, 15)).not.toContain("sum");
    expect(opsOf(5, 3, 2, 15)).not.toContain("sum");
    expect(opsOf(1, 3, 1, 12)).toContain("sum");
    expect(opsOf(4, 3, 2, 15)).toContain("sum");
  });
});

describe("refusals", () => {
  it("name the sizes", () => {
    const form = { dim: 0, step: 1, dilation: 2 };
    expect(() => b.unfold(leaf([4]), { ...form, size: 3 })).toThrow(
      "unfold: a window over 5 elements does not fit the 4 along dim 0 of [4]",
    );
    expect(() => b.unfold(leaf([4]), { ...form, size: 0 })).toThrow(ArgumentError);
    expect(() => b.unfold(leaf([4]), { ...form, dim: 1, size: 1 })).toThrow("[4] has no dim 1");
    expect(() => b.fold(leaf([3, 2]), { ...form, length: 6 })).toThrow(
      "fold: [3, 2] has 3 windows, length 6 has room for 4",
    );
    expect(() => b.fold(leaf([3, 2]), { ...form, dim: 1, length: 6 })).toThrow(ArgumentError);
    expect(() => b.fold(leaf([3, 4]), { ...form, length: 4 })).toThrow(ShapeError);
    const bits = b.full([3, 2], "bool", 1);
    expect(() => b.fold(bits, { ...form, dilation: 1, length: 4 })).toThrow(DTypeError);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type DType, dtypeOfArray, isFloat } from "../../src/graph/dtype.ts";
import { ArgumentError } from "../../src/graph/errors.ts";
import { numel } from "../../src/graph/shape.ts";
import { opTable } from "../../src/ops/table.ts";
import { ReferenceDevice } from "../../src/runtime/reference/device.ts";
import {
  applySample,
  assertClose,
  evaluateOn,
  leavesOf,
  opNames,
  type Sample,
  samplesOf,
  specOf,
} from "../../src/testing/index.ts";

const device = new ReferenceDevice();

/** Everything but `source`, which has no data of its own. */
const evaluable = opNames.filter((name) => name !== "source");

const cases = evaluable.flatMap((name) => specOf(name).dtypes.map((dtype) => ({ name, dtype })));

describe("samples", () => {
  it("exist for every op of the table, with a line of documentation", () => {
    expect([...opNames].sort()).toEqual(Object.keys(opTable).sort());
    for (const name of opNames) expect(specOf(name).doc).toMatch(/^\S[^\n]+\.$/);
  });

  it.each(cases)(
    "$name of $dtype build, evaluate and have the types that the table infers",
    async ({ name, dtype }) => {
      for (const domain of ["usual", "whole"] as const) {
        await fc.assert(
          fc.asyncProperty(samplesOf(name, { dtype, domain }), async (sample) => {
            for (const { shape, dtype: type, data } of sample.inputs) {
              expect(data.length).toBe(numel(shape));
              expect(dtypeOfArray(data)).toBe(type);
            }
            const outputs = applySample(name, sample, leavesOf(sample));
            const results = await evaluateOn(device, outputs);
            results.forEach((result, i) => {
              expect(result.length).toBe(numel(outputs[i].shape));
              expect(dtypeOfArray(result)).toBe(outputs[i].dtype);
              if (outputs[i].dtype === "bool")
                expect(result.every((x: number) => x === 0 || x === 1)).toBe(true);
            });
          }),
          { numRuns: 8 },
        );
      }
    },
  );

  it("include scalars, empty shapes, sizes of 1 and rank 4", () => {
    const samples = fc.sample(samplesOf("add"), { numRuns: 400, seed: 7 });
    const shapes = samples.map((sample) => sample.inputs[0].shape);
    expect(shapes.some((shape) => shape.length === 0)).toBe(true);
    expect(shapes.some((shape) => shape.length === 4 && numel(shape) > 8)).toBe(true);
    expect(shapes.some((shape) => numel(shape) === 0)).toBe(true);
    expect(shapes.some((shape) => shape.includes(1) && shape.includes(5))).toBe(true);
    expect(shapes.every((shape) => numel(shape) <= 48)).toBe(true);
    expect(shapes.filter((shape) => numel(shape) > 1).length).toBeGreaterThan(200);
  });

  it("respect the largest rank and number of elements", () => {
    for (const name of ["add", "matmul", "softmax", "permute", "gather", "concat", "crossEntropy"] as const) {
      for (const sample of fc.sample(samplesOf(name, { maxRank: 2, maxElements: 25 }), {
        numRuns: 50,
        seed: 3,
      })) {
        for (const input of sample.inputs) {
          expect(input.shape.length).toBeLessThanOrEqual(2);
          expect(numel(input.shape)).toBeLessThanOrEqual(25);
        }
      }
    }
  });

  it("of the whole domain reach NaN, infinities and indices out of range", () => {
    const drawn = fc.sample(samplesOf("gather", { domain: "whole" }), { numRuns: 200, seed: 5 });
    const numbers = drawn.flatMap(({ inputs: [x] }) => [...x.data]);
    expect(numbers.some(Number.isNaN)).toBe(true);
    expect(numbers).toContain(Infinity);
    const outside = drawn.some(({ inputs: [x, index], attrs }) => {
      const { dim } = attrs as { readonly dim: number };
      return index.data.some((i: number) => i < 0 || i >= x.shape[dim]);
    });
    expect(outside).toBe(true);
  });

  it("refuse a dtype that the op does not take", () => {
    expect(() => samplesOf("exp", { dtype: "i32" })).toThrow(ArgumentError);
  });
});

describe("tolerances", () => {
  const inFloat = (sample: Sample, float: "f32" | "f64") => leavesOf(sample, float);
  const takesFloat = evaluable.filter((name) => specOf(name).dtypes.includes("f32" satisfies DType));

  it.each(takesFloat)("%s in f32 lies within its tolerance of f64", async (name) => {
    // bitcast reads bits, and leaves take no operands: neither has a twin in f64.
    if (name === "bitcast" || opTable[name].kind === "leaf") return;
    await fc.assert(
      fc.asyncProperty(samplesOf(name, { dtype: "f32" }), async (sample) => {
        const single = applySample(name, sample, inFloat(sample, "f32"));
        const double = applySample(name, sample, inFloat(sample, "f64"));
        const [actual, expected] = await Promise.all([
          evaluateOn(device, single),
          evaluateOn(device, double),
        ]);
        actual.forEach((array, i) => {
          const tolerance = isFloat(single[i].dtype) ? specOf(name).tolerance(sample) : {};
          assertClose(array, expected[i], tolerance, name);
        });
      }),
      { numRuns: 60 },
    );
  });
});

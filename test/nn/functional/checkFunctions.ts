import fc from "fast-check";
import { describe, it } from "vitest";
import { formatShape } from "../../../src/graph/shape.ts";
import * as b from "../../../src/ops/builders.ts";
import { ReferenceDevice } from "../../../src/runtime/reference/device.ts";
import { Tensor } from "../../../src/tensor/tensor.ts";
import { CheckedWasmDevice } from "../../../src/testing/devices/checkedWasm.ts";
import {
  errorBounds,
  evaluateOn,
  type FunctionSample,
  type FunctionSpec,
  type GraphFunction,
  gradcheck,
  gradgradcheck,
} from "../../../src/testing/index.ts";
import { runs, seed } from "../../runtime/agreement/tries.ts";

const wasm = new CheckedWasmDevice();
const reference = new ReferenceDevice();

/** A sample's call on graph values. */
const graphOf =
  (sample: FunctionSample): GraphFunction =>
  (inputs) =>
    sample.apply(inputs.map((value) => new Tensor(value, reference))).map((tensor) => tensor.usable());

/** Runs the call in f32 on wasm and in f64 on the reference device. */
async function compare(sample: FunctionSample): Promise<void> {
  const graph = (float: "f32" | "f64") => {
    const device = float === "f32" ? wasm : reference;
    const leaves = sample.inputs.map(({ shape, dtype, data }) => {
      if (dtype !== "f32") return b.constant(shape, dtype, data);
      return b.constant(shape, float, float === "f32" ? data : Float64Array.from(data));
    });
    return sample.apply(leaves.map((value) => new Tensor(value, device))).map((tensor) => tensor.usable());
  };
  const [outputs, twins] = [graph("f32"), graph("f64")];
  const [actual, expected] = await Promise.all([
    evaluateOn(wasm, outputs),
    evaluateOn(reference, [...twins, ...errorBounds(twins)]),
  ]);
  outputs.forEach(({ shape }, k) => {
    actual[k].forEach((got: number, i: number) => {
      const [wanted, bound] = [expected[k][i], expected[outputs.length + k][i]];
      if (!Number.isFinite(bound) || Math.abs(got - wanted) <= bound || Object.is(got, wanted)) return;
      throw new Error(`output ${k} ${formatShape(shape)} at ${i}: ${got}, wanted ${wanted} within ${bound}`);
    });
  });
}

/** Checks functions by their specs: gradients against differences, and generated kernels against the reference device. */
export function checkFunctions(specs: Readonly<Record<string, FunctionSpec>>): void {
  const entries = Object.entries(specs);
  const smooth = { dtype: "f64", smooth: true } as const;

  describe("gradients agree with central differences", () => {
    it.each(entries)("%s", async (_, spec) => {
      await fc.assert(
        fc.asyncProperty(spec.samples(smooth), (sample) => gradcheck(graphOf(sample), sample.inputs)),
        { numRuns: runs(8), seed },
      );
    });
  });

  describe("second-order gradients agree with central differences", () => {
    it.each(entries.filter(([, { secondOrder }]) => secondOrder))("%s", async (_, spec) => {
      await fc.assert(
        fc.asyncProperty(spec.samples(smooth), (sample) => gradgradcheck(graphOf(sample), sample.inputs)),
        { numRuns: runs(3), seed },
      );
    });
  });

  describe("wasm lies within the error bounds of the reference device in f64", () => {
    it.each(entries)("%s", async (_, spec) => {
      await fc.assert(fc.asyncProperty(spec.samples({ dtype: "f32", smooth: false }), compare), {
        numRuns: runs(6),
        seed,
      });
    });
  });
}

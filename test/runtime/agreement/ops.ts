import fc from "fast-check";
import { describe, it } from "vitest";
import { type DType, isFloat } from "../../../src/graph/dtype.ts";
import { opTable } from "../../../src/ops/table.ts";
import type { Device } from "../../../src/runtime/device.ts";
import { ReferenceDevice } from "../../../src/runtime/reference/device.ts";
import {
  applySample,
  assertClose,
  evaluateOn,
  leavesOf,
  opNames,
  type Sample,
  samplesOf,
  specOf,
} from "../../../src/testing/index.ts";
import { runs, seed } from "./tries.ts";

const reference = new ReferenceDevice();

/** Everything that has data of its own, in every dtype that the device has. */
const cases = opNames
  .filter((name) => name !== "source")
  .flatMap((name) => specOf(name).dtypes.map((dtype) => ({ name, dtype })))
  .filter(({ dtype }) => dtype !== "f64");

/** bitcast reads bits, and leaves take no operands: neither has a twin in f64. */
function referenceFloat(name: (typeof opNames)[number]): "f32" | "f64" {
  return name === "bitcast" || opTable[name].kind === "leaf" ? "f32" : "f64";
}

async function compare(
  device: Device,
  name: (typeof opNames)[number],
  sample: Sample,
  dtype: DType,
): Promise<void> {
  const outputs = applySample(name, sample, leavesOf(sample, "f32"));
  const twins = applySample(name, sample, leavesOf(sample, referenceFloat(name)));
  const [actual, expected] = await Promise.all([evaluateOn(device, outputs), evaluateOn(reference, twins)]);
  actual.forEach((array, i) => {
    const tolerance = isFloat(outputs[i].dtype) && isFloat(dtype) ? specOf(name).tolerance(sample) : {};
    assertClose(array, expected[i], tolerance, name);
  });
}

const smallestNormal = 2 ** -126;
/** Differences of numbers above this, down to their last bit, are normal. */
const smallest = 2 ** -100;

/** Whether an operand has a number so small that a device which flushes subnormal numbers may compute with 0 in its place. */
function hasTinyNumbers({ inputs }: Sample): boolean {
  return inputs.some(
    ({ data, dtype }) => isFloat(dtype) && data.some((x: number) => x !== 0 && Math.abs(x) < smallest),
  );
}

/**
 * Every op in every dtype, on drawn samples and on extreme ones: `usual` of the first, half as many of the others. Where a
 * device may flush subnormal numbers to 0, tiny ones are not drawn among the extreme samples, and results may be off by as much.
 */
export function opsAgree(
  deviceName: string,
  open: () => Device,
  usual: number,
  { flushesSubnormals = false } = {},
): void {
  const extremeTolerance = flushesSubnormals ? { atol: smallestNormal } : {};
  describe(`ops on ${deviceName} agree with the reference device`, () => {
    it.each(cases)("$name of $dtype", async ({ name, dtype }) => {
      const device = open();
      await fc.assert(
        fc.asyncProperty(samplesOf(name, { dtype }), (sample) => compare(device, name, sample, dtype)),
        { numRuns: runs(usual), seed },
      );
    });

    // NaN, infinities, extreme integers and indices out of range, where results are exact.
    it.each(cases)("$name of any $dtype", async ({ name, dtype }) => {
      const device = open();
      await fc.assert(
        fc.asyncProperty(samplesOf(name, { dtype, domain: "whole" }), async (sample) => {
          const exact = Object.keys(specOf(name).tolerance(sample)).length === 0;
          if (!exact && isFloat(dtype)) return;
          fc.pre(!(flushesSubnormals && hasTinyNumbers(sample)));
          const outputs = applySample(name, sample, leavesOf(sample));
          const [actual, expected] = await Promise.all([
            evaluateOn(device, outputs),
            evaluateOn(reference, outputs),
          ]);
          actual.forEach((array, i) => {
            assertClose(array, expected[i], isFloat(outputs[i].dtype) ? extremeTolerance : {}, name);
          });
        }),
        { numRuns: runs(Math.ceil(usual / 2)), seed },
      );
    });
  });
}

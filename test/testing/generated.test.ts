import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { isFloat } from "../../src/graph/dtype.ts";
import type { Value } from "../../src/graph/node.ts";
import * as b from "../../src/ops/builders.ts";
import { opTable } from "../../src/ops/table.ts";
import type { Device } from "../../src/runtime/device.ts";
import { ReferenceDevice } from "../../src/runtime/reference/device.ts";
import { CheckedWasmDevice } from "../../src/testing/devices/checkedWasm.ts";
import {
  applySample,
  assertClose,
  evaluateOn,
  type HostTensor,
  leavesOf,
  opNames,
  type Sample,
  samplesOf,
  specOf,
} from "../../src/testing/index.ts";
import { seed } from "../runtime/agreement/tries.ts";

/** `npm run test:full` draws many, `npm test` a share of them; the seed is another one each time. */
const full = process.env.MODE === "full"; // set by vitest
const runs = full ? 60 : 4;
const leastCases = full ? 8000 : 400;

/** How an operand comes to what reads it: as it is, or as a view of something else. */
const layouts = ["contiguous", "permuted", "sliced", "expanded", "padded"] as const;
type Layout = (typeof layouts)[number];

const reference = new ReferenceDevice();
const devices: readonly (readonly [string, Device])[] = [
  ["reference", reference],
  ["wasm", new CheckedWasmDevice()],
];

/** bitcast reads bits, and leaves take no operands: neither has a twin in f64. */
const hasTwin = (name: (typeof opNames)[number]): boolean =>
  name !== "bitcast" && opTable[name].kind !== "leaf";

const cases = opNames
  .filter((name) => name !== "source")
  .flatMap((name) => specOf(name).dtypes.map((dtype) => ({ name, dtype })))
  .filter(({ dtype }) => dtype !== "f64");

/** The tensor with one dim made of equal slices, so that it may be a view that repeats one of them. */
function repeated(x: HostTensor): HostTensor {
  const dim = x.shape.findIndex((size) => size > 1);
  if (dim < 0) return x;
  const inner = x.shape.slice(dim + 1).reduce((a, size) => a * size, 1);
  const data = x.data.slice();
  for (let i = 0; i < data.length; i++) data[i] = x.data[i - (Math.floor(i / inner) % x.shape[dim]) * inner];
  return { ...x, data };
}

/** The same elements through a view. */
function viewed(x: Value, layout: Layout): Value {
  const rank = x.shape.length;
  const each = (number: number): number[] => x.shape.map(() => number);
  switch (layout) {
    case "contiguous":
      return x;
    case "permuted": {
      const reversed = x.shape.map((_, dim) => rank - 1 - dim);
      return b.permute(copied(b.permute(x, reversed)), reversed);
    }
    case "sliced":
      return b.slice(copied(b.concat([x, x], Math.max(rank - 1, 0))), each(0), x.shape, each(1));
    case "expanded": {
      const dim = x.shape.findIndex((size) => size > 1);
      if (dim < 0) return x;
      const one = x.shape.map((size, i) => (i === dim ? 1 : size));
      return b.expand(copied(b.narrow(x, each(0), one)), x.shape);
    }
    case "padded":
      return b.narrow(copied(b.pad(x, each(1), each(2))), each(1), x.shape);
  }
}

/** A node between two views, which a plan may store. */
const copied = (x: Value): Value => b.detach(x);

const counts = new Map<string, number>();
const count = (key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1);

async function check(
  name: (typeof opNames)[number],
  device: Device,
  sample: Sample,
  chosen: readonly Layout[],
) {
  const layoutOf = (i: number): Layout =>
    chosen[i % chosen.length] === "sliced" && sample.inputs[i].shape.length === 0
      ? "contiguous"
      : chosen[i % chosen.length];
  const inputs = sample.inputs.map((input, i) => (layoutOf(i) === "expanded" ? repeated(input) : input));
  const drawn = { ...sample, inputs };
  const leaves = leavesOf(drawn, "f32").map((leaf, i) => viewed(leaf, layoutOf(i)));
  const outputs = applySample(name, drawn, leaves);
  const twins = applySample(name, drawn, leavesOf(drawn, hasTwin(name) ? "f64" : "f32"));
  const [actual, expected] = await Promise.all([evaluateOn(device, outputs), evaluateOn(reference, twins)]);
  actual.forEach((array, i) => {
    const tolerance = isFloat(outputs[i].dtype) ? specOf(name).tolerance(drawn) : {};
    assertClose(array, expected[i], tolerance, name);
  });
  inputs.forEach(({ shape }, i) => {
    count(layoutOf(i));
    if (shape.includes(0)) count("size 0");
    if (shape.includes(1)) count("size 1");
  });
}

describe.each(devices)("generated cases of every op on %s", (deviceName, device) => {
  it.each(cases)("$name of $dtype", async ({ name, dtype }) => {
    const layout = fc.array(fc.constantFrom(...layouts), { minLength: 3, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(samplesOf(name, { dtype }), layout, async (sample, chosen) => {
        await check(name, device, sample, chosen);
        count(deviceName);
      }),
      { numRuns: runs, seed },
    );
  });
});

afterAll(() => {
  console.log(`seed ${seed}:`, Object.fromEntries([...counts].sort()));
});

it("were as many as promised, in every layout and with sizes of 0 and 1", () => {
  for (const [name] of devices) expect(counts.get(name) ?? 0).toBeGreaterThanOrEqual(leastCases);
  for (const kind of [...layouts, "size 0", "size 1"]) expect(counts.get(kind) ?? 0).toBeGreaterThan(0);
});

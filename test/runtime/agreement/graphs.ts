import fc from "fast-check";
import { describe, it } from "vitest";
import { gradients } from "../../../src/autograd/gradients.ts";
import type { TypedArray } from "../../../src/graph/dtype.ts";
import type { Value } from "../../../src/graph/node.ts";
import { formatShape } from "../../../src/graph/shape.ts";
import type { Device } from "../../../src/runtime/device.ts";
import { ReferenceDevice } from "../../../src/runtime/reference/device.ts";
import {
  errorBounds,
  evaluateOn,
  formatGraph,
  type GraphOptions,
  type RandomGraph,
  randomGraphs,
} from "../../../src/testing/index.ts";
import { isLongRun, runs, seed } from "./tries.ts";

const reference = new ReferenceDevice();

interface Expected {
  readonly values: readonly TypedArray[];
  readonly bounds: readonly TypedArray[];
}

/** What the graph's twin in f64 is, and how far an f32 device may lie from it. */
async function expectedOf(twins: readonly Value[]): Promise<Expected> {
  const arrays = await evaluateOn(reference, [...twins, ...errorBounds(twins)]);
  return { values: arrays.slice(0, twins.length), bounds: arrays.slice(twins.length) };
}

let compared = 0;
let skipped = 0;

function check(outputs: readonly Value[], actual: readonly TypedArray[], { values, bounds }: Expected): void {
  outputs.forEach(({ node, shape, dtype }, k) => {
    for (let i = 0; i < actual[k].length; i++) {
      const [got, wanted, bound] = [actual[k][i], values[k][i], bounds[k][i]];
      // Where a rounding may have changed a branch, nothing is promised.
      if (!Number.isFinite(bound)) {
        skipped += 1;
        continue;
      }
      compared += 1;
      if (Math.abs(got - wanted) <= bound || Object.is(got, wanted)) continue;
      throw new Error(
        `output ${k} (${node.op}: ${dtype} ${formatShape(shape)}) at ${i}: ${got}, expected ${wanted} within ${bound}`,
      );
    }
  });
}

async function checkAll(device: Device, outputs: readonly Value[], twins: readonly Value[]): Promise<void> {
  const expected = await expectedOf(twins);
  check(outputs, await evaluateOn(device, outputs), expected);
  if (outputs.length < 2) return;
  for (const [k, output] of outputs.entries()) {
    const alone = { values: [expected.values[k]], bounds: [expected.bounds[k]] };
    check([output], await evaluateOn(device, [output]), alone);
  }
}

/** Gradients of the sum of all float outputs with respect to the float leaves. */
function gradientsOf(graph: RandomGraph, float: "f32" | "f64"): Value[] {
  const { leaves, outputs } = graph.build(float, true);
  const flowing = outputs.filter(({ requiresGrad }) => requiresGrad);
  const found = gradients(
    flowing,
    flowing,
    leaves.filter(({ requiresGrad }) => requiresGrad),
  );
  return [...outputs, ...found.filter((value) => value !== undefined)];
}

/** The property's failure with the graph that was run. */
function property(
  device: Device,
  options: GraphOptions,
  build: (graph: RandomGraph, float: "f32" | "f64") => readonly Value[] = (graph, float) =>
    graph.build(float).outputs,
) {
  return fc.asyncProperty(randomGraphs(options), async (graph) => {
    const outputs = build(graph, "f32");
    try {
      await checkAll(device, outputs, build(graph, "f64"));
    } catch (cause) {
      throw new Error(`${(cause as Error).message}\n${formatGraph(outputs)}`, { cause });
    }
  });
}

/** Outputs and gradients of random graphs; `usual` graphs of the first kind, a third as many of the others. */
export function graphsAgree(deviceName: string, open: () => Device, usual: number): void {
  describe(`random graphs on ${deviceName} lie within their error bounds of the reference device in f64`, () => {
    it("outputs, together and alone", { timeout: 3_600_000 }, async () => {
      compared = skipped = 0;
      await fc.assert(property(open(), { maxSteps: 12 }), { numRuns: runs(usual), seed });
      if (isLongRun) console.log(`${compared} elements compared, ${skipped} undecided`);
    });

    it("outputs of a few steps on more elements", { timeout: 3_600_000 }, async () => {
      await fc.assert(property(open(), { maxSteps: 4, maxElements: 6000 }), {
        numRuns: runs(Math.ceil(usual / 3)),
        seed,
      });
    });

    it("gradients", { timeout: 3_600_000 }, async () => {
      compared = skipped = 0;
      await fc.assert(property(open(), { maxSteps: 6 }, gradientsOf), {
        numRuns: runs(Math.ceil(usual / 3)),
        seed,
      });
      if (isLongRun) console.log(`${compared} elements compared, ${skipped} undecided`);
    });
  });
}

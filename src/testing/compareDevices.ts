import type { Value } from "../graph/node.ts";
import type { Device } from "../runtime/device.ts";
import { MismatchError } from "./compare.ts";
import { evaluateOn } from "./evaluate.ts";
import { beyondBounds, describeDifference, Tally } from "./fuzz/elements.ts";
import { expectedOf } from "./fuzz/expected.ts";
import { buildGraph, type GraphData } from "./fuzz/graphData.ts";
import type { GraphFunction } from "./gradcheck.ts";
import type { HostTensor } from "./specs/spec.ts";

/** How much could be said of what devices compute. */
export interface DeviceComparison {
  /** Elements that lie within their bound, over all devices. */
  readonly compared: number;
  /** Elements without a bound: a rounding may have changed a branch or an index before. */
  readonly undecided: number;
}

/**
 * Builds `fn` on the inputs in f32, runs it on each device, and compares with the same graph in f64 on the reference device:
 * each element within a bound of its rounding errors, carried through the graph. f64 inputs are rounded.
 * @throws MismatchError naming the device and the first element that lies beyond, with its distance in ulps.
 */
export async function compareDevices(
  fn: GraphFunction,
  inputs: readonly HostTensor[],
  devices: readonly Device[],
): Promise<DeviceComparison> {
  const leaves = inputs.map(({ shape, dtype, data }) => ({
    shape,
    dtype: dtype === "f64" ? ("f32" as const) : dtype,
    numbers: { kind: "list" as const, values: [...(dtype === "f64" ? Float32Array.from(data) : data)] },
  }));
  const graph: GraphData = { leaves, steps: [], results: leaves.map((_, i) => i) };
  const outputsIn = (float: "f32" | "f64"): readonly Value[] => {
    const result = fn(buildGraph(graph, float).outputs);
    return "node" in result ? [result] : result; // a Value has a node; an array has none
  };
  const outputs = outputsIn("f32");
  const { values, bounds } = await expectedOf(outputsIn("f64"));
  const tally = new Tally();
  for (const device of devices) {
    const actual = await evaluateOn(device, outputs);
    outputs.forEach((output, k) => {
      const difference = beyondBounds(`output ${k}`, output, actual[k], values[k], bounds[k], tally);
      if (difference)
        throw new MismatchError(`compareDevices: ${device.name}: ${describeDifference(difference)}`);
    });
  }
  return { compared: tally.compared, undecided: tally.undecided };
}

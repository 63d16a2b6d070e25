import type { TypedArray } from "../graph/dtype.ts";
import { topologicalOrder, type Value } from "../graph/node.ts";
import { typed } from "../ops/table.ts";
import type { Device, Program, Storage } from "../runtime/device.ts";

/** A program whose inputs are the constants below `values`, with the data to feed them. */
export function programOf(values: readonly Value[]): {
  readonly program: Program;
  readonly feeds: readonly Storage[];
} {
  const inputs: { value: Value; name: string }[] = [];
  const feeds: Storage[] = [];
  for (const node of topologicalOrder(values)) {
    const leaf = typed(node);
    if (leaf.op !== "constant") continue;
    inputs.push({ value: node.outputs[0], name: `constant${inputs.length}` });
    feeds.push({ kind: "host", data: leaf.attrs.data });
  }
  return { program: { inputs, outputs: values, writes: [] }, feeds };
}

/**
 * Computes values of a graph without sources on any device, and reads them. The constants are fed, so that a
 * device treats them as data and compiles nothing into its kernels.
 * @throws DeviceError or DTypeError from the device.
 */
export async function evaluateOn(device: Device, values: readonly Value[]): Promise<TypedArray[]> {
  const { program, feeds } = programOf(values);
  const executable = device.prepare(program);
  try {
    return await Promise.all(executable.run(feeds).map((storage) => device.read(storage)));
  } finally {
    executable.dispose();
  }
}

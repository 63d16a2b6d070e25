import { gradients } from "../../autograd/gradients.ts";
import { isFloat, type TypedArray } from "../../graph/dtype.ts";
import { FusegradError } from "../../graph/errors.ts";
import type { Value } from "../../graph/node.ts";
import { numel } from "../../graph/shape.ts";
import { type OpName, opTable } from "../../ops/table.ts";
import type { Device, Executable, Storage } from "../../runtime/device.ts";
import { ReferenceDevice } from "../../runtime/reference/device.ts";
import { evaluateOn, programOf } from "../evaluate.ts";
import { specOf } from "../opSpecs.ts";
import type { Disagreement, FuzzCase, Oracle } from "./cases.ts";
import { judgeCells } from "./cellPrograms.ts";
import { judgeDifferences } from "./differences.ts";
import { beyondBounds, beyondTolerance, describeDifference, sameBits, Tally } from "./elements.ts";
import { expectedOf } from "./expected.ts";
import { type BuiltGraph, buildGraph } from "./graphData.ts";
import { numbersOf } from "./numbers.ts";

const referenceOf = (): Device => new ReferenceDevice();

/**
 * Runs a case on each device, and gives the first disagreement. Errors of a device are disagreements; errors of the
 * reference are thrown. `tally` counts what was compared.
 */
export async function judge(
  fuzzCase: FuzzCase,
  devices: readonly Device[],
  tally = new Tally(),
): Promise<Disagreement | undefined> {
  switch (fuzzCase.check) {
    case "differences":
      return judgeDifferences(fuzzCase.graph, tally);
    case "steps":
      return onEach(devices, (device) => judgeCells(fuzzCase, device, tally));
    case "values":
    case "gradients":
      return judgeBounds(fuzzCase, devices, tally);
    case "op":
      return judgeOp(fuzzCase, devices, tally);
    case "edges":
      return judgeEdges(fuzzCase, devices, tally);
  }
}

async function onEach(
  devices: readonly Device[],
  run: (device: Device) => Promise<Disagreement | undefined>,
): Promise<Disagreement | undefined> {
  for (const device of devices) {
    try {
      const found = await run(device);
      if (found) return found;
    } catch (error) {
      const text = error instanceof FusegradError ? error.message : String(error);
      const [message] = text.split("\n");
      return { oracle: "error", device: device.name, message };
    }
  }
  return undefined;
}

/** The values of a case: its results, and their gradients where those are asked for. */
export function valuesOf({ check, graph }: FuzzCase, float: "f32" | "f64"): readonly Value[] {
  const built = buildGraph(graph, float, check === "gradients");
  return check === "gradients" ? [...built.outputs, ...gradientsOf(built)] : built.outputs;
}

/** Gradients of the sum of squares, halved, of all float results with respect to the leaves that have some. */
function gradientsOf({ leaves, outputs }: BuiltGraph): Value[] {
  const flowing = outputs.filter(({ requiresGrad }) => requiresGrad);
  const wanted = leaves.filter(({ requiresGrad }) => requiresGrad);
  return gradients(flowing, flowing, wanted).filter((value) => value !== undefined);
}

async function judgeBounds(
  fuzzCase: FuzzCase,
  devices: readonly Device[],
  tally: Tally,
): Promise<Disagreement | undefined> {
  const outputs = valuesOf(fuzzCase, "f32");
  const expected = await expectedOf(valuesOf(fuzzCase, "f64"));
  return onEach(devices, async (device) => {
    const compare = (values: readonly Value[], actual: readonly TypedArray[], first: number) =>
      compareAll(device, "bound", values, actual, (value, k) =>
        beyondBounds(
          `output ${first + k}`,
          value,
          actual[k],
          expected.values[first + k],
          expected.bounds[first + k],
          tally,
        ),
      );
    const together = await runAgain(device, outputs, fuzzCase, tally);
    const found = together.disagreement ?? compare(outputs, together.results, 0);
    if (found || outputs.length < 2) return found;
    // One of them alone, which is fused otherwise.
    const alone = fuzzCase.graph.steps.length % outputs.length;
    return compare([outputs[alone]], await evaluateOn(device, [outputs[alone]]), alone);
  });
}

function compareAll(
  device: Device,
  oracle: Oracle,
  values: readonly Value[],
  actual: readonly TypedArray[],
  compare: (value: Value, k: number) => ReturnType<typeof beyondBounds>,
): Disagreement | undefined {
  for (const [k, value] of values.entries()) {
    if (actual[k].length !== numel(value.shape)) {
      const message = `output ${k} has ${actual[k].length} elements, expected ${numel(value.shape)}`;
      return { oracle, device: device.name, message };
    }
    const difference = compare(value, k);
    if (difference)
      return { oracle, device: device.name, message: describeDifference(difference), difference };
  }
  return undefined;
}

/** Runs a program on its data, on other data, and on its data again: the results, which may not depend on what ran before. */
async function runAgain(
  device: Device,
  outputs: readonly Value[],
  { graph }: FuzzCase,
  tally: Tally,
): Promise<{ readonly results: TypedArray[]; readonly disagreement?: Disagreement }> {
  const { program, feeds } = programOf(outputs);
  const executable: Executable = device.prepare(program);
  for (const { template } of executable.kernels) tally.templates.add(template);
  const run = (data: readonly Storage[]): Promise<TypedArray[]> =>
    Promise.all(executable.run(data).map((storage) => device.read(storage)));
  try {
    const results = await run(feeds);
    await run(
      program.inputs.map(({ value }): Storage => {
        const numbers = { kind: "pattern", seed: graph.steps.length } as const;
        return { kind: "host", data: numbersOf(numbers, value.dtype, numel(value.shape)) };
      }),
    );
    const again = await run(feeds);
    const changed = results.findIndex((result, k) => !sameBits(result, again[k]));
    if (changed < 0) return { results };
    const message = `output ${changed} (${outputs[changed].node.op}) differs in a later run on the same data`;
    return { results, disagreement: { oracle: "replay", device: device.name, message } };
  } finally {
    executable.dispose();
  }
}

/** bitcast reads bits, and leaves take no operands: neither has a twin in f64. */
function hasTwin(op: OpName): boolean {
  return op !== "bitcast" && opTable[op].kind !== "leaf";
}

async function judgeOp(
  fuzzCase: FuzzCase,
  devices: readonly Device[],
  tally: Tally,
): Promise<Disagreement | undefined> {
  const { graph } = fuzzCase;
  const { op, attrs } = graph.steps[graph.steps.length - 1];
  const name = op as OpName; // a step of a graph that was built
  const outputs = valuesOf(fuzzCase, "f32");
  const expected = await evaluateOn(referenceOf(), valuesOf(fuzzCase, hasTwin(name) ? "f64" : "f32"));
  const inputs = graph.leaves.map(({ shape, dtype, numbers }) => ({
    shape,
    dtype,
    data: numbersOf(numbers, dtype, numel(shape)),
  }));
  const tolerance = specOf(name).tolerance({ inputs, attrs });
  return onEach(devices, async (device) => {
    const { results, disagreement } = await runAgain(device, outputs, fuzzCase, tally);
    if (disagreement) return disagreement;
    return compareAll(device, "bound", outputs, results, (value, k) => {
      const allowed = isFloat(value.dtype) ? tolerance : {};
      return beyondTolerance(`output ${k}`, value, results[k], expected[k], allowed, tally);
    });
  });
}

/** Devices that may flush subnormal numbers: differences of as much say nothing. */
const flushes = (device: Device): boolean => !device.name.startsWith("wasm") && device.name !== "reference";

async function judgeEdges(
  fuzzCase: FuzzCase,
  devices: readonly Device[],
  tally: Tally,
): Promise<Disagreement | undefined> {
  const outputs = valuesOf(fuzzCase, "f32");
  const expected = await evaluateOn(referenceOf(), outputs);
  const subnormal = hasSubnormals(fuzzCase);
  return onEach(devices, async (device) => {
    if (subnormal && flushes(device)) return undefined;
    const { results, disagreement } = await runAgain(device, outputs, fuzzCase, tally);
    const tolerance = flushes(device) ? { atol: 2 ** -126 } : {};
    return (
      disagreement ??
      compareAll(device, "exact", outputs, results, (value, k) =>
        beyondTolerance(`output ${k}`, value, results[k], expected[k], tolerance, tally),
      )
    );
  });
}

/** Whether a leaf has numbers so small that a device which flushes subnormal ones may compute with 0 in their place. */
function hasSubnormals({ graph }: FuzzCase): boolean {
  return graph.leaves.some(
    ({ shape, dtype, numbers }) =>
      isFloat(dtype) &&
      numbersOf(numbers, dtype, numel(shape)).some((x: number) => x !== 0 && Math.abs(x) < 2 ** -100),
  );
}

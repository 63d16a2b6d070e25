import { gradients } from "../autograd/gradients.ts";
import { isFloat, type TypedArray } from "../graph/dtype.ts";
import { GradientError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { formatShape, numel, type Shape } from "../graph/shape.ts";
import * as b from "../ops/builders.ts";
import type { Device, Storage } from "../runtime/device.ts";
import { ReferenceDevice } from "../runtime/reference/device.ts";
import { threefry2x32 } from "../runtime/reference/threefry.ts";
import { evaluateOn, programOf } from "./evaluate.ts";
import type { HostTensor } from "./specs/spec.ts";

/** Builds values from leaves. Pure: it is called more than once, with other leaves. */
export type GraphFunction = (inputs: readonly Value[]) => Value | readonly Value[];

export interface GradcheckOptions {
  /** Half the distance between the two points of a central difference. Default 1e-6. */
  readonly eps?: number;
  /** Default 1e-5. */
  readonly atol?: number;
  /** Default 1e-3. */
  readonly rtol?: number;
  /** Seed of the random cotangents. Default 1. */
  readonly seed?: number;
  /** A device with f64. Default a new reference device. */
  readonly device?: Device;
}

/** Uniform in [-1, 1): the words of Threefry for the counters 0, 1, 2, ... */
function randomSource(seed: number): () => number {
  let counter = 0;
  return () => threefry2x32(seed, 0, counter++, 0)[0] / 2 ** 31;
}

function leafOf({ shape, dtype, data }: HostTensor): Value {
  return isFloat(dtype)
    ? b.constant(shape, "f64", Float64Array.from(data), true)
    : b.constant(shape, dtype, data);
}

function floatOutputs(fn: GraphFunction, leaves: readonly Value[]): Value[] {
  const result = fn(leaves);
  // A Value has a node; an array of values has none.
  const values: readonly Value[] = "node" in result ? [result] : result;
  return values.filter((value) => isFloat(value.dtype));
}

function randomTensor(shape: Shape, random: () => number): HostTensor {
  return { shape, dtype: "f64", data: Float64Array.from({ length: numel(shape) }, random) };
}

/**
 * Checks the gradients of `fn` with respect to each float input, in float64, against central differences of
 * the sum of its float outputs weighted at random. Inputs of f32 are widened. Choose them away from kinks and
 * jumps.
 * @throws GradientError naming the first element whose gradient is wrong, and both numbers.
 */
export async function gradcheck(
  fn: GraphFunction,
  inputs: readonly HostTensor[],
  options: GradcheckOptions = {},
): Promise<void> {
  const { eps = 1e-6, atol = 1e-5, rtol = 1e-3, seed = 1, device = new ReferenceDevice() } = options;
  const random = randomSource(seed);
  const leaves = inputs.map(leafOf);
  const outputs = floatOutputs(fn, leaves);
  const cotangents = outputs.map(({ shape }) => leafOf(randomTensor(shape, random)));
  const analytic = await analyticGradients(device, outputs, cotangents, leaves);
  const weights = await evaluateOn(device, cotangents);
  const numeric = await numericGradients(device, outputs, weights, leaves, eps);
  leaves.forEach((leaf, input) => {
    for (let i = 0; i < numeric[input].length; i++) {
      const expected = numeric[input][i];
      const actual = analytic[input]?.[i] ?? 0;
      // Negated, so that a NaN fails.
      if (!(Math.abs(actual - expected) <= atol + rtol * Math.abs(expected))) {
        throw new GradientError(
          `gradcheck: gradient of input ${input} ${formatShape(leaf.shape)} at element ${i} is ${actual}, ` +
            `central differences give ${expected}`,
        );
      }
    }
  });
}

/**
 * The same for second order: checks the gradients of the function that maps inputs and cotangents to the
 * gradients of
 * `fn`.
 * @throws GradientError as gradcheck does.
 */
export async function gradgradcheck(
  fn: GraphFunction,
  inputs: readonly HostTensor[],
  options: GradcheckOptions = {},
): Promise<void> {
  const random = randomSource((options.seed ?? 1) + 1);
  const cotangents = floatOutputs(fn, inputs.map(leafOf)).map(({ shape }) => randomTensor(shape, random));
  const gradientFunction: GraphFunction = (leaves) => {
    const primal = leaves.slice(0, inputs.length);
    const outputs = floatOutputs(fn, primal);
    const wrt = primal.filter((leaf) => leaf.requiresGrad);
    return gradients(outputs, leaves.slice(inputs.length), wrt).filter((value) => value !== undefined);
  };
  await gradcheck(gradientFunction, [...inputs, ...cotangents], options);
}

/** The gradient of each leaf as an array; undefined where none flows. */
async function analyticGradients(
  device: Device,
  outputs: readonly Value[],
  cotangents: readonly Value[],
  leaves: readonly Value[],
): Promise<(TypedArray | undefined)[]> {
  const flowing = outputs.flatMap((output, i) => (output.requiresGrad ? [i] : []));
  const found = gradients(
    flowing.map((i) => outputs[i]),
    flowing.map((i) => cotangents[i]),
    leaves,
  );
  const defined = found.filter((value) => value !== undefined);
  const arrays = await evaluateOn(device, defined);
  return found.map((value) => (value === undefined ? undefined : arrays[defined.indexOf(value)]));
}

/** Central differences with respect to each element of each float leaf; nothing for the others. */
async function numericGradients(
  device: Device,
  outputs: readonly Value[],
  weights: readonly TypedArray[],
  leaves: readonly Value[],
  eps: number,
): Promise<number[][]> {
  const { program, feeds } = programOf(outputs);
  const executable = device.prepare(program);
  const objectives = async (data: readonly Storage[]): Promise<TypedArray[]> =>
    Promise.all(executable.run(data).map((storage) => device.read(storage)));
  const result: number[][] = [];
  for (const leaf of leaves) {
    const slot = program.inputs.findIndex((input) => input.value === leaf);
    const feed = feeds[slot];
    const derivatives: number[] = [];
    result.push(derivatives);
    // A leaf that no output reads has derivative 0 and no slot.
    if (leaf.dtype !== "f64" || feed?.kind !== "host") continue;
    for (let i = 0; i < feed.data.length; i++) {
      const at = async (step: number): Promise<TypedArray[]> => {
        const data = feed.data.slice();
        data[i] += step;
        return objectives(feeds.map((other, k) => (k === slot ? { kind: "host", data } : other)));
      };
      derivatives.push(weightedDifference(await at(eps), await at(-eps), weights) / (2 * eps));
    }
  }
  executable.dispose();
  return result;
}

/** The sum over all outputs of weight times (after - before). */
function weightedDifference(
  after: readonly TypedArray[],
  before: readonly TypedArray[],
  weights: readonly TypedArray[],
): number {
  let total = 0;
  weights.forEach((weight, k) => {
    for (let i = 0; i < weight.length; i++) total += weight[i] * (after[k][i] - before[k][i]);
  });
  return total;
}

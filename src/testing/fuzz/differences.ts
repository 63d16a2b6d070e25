import { gradients } from "../../autograd/gradients.ts";
import { isFloat, type TypedArray } from "../../graph/dtype.ts";
import type { Value } from "../../graph/node.ts";
import { numel } from "../../graph/shape.ts";
import type { Device, Storage } from "../../runtime/device.ts";
import { ReferenceDevice } from "../../runtime/reference/device.ts";
import { evaluateOn, programOf } from "../evaluate.ts";
import type { Disagreement } from "./cases.ts";
import { describeDifference, type Tally } from "./elements.ts";
import { buildGraph, type GraphData } from "./graphData.ts";
import { numbersOf } from "./numbers.ts";

/** Half the distance of a central difference. */
const step = 2 ** -17;

const weightsFor = (seed: number, { shape }: Value): TypedArray =>
  numbersOf({ kind: "spread", seed }, "f64", numel(shape));

function dot(x: TypedArray, y: TypedArray): number {
  let total = 0;
  for (let i = 0; i < x.length; i++) total += x[i] * y[i];
  return total;
}

/** The objective, a weighted sum of all float results, at points of a line through the leaves' data. */
async function alongLine(
  device: Device,
  outputs: readonly Value[],
  weights: readonly TypedArray[],
  directions: ReadonlyMap<Value, TypedArray>,
  at: readonly number[],
): Promise<number[]> {
  const { program, feeds } = programOf(outputs);
  const executable = device.prepare(program);
  const found: number[] = [];
  for (const distance of at) {
    const moved = feeds.map((feed, i): Storage => {
      const direction = directions.get(program.inputs[i].value);
      if (feed.kind !== "host" || direction === undefined) return feed;
      return {
        kind: "host",
        data: feed.data.map((x: number, k: number) => x + distance * direction[k]) as TypedArray,
      };
    });
    const results = await Promise.all(executable.run(moved).map((storage) => device.read(storage)));
    found.push(results.reduce((total, result, k) => total + dot(result, weights[k]), 0));
  }
  executable.dispose();
  return found;
}

/**
 * Compares the derivative along one direction for each float leaf, by the gradients on the reference device in f64, with
 * central differences. Where differences of two sizes, or those to both sides, tell of a kink nearby, nothing is compared.
 */
export async function judgeDifferences(graph: GraphData, tally: Tally): Promise<Disagreement | undefined> {
  const device = new ReferenceDevice();
  const { leaves, outputs } = buildGraph(graph, "f64", true);
  const flowing = outputs.filter(({ dtype, requiresGrad }) => isFloat(dtype) && requiresGrad);
  if (flowing.length === 0) return undefined;
  const weights = flowing.map((output, k) => weightsFor(k + 1, output));
  const cotangents = flowing.map((output, k) => constantOf(output, weights[k]));
  const wanted = leaves.filter(({ requiresGrad }) => requiresGrad);
  const found = gradients(flowing, cotangents, wanted);
  const values = await evaluateOn(
    device,
    found.filter((value) => value !== undefined),
  );
  let next = 0;
  for (const [i, leaf] of wanted.entries()) {
    const gradient = found[i] === undefined ? undefined : values[next++];
    const direction = weightsFor(100 + i, leaf);
    const analytic = gradient === undefined ? 0 : dot(gradient, direction);
    const numeric = await derivative(device, flowing, weights, new Map([[leaf, direction]]));
    if (numeric === undefined) {
      tally.undecided += 1;
      continue;
    }
    tally.compared += 1;
    const bound = 1e-3 * Math.abs(numeric.value) + 1e-5 * numeric.scale;
    // Negated, so that a NaN fails.
    if (Math.abs(analytic - numeric.value) <= bound) continue;
    const of = `derivative along a direction of leaf ${leaves.indexOf(leaf)}`;
    const ulps = Math.abs(analytic - numeric.value) / (2 ** -23 * Math.abs(numeric.value));
    const difference = { of, index: 0, actual: analytic, expected: numeric.value, bound, ulps };
    return { oracle: "gradient", device: device.name, message: describeDifference(difference), difference };
  }
  return undefined;
}

function constantOf(like: Value, data: TypedArray): Value {
  return buildGraph(
    {
      leaves: [{ shape: like.shape, dtype: "f32", numbers: { kind: "list", values: [...data] } }],
      steps: [],
      results: [0],
    },
    "f64",
  ).outputs[0];
}

/** The derivative along a direction; undefined where the function is not smooth, or not finite. */
async function derivative(
  device: Device,
  outputs: readonly Value[],
  weights: readonly TypedArray[],
  directions: ReadonlyMap<Value, TypedArray>,
): Promise<{ readonly value: number; readonly scale: number } | undefined> {
  const at = [0, step, -step, step / 2, -step / 2];
  const [here, after, before, near, nearBefore] = await alongLine(device, outputs, weights, directions, at);
  const central = (after - before) / (2 * step);
  const finer = (near - nearBefore) / step;
  const [right, left] = [(after - here) / step, (here - before) / step];
  const scale = 1 + Math.abs(here) + Math.abs(central);
  const smooth =
    Math.abs(central - finer) <= 1e-6 * scale &&
    Math.abs(right - left) <= 1e-2 * (Math.abs(central) + 1e-3 * scale);
  // Differences of large numbers have lost their digits.
  const sharp = 2 ** -52 * Math.abs(here) < 1e-7 * step * scale;
  return smooth && sharp ? { value: finer, scale } : undefined;
}

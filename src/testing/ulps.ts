import type { Value } from "../graph/node.ts";
import * as b from "../ops/builders.ts";
import { erf } from "../ops/specialFunctions.ts";
import type { Device } from "../runtime/device.ts";
import { ulpOf } from "./compare.ts";
import { evaluateOn } from "./evaluate.ts";

/** A function whose error is bounded on every device, with its definition in float64. */
export interface BoundedFunction {
  /** Most units in the last place that a result may be off by. */
  readonly bound: number;
  readonly apply: (x: Value, y: Value) => Value;
  readonly exact: (x: number, y: number) => number;
  /** The second operand that goes with a first: pairs are too many to take all, so each first one gets one of its own. */
  readonly second?: (x: number) => number;
}

/** The golden ratio's fraction: multiples of it fall evenly, however many are taken. */
const golden = (Math.sqrt(5) - 1) / 2;

/**
 * An exponent such that results are spread evenly over all magnitudes, from underflow to overflow: t / log2 |x| for an even
 * spread of t. Every seventh is a whole number or a half, which negative bases and roots need.
 */
function exponentFor(x: number): number {
  const bits = new Uint32Array(Float32Array.of(x).buffer)[0];
  const spread = (bits * golden) % 1;
  if (bits % 7 === 0) return Math.round((spread - 0.5) * 80) / 2;
  const exponent = (320 * (spread - 0.5)) / Math.log2(Math.abs(x));
  return Number.isFinite(exponent) ? Math.fround(exponent) : 80 * (spread - 0.5);
}

/** Subnormal results may be 0; a device may give the infinity where a result is the largest float. */
export const boundedFunctions = {
  exp: { bound: 1.5, apply: b.exp, exact: Math.exp },
  log: { bound: 1, apply: b.log, exact: Math.log },
  sin: { bound: 1.75, apply: b.sin, exact: Math.sin },
  cos: { bound: 1.75, apply: b.cos, exact: Math.cos },
  tanh: { bound: 1.5, apply: b.tanh, exact: Math.tanh },
  erf: { bound: 1.5, apply: b.erf, exact: erf },
  pow: {
    bound: 4.5,
    apply: b.pow,
    // 1 to the power NaN is 1 in C and in PyTorch; JavaScript alone says NaN, as for powers of -1.
    exact: (x, y) => (x === 1 ? 1 : x ** y),
    second: exponentFor,
  },
  sqrt: { bound: 0.5, apply: b.sqrt, exact: Math.sqrt },
  rsqrt: { bound: 1.5, apply: b.rsqrt, exact: (x) => 1 / Math.sqrt(x) },
} as const satisfies Record<string, BoundedFunction>;

export type BoundedName = keyof typeof boundedFunctions;

/** The greatest error in units in the last place, and where it is. */
export interface UlpError {
  readonly ulps: number;
  readonly at: number;
  /** The second operand there, of functions of two. */
  readonly second?: number;
}

function errorOf(found: number, exact: number): number {
  const nearest = Math.fround(exact);
  if (Object.is(found, nearest) || (Number.isNaN(found) && Number.isNaN(exact))) return 0;
  if (Math.abs(exact) < 2 ** -126) return Math.abs(found - exact) < 2 ** -126 ? 0 : Infinity;
  if (Number.isNaN(found) || Number.isNaN(exact)) return Infinity;
  const limit = 2 ** 128;
  if (Math.abs(found) === Infinity) return (limit - Math.min(Math.abs(exact), limit)) / 2 ** 104;
  return Math.abs(found - exact) / ulpOf(exact, "f32");
}

const smallest = 2 ** -126;

/**
 * The greatest error of a function on a device over the given floats. Where a device may take subnormal numbers for 0, as
 * GPUs do, so may the definition.
 */
export async function measureUlps(
  device: Device,
  name: BoundedName,
  floats: Float32Array,
  options: { readonly mayFlush?: boolean } = {},
): Promise<UlpError> {
  const { apply, exact, second }: BoundedFunction = boundedFunctions[name];
  const seconds = second ? floats.map(second) : floats;
  const [x, y] = [floats, seconds].map((data) => b.constant([data.length], "f32", data));
  const [found] = await evaluateOn(device, [apply(x, y)]);
  let worst: UlpError = { ulps: 0, at: Number.NaN };
  for (let i = 0; i < floats.length; i++) {
    const value = exact(floats[i], seconds[i]);
    let ulps = errorOf(found[i], value);
    if (options.mayFlush && Math.abs(floats[i]) < smallest)
      ulps = Math.min(ulps, errorOf(found[i], exact(floats[i] < 0 ? -0 : 0, seconds[i])));
    // What was computed on the way may have been such a number too.
    if (options.mayFlush && Math.abs(found[i] - value) < smallest) ulps = 0;
    if (ulps > worst.ulps) worst = { ulps, at: floats[i], ...(second && { second: seconds[i] }) };
  }
  return worst;
}

/** `count` floats, `stride` apart by their bits, from `first` on: every float comes with stride 1, NaN included. */
export function floatsFrom(first: number, stride: number, count: number): Float32Array {
  const bits = new Uint32Array(count);
  for (let i = 0; i < count; i++) bits[i] = first + i * stride;
  return new Float32Array(bits.buffer);
}

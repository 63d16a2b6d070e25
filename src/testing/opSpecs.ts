import type fc from "fast-check";
import { isFloat } from "../graph/dtype.ts";
import { ArgumentError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { build } from "../ops/build.ts";
import * as b from "../ops/builders.ts";
import type { AttrsOf, OpName } from "../ops/table.ts";
import { attentionSpecs } from "./specs/attention.ts";
import { combiningSpecs } from "./specs/combining.ts";
import { compositeSpecs } from "./specs/composite.ts";
import { customSpecs } from "./specs/custom.ts";
import { elementwiseSpecs } from "./specs/elementwise.ts";
import { leafSpecs } from "./specs/leaves.ts";
import { movementSpecs } from "./specs/movement.ts";
import { orderSpecs } from "./specs/order.ts";
import { reductionSpecs } from "./specs/reduction.ts";
import type { OpSpec, Sample, SampleOptions } from "./specs/spec.ts";
import { specialSpecs } from "./specs/special.ts";

/**
 * What tests, fuzzers and documentation know of every op of the table. An op without a spec does not compile.
 */
export const opSpecs = {
  ...leafSpecs,
  ...elementwiseSpecs,
  ...movementSpecs,
  ...reductionSpecs,
  ...combiningSpecs,
  ...orderSpecs,
  ...compositeSpecs,
  ...attentionSpecs,
  ...customSpecs,
  ...specialSpecs,
} satisfies { readonly [Name in OpName]: OpSpec<AttrsOf<Name>> };

export const opNames: readonly OpName[] = Object.keys(opSpecs) as OpName[];

/** A spec by a name that is known at run time only; its attrs are then opaque. */
export function specOf(name: OpName): OpSpec {
  return opSpecs[name];
}

/**
 * Random samples of an op. Defaults: the op's first dtype, usual numbers, up to 48 elements and 4 dims.
 * @throws ArgumentError for a dtype that the op does not take.
 */
export function samplesOf(name: OpName, options: Partial<SampleOptions> = {}): fc.Arbitrary<Sample> {
  const spec = specOf(name);
  const { dtype = spec.dtypes[0], domain = "usual", smooth = false, maxElements = 48, maxRank = 4 } = options;
  if (!spec.dtypes.includes(dtype)) {
    throw new ArgumentError(`${name}: has no samples of ${dtype}; its dtypes are ${spec.dtypes.join(", ")}`);
  }
  return spec.samples({ dtype, domain, smooth, maxElements, maxRank });
}

/** Builds the op on values that stand for a sample's operands. Several outputs come in order. */
export function applySample(name: OpName, sample: Sample, inputs: readonly Value[]): readonly Value[] {
  // A sample drawn for a name has the attrs of that name; the pairing is lost where names are data.
  return build(name, inputs, sample.attrs as AttrsOf<OpName>).outputs;
}

/** Constant leaves for a sample's operands, those of floats as `float` where it is given. */
export function leavesOf(sample: Sample, float?: "f32" | "f64"): Value[] {
  return sample.inputs.map(({ shape, dtype, data }) => {
    const leaf = b.constant(shape, dtype, data);
    return float !== undefined && isFloat(dtype) ? b.constant(shape, float, widen(data, float)) : leaf;
  });
}

function widen(data: ArrayLike<number>, float: "f32" | "f64"): Float32Array | Float64Array {
  return float === "f32" ? Float32Array.from(data) : Float64Array.from(data);
}

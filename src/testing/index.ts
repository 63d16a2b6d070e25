/**
 * For those who test: op specs with random samples, gradient checks, comparison of arrays, evaluation on any
 * device.
 */
export { formatGraph } from "../ops/format.ts";
export {
  assertClose,
  type Comparison,
  compareArrays,
  describeComparison,
  type Mismatch,
  MismatchError,
  type Tolerance,
  ulpDistance,
  ulpOf,
} from "./compare.ts";
export { errorBounds } from "./errorBounds.ts";
export { evaluateOn, programOf } from "./evaluate.ts";
export { type FunctionName, functionSpecs } from "./functionSpecs.ts";
export { type GradcheckOptions, type GraphFunction, gradcheck, gradgradcheck } from "./gradcheck.ts";
export { type BuiltGraph, type GraphOptions, type RandomGraph, randomGraphs } from "./graphs.ts";
export { applySample, leavesOf, opNames, opSpecs, samplesOf, specOf } from "./opSpecs.ts";
export type { FunctionSample, FunctionSampleOptions, FunctionSpec } from "./specs/functions/spec.ts";
export type { HostTensor, OpSpec, Sample, SampleOptions } from "./specs/spec.ts";

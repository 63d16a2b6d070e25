/**
 * For those who test: op specs with random samples, gradient checks, comparison of arrays, evaluation on any
 * device.
 */
export { formatGraph } from "../ops/format.ts";
export { arbitraries } from "./arbitraries.ts";
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
export { compareDevices, type DeviceComparison } from "./compareDevices.ts";
export { CheckedWasmDevice } from "./devices/checkedWasm.ts";
export { InterpretedDevice, target as gpuTarget } from "./devices/interpreted.ts";
export { errorBounds } from "./errorBounds.ts";
export { evaluateOn, programOf } from "./evaluate.ts";
export { type FunctionName, functionSpecs } from "./functionSpecs.ts";
export type { CellData, Check, Difference, Disagreement, FuzzCase, Oracle } from "./fuzz/cases.ts";
export { type Expected, expectedOf } from "./fuzz/expected.ts";
export { type Coverage, type Found, type FuzzOptions, type FuzzReport, fuzz } from "./fuzz/fuzz.ts";
export { type BuiltGraph, buildGraph, type GraphData, type LeafData } from "./fuzz/graphData.ts";
export type { LeafNumbers } from "./fuzz/numbers.ts";
export { judge, valuesOf } from "./fuzz/oracles.ts";
export { type Repro, readRepro, writeRepro } from "./fuzz/reproFile.ts";
export { shrink } from "./fuzz/shrink.ts";
export { type GradcheckOptions, type GraphFunction, gradcheck, gradgradcheck } from "./gradcheck.ts";
export { type GraphOptions, type RandomGraph, randomGraphs } from "./graphs.ts";
export { type MatcherResult, matchers, type NestedNumbers } from "./matchers.ts";
export { applySample, leavesOf, opNames, opSpecs, samplesOf, specOf } from "./opSpecs.ts";
export type { FunctionSample, FunctionSampleOptions, FunctionSpec } from "./specs/functions/spec.ts";
export type { HostTensor, OpSpec, Sample, SampleOptions } from "./specs/spec.ts";

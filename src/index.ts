import type { Device } from "./runtime/device.ts";
import { ReferenceDevice } from "./runtime/reference/device.ts";

/** fusegrad: tensors and gradients, built lazily and run as few kernels. */
export { currentEngine, defaultDevice, setDefaultDevice, setEngine, withEngine } from "./engine/current.ts";
export { Engine } from "./engine/engine.ts";
export type { DType, TypedArray } from "./graph/dtype.ts";
export {
  ArgumentError,
  DeviceError,
  DeviceLostError,
  DTypeError,
  FileFormatError,
  FusegradError,
  GradientError,
  IndexOutOfRangeError,
  InternalError,
  ShapeError,
  StaleVersionError,
  StateDictError,
  TraceError,
} from "./graph/errors.ts";
export type { Shape } from "./graph/shape.ts";
export * as nn from "./nn/index.ts";
export * as optim from "./nn/optim/index.ts";
export type { Device, DeviceCounters, Executable, KernelInfo, PassInfo } from "./runtime/device.ts";
export { checkpoint } from "./tensor/checkpoint.ts";
export { broadcastTensors, hstack, meshgrid, vstack } from "./tensor/combining.ts";
export { allclose, type ClosenessOptions, equal, isclose, isin } from "./tensor/comparing.ts";
export { type Compiled, type CompileOptions, compile } from "./tensor/compile.ts";
export {
  arange,
  bernoulli,
  type CreateOptions,
  exponential,
  full,
  gumbel,
  manualSeed,
  multinomial,
  normal,
  ones,
  rand,
  randint,
  randn,
  randperm,
  type TensorOptions,
  tensor,
  truncatedNormal,
  uniform,
  zeros,
} from "./tensor/create.ts";
export { diag, eye, linspace, logspace, trilIndices, triuIndices } from "./tensor/createByRule.ts";
export { fullLike, onesLike, randLike, randnLike, zerosLike } from "./tensor/createLike.ts";
export { type CustomGradientContext, customGradient, withGradientHook } from "./tensor/customGradient.ts";
export { corrcoef, cov, cross, nanmean, nansum, quantile, trapezoid } from "./tensor/estimates.ts";
export { explain, explainPasses } from "./tensor/explain.ts";
export { bucketize, cdist, einsum, searchsorted } from "./tensor/functions.ts";
export { enableGrad, grad, jvp, noGrad, type TensorFunction, valueAndGrad, vjp } from "./tensor/grad.ts";
export { Buffer, Parameter } from "./tensor/parameter.ts";
export type { SliceRange } from "./tensor/ranges.ts";
export {
  type AddProductOptions,
  concat,
  type DiagonalOptions,
  type IndexItem,
  type NestedArray,
  type NormOptions,
  type Operand,
  type PadMode,
  type ReduceOptions,
  type ScatterReduce,
  type SortOptions,
  stack,
  Tensor,
  type TopkOptions,
  type UniqueResult,
  type ValuesAndIndices,
  type VarianceOptions,
  where,
} from "./tensor/tensor.ts";

/** A new device that computes with plain loops, float64 included: slow, and the measure of the others. */
export function referenceDevice(): Device {
  return new ReferenceDevice();
}

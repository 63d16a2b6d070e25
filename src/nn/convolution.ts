import { ArgumentError } from "../graph/errors.ts";
import { numel } from "../graph/shape.ts";
import type { CreateOptions } from "../tensor/create.ts";
import { Parameter } from "../tensor/parameter.ts";
import type { Tensor } from "../tensor/tensor.ts";
import {
  type ConvolutionOptions as ConvolutionForm,
  type ConvolutionTransposeOptions as ConvolutionTransposeForm,
  conv1d,
  conv2d,
  conv3d,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
} from "./functional/convolution.ts";
import { type PerDim, perDim } from "./functional/windows.ts";
import { type Initializer, uniform } from "./init.ts";
import { Module } from "./module.ts";

interface ConvolutionParameters extends CreateOptions {
  /** Default true. */
  readonly bias?: boolean;
  /** Uniform in ±1 / sqrt(inputs of a window) by default, as in PyTorch; so is the bias. */
  readonly weightInit?: Initializer;
  readonly biasInit?: Initializer;
}

export interface ConvolutionOptions extends ConvolutionForm, ConvolutionParameters {}

export interface ConvolutionTransposeOptions extends ConvolutionTransposeForm, ConvolutionParameters {}

/** Weight and bias of a convolution, and how it is computed from them; `channels` are the weight's first two sizes. */
abstract class ConvolutionLayer<Form> extends Module {
  readonly form: Form;
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;
  readonly #apply: (x: Tensor, weight: Tensor, bias: Tensor | undefined, form: Form) => Tensor;

  constructor(
    op: string,
    dims: number,
    apply: (x: Tensor, weight: Tensor, bias: Tensor | undefined, form: Form) => Tensor,
    channels: readonly [number, number],
    outputs: number,
    kernelSize: PerDim,
    form: Form,
    { bias = true, weightInit, biasInit, ...create }: ConvolutionParameters,
  ) {
    super();
    const shape = [...channels, ...perDim(op, "kernelSize", kernelSize, dims, 1)];
    if (channels.some((n) => !Number.isInteger(n) || n < 1)) {
      throw new ArgumentError(`${op}: the groups do not divide the channels, which must be at least 1`);
    }
    const bound = 1 / Math.sqrt(numel(shape.slice(1)));
    const natural = uniform(-bound, bound);
    this.form = form;
    this.#apply = apply;
    this.weight = new Parameter((weightInit ?? natural)(shape, create), { name: "weight" });
    this.bias = bias ? new Parameter((biasInit ?? natural)([outputs], create), { name: "bias" }) : undefined;
  }

  /** x [N, in, ...] or [in, ...], with as many spatial dims as the layer's name says. */
  forward(x: Tensor): Tensor {
    return this.#apply(x, this.weight, this.bias, this.form);
  }
}

abstract class Convolution extends ConvolutionLayer<ConvolutionForm> {
  constructor(
    op: string,
    dims: number,
    apply: typeof conv1d,
    inChannels: number,
    outChannels: number,
    kernelSize: PerDim,
    options: ConvolutionOptions,
  ) {
    const { stride, padding, paddingMode, dilation, groups = 1, ...parameters } = options;
    const channels = [outChannels, inChannels / groups] as const;
    const form = { stride, padding, paddingMode, dilation, groups };
    if (!Number.isInteger(outChannels / groups)) {
      throw new ArgumentError(`${op}: ${groups} groups do not divide ${outChannels} channels`);
    }
    super(op, dims, apply, channels, outChannels, kernelSize, form, parameters);
  }
}

abstract class ConvolutionTranspose extends ConvolutionLayer<ConvolutionTransposeForm> {
  constructor(
    op: string,
    dims: number,
    apply: typeof convTranspose1d,
    inChannels: number,
    outChannels: number,
    kernelSize: PerDim,
    options: ConvolutionTransposeOptions,
  ) {
    const { stride, padding, outputPadding, dilation, groups = 1, ...parameters } = options;
    const channels = [inChannels, outChannels / groups] as const;
    const form = { stride, padding, outputPadding, dilation, groups };
    if (!Number.isInteger(inChannels / groups)) {
      throw new ArgumentError(`${op}: ${groups} groups do not divide ${inChannels} channels`);
    }
    super(op, dims, apply, channels, outChannels, kernelSize, form, parameters);
  }
}

/** `functional.conv1d` with its own weight [out, in / groups, K] and bias [out]. */
export class Conv1d extends Convolution {
  /** @throws ArgumentError for a kernel size that is no integer of at least 1, or groups that do not divide the channels. */
  constructor(inChannels: number, outChannels: number, kernelSize: PerDim, options: ConvolutionOptions = {}) {
    super("Conv1d", 1, conv1d, inChannels, outChannels, kernelSize, options);
  }
}

/** `functional.conv2d` with its own weight [out, in / groups, KH, KW] and bias [out]. */
export class Conv2d extends Convolution {
  /** @throws ArgumentError for a kernel size that is no integer of at least 1, or groups that do not divide the channels. */
  constructor(inChannels: number, outChannels: number, kernelSize: PerDim, options: ConvolutionOptions = {}) {
    super("Conv2d", 2, conv2d, inChannels, outChannels, kernelSize, options);
  }
}

/** `functional.conv3d` with its own weight [out, in / groups, KD, KH, KW] and bias [out]. */
export class Conv3d extends Convolution {
  /** @throws ArgumentError for a kernel size that is no integer of at least 1, or groups that do not divide the channels. */
  constructor(inChannels: number, outChannels: number, kernelSize: PerDim, options: ConvolutionOptions = {}) {
    super("Conv3d", 3, conv3d, inChannels, outChannels, kernelSize, options);
  }
}

/** `functional.convTranspose1d` with its own weight [in, out / groups, K] and bias [out]. */
export class ConvTranspose1d extends ConvolutionTranspose {
  /** @throws ArgumentError for a kernel size that is no integer of at least 1, or groups that do not divide the channels. */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: PerDim,
    options: ConvolutionTransposeOptions = {},
  ) {
    super("ConvTranspose1d", 1, convTranspose1d, inChannels, outChannels, kernelSize, options);
  }
}

/** `functional.convTranspose2d` with its own weight [in, out / groups, KH, KW] and bias [out]. */
export class ConvTranspose2d extends ConvolutionTranspose {
  /** @throws ArgumentError for a kernel size that is no integer of at least 1, or groups that do not divide the channels. */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: PerDim,
    options: ConvolutionTransposeOptions = {},
  ) {
    super("ConvTranspose2d", 2, convTranspose2d, inChannels, outChannels, kernelSize, options);
  }
}

/** `functional.convTranspose3d` with its own weight [in, out / groups, KD, KH, KW] and bias [out]. */
export class ConvTranspose3d extends ConvolutionTranspose {
  /** @throws ArgumentError for a kernel size that is no integer of at least 1, or groups that do not divide the channels. */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: PerDim,
    options: ConvolutionTransposeOptions = {},
  ) {
    super("ConvTranspose3d", 3, convTranspose3d, inChannels, outChannels, kernelSize, options);
  }
}

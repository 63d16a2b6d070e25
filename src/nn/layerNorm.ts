import type { Shape } from "../graph/shape.ts";
import type { CreateOptions } from "../tensor/create.ts";
import { Parameter } from "../tensor/parameter.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { layerNorm } from "./functional/basic.ts";
import { ones, zeros } from "./init.ts";
import { Module } from "./module.ts";

export interface LayerNormOptions extends CreateOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
  /** Whether there is a weight (and a bias). Default true. */
  readonly affine?: boolean;
  /** Whether there is a bias beside the weight. Default true. */
  readonly bias?: boolean;
}

/** Normalises over the trailing dims. Ba, Kiros and Hinton, Layer Normalization (2016). */
export class LayerNorm extends Module {
  readonly shape: Shape;
  readonly eps: number;
  readonly weight: Parameter | undefined;
  readonly bias: Parameter | undefined;

  constructor(shape: number | Shape, options: LayerNormOptions = {}) {
    super();
    const { eps = 1e-5, affine = true, bias = true, ...create } = options;
    this.shape = typeof shape === "number" ? [shape] : [...shape];
    this.eps = eps;
    this.weight = affine ? new Parameter(ones(this.shape, create), { name: "weight" }) : undefined;
    this.bias = affine && bias ? new Parameter(zeros(this.shape, create), { name: "bias" }) : undefined;
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, this.shape, this.weight, this.bias, this.eps);
  }
}

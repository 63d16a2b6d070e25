import type { CreateOptions } from "../tensor/create.ts";
import { Parameter } from "../tensor/parameter.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { linear } from "./functional/basic.ts";
import { type Initializer, uniform } from "./init.ts";
import { Module } from "./module.ts";

export interface LinearOptions extends CreateOptions {
  /** Default true. */
  readonly bias?: boolean;
  /** Uniform in ±1 / sqrt(in) by default, as in PyTorch; so is the bias. */
  readonly weightInit?: Initializer;
  readonly biasInit?: Initializer;
}

/** x Wᵀ + b for x [..., in]; weight [out, in], bias [out]. */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    const { bias = true, weightInit, biasInit, ...create } = options;
    const bound = inFeatures > 0 ? 1 / Math.sqrt(inFeatures) : 0;
    const natural = uniform(-bound, bound);
    this.weight = new Parameter((weightInit ?? natural)([outFeatures, inFeatures], create), {
      name: "weight",
    });
    this.bias = bias
      ? new Parameter((biasInit ?? natural)([outFeatures], create), { name: "bias" })
      : undefined;
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }
}

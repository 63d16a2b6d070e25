import type { CreateOptions } from "../tensor/create.ts";
import { Parameter } from "../tensor/parameter.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type GateName, gatedFeedForward, prelu } from "./functional/gated.ts";
import { constant } from "./init.ts";
import { Linear, type LinearOptions } from "./linear.ts";
import { Module } from "./module.ts";

export interface GatedFeedForwardOptions extends LinearOptions {
  /** What one half passes through. Default "swiglu". */
  readonly activation?: GateName;
}

/** (act(x Wᵀ) (x Vᵀ)) W2ᵀ, without biases by default. Shazeer, GLU Variants Improve Transformer (2020). */
export class GatedFeedForward extends Module {
  readonly activation: GateName;
  readonly gate: Linear;
  readonly value: Linear;
  readonly output: Linear;

  constructor(width: number, hidden: number, options: GatedFeedForwardOptions = {}) {
    super();
    const { activation = "swiglu", bias = false, ...rest } = options;
    const linear = { ...rest, bias };
    this.activation = activation;
    this.gate = new Linear(width, hidden, linear);
    this.value = new Linear(width, hidden, linear);
    this.output = new Linear(hidden, width, linear);
  }

  /** x [..., width] gives [..., width]. */
  forward(x: Tensor): Tensor {
    const { gate, value, output } = this;
    return gatedFeedForward(x, this.activation, {
      gate: gate.weight,
      gateBias: gate.bias,
      value: value.weight,
      valueBias: value.bias,
      output: output.weight,
      outputBias: output.bias,
    });
  }
}

/** `functional.prelu` with its own weight, 0.25 at first: one number, or one a channel. He et al. (2015). */
export class PReLU extends Module {
  readonly weight: Parameter;

  constructor(channels = 1, options: CreateOptions & { readonly init?: number } = {}) {
    super();
    const { init = 0.25, ...create } = options;
    this.weight = new Parameter(constant(init)([channels], create), { name: "weight" });
  }

  forward(x: Tensor): Tensor {
    return prelu(x, this.weight);
  }
}

import { activations } from "../nn/functional/activation.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** x sigmoid(1.702 x), the rougher of the two approximations in Hendrycks and Gimpel (2016). */
function quickGelu(x: Tensor): Tensor {
  return x.mul(x.mul(1.702).sigmoid());
}

/** Misra, Mish (2019): x tanh(log(1 + exp x)), with the logarithm computed where exp does not overflow. */
function mish(x: Tensor): Tensor {
  return x.mul(x.relu().add(x.abs().neg().exp().add(1).log()).tanh());
}

/** The elementwise functions that a configuration's `hidden_act` may name, as Hugging Face calls them. */
export const hiddenActivations = {
  ...activations,
  gelu_python: activations.gelu,
  gelu_fast: activations.gelu_new,
  gelu_10: (x: Tensor): Tensor => activations.gelu(x).clamp({ min: -10, max: 10 }),
  quick_gelu: quickGelu,
  linear: (x: Tensor): Tensor => x,
  mish,
  relu6: (x: Tensor): Tensor => x.clamp({ min: 0, max: 6 }),
  sigmoid: (x: Tensor): Tensor => x.sigmoid(),
} as const satisfies Record<string, (x: Tensor) => Tensor>;

export type HiddenActivation = keyof typeof hiddenActivations;

export const hiddenActivationNames = Object.keys(hiddenActivations) as HiddenActivation[];

import type { Tensor } from "../../tensor/tensor.ts";

export function softmax(x: Tensor, dim: number): Tensor {
  return x.softmax(dim);
}

export function logSoftmax(x: Tensor, dim: number): Tensor {
  return x.logSoftmax(dim);
}

export function relu(x: Tensor): Tensor {
  return x.relu();
}

/** Hendrycks and Gimpel, Gaussian Error Linear Units (2016): exact by erf, or the tanh approximation. */
export function gelu(x: Tensor, approximate: "none" | "tanh" = "none"): Tensor {
  return x.gelu({ approximate });
}

/** x sigmoid(x). */
export function silu(x: Tensor): Tensor {
  return x.mul(x.sigmoid());
}

/** Elementwise functions by the names that Hugging Face configurations use. */
export const activations = {
  gelu: (x: Tensor): Tensor => gelu(x),
  gelu_new: (x: Tensor): Tensor => gelu(x, "tanh"),
  gelu_pytorch_tanh: (x: Tensor): Tensor => gelu(x, "tanh"),
  relu,
  silu,
  swish: silu,
  tanh: (x: Tensor): Tensor => x.tanh(),
} as const satisfies Record<string, (x: Tensor) => Tensor>;

export type ActivationName = keyof typeof activations;

import { type Tensor, where } from "../../tensor/tensor.ts";

/**
 * Activations. Where a definition has pieces, a choice between them makes the result, so that the gradient at a kink is that
 * of the piece PyTorch takes.
 */

export function softmax(x: Tensor, dim: number): Tensor {
  return x.softmax(dim);
}

export function logSoftmax(x: Tensor, dim: number): Tensor {
  return x.logSoftmax(dim);
}

/** softmax(-x). */
export function softmin(x: Tensor, dim: number): Tensor {
  return x.neg().softmax(dim);
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

/** x tanh(softplus(x)). Misra, Mish (2019). */
export function mish(x: Tensor): Tensor {
  return x.mul(softplus(x).tanh());
}

/** log(1 + exp(beta x)) / beta; x itself where beta x is above the threshold. */
export function softplus(x: Tensor, beta = 1, threshold = 20): Tensor {
  const scaled = x.mul(beta);
  const linear = scaled.gt(threshold);
  return where(linear, x, where(linear, 0, scaled).exp().log1p().div(beta));
}

/** log(sigmoid(x)). */
export function logSigmoid(x: Tensor): Tensor {
  return x.minimum(0).sub(x.abs().neg().exp().log1p());
}

/** x / (1 + |x|). */
export function softsign(x: Tensor): Tensor {
  return x.div(x.abs().add(1));
}

/** scale x above 0, else scale alpha (exp(steepness x) - 1). The argument of exp is 0 where it does not count. */
function exponentialUnit(x: Tensor, alpha: number, scale = 1, steepness = 1): Tensor {
  const positive = x.gt(0);
  const below = where(positive, 0, x)
    .mul(steepness)
    .expm1()
    .mul(alpha * scale);
  return where(positive, x.mul(scale), below);
}

/** x above 0, else alpha (exp(x) - 1). Clevert et al., Exponential Linear Units (2016). */
export function elu(x: Tensor, alpha = 1): Tensor {
  return exponentialUnit(x, alpha);
}

/** Klambauer et al., Self-Normalizing Neural Networks (2017), with its two constants. */
export function selu(x: Tensor): Tensor {
  return exponentialUnit(x, 1.6732632423543772, 1.0507009873554805);
}

/** x above 0, else alpha (exp(x / alpha) - 1). Barron, Continuously Differentiable Exponential Linear Units (2017). */
export function celu(x: Tensor, alpha = 1): Tensor {
  return exponentialUnit(x, alpha, 1, 1 / alpha);
}

/** x above 0, else negativeSlope x. */
export function leakyRelu(x: Tensor, negativeSlope = 0.01): Tensor {
  return where(x.gt(0), x, x.mul(negativeSlope));
}

/** x between two bounds; no gradient at the bounds. */
export function hardtanh(x: Tensor, min = -1, max = 1): Tensor {
  return where(x.le(min), min, where(x.ge(max), max, x));
}

export function relu6(x: Tensor): Tensor {
  return hardtanh(x, 0, 6);
}

/** x / 6 + 1/2 between 0 and 1. */
export function hardsigmoid(x: Tensor): Tensor {
  return where(x.le(-3), 0, where(x.ge(3), 1, x.div(6).add(0.5)));
}

/** x hardsigmoid(x). Howard et al., Searching for MobileNetV3 (2019). */
export function hardswish(x: Tensor): Tensor {
  return where(x.lt(-3), 0, where(x.gt(3), x, x.mul(x.add(3)).div(6)));
}

/** x, but 0 within lambda of 0. */
export function hardshrink(x: Tensor, lambda = 0.5): Tensor {
  return where(x.abs().le(lambda), 0, x);
}

/** x moved by lambda towards 0, and 0 within lambda of it. */
export function softshrink(x: Tensor, lambda = 0.5): Tensor {
  return where(x.gt(lambda), x.sub(lambda), where(x.lt(-lambda), x.add(lambda), x.mul(0)));
}

/** x - tanh(x). */
export function tanhshrink(x: Tensor): Tensor {
  return x.sub(x.tanh());
}

/** x above the threshold, else `value`. */
export function threshold(x: Tensor, above: number, value: number): Tensor {
  return where(x.le(above), value, x);
}

/** Elementwise functions by the names that Hugging Face configurations use. */
export const activations = {
  gelu: (x: Tensor): Tensor => gelu(x),
  gelu_python: (x: Tensor): Tensor => gelu(x),
  gelu_10: (x: Tensor): Tensor => gelu(x).clamp({ min: -10, max: 10 }),
  gelu_new: (x: Tensor): Tensor => gelu(x, "tanh"),
  gelu_fast: (x: Tensor): Tensor => gelu(x, "tanh"),
  gelu_accurate: (x: Tensor): Tensor => gelu(x, "tanh"),
  gelu_pytorch_tanh: (x: Tensor): Tensor => gelu(x, "tanh"),
  quick_gelu: (x: Tensor): Tensor => x.mul(x.mul(1.702).sigmoid()),
  linear: (x: Tensor): Tensor => x,
  mish,
  relu,
  relu2: (x: Tensor): Tensor => x.relu().square(),
  relu6,
  sigmoid: (x: Tensor): Tensor => x.sigmoid(),
  silu,
  swish: silu,
  tanh: (x: Tensor): Tensor => x.tanh(),
} as const satisfies Record<string, (x: Tensor) => Tensor>;

export type ActivationName = keyof typeof activations;

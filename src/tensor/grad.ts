import { gradients } from "../autograd/gradients.ts";
import { currentEngine } from "../engine/current.ts";
import { GradientError } from "../graph/errors.ts";
import * as b from "../ops/builders.ts";
import { Tensor } from "./tensor.ts";

/** Runs `fn`; what is computed in it has no gradient history. Synchronous: building is all that happens here. */
export function noGrad<T>(fn: () => T): T {
  return withGradMode(false, fn);
}

/** Runs `fn` with gradients recorded again, inside a `noGrad`. */
export function enableGrad<T>(fn: () => T): T {
  return withGradMode(true, fn);
}

function withGradMode<T>(enabled: boolean, fn: () => T): T {
  const engine = currentEngine();
  const before = engine.gradEnabled;
  engine.gradEnabled = enabled;
  try {
    return fn();
  } finally {
    engine.gradEnabled = before;
  }
}

/**
 * Gradients of `output` with respect to each input, as new tensors that can be differentiated again; nothing is
 * accumulated. An input that the output does not depend on gives zeros.
 * @throws GradientError when the output has no history, or several elements and no `gradient`.
 */
export function grad(output: Tensor, inputs: readonly Tensor[], gradient?: Tensor): Tensor[] {
  const root = output.usable();
  if (!root.requiresGrad) throw new GradientError("grad: the output has no gradient history");
  if (gradient === undefined && output.numel !== 1) {
    throw new GradientError(
      `grad: the output has ${output.numel} elements; reduce it first or pass the gradient of each`,
    );
  }
  const wrt = inputs.map((input) => input.usable());
  const cotangent = gradient?.usable() ?? b.full(root.shape, root.dtype, 1);
  const found = gradients([root], [cotangent], wrt);
  return found.map((value, i) => new Tensor(value ?? b.full(wrt[i].shape, wrt[i].dtype, 0), output.device));
}

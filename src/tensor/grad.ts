import { gradients } from "../autograd/gradients.ts";
import { currentEngine } from "../engine/current.ts";
import { GradientError, ShapeError } from "../graph/errors.ts";
import { formatShape, sameShape } from "../graph/shape.ts";
import { build } from "../ops/build.ts";
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

/** A function of tensors. */
export type TensorFunction = (...inputs: readonly Tensor[]) => Tensor;

/** The inputs as leaves of their own: what is computed from them has gradients that end there. */
function leavesOf(inputs: readonly Tensor[]): Tensor[] {
  return inputs.map(
    (input) => new Tensor(build("detach", [input.usable()], { requiresGrad: true }).outputs[0], input.device),
  );
}

/**
 * A function that gives the value of `fn`, one element, with its gradient for each argument.
 * @throws GradientError, when it is called, where the value has several elements or depends on no argument.
 */
export function valueAndGrad(
  fn: TensorFunction,
): (...inputs: readonly Tensor[]) => { readonly value: Tensor; readonly grads: readonly Tensor[] } {
  return (...inputs) =>
    enableGrad(() => {
      const leaves = leavesOf(inputs);
      const value = fn(...leaves);
      return { value: value.detach(), grads: grad(value, leaves).map((gradient) => gradient.detach()) };
    });
}

/**
 * The value of `fn` and the product of a cotangent with its Jacobian: for each input, the gradient of <value, cotangent>.
 * Neither has a history: for higher orders use `grad`.
 * @throws GradientError where the value depends on no input; ShapeError for a misshapen cotangent.
 */
export function vjp(
  fn: TensorFunction,
  inputs: readonly Tensor[],
  cotangent: Tensor,
): { readonly value: Tensor; readonly grads: readonly Tensor[] } {
  return enableGrad(() => {
    const leaves = leavesOf(inputs);
    const value = fn(...leaves);
    const grads = grad(value, leaves, cotangent.detach());
    return { value: value.detach(), grads: grads.map((gradient) => gradient.detach()) };
  });
}

/**
 * The value of `fn` and the product of its Jacobian with tangents, one an input: the derivative in their direction. By two
 * reverse passes: what `vjp` gives is linear in the cotangent, and its own derivative by that is this product.
 * @throws GradientError where the value depends on no input; ShapeError for a misshapen tangent.
 */
export function jvp(
  fn: TensorFunction,
  inputs: readonly Tensor[],
  tangents: readonly Tensor[],
): { readonly value: Tensor; readonly tangent: Tensor } {
  inputs.forEach(({ shape }, i) => {
    const given = tangents[i]?.shape;
    if (given === undefined || !sameShape(shape, given)) {
      throw new ShapeError(
        `jvp: input ${i} is ${formatShape(shape)}, its tangent ${given ? formatShape(given) : "missing"}; give one of its shape`,
      );
    }
  });
  const leaves = leavesOf(inputs);
  return enableGrad(() => {
    const value = fn(...leaves);
    const [cotangent] = leavesOf([new Tensor(b.full(value.shape, value.dtype, 0), value.device)]);
    const products = grad(value, leaves, cotangent).map((gradient, i) =>
      gradient.mul(tangents[i].detach()).sum(),
    );
    const total = products.reduce((sum, product) => sum.add(product));
    return { value: value.detach(), tangent: grad(total, [cotangent])[0].detach() };
  });
}

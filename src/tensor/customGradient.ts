import { isFloat } from "../graph/dtype.ts";
import { ArgumentError, DeviceError, ShapeError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { formatShape, sameShape } from "../graph/shape.ts";
import { build } from "../ops/build.ts";
import { captureGraph } from "../ops/subgraph.ts";
import type { Device } from "../runtime/device.ts";
import { enableGrad } from "./grad.ts";
import { Tensor } from "./tensor.ts";

/** What a gradient written by hand may use. */
export interface CustomGradientContext {
  /** The arguments, as the forward function got them. */
  readonly inputs: readonly Tensor[];
  /** What the forward function gave. */
  readonly output: Tensor;
}

/**
 * A function of tensors with a gradient of its own: `backward` gets the gradient of the output and gives that of each
 * argument, which is ordinary graph and can be differentiated again. Both are called at once, each time the function is
 * called, to record what they do; nothing is called when gradients are taken. What else they read (parameters, say) is
 * taken as it is and gets no gradient. PyTorch's `autograd.Function`.
 *
 * ```ts
 * // Rounds, and passes the gradient through as if it did not.
 * const roundThrough = customGradient((x) => x.round(), (gradient) => [gradient]);
 * ```
 *
 * @throws ShapeError, when the function is called, unless `backward` gives a gradient of each argument's shape and dtype.
 */
export function customGradient(
  forward: (...inputs: readonly Tensor[]) => Tensor,
  backward: (gradient: Tensor, context: CustomGradientContext) => readonly Tensor[],
): (...inputs: readonly Tensor[]) => Tensor {
  return (...inputs) => {
    const values = inputs.map((input) => input.usable());
    const device = deviceOf(inputs);
    const ownLeaf = (value: Value): Tensor => new Tensor(leafLike(value), device);
    return enableGrad(() => {
      const leaves = values.map(ownLeaf);
      const parameters = leaves.map((leaf) => leaf.usable());
      const result = forward(...leaves).usable();
      const [output, gradient] = [ownLeaf(result), ownLeaf(result)];
      const gradients = backward(gradient, { inputs: leaves, output });
      checkGradients(leaves, gradients);
      const forwards = captureGraph(parameters, [result]);
      const backwards = captureGraph(
        [...parameters, output.usable(), gradient.usable()],
        gradients.map((each) => each.usable()),
      );
      const { shape, dtype } = result;
      const { outputs } = build("custom", [...values, ...forwards.values, ...backwards.values], {
        arguments: values.length,
        forward: forwards.subgraph,
        backward: backwards.subgraph,
        results: [{ shape, dtype }],
      });
      return new Tensor(outputs[0], device);
    });
  };
}

/**
 * The tensor itself, with a hook on its gradient: what `hook` makes of it goes on in its place. To clip the gradient of an
 * activation, or to turn it around; PyTorch's `register_hook`, for a value that never changes.
 * @throws ShapeError unless the hook gives a gradient of the tensor's shape and dtype.
 */
export function withGradientHook(x: Tensor, hook: (gradient: Tensor) => Tensor): Tensor {
  return customGradient(
    (value) => value,
    (gradient) => [hook(gradient)],
  )(x);
}

function deviceOf(inputs: readonly Tensor[]): Device {
  const [first] = inputs;
  if (first === undefined)
    throw new ArgumentError("customGradient: called without tensors; give at least one");
  for (const { device } of inputs) {
    if (device === first.device) continue;
    throw new DeviceError(`customGradient: tensors on ${first.device.name} and ${device.name}`);
  }
  return first.device;
}

/** A leaf of its own, to record with. */
function leafLike({ shape, dtype }: Value): Value {
  const source = { kind: "argument", name: "argument" } as const;
  return build("source", [], { shape, dtype, source, version: 0, requiresGrad: isFloat(dtype) }).outputs[0];
}

function checkGradients(inputs: readonly Tensor[], gradients: readonly Tensor[]): void {
  const text = ({ dtype, shape }: Tensor): string => `${dtype} ${formatShape(shape)}`;
  const fits =
    gradients.length === inputs.length &&
    inputs.every(
      ({ shape, dtype }, i) => sameShape(gradients[i].shape, shape) && gradients[i].dtype === dtype,
    );
  if (fits) return;
  throw new ShapeError(
    `customGradient: backward gave ${gradients.map(text).join(", ") || "nothing"}; wanted a gradient of each argument: ` +
      inputs.map(text).join(", "),
  );
}

import { currentEngine } from "../engine/current.ts";
import { ArgumentError, DeviceError } from "../graph/errors.ts";
import { type Node, topologicalOrder, type Value } from "../graph/node.ts";
import { build } from "../ops/build.ts";
import { captureGraph } from "../ops/subgraph.ts";
import { typed } from "../ops/table.ts";
import { describe, rebuild } from "./template.ts";
import { Tensor } from "./tensor.ts";

/**
 * Calls `fn` such that what it computes on the way is not kept for the gradients: they compute it again from the
 * arguments. A stack of blocks then needs memory for what passes between them and for one block, and a third more time
 * (Chen et al., Training deep nets with sublinear memory cost, 2016). Values and gradients are the same, dropout's
 * included, for random numbers are functions of their place. PyTorch's `torch.utils.checkpoint`.
 *
 * ```ts
 * for (const block of blocks) x = checkpoint((y) => block.forward(y, mask), x);
 * ```
 *
 * `fn` is called once. It may take anything; what it computes of the tensors among its arguments is what is not kept.
 * It returns a tensor, or an array or plain object of tensors and other things.
 * @throws ArgumentError unless an argument is a tensor; DeviceError where `fn` gives tensors of several devices.
 */
export function checkpoint<Args extends readonly unknown[], Result>(
  fn: (...args: Args) => Result,
  ...args: Args
): Result {
  const operands = args.filter((arg) => arg instanceof Tensor);
  if (operands.length === 0) {
    throw new ArgumentError("checkpoint: no argument is a tensor; pass those that `fn` computes from");
  }
  const parameters = [...new Set(operands.map((operand) => operand.usable()))];
  const result = fn(...args);
  if (!currentEngine().gradEnabled) return result;
  const tensors: Tensor[] = [];
  const template = describe(result, tensors);
  const differentiable = tensors.filter(({ requiresGrad }) => requiresGrad);
  const [first] = differentiable;
  if (first === undefined) return result;
  for (const { device } of differentiable) {
    if (device === first.device) continue;
    throw new DeviceError(
      `checkpoint: results on ${first.device.name} and ${device.name}; give one device's`,
    );
  }
  const results = differentiable.map((tensor) => tensor.usable());
  const { subgraph, values } = captureGraph(parameters, results, isMadeOfNumbers());
  const { outputs } = build("checkpoint", [...parameters, ...values], {
    forward: subgraph,
    results: results.map(({ shape, dtype }) => ({ shape, dtype })),
  });
  const marked = new Map(differentiable.map((tensor, i) => [tensor, new Tensor(outputs[i], first.device)]));
  return rebuild(template, (place) => marked.get(tensors[place]) ?? tensors[place]) as Result;
}

/** Tells values that are made of the host's numbers alone, such as random masks: smaller to make again than to keep. */
function isMadeOfNumbers(): (value: Value) => boolean {
  const made = new Map<Value, boolean>();
  const isNumber = (node: Node): boolean => {
    const leaf = typed(node);
    return leaf.op === "source" && leaf.attrs.source.kind === "scalar";
  };
  return (value) => {
    for (const { op, inputs, outputs } of topologicalOrder([value], (inner) => made.has(inner))) {
      const isRange = op === "full" || op === "iota";
      const own =
        isRange || (inputs.length > 0 && inputs.every((input) => isNumber(input.node) || made.get(input)));
      for (const output of outputs) made.set(output, own);
    }
    return made.get(value) ?? false;
  };
}

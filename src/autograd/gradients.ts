import { GradientError, InternalError, ShapeError } from "../graph/errors.ts";
import { type Node, topologicalOrder, type Value } from "../graph/node.ts";
import { formatShape, sameShape } from "../graph/shape.ts";
import { add } from "../ops/builders.ts";
import { definitionOf } from "../ops/table.ts";

/**
 * Reverse-mode gradients, graph in and graph out: the gradient of the sum of <outputs[i], cotangents[i]> with respect to
 * each value of `wrt`, as new lazy values; undefined where no path leads. What is returned is differentiable again.
 * @throws GradientError when a path runs through an op that has no gradient; ShapeError for a misshapen cotangent.
 */
export function gradients(
  outputs: readonly Value[],
  cotangents: readonly Value[],
  wrt: readonly Value[],
): (Value | undefined)[] {
  return propagate(outputs, cotangents, wrt, (value) => !value.requiresGrad);
}

/**
 * The same for a graph that stands for one node: its operands count as leaves, even where one is computed from another,
 * and one that is named twice gets its gradient the first time.
 */
function gradientsWithin(
  outputs: readonly Value[],
  cotangents: readonly Value[],
  operands: readonly Value[],
): (Value | undefined)[] {
  const leaves = new Set(operands);
  const found = propagate(outputs, cotangents, operands, (value) => !value.requiresGrad || leaves.has(value));
  return found.map((gradient, i) => (operands.indexOf(operands[i]) === i ? gradient : undefined));
}

function propagate(
  outputs: readonly Value[],
  cotangents: readonly Value[],
  wrt: readonly Value[],
  stop: (value: Value) => boolean,
): (Value | undefined)[] {
  const sums = new Map<Value, Value>();
  const accumulate = (value: Value, gradient: Value): void => {
    const before = sums.get(value);
    sums.set(value, before === undefined ? gradient : add(before, gradient));
  };
  outputs.forEach((output, i) => {
    if (!sameShape(output.shape, cotangents[i].shape)) {
      throw new ShapeError(
        `gradients: output ${formatShape(output.shape)} and cotangent ${formatShape(cotangents[i].shape)} differ`,
      );
    }
    accumulate(output, cotangents[i]);
  });

  for (const node of nodesBetween(outputs, new Set(wrt), stop).reverse()) {
    const incoming = node.outputs.map((output) => sums.get(output));
    if (incoming.every((gradient) => gradient === undefined)) continue;
    const outgoing = gradientsOfNode(node, incoming);
    node.inputs.forEach((input, i) => {
      const gradient = outgoing[i];
      if (gradient === undefined || !input.requiresGrad) return;
      if (!sameShape(gradient.shape, input.shape) || gradient.dtype !== input.dtype) {
        throw new InternalError(
          `gradient of ${node.op} for input ${i} is ${gradient.dtype} ${formatShape(gradient.shape)}, ` +
            `the input ${input.dtype} ${formatShape(input.shape)}`,
        );
      }
      accumulate(input, gradient);
    });
  }
  return wrt.map((value) => sums.get(value));
}

/** Nodes on a path from a value of `wrt` to the outputs through values that require gradients, inputs first. */
function nodesBetween(
  outputs: readonly Value[],
  wrt: ReadonlySet<Value>,
  stop: (value: Value) => boolean,
): Node[] {
  const between = new Set<Node>();
  const order = topologicalOrder(outputs, stop);
  for (const node of order) {
    if (node.inputs.some((input) => input.requiresGrad && (wrt.has(input) || between.has(input.node))))
      between.add(node);
  }
  return order.filter((node) => between.has(node));
}

function gradientsOfNode(
  node: Node,
  cotangents: readonly (Value | undefined)[],
): readonly (Value | undefined)[] {
  const { gradient, decompose } = definitionOf(node);
  const { inputs, outputs, attrs } = node;
  if (gradient === "zero") return [];
  if (gradient === "none") {
    throw new GradientError(`${node.op} has no gradient; detach its result if none should flow`);
  }
  if (gradient === "decomposition") {
    if (!decompose) throw new InternalError(`${node.op} has neither a gradient nor a decomposition`);
    const parts = decompose(inputs, attrs);
    const used = parts.flatMap((part, i) =>
      cotangents[i] === undefined ? [] : [{ part, cotangent: cotangents[i] }],
    );
    return gradientsWithin(
      used.map(({ part }) => part),
      used.map(({ cotangent }) => cotangent),
      inputs,
    );
  }
  // Rules of one-output ops read `cotangent`; those of several outputs read `cotangents`, any of which may be missing.
  const cotangent = cotangents.find((value) => value !== undefined);
  if (cotangent === undefined) return [];
  return gradient({ node, attrs, inputs, outputs, cotangent, cotangents, differentiate: gradientsWithin });
}

import type { Node, Value } from "../../graph/node.ts";
import { numel } from "../../graph/shape.ts";
import { build } from "../../ops/build.ts";
import { definitionOf, typed } from "../../ops/table.ts";
import { attentionTemplate, isAttention } from "./attention.ts";
import {
  type Fusion,
  type Group,
  isReduction,
  reductionTemplate,
  scanTemplate,
  type Template,
} from "./groups.ts";
import { behindReshapes } from "./views.ts";

/**
 * The plain partition, with which a fused one is compared: every op is a kernel of its own and stores what it computes.
 * Only movements are still read through.
 */
export function unfused(
  order: readonly Node[],
  roots: readonly Value[],
  isInput: (value: Value) => boolean,
): Fusion {
  const groups: Group[] = [];
  const homeOf = new Map<Value, Group>();
  const place = (outputs: readonly Value[], template: Template): void => {
    const group: Group = {
      id: groups.length,
      template,
      stores: new Set(outputs),
      members: new Set(outputs),
      inlined: new Set(),
      stopped: new Set(["fusion is off"]),
    };
    groups.push(group);
    for (const output of outputs) homeOf.set(output, group);
  };
  for (const node of order) {
    const { kind } = definitionOf(node);
    if (kind !== "leaf" && kind !== "movement") place(node.outputs, templateOf(node));
  }
  const rootStorage = new Map<Value, Value>();
  for (const root of roots) {
    let value = behindReshapes(root);
    if (isInput(value)) value = build("reshape", [value], { shape: [numel(value.shape)] }).outputs[0];
    if (!homeOf.has(value)) place([value], { kind: "map", shape: value.shape });
    rootStorage.set(root, value);
  }
  return { groups, homeOf, ownerOf: homeOf, rootStorage };
}

/** The loops of a node alone. */
function templateOf(original: Node): Template {
  const node = typed(original);
  const [output] = node.outputs;
  if (isAttention(original)) return attentionTemplate(original);
  if (isReduction(node)) return reductionTemplate(node.inputs[0], node.attrs.dims);
  if (definitionOf(original).kind === "scan") return scanTemplate(node.inputs[0]);
  switch (node.op) {
    case "matmul":
      return { kind: "contract", shape: output.shape, beside: undefined };
    case "scatterAdd":
    case "scatterReduce":
      return { kind: "scatter", target: output };
    case "argsort":
      return { kind: "sort", order: output };
    default:
      return { kind: "map", shape: output.shape };
  }
}

import type { Node, Value } from "../../graph/node.ts";
import { numel } from "../../graph/shape.ts";
import { scoreShapeOf } from "../../ops/attention.ts";
import { costly } from "./costs.ts";
import type { Template } from "./groups.ts";
import type { Relations } from "./relations.ts";

/** Whether a node is attention or its gradient, which are kernels of their own. */
export function isAttention({ op }: Node): boolean {
  return op === "attention" || op === "attentionGradient";
}

export function attentionTemplate(node: Node): Template {
  return { kind: node.op === "attention" ? "attend" : "attendGradient", node };
}

/**
 * Whether an operand of attention should be stored before. The kernel computes operands where it reads them: a row of
 * queries once, what the scores capture for every score. So what is costly is stored first where it is smaller than all
 * scores, and so is what is looked up.
 */
export function isTooCostlyInside(operand: Value, template: Template, relations: Relations): boolean {
  if (template.kind !== "attend" && template.kind !== "attendGradient") return false;
  const repeated = numel(operand.shape) < numel(scoreShapeOf(template.node));
  return relations.computes(operand, ({ op }) => op === "gather" || (repeated && costly.has(op)));
}

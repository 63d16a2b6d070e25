import type { Node, Value } from "../../graph/node.ts";
import { numel } from "../../graph/shape.ts";
import { scoreShapeOf } from "../../ops/attentionOperands.ts";
import { formatSubgraph } from "../../ops/subgraph.ts";
import { typed } from "../../ops/table.ts";
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

/** An op for people to read: attention with its score function, of the scaled product s and captured values c0, c1, ... */
export function describeOp(original: Node): string {
  const node = typed(original);
  if (node.op !== "attention" && node.op !== "attentionGradient") return node.op;
  const { score } = node.attrs;
  const captured = Array.from({ length: score.parameters - 1 }, (_, i) => `c${i}`);
  return score.steps.length === 0 ? node.op : `${node.op}[${formatSubgraph(score, ["s", ...captured])}]`;
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

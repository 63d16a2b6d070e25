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
import { readsFromMemory } from "./order.ts";
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
    const group = plainGroup(groups.length, outputs, template);
    groups.push(group);
    for (const output of outputs) homeOf.set(output, group);
  };
  for (const node of order) if (computes(node)) place(node.outputs, templateOf(node));
  const rootStorage = new Map<Value, Value>();
  for (const root of roots) {
    let value = behindReshapes(root);
    if (isInput(value)) value = build("reshape", [value], { shape: [numel(value.shape)] }).outputs[0];
    if (!homeOf.has(value)) place([value], { kind: "map", shape: value.shape });
    rootStorage.set(root, value);
  }
  return { groups, homeOf, ownerOf: homeOf, rootStorage };
}

/** What is asked about a group to decide whether it stays fused. */
export interface GroupSummary {
  /** Its place among the groups of its program. */
  readonly index: number;
  readonly template: Template["kind"];
  /** Names of the ops whose results are computed in its loops. */
  readonly ops: readonly string[];
}

/**
 * The same partition with the groups that `keep` refuses taken apart: each op that such a group computes becomes a kernel
 * of its own. The other groups stay what they are: what they compute for themselves they do not read from the parts, so
 * that no two kernels can come to wait for each other. The groups given become part of the result.
 */
export function takeApart(
  fusion: Fusion,
  isInput: (value: Value) => boolean,
  keep: (group: GroupSummary) => boolean,
): Fusion {
  const homeOf = new Map(fusion.homeOf);
  const ownerOf = new Map(fusion.ownerOf);
  const partition = { ...fusion, homeOf, ownerOf };
  let nextId = Math.max(0, ...fusion.groups.map(({ id }) => id + 1));
  const groups: Group[] = [];
  const partsOf = (group: Group): Group[] => {
    const parts: Group[] = [];
    const added: Value[] = [];
    const seen = new Set<Value>();
    const isOwn = (value: Value): boolean => (homeOf.get(value) ?? group) === group;
    const visit = (value: Value): void => {
      if (seen.has(value) || readsFromMemory(value, group, partition, isInput)) return;
      seen.add(value);
      value.node.inputs.forEach(visit);
      const apart = computes(value.node)
        ? isOwn(value) && !group.inlined.has(value)
        : group.stores.has(value);
      if (!apart) return;
      const outputs = value.node.outputs.filter((output) => isOwn(output) && !group.inlined.has(output));
      const template = computes(value.node) ? templateOf(value.node) : mapOf(value);
      const part = { ...plainGroup(nextId++, outputs, template), inlined: new Set(group.inlined) };
      parts.push(part);
      for (const output of outputs) {
        seen.add(output);
        if (!ownerOf.has(output)) added.push(output);
        homeOf.set(output, part);
        ownerOf.set(output, part);
      }
    };
    group.stores.forEach(visit);
    // What others computed for themselves they go on computing: only what this group stored comes from its parts now.
    for (const other of [...groups, ...fusion.groups])
      if (other !== group) for (const value of added) other.inlined.add(value);
    return parts;
  };
  fusion.groups.forEach((group, index) => {
    const ops = [...group.members].map(({ node }) => node.op);
    groups.push(...(keep({ index, template: group.template.kind, ops }) ? [group] : partsOf(group)));
  });
  return { ...partition, groups };
}

/** A group that computes and stores one op's results. */
function plainGroup(id: number, outputs: readonly Value[], template: Template): Group {
  return {
    id,
    template,
    stores: new Set(outputs),
    members: new Set(outputs),
    inlined: new Set(),
    stopped: new Set(["fusion is off"]),
  };
}

/** Whether an op has results of its own: leaves are known, and movements show what is there. */
function computes(node: Node): boolean {
  const { kind } = definitionOf(node);
  return kind !== "leaf" && kind !== "movement";
}

function mapOf({ shape }: Value): Template {
  return { kind: "map", shape };
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

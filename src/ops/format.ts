import { topologicalOrder, type Value } from "../graph/node.ts";
import { formatShape } from "../graph/shape.ts";
import { formatSubgraph } from "./subgraph.ts";
import { type TypedNode, typed } from "./table.ts";

/** The nodes below `outputs`, one a line, with their attributes, types and operands; `known` values are leaves. */
export function formatGraph(outputs: readonly Value[], known?: (value: Value) => boolean): string {
  const names = new Map<Value, string>();
  const nameOf = (value: Value): string => {
    const name = names.get(value) ?? `input${names.size}: ${value.dtype} ${formatShape(value.shape)}`;
    names.set(value, name);
    return name;
  };
  const lines = topologicalOrder(outputs, known).map((node, i) => {
    node.outputs.forEach((value, k) => {
      names.set(value, node.outputs.length === 1 ? `%${i}` : `%${i}.${k}`);
    });
    const leaf = typed(node);
    const attrs = JSON.stringify(readableAttrs(leaf));
    const [{ dtype, shape }] = node.outputs;
    const operands = node.inputs.map(nameOf).join(", ");
    return `%${i} = ${node.op}(${operands})${attrs === "{}" ? "" : ` ${attrs}`}: ${dtype} ${formatShape(shape)}`;
  });
  return ["", ...lines, `outputs ${outputs.map(nameOf).join(", ")}`, ""].join("\n");
}

/** Attributes without what is long: a constant's data, the steps of a score function. */
function readableAttrs(node: TypedNode): unknown {
  if (node.op === "constant") return { data: [...node.attrs.data].slice(0, 24) };
  if (node.op !== "attention" && node.op !== "attentionGradient") return node.attrs;
  const { score, ...rest } = node.attrs;
  const names = ["s", ...node.inputs.slice(3, 2 + score.parameters).map((_, i) => `c${i}`)];
  const derivative = "derivative" in rest ? formatSubgraph(rest.derivative, [...names, "g"]) : undefined;
  return { ...rest, score: formatSubgraph(score, names), derivative };
}

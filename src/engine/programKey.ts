import type { Node, Value } from "../graph/node.ts";
import type { Program } from "../runtime/device.ts";

function formatAttribute(value: unknown): string {
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (Array.isArray(value)) return `[${value.map(formatAttribute).join(",")}]`;
  if (typeof value === "object" && value !== null) return `{${formatAttributes(value)}}`;
  return String(value);
}

function formatAttributes(attrs: unknown): string {
  return Object.entries(attrs as Readonly<Record<string, unknown>>)
    .map(([name, value]) => `${name}=${formatAttribute(value)}`)
    .join(";");
}

/**
 * A complete description of a program up to the data it is fed with: two programs of one key compute the same from the
 * same feeds. `order` holds the program's inner nodes, inputs first.
 */
export function programKey(program: Program, order: readonly Node[]): string {
  const names = new Map<Value, string>();
  const parts: string[] = [];
  program.inputs.forEach(({ value, region }, i) => {
    names.set(value, `i${i}`);
    const place = region ? `@${region.arena}+${region.byteOffset}` : "";
    parts.push(`${value.dtype}[${value.shape.join(",")}]${place}`);
  });
  parts.push("|");
  order.forEach((node, n) => {
    const inputs = node.inputs.map((input) => names.get(input)).join(",");
    parts.push(`${node.op}(${inputs}){${formatAttributes(node.attrs)}}`);
    // An input may be a value that an inner node would compute too: what is fed wins.
    node.outputs.forEach((output, k) => {
      if (!names.has(output)) names.set(output, `n${n}.${k}`);
    });
  });
  parts.push("|", ...program.outputs.map((value) => String(names.get(value))), "|");
  parts.push(...program.writes.map(({ input, value }) => `${input}=${names.get(value)}`));
  return parts.join(" ");
}

import type { Device } from "../runtime/device.ts";
import { Buffer } from "./parameter.ts";
import { Tensor } from "./tensor.ts";

/** Result structure with a tensor's place in the plan's outputs instead of the tensor. */
export type Template =
  | { readonly kind: "tensor"; readonly output: number; readonly device: Device }
  | { readonly kind: "array"; readonly items: readonly Template[] }
  | { readonly kind: "object"; readonly entries: readonly (readonly [string, Template])[] }
  | { readonly kind: "plain"; readonly value: unknown };

export function isPlainObject(value: object): value is Readonly<Record<string, unknown>> {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The same structure with other tensors in the place of its own; parameters and buffers stay. */
export function mapTensors(value: unknown, replace: (tensor: Tensor) => Tensor): unknown {
  if (value instanceof Tensor) return value instanceof Buffer ? value : replace(value);
  if (Array.isArray(value)) return value.map((item) => mapTensors(item, replace));
  if (typeof value === "object" && value !== null && isPlainObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, mapTensors(item, replace)]));
  }
  return value;
}

/** What a function gave: its structure, and its tensors, which are put behind `outputs`. */
export function describe(result: unknown, outputs: Tensor[]): Template {
  if (result instanceof Tensor) {
    outputs.push(result);
    return { kind: "tensor", output: outputs.length - 1, device: result.device };
  }
  if (Array.isArray(result)) return { kind: "array", items: result.map((item) => describe(item, outputs)) };
  if (typeof result === "object" && result !== null && isPlainObject(result)) {
    return {
      kind: "object",
      entries: Object.entries(result).map(([name, item]) => [name, describe(item, outputs)] as const),
    };
  }
  return { kind: "plain", value: result };
}

/** The structure with tensors in their places. */
export function rebuild(template: Template, tensorOf: (output: number, device: Device) => Tensor): unknown {
  switch (template.kind) {
    case "tensor":
      return tensorOf(template.output, template.device);
    case "array":
      return template.items.map((item) => rebuild(item, tensorOf));
    case "object":
      return Object.fromEntries(template.entries.map(([name, item]) => [name, rebuild(item, tensorOf)]));
    case "plain":
      return template.value;
  }
}

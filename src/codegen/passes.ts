import type { Value } from "../graph/node.ts";
import { formatShape } from "../graph/shape.ts";
import type { Buffer, Statement } from "./kernel/ir.ts";
import { kernelKey } from "./kernel/key.ts";
import type { LoweredGroup } from "./lower/loops.ts";
import type { Group } from "./schedule/groups.ts";

/** A step of planning, with what it worked on before and after, as text. */
export interface PlanPass {
  readonly name: string;
  readonly before: string;
  readonly after: string;
}

/** Collects what each pass makes of a program, for people to read. */
export class PassLog {
  readonly passes: PlanPass[] = [];
  #last = "";

  /** What planning begins with. */
  start(text: string): void {
    this.#last = text;
  }

  note(name: string, after: string): void {
    this.passes.push({ name, before: this.#last, after });
    this.#last = after;
  }
}

/** What a group computes, one a line: template, ops, what it stores, and why it is no larger. */
export function formatGroups(groups: readonly Group[]): string {
  const typeOf = ({ dtype, shape }: Value): string => `${dtype} ${formatShape(shape)}`;
  return groups
    .map(({ template, members, stores, stopped }, i) => {
      const ops = [...members].map(({ node }) => node.op).join(" ") || "copy";
      const stored = [...stores].map((value) => `${value.node.op} ${typeOf(value)}`).join(", ");
      const reasons = [...stopped].map((reason) => `\n  stopped at ${reason}`).join("");
      return `${i} ${template.kind}: ${ops}; stores ${stored || "nothing"}${reasons}`;
    })
    .join("\n");
}

/** Kernels as their buffers and numbered scalars: shared ones are written once. */
export function formatLoops(kernels: readonly LoweredGroup[]): string {
  return kernels
    .map((kernel, i) => {
      const buffers = [...kernel.buffers.values(), ...kernel.scratch];
      return formatUnnamed(`${i} ${kernel.group.template.kind}`, buffers, kernel.body);
    })
    .join("\n\n");
}

export function formatUnnamed(title: string, buffers: readonly Buffer[], body: readonly Statement[]): string {
  return `${title}\n${kernelKey({ buffers, body })}`;
}

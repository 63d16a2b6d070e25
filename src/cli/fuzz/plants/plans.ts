import type { Plants } from "./plant.ts";

/** Faults in fusion, merging, order and memory. */
export const plans: Plants = {
  "memory-lifetime": {
    file: "codegen/schedule/memory.ts",
    text: ".filter((other) => other.from <= to && from <= other.to)",
    becomes: ".filter((other) => other.from < to && from < other.to)",
    fault: "what a kernel reads shares memory with what it writes",
  },
  "memory-gap": {
    file: "codegen/schedule/memory.ts",
    text: "if (other.start - start >= length) break;",
    becomes: "if (other.start - start >= length / 2) break;",
    fault: "a value is put into a gap that is too small",
  },
  "memory-dead-slot": {
    file: "codegen/plan.ts",
    text: "if (life) life.to = Math.max(life.to, step);",
    becomes: "if (life) life.to = Math.min(life.to + 1, step);",
    fault: "a value is forgotten before its last reader has run",
  },
  "outputs-die": {
    file: "codegen/plan.ts",
    text: "for (const value of outputs) use(value, end);",
    becomes: "for (const value of outputs) use(value, 0);",
    fault: "results are overwritten by later kernels",
  },
  "in-place": {
    file: "codegen/plan.ts",
    text: "if (last > at || (last === at && !readsWhereItWrites(lowered[at], old, value))) continue;",
    becomes: "if (last > at) continue;",
    fault: "a cell is overwritten while it is read",
  },
  "overwrite-order": {
    file: "codegen/plan.ts",
    text: "if (last > at || (last === at &&",
    becomes: "if ((last === at &&",
    fault: "a cell is overwritten before its last reader has run",
  },
  "cse-numbers": {
    file: "codegen/schedule/simplify.ts",
    text: 'if (typeof attrs === "number") return Object.is(attrs, -0) ? "-0" : String(attrs);',
    becomes: 'if (typeof attrs === "number") return String(Math.trunc(attrs));',
    fault: "numbers that differ after the point are merged",
  },
  "cse-lists": {
    file: "codegen/schedule/simplify.ts",
    text: "if (Array.isArray(attrs)) return `[${attrs.map(attrsKey).join()}]`;",
    becomes: "if (Array.isArray(attrs)) return `[${attrs.length}]`;",
    fault: "views of the same number of dims are merged",
  },
  "double-permute": {
    file: "codegen/schedule/simplify.ts",
    text: "return undone ? inner.inputs[0] :",
    becomes: 'return inner.op === "permute" ? inner.inputs[0] :',
    fault: "two permutations undo each other always",
  },
  "times-one": {
    file: "codegen/schedule/simplify.ts",
    text: 'return isFull(inputs[1], 1) ? inputs[0] : undefined;\n    case "div"',
    becomes: 'return isFull(inputs[1], 2) ? inputs[0] : undefined;\n    case "div"',
    fault: "a multiplication by 2 is taken for one by 1",
  },
  "cast-away": {
    file: "codegen/schedule/simplify.ts",
    text: "return inputs[0].dtype === node.attrs.dtype ? inputs[0] : undefined;",
    becomes:
      'return inputs[0].dtype === node.attrs.dtype || inputs[0].dtype === "u32" ? inputs[0] : undefined;',
    fault: "a cast of unsigned integers is dropped",
  },
  "neighbour-gap": {
    file: "codegen/schedule/neighbours.ts",
    text: "if (run && next === kernel.byteOffset) run.push(kernel);",
    becomes: "if (run) run.push(kernel);",
    fault: "cells with a gap between them are updated as one",
  },
  "neighbour-order": {
    file: "codegen/schedule/neighbours.ts",
    text: "if (byteOffset !== undefined && byteOffset !== region.byteOffset) return undefined;",
    becomes: "",
    fault: "neighbours in arenas that do not correspond become one kernel",
  },
  "reads-order": {
    file: "codegen/schedule/order.ts",
    text: "if (owner && owner !== group) before.get(group)?.add(owner);",
    becomes: "",
    fault: "kernels may run before what they read",
  },
};

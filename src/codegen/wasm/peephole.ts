import type { FinishedFunction, Local } from "./functionBuilder.ts";
import type { Instruction } from "./instructions.ts";

/**
 * The builder keeps every value that might be used again in a local. Here the locals go that nothing read: values used
 * once stay on the stack. The remaining locals are numbered anew, parameters first.
 */
export function removeUselessLocals(
  locals: readonly Local[],
  parameterCount: number,
  code: readonly Instruction[],
): FinishedFunction {
  const reads = countReads(code, locals.length);
  const kept: Instruction[] = [];
  for (const instruction of code) {
    const [local = -1] = instruction.immediates;
    const last = kept.at(-1);
    if (instruction.name === "local.tee" && reads[local] === 0) continue;
    if (instruction.name === "local.set" && reads[local] === 0) {
      kept.push({ name: "drop", immediates: [] });
      continue;
    }
    const readOnceRightAway =
      instruction.name === "local.get" &&
      last?.name === "local.set" &&
      last.immediates[0] === local &&
      reads[local] === 1;
    if (readOnceRightAway) kept.pop();
    else if (isSplat(instruction) && last && isLoadOf32(last)) {
      // One instruction loads a number and fills four lanes with it.
      kept[kept.length - 1] = { name: "v128.load32_splat", immediates: last.immediates };
    } else kept.push(instruction);
  }
  return renumber(locals, parameterCount, kept);
}

function isSplat({ name }: Instruction): boolean {
  return name === "f32x4.splat" || name === "i32x4.splat";
}

function isLoadOf32({ name }: Instruction): boolean {
  return name === "f32.load" || name === "i32.load";
}

function countReads(code: readonly Instruction[], locals: number): number[] {
  const counts = new Array<number>(locals).fill(0);
  for (const instruction of code) {
    const [local = -1] = instruction.immediates;
    if (instruction.name === "local.get") counts[local] = (counts[local] ?? 0) + 1;
  }
  return counts;
}

function isLocalAccess({ name }: Instruction): boolean {
  return name === "local.get" || name === "local.set" || name === "local.tee";
}

function renumber(
  locals: readonly Local[],
  parameterCount: number,
  code: readonly Instruction[],
): FinishedFunction {
  const used = new Set<number>(Array.from({ length: parameterCount }, (_, local) => local));
  for (const instruction of code) if (isLocalAccess(instruction)) used.add(instruction.immediates[0] ?? 0);
  // By type, so that the binary form can declare them in three runs.
  const order = [...used].sort((a, b) => {
    if (a < parameterCount || b < parameterCount) return a - b;
    return typeRank(locals[a]) - typeRank(locals[b]) || a - b;
  });
  const numbers = new Map(order.map((old, at) => [old, at]));
  return {
    locals: order.map((old) => locals[old] as Local), // numbers of locals that exist
    code: code.map((instruction) =>
      isLocalAccess(instruction)
        ? { name: instruction.name, immediates: [numbers.get(instruction.immediates[0] ?? 0) ?? 0] }
        : instruction,
    ),
  };
}

function typeRank(local: Local | undefined): number {
  return ["i32", "f32", "v128"].indexOf(local?.type ?? "i32");
}

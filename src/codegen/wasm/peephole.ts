import type { FinishedFunction, Local } from "./functionBuilder.ts";
import type { Instruction, ValueType } from "./instructions.ts";

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

function countReads(code: readonly Instruction[], locals: number): Uint32Array {
  const counts = new Uint32Array(locals);
  for (const { name, immediates } of code) if (name === "local.get") counts[immediates[0]] += 1;
  return counts;
}

function isLocalAccess({ name }: Instruction): boolean {
  return name === "local.get" || name === "local.set" || name === "local.tee";
}

/** In the binary form, locals are declared in runs of one type. */
const typeOrder: readonly ValueType[] = ["i32", "f32", "v128"];

function renumber(
  locals: readonly Local[],
  parameterCount: number,
  code: readonly Instruction[],
): FinishedFunction {
  const used = new Uint8Array(locals.length);
  for (const instruction of code) if (isLocalAccess(instruction)) used[instruction.immediates[0]] = 1;
  const order: number[] = [];
  const numbers = new Uint32Array(locals.length);
  const keep = (local: number): void => {
    numbers[local] = order.length;
    order.push(local);
  };
  for (let local = 0; local < parameterCount; local++) keep(local);
  for (const type of typeOrder) {
    locals.forEach((local, at) => {
      if (at >= parameterCount && used[at] === 1 && local.type === type) keep(at);
    });
  }
  return {
    locals: order.map((old) => locals[old]),
    code: code.map((instruction) =>
      isLocalAccess(instruction)
        ? { name: instruction.name, immediates: [numbers[instruction.immediates[0]]] }
        : instruction,
    ),
  };
}

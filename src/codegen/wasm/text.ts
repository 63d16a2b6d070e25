import { floatOfBits } from "./assembler.ts";
import type { Local } from "./functionBuilder.ts";
import { emptyBlock, type Instruction, shapeOf, valueTypeCodes } from "./instructions.ts";

/**
 * A function in WebAssembly's text format, for people: locals by name, expressions folded where that keeps the order,
 * one statement a line, loops and branches indented.
 */
export function formatFunction(
  name: string,
  parameterCount: number,
  locals: readonly Local[],
  code: readonly Instruction[],
): string {
  const names = uniqueNames(locals);
  const declare = (keyword: string, from: number, to: number) =>
    locals.slice(from, to).map(({ type }, at) => `(${keyword} ${names[from + at]} ${type})`);
  const lines = [`(func $${cleanName(name)}`];
  lines.push(
    ...fill(declare("param", 0, parameterCount)),
    ...fill(declare("local", parameterCount, locals.length)),
  );
  return [...lines, ...formatCode(code, names), ")", ""].join("\n");
}

/** Parts joined to lines of up to 110 columns, indented. */
function fill(parts: readonly string[]): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + part.length < 110) lines[lines.length - 1] = `${last} ${part}`;
    else lines.push(`  ${part}`);
  }
  return lines;
}

function cleanName(name: string): string {
  return name.replace(/[^\w.$#/+*-]/g, "_");
}

function uniqueNames(locals: readonly Local[]): string[] {
  const counts = new Map<string, number>();
  const taken = new Set<string>();
  return locals.map(({ name }) => {
    let unique = `$${cleanName(name)}`;
    while (taken.has(unique)) {
      const count = (counts.get(name) ?? 1) + 1;
      counts.set(name, count);
      unique = `$${cleanName(name)}_${count}`;
    }
    taken.add(unique);
    return unique;
  });
}

/** The lines of code; operands are folded into what uses them. */
function formatCode(code: readonly Instruction[], names: readonly string[]): string[] {
  const lines: string[] = [];
  let operands: string[] = [];
  let indent = "  ";
  const flush = (): void => {
    for (const operand of operands) lines.push(indent + operand);
    operands = [];
  };
  for (const instruction of code) {
    const { pops, pushes, immediate } = shapeOf(instruction.name);
    const opcode = formatInstruction(instruction, names);
    const closes = instruction.name === "end" || instruction.name === "else";
    if (closes) flush();
    const folds = operands.length >= pops;
    const args = folds && pops > 0 ? operands.splice(operands.length - pops) : [];
    const text = folds && !closes && immediate !== "block" ? `(${[opcode, ...args].join(" ")})` : opcode;
    if (pushes === 1) {
      operands.push(text);
      continue;
    }
    flush();
    if (closes) indent = indent.slice(2);
    if (immediate === "block") for (const arg of args) lines.push(indent + arg);
    lines.push(indent + text);
    if (immediate === "block" || instruction.name === "else") indent += "  ";
  }
  flush();
  return lines;
}

function formatInstruction({ name, immediates }: Instruction, names: readonly string[]): string {
  const [first = 0, second = 0] = immediates;
  const offset = first === 0 ? "" : ` offset=${first}`;
  switch (shapeOf(name).immediate) {
    case "none":
      return name;
    case "local":
      return `${name} ${names[first]}`;
    case "i32":
    case "label":
    case "lane":
      return `${name} ${first}`;
    case "f32":
      return `${name} ${formatFloat(first)}`;
    case "v128":
      return `${name} ${formatLanes(immediates)}`;
    case "memory":
      return name + offset;
    case "memoryLane":
      return `${name}${offset} ${second}`;
    case "block": {
      const type = Object.entries(valueTypeCodes).find(([, code]) => code === first)?.[0];
      return first === emptyBlock ? name : `${name} (result ${type})`;
    }
  }
}

function formatFloat(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  return Object.is(value, -0) ? "-0" : String(value);
}

/** As floats if they look like some: what is no small integer and no mask. */
function formatLanes(words: readonly number[]): string {
  const integers = words.every((word) => Math.abs(word) < 2 ** 20);
  if (integers) return `i32x4 ${words.join(" ")}`;
  return `f32x4 ${words.map((word) => formatFloat(floatOfBits(word))).join(" ")}`;
}

import { InternalError } from "../../graph/errors.ts";
import { type Instruction, shapeOf, type ValueType, valueTypeCodes } from "./instructions.ts";

// The binary format of WebAssembly modules, as far as kernels need it: functions over one imported memory.
// WebAssembly core specification 2.0, chapter 5.

/** A function's locals and code. Parameters come first among the locals; the code has no final `end`. */
export interface FunctionBody {
  readonly parameters: readonly ValueType[];
  readonly locals: readonly ValueType[];
  readonly code: readonly Instruction[];
}

/** A function that a module exports. */
export interface ExportedFunction extends FunctionBody {
  readonly name: string;
}

/** Whether the imported memory is shared among threads. */
export interface MemoryImport {
  readonly shared: boolean;
}

/**
 * A module that imports the memory "env"."memory" and exports the functions, which return nothing. A shared memory is
 * declared with the largest maximum there is, so that any shared memory fits.
 */
export function assembleModule(
  functions: readonly ExportedFunction[],
  memory: MemoryImport,
): Uint8Array<ArrayBuffer> {
  const signatures = distinctSignatures(functions);
  const typeOf = (of: FunctionBody): number => signatures.indexOf(signatureOf(of));
  const limits = memory.shared ? [0x03, ...unsigned(0), ...unsigned(65536)] : [0x00, ...unsigned(0)];
  const types = signatures.map((_, at) => {
    const { parameters } = functions.find((one) => typeOf(one) === at) as FunctionBody; // each came from one
    return [0x60, ...vector(parameters.map((type) => [valueTypeCodes[type]])), ...vector([])];
  });
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, vector(types)),
    ...section(2, vector([[...name("env"), ...name("memory"), 0x02, ...limits]])),
    ...section(3, vector(functions.map((one) => unsigned(typeOf(one))))),
    ...section(7, vector(functions.map((one, at) => [...name(one.name), 0x00, ...unsigned(at)]))),
    ...section(10, vector(functions.map(functionBody))),
  ]);
}

function signatureOf({ parameters }: FunctionBody): string {
  return parameters.join(" ");
}

function distinctSignatures(functions: readonly FunctionBody[]): string[] {
  return [...new Set(functions.map(signatureOf))];
}

/** An unsigned integer below 2^32 in LEB128. */
export function unsigned(value: number): number[] {
  if (!(Number.isInteger(value) && value >= 0 && value < 2 ** 32)) {
    throw new InternalError(`wasm: ${value} is no unsigned 32-bit integer`);
  }
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) | 0x80);
    rest = Math.floor(rest / 128);
  }
  return [...bytes, rest];
}

/** A 32-bit integer, signed or unsigned, in signed LEB128. */
export function signed(value: number): number[] {
  if (!(Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 32)) {
    throw new InternalError(`wasm: ${value} is no 32-bit integer`);
  }
  const bytes: number[] = [];
  let rest = value | 0;
  while (rest < -64 || rest > 63) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>= 7;
  }
  return [...bytes, rest & 0x7f];
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function name(text: string): number[] {
  const bytes = new TextEncoder().encode(text);
  return [...unsigned(bytes.length), ...bytes];
}

function section(id: number, content: number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function functionBody({ parameters, locals, code }: FunctionBody): number[] {
  const own = locals.slice(parameters.length);
  const runs: { type: ValueType; count: number }[] = [];
  for (const type of own) {
    const last = runs.at(-1);
    if (last?.type === type) last.count++;
    else runs.push({ type, count: 1 });
  }
  const bytes = vector(runs.map(({ type, count }) => [...unsigned(count), valueTypeCodes[type]]));
  for (const instruction of code) encodeInstruction(instruction, bytes);
  bytes.push(0x0b);
  return [...unsigned(bytes.length), ...bytes];
}

/** Appends an instruction's bytes. */
export function encodeInstruction(instruction: Instruction, bytes: number[]): void {
  const { opcode, immediate } = shapeOf(instruction.name);
  if (opcode < 0x1000) bytes.push(opcode);
  else bytes.push(opcode >> 12, ...unsigned(opcode & 0xfff));
  const [first = 0, second = 0] = instruction.immediates;
  switch (immediate) {
    case "none":
      return;
    case "local":
    case "label":
      bytes.push(...unsigned(first));
      return;
    case "lane":
    case "block":
      bytes.push(first);
      return;
    case "i32":
      bytes.push(...signed(first));
      return;
    case "f32":
      bytes.push(...littleEndian([floatBits(first)]));
      return;
    case "v128":
      bytes.push(...littleEndian(instruction.immediates));
      return;
    case "memory":
      bytes.push(2, ...unsigned(first));
      return;
    case "memoryLane":
      bytes.push(2, ...unsigned(first), second);
      return;
  }
}

function littleEndian(words: readonly number[]): number[] {
  return words.flatMap((word) => [word & 0xff, (word >> 8) & 0xff, (word >> 16) & 0xff, (word >> 24) & 0xff]);
}

/** The bits of a number as f32. */
export function floatBits(value: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  return view.getInt32(0);
}

/** The f32 with these bits. */
export function floatOfBits(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setInt32(0, bits);
  return view.getFloat32(0);
}

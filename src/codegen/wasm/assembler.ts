import { ByteWriter } from "./byteWriter.ts";
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
  const bodies = functions.map(functionBody);
  const codeBytes = bodies.reduce((total, { length }) => total + unsigned(length).length + length, 0);
  const count = unsigned(functions.length);
  const bytes = new ByteWriter();
  bytes.append([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);
  bytes.append(section(1, vector(types)));
  bytes.append(section(2, vector([[...name("env"), ...name("memory"), 0x02, ...limits]])));
  bytes.append(section(3, vector(functions.map((one) => unsigned(typeOf(one))))));
  bytes.append(section(7, vector(functions.map((one, at) => [...name(one.name), 0x00, ...unsigned(at)]))));
  bytes.append([10, ...unsigned(count.length + codeBytes), ...count]);
  for (const body of bodies) {
    bytes.unsigned(body.length);
    bytes.append(body);
  }
  return bytes.finish();
}

function signatureOf({ parameters }: FunctionBody): string {
  return parameters.join(" ");
}

function distinctSignatures(functions: readonly FunctionBody[]): string[] {
  return [...new Set(functions.map(signatureOf))];
}

/** An unsigned integer below 2^32 in LEB128. */
function unsigned(value: number): number[] {
  const bytes = new ByteWriter();
  bytes.unsigned(value);
  return [...bytes.finish()];
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

function functionBody({ parameters, locals, code }: FunctionBody): Uint8Array {
  const own = locals.slice(parameters.length);
  const runs: { type: ValueType; count: number }[] = [];
  for (const type of own) {
    const last = runs.at(-1);
    if (last?.type === type) last.count++;
    else runs.push({ type, count: 1 });
  }
  const bytes = new ByteWriter();
  bytes.append(vector(runs.map(({ type, count }) => [...unsigned(count), valueTypeCodes[type]])));
  for (const instruction of code) encodeInstruction(instruction, bytes);
  bytes.byte(0x0b);
  return bytes.finish();
}

/** Appends an instruction's bytes. */
export function encodeInstruction({ name, immediates }: Instruction, bytes: ByteWriter): void {
  const { opcode, immediate } = shapeOf(name);
  if (opcode < 0x1000) bytes.byte(opcode);
  else {
    bytes.byte(opcode >> 12);
    bytes.unsigned(opcode & 0xfff);
  }
  const [first = 0, second = 0] = immediates;
  switch (immediate) {
    case "none":
      return;
    case "local":
    case "label":
      bytes.unsigned(first);
      return;
    case "lane":
    case "block":
      bytes.byte(first);
      return;
    case "i32":
      bytes.signed(first);
      return;
    case "f32":
      bytes.word(floatBits(first));
      return;
    case "v128":
      for (const bits of immediates) bytes.word(bits);
      return;
    case "memory":
      bytes.byte(2);
      bytes.unsigned(first);
      return;
    case "memoryLane":
      bytes.byte(2);
      bytes.unsigned(first);
      bytes.byte(second);
      return;
  }
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

import { type Expression, variable } from "../../../src/codegen/index/expression.ts";
import { allocateElements, type Elements, interpret } from "../../../src/codegen/kernel/interpret.ts";
import type { AxisTag, Buffer, Kernel, ScalarType, Statement } from "../../../src/codegen/kernel/ir.ts";
import { mapStatements, unary } from "../../../src/codegen/kernel/scalars.ts";
import { detectFeatures } from "../../../src/codegen/wasm/features.ts";
import { printWasm } from "../../../src/codegen/wasm/printer.ts";

/** What the buffers hold before a kernel runs; those that are missing start as zeros. */
export type Contents = ReadonlyMap<Buffer, readonly number[]>;

export function loopOver(
  name: string,
  extent: number,
  tag: AxisTag,
  body: (at: Expression) => readonly Statement[],
): Statement {
  return { kind: "for", axis: { name, extent, tag }, body: body(variable(name, extent)) };
}

export function buffer(
  name: string,
  type: ScalarType,
  length: number,
  access: Buffer["access"] = "read",
): Buffer {
  return { name, type, length, access };
}

function viewOf(type: ScalarType, memory: ArrayBuffer, offset: number, length: number) {
  if (type === "f32") return new Float32Array(memory, offset, length);
  if (type === "u32") return new Uint32Array(memory, offset, length);
  return new Int32Array(memory, offset, length);
}

const canary = 0x5ca1ab1e;

/** Runs compiled kernels one after the other and returns what their buffers hold then. */
export function runWasm(
  kernels: readonly Kernel[],
  contents: Contents,
  features = { relaxedSimd: detectFeatures().relaxedSimd },
): Map<Buffer, number[]> {
  const { bytes, exports } = printWasm(kernels, features);
  const memory = new WebAssembly.Memory({ initial: 64 });
  const { exports: found } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  const words = new Uint32Array(memory.buffer);
  const offsets = new Map<Buffer, number>();
  let end = 64;
  for (const one of kernels.flatMap((kernel) => kernel.buffers)) {
    if (offsets.has(one)) continue;
    words[end / 4 - 1] = canary;
    offsets.set(one, end);
    viewOf(one.type, memory.buffer, end, one.length).set(contents.get(one) ?? []);
    end += 4 * one.length + 4;
    words[end / 4 - 1] = canary;
    end += 4;
  }
  kernels.forEach((kernel, at) => {
    const run = found[exports[at] ?? ""] as (...addresses: number[]) => void;
    run(...kernel.buffers.map((one) => offsets.get(one) ?? 0));
  });
  const results = new Map<Buffer, number[]>();
  for (const [one, offset] of offsets) {
    const around = [words[offset / 4 - 1], words[offset / 4 + one.length]];
    if (around.some((word) => word !== canary)) throw new Error(`the kernel wrote beside ${one.name}`);
    results.set(one, [...viewOf(one.type, memory.buffer, offset, one.length)]);
  }
  return results;
}

/** Runs a kernel by walking its IR, one iteration after the other. */
export function runPlain(kernel: Kernel, contents: Contents): Map<Buffer, number[]> {
  // The printer rounds the root before the quotient.
  const body = mapStatements(kernel.body, (scalar) =>
    scalar.kind === "unary" && scalar.op === "rsqrt"
      ? unary("reciprocal", unary("sqrt", scalar.args[0]))
      : scalar,
  );
  const memory = new Map<Buffer, Elements>();
  for (const one of kernel.buffers) {
    const elements = allocateElements(one);
    elements.set(contents.get(one) ?? []);
    memory.set(one, elements);
  }
  interpret({ ...kernel, body }, memory);
  return new Map([...memory].map(([one, elements]) => [one, [...elements]]));
}

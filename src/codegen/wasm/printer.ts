import type { Kernel } from "../kernel/ir.ts";
import { assembleModule } from "./assembler.ts";
import { KernelContext } from "./context.ts";
import type { FinishedFunction } from "./functionBuilder.ts";
import { emitStatements, vectorArrays } from "./statements.ts";
import { formatFunction } from "./text.ts";

/** What the printed code may use beyond WebAssembly with SIMD. */
export interface PrintFeatures {
  /** Fused multiply-add. */
  readonly relaxedSimd: boolean;
  /** The memory that the module imports is shared among threads; default false. */
  readonly sharedMemory?: boolean;
}

export interface WasmModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The name of each kernel's function, in the kernels' order. */
  readonly exports: string[];
}

/**
 * The kernels as one WebAssembly module, which imports its memory as "env"."memory". Each kernel is a function of one
 * byte address (i32) for each of its buffers, scratch included, and returns nothing. Addresses are multiples of 4;
 * multiples of 16 are faster.
 * @throws InternalError for ops without instructions (exp, sin, pow, fmod and so on, see `expandMath`): expand them first; and for
 * kernels that break the IR's rules.
 */
export function printWasm(kernels: readonly Kernel[], features: PrintFeatures): WasmModule {
  const functions = kernels.map((kernel, at) => {
    const { locals, code } = compile(kernel, features);
    return {
      name: `k${at}`,
      parameters: kernel.buffers.map(() => "i32" as const),
      locals: locals.map(({ type }) => type),
      code,
    };
  });
  const bytes = assembleModule(functions, { shared: features.sharedMemory ?? false });
  return { bytes, exports: functions.map(({ name }) => name) };
}

/** The function that `printWasm` makes of a kernel, as text. */
export function sourceText(kernel: Kernel, features: PrintFeatures): string {
  const { locals, code } = compile(kernel, features);
  return formatFunction(kernel.name, kernel.buffers.length, locals, code);
}

function compile(kernel: Kernel, features: PrintFeatures): FinishedFunction {
  const context = new KernelContext(kernel, vectorArrays(kernel.body), features.relaxedSimd);
  emitStatements(context, kernel.body);
  return context.builder.finish();
}

import { TraceError } from "../graph/errors.ts";
import type { Executable, KernelInfo, PassInfo } from "../runtime/device.ts";
import { type Compiled, planOf } from "./compile.ts";

/** What a compiled function runs as. */
export interface Explanation {
  readonly kernels: readonly KernelInfo[];
  /** Device bytes that a call needs beside arguments, parameters and results. */
  readonly peakBytes: number;
  /** Bytes that all kernels read and write. */
  readonly bytes: number;
  readonly flops: number;
  /** A table, a kernel a line. */
  toString(): string;
}

/**
 * The kernels of a compiled function's last call; or those that a call of a plain function with these arguments would
 * run, without running anything.
 * @throws TraceError for a compiled function that was never called and is given no arguments.
 */
export function explain<Args extends readonly unknown[]>(
  fn: Compiled<Args, unknown> | ((...args: Args) => unknown),
  ...args: Args | []
): Explanation {
  const known = "lastPlan" in fn ? fn.lastPlan : undefined;
  if (known && args.length === 0) return explanation(known);
  if ("lastPlan" in fn && args.length === 0) {
    throw new TraceError(
      "explain: the compiled function was never called; call it, or pass arguments to explain",
    );
  }
  return explanation(planOf(fn, args as Args));
}

/**
 * The passes that planning a call of the function with these arguments goes through: each one's name, and the graph or
 * the kernels before and after, as text. Nothing is run. Empty on a device that plans nothing.
 */
export function explainPasses<Args extends readonly unknown[]>(
  fn: (...args: Args) => unknown,
  ...args: Args
): readonly PassInfo[] {
  let passes: readonly PassInfo[] = [];
  planOf(fn, args, (device, program) => {
    passes = device.passesOf?.(program) ?? [];
    return device.prepare(program);
  });
  return passes;
}

function explanation(plan: Executable): Explanation {
  const { kernels, temporaryBytes } = plan;
  const bytes = kernels.reduce((total, kernel) => total + kernel.bytes, 0);
  const flops = kernels.reduce((total, kernel) => total + kernel.flops, 0);
  return {
    kernels,
    peakBytes: temporaryBytes,
    bytes,
    flops,
    toString: () => table(kernels, temporaryBytes, bytes, flops),
  };
}

function table(kernels: readonly KernelInfo[], temporaryBytes: number, bytes: number, flops: number): string {
  const rows = kernels.map((kernel, i) => [
    String(i),
    kernel.name,
    kernel.template,
    String(kernel.bytes),
    String(kernel.flops),
    kernel.ops.join(" "),
  ]);
  const lines = [["#", "kernel", "template", "bytes", "flops", "ops"], ...rows];
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const numeric = new Set([0, 3, 4]);
  const text = lines.map((line) =>
    line
      .map((cell, column) =>
        numeric.has(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column]),
      )
      .join("  ")
      .trimEnd(),
  );
  return [
    ...text,
    `${kernels.length} kernels, ${bytes} bytes moved, ${flops} flops, ${temporaryBytes} temporary bytes`,
  ].join("\n");
}

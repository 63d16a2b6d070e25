#!/usr/bin/env node
import { setFlagsFromString } from "node:v8";
import { run } from "./program.ts";

// Node 20 has relaxed SIMD (fused multiply-add) behind a flag; a program may set it before WebAssembly is first compiled,
// a library may not. Newer ones need no flag and know none.
if (process.versions.node.startsWith("20.")) setFlagsFromString("--experimental-wasm-relaxed-simd");

const interruption = new AbortController();
// Once: a second Ctrl-C ends the process at once.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interruption.abort(signal));

// Whoever reads the output may have enough of it: `fusegrad explain | head`.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

process.exitCode = await run(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  signal: interruption.signal,
});

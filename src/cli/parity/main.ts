import { setFlagsFromString } from "node:v8";
import { runParity } from "./run.ts";

// As the command does: Node 20 has relaxed SIMD (fused multiply-add) behind a flag.
if (process.versions.node.startsWith("20.")) setFlagsFromString("--experimental-wasm-relaxed-simd");

const { stdout, stderr } = process;
const never = new AbortController();
process.exitCode = await runParity(process.argv.slice(2), { stdout, stderr, signal: never.signal });

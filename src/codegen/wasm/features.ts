import { assembleModule } from "./assembler.ts";
import type { Instruction } from "./instructions.ts";

/** What the WebAssembly engine at hand can do beyond the first version. */
export interface WasmFeatures {
  /** 128-bit vectors. */
  readonly simd: boolean;
  /** Fused multiply-add, among others. */
  readonly relaxedSimd: boolean;
  /** Memory shared among threads. */
  readonly threads: boolean;
}

/** Asks the engine, by validating modules of a few bytes; nothing is compiled or remembered. */
export function detectFeatures(): WasmFeatures {
  const vector: Instruction = { name: "v128.const", immediates: [0, 0, 0, 0] };
  const madd: Instruction = { name: "f32x4.relaxed_madd", immediates: [] };
  const drop: Instruction = { name: "drop", immediates: [] };
  return {
    simd: accepts([vector, drop], false),
    relaxedSimd: accepts([vector, vector, vector, madd, drop], false),
    threads: typeof SharedArrayBuffer !== "undefined" && accepts([], true),
  };
}

function accepts(code: readonly Instruction[], shared: boolean): boolean {
  if (typeof WebAssembly === "undefined") return false;
  const probe = assembleModule([{ name: "probe", parameters: [], locals: [], code }], { shared });
  return WebAssembly.validate(probe);
}

import { setFlagsFromString } from "node:v8";
import type { Prepare } from "./contender.ts";
import { jax } from "./peers/jax.ts";
import { onnxRuntime } from "./peers/onnxRuntime.ts";
import { tensorflow } from "./peers/tensorflow.ts";
import { roofline } from "./roofline.ts";

/** Who is measured. The first is this project and the last two are native code and the machine itself: no peers. */
export const contenderNames = ["fusegrad", "jax-js", "tfjs", "ort-web", "ort-native", "machine"] as const;

export type ContenderName = (typeof contenderNames)[number];

/** Those that others would use instead. */
export const peerNames = ["jax-js", "tfjs", "ort-web"] as const satisfies readonly ContenderName[];

/** Loads an engine; `folder` is where the peers' packages are installed. */
export async function load(name: ContenderName, folder: string): Promise<Prepare> {
  // As the command does: Node 20 has fused multiply-add behind a flag. It is set before WebAssembly is first compiled.
  if (process.versions.node.startsWith("20.")) setFlagsFromString("--experimental-wasm-relaxed-simd");
  switch (name) {
    case "fusegrad":
      return (await import("./fusegrad.ts")).prepare;
    case "jax-js":
      return jax(folder);
    case "tfjs":
      return tensorflow(folder);
    case "ort-web":
      return onnxRuntime(folder, "onnxruntime-web");
    case "ort-native":
      return onnxRuntime(folder, "onnxruntime-node");
    case "machine":
      return roofline;
  }
}

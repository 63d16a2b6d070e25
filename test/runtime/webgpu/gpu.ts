import { type WebGpuDevice, webgpu } from "../../../src/runtime/webgpu/node/index.ts";

/** A GPU of this process: a real one where there is one, else one in software. */
export function openGpu(): Promise<WebGpuDevice> {
  return webgpu();
}

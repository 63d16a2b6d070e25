import { DeviceError } from "../../graph/errors.ts";
import type { WebGpuDevice } from "./device.ts";
import { openDevice, type WebGpuOptions } from "./options.ts";

export { WebGpuDevice } from "./device.ts";
export type { WebGpuOptions } from "./options.ts";

/**
 * A GPU as a device, in a page or a worker: `setDefaultDevice(await webgpu())` or `model.to(await webgpu())`.
 * @throws DeviceError where there is no WebGPU or no adapter.
 */
export async function webgpu(options: WebGpuOptions = {}): Promise<WebGpuDevice> {
  const gpu = options.gpu ?? (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
  if (gpu === undefined) {
    throw new DeviceError(
      "webgpu: this page has no navigator.gpu: the browser lacks WebGPU, or the page is not served securely; use the wasm device",
    );
  }
  const device = await openDevice(gpu, options);
  if (device === undefined)
    throw new DeviceError(
      "webgpu: no adapter was found: the browser allows no GPU here; use the wasm device",
    );
  return device;
}

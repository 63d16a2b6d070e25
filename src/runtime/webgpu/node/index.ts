import { DeviceError } from "../../../graph/errors.ts";
import type { WebGpuDevice } from "../device.ts";
import { openDevice, type WebGpuOptions } from "../options.ts";
import { softwareGpu, vulkanIsMissing } from "./softwareGpu.ts";

export { WebGpuDevice } from "../device.ts";
export type { WebGpuOptions } from "../options.ts";

/**
 * A GPU as a device, in Node: through the optional package `webgpu` (Dawn), unless `options.gpu` is given. On a machine
 * without GPU, the one in software of the package `@sparticuz/chromium` is used if that is installed.
 * @throws DeviceError naming what is missing and what to install.
 */
export async function webgpu(options: WebGpuOptions = {}): Promise<WebGpuDevice> {
  const own = options.gpu === undefined && !vulkanIsMissing();
  const gpu = options.gpu ?? (own ? await createGpu() : undefined);
  const device = gpu && (await openDevice(gpu, options));
  if (device) return device;
  const software = options.gpu === undefined && softwareGpu();
  const inSoftware = software ? await openDevice(await createGpu(), options) : undefined;
  if (inSoftware) return inSoftware;
  throw new DeviceError(
    "webgpu: no adapter was found: this machine shows no GPU with a Vulkan, Metal or D3D12 driver. Install one, or a GPU in " +
      "software (Linux on x64: npm install @sparticuz/chromium@147.0.0), or use the wasm device",
  );
}

async function createGpu(): Promise<GPU> {
  let create: (options: string[]) => GPU;
  try {
    ({ create } = await import("webgpu"));
  } catch (cause) {
    throw new DeviceError(
      "webgpu: Node has no WebGPU of its own, and the package webgpu does not load: npm install webgpu, or use the wasm device",
      { cause },
    );
  }
  // Kernels write a workgroup's memory before they read it. Clearing it first would cost a GPU in software, which writes
  // that out element by element, most of the time in which it compiles.
  return create(["enable-dawn-features=disable_workgroup_init"]);
}

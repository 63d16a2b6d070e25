import { DeviceError } from "../../graph/errors.ts";
import { WebGpuDevice } from "./device.ts";

export interface WebGpuOptions {
  /** Where adapters come from; `navigator.gpu` in browsers, the package `webgpu` in Node. */
  readonly gpu?: GPU;
  readonly powerPreference?: GPUPowerPreference;
  /** Limits to ask for; by default, all that the adapter has of those that matter here. */
  readonly limits?: Readonly<Record<string, number>>;
}

/** Limits that decide how large tensors and how good kernels can be. */
const wanted = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
] as const;

/** A device of the adapter that `gpu` prefers; undefined when it has none. @throws DeviceError when it gives no device. */
export async function openDevice(gpu: GPU, options: WebGpuOptions): Promise<WebGpuDevice | undefined> {
  const { powerPreference } = options;
  const adapter = await gpu.requestAdapter(powerPreference ? { powerPreference } : {});
  if (adapter === null) return undefined;
  const requiredLimits =
    options.limits ?? Object.fromEntries(wanted.map((limit) => [limit, adapter.limits[limit]]));
  try {
    return new WebGpuDevice(await adapter.requestDevice({ requiredLimits }), gpu);
  } catch (cause) {
    throw new DeviceError(`webgpu: the adapter gives no such device: ${(cause as Error).message}`, { cause });
  }
}

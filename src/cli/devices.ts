import { withEngine } from "../engine/current.ts";
import { Engine } from "../engine/engine.ts";
import { DeviceError } from "../graph/errors.ts";
import type { Device } from "../runtime/device.ts";
import { ReferenceDevice } from "../runtime/reference/device.ts";
import { WasmDevice } from "../runtime/wasm/device.ts";
import { type WebGpuDevice, webgpu } from "../runtime/webgpu/node/index.ts";
import { UsageError } from "./errors.ts";

/** The devices that the command can compute on, the default first. */
export const deviceNames = ["wasm", "reference", "webgpu"] as const;

export type DeviceName = (typeof deviceNames)[number];

/**
 * Runs `fn` in a world of its own: a new device, and random numbers that begin at `seed`.
 * @throws UsageError for webgpu where there is no GPU.
 */
export async function onDevice<T>(name: DeviceName, seed: number, fn: () => Promise<T>): Promise<T> {
  const within = (makeDevice: () => Device): Promise<T> => withEngine(new Engine(makeDevice, seed), fn);
  switch (name) {
    case "wasm":
      return within(() => new WasmDevice());
    case "reference":
      return within(() => new ReferenceDevice());
    case "webgpu": {
      const gpu = await openGpu();
      // While a GPU is open, Node does not end.
      return within(() => gpu).finally(() => gpu.destroy());
    }
  }
}

async function openGpu(): Promise<WebGpuDevice> {
  try {
    return await webgpu();
  } catch (error) {
    if (error instanceof DeviceError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

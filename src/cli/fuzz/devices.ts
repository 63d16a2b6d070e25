import { DeviceError } from "../../graph/errors.ts";
import type { Device } from "../../runtime/device.ts";
import { ReferenceDevice } from "../../runtime/reference/device.ts";
import { webgpu } from "../../runtime/webgpu/node/index.ts";
import { CheckedWasmDevice, InterpretedDevice } from "../../testing/index.ts";
import { UsageError } from "../errors.ts";

/**
 * What can be fuzzed.
 * - `wasm` checks every kernel and poisons its memory; `wasm-unfused` makes each op a kernel of its own; `wasm-plain` does
 *   without relaxed SIMD
 * - `interpreted` runs a GPU's kernels step by step: it finds races and barriers that not all come by
 */
export const fuzzDeviceNames = [
  "wasm",
  "wasm-unfused",
  "wasm-plain",
  "reference",
  "interpreted",
  "webgpu",
] as const;

export type FuzzDeviceName = (typeof fuzzDeviceNames)[number];

/** A device by its name. @throws UsageError for webgpu where there is no GPU. */
async function open(name: FuzzDeviceName): Promise<Device> {
  switch (name) {
    case "wasm":
      return new CheckedWasmDevice();
    case "wasm-unfused":
      return new CheckedWasmDevice({ fusion: "none" }, name);
    case "wasm-plain":
      return new CheckedWasmDevice({ relaxedSimd: false }, name);
    case "reference":
      return new ReferenceDevice();
    case "interpreted":
      return new InterpretedDevice();
    case "webgpu":
      try {
        return await webgpu();
      } catch (error) {
        if (error instanceof DeviceError) throw new UsageError(error.message, { cause: error });
        throw error;
      }
  }
}

/** Opens devices, runs `fn` with them, and closes those that keep Node alive. */
export async function withDevices<T>(
  names: readonly FuzzDeviceName[],
  fn: (devices: readonly Device[]) => Promise<T>,
): Promise<T> {
  const devices: Device[] = [];
  try {
    for (const name of names) devices.push(await open(name));
    return await fn(devices);
  } finally {
    for (const device of devices)
      if ("destroy" in device && typeof device.destroy === "function") device.destroy();
  }
}

/** The name, where it is that of a device. @throws UsageError. */
export function fuzzDeviceName(text: string): FuzzDeviceName {
  const found = fuzzDeviceNames.find((name) => name === text);
  if (found === undefined)
    throw new UsageError(`no device is named ${text}; the devices are ${fuzzDeviceNames.join(", ")}`);
  return found;
}

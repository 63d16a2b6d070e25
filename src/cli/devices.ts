import { withEngine } from "../engine/current.ts";
import { Engine } from "../engine/engine.ts";
import type { Device } from "../runtime/device.ts";
import { ReferenceDevice } from "../runtime/reference/device.ts";
import { WasmDevice } from "../runtime/wasm/device.ts";

/** The devices that the command can compute on, the default first. */
export const deviceNames = ["wasm", "reference"] as const;

export type DeviceName = (typeof deviceNames)[number];

function makeDevice(name: DeviceName): Device {
  switch (name) {
    case "wasm":
      return new WasmDevice();
    case "reference":
      return new ReferenceDevice();
  }
}

/** Runs `fn` in a world of its own: a new device, and random numbers that begin at `seed`. */
export function onDevice<T>(name: DeviceName, seed: number, fn: () => Promise<T>): Promise<T> {
  return withEngine(new Engine(() => makeDevice(name), seed), fn);
}

import type { Device } from "../runtime/device.ts";
import { WasmDevice } from "../runtime/wasm/device.ts";
import { Engine } from "./engine.ts";

let current: Engine | undefined;

/** The engine that tensors use; made with a wasm device when it is first asked for. */
export function currentEngine(): Engine {
  current ??= new Engine(() => new WasmDevice());
  return current;
}

/** Puts another engine in place and returns the one before, for tests and for separate worlds in one process. */
export function setEngine(engine: Engine): Engine {
  const before = currentEngine();
  current = engine;
  return before;
}

/** Runs `fn` with another engine in place. For an async `fn` the engine stays until it settles: do not run two at once. */
export function withEngine<T>(engine: Engine, fn: () => T): T {
  const before = setEngine(engine);
  let result: T;
  try {
    result = fn();
  } catch (error) {
    setEngine(before);
    throw error;
  }
  if (result instanceof Promise) {
    return result.finally(() => setEngine(before)) as T;
  }
  setEngine(before);
  return result;
}

/** The device of tensors that name none. */
export function defaultDevice(): Device {
  return currentEngine().defaultDevice;
}

export function setDefaultDevice(device: Device): void {
  currentEngine().defaultDevice = device;
}

import { afterEach, beforeEach, describe } from "vitest";
import { setEngine } from "../../src/engine/current.ts";
import { Engine } from "../../src/engine/engine.ts";
import { DeviceError } from "../../src/graph/errors.ts";
import type { Device, Executable } from "../../src/runtime/device.ts";
import { ReferenceDevice } from "../../src/runtime/reference/device.ts";
import { WasmDevice } from "../../src/runtime/wasm/device.ts";

const seed = 5;

/** Puts a new engine in place, as every test has one. */
export function startEngine(makeDevice: () => Device = () => new WasmDevice()): Engine {
  const engine = new Engine(makeDevice, seed);
  setEngine(engine);
  return engine;
}

/** A new engine with the wasm device (or another) for every test of the file or block. */
export function eachTestAlone(makeDevice: () => Device = () => new WasmDevice()): void {
  let before: Engine;
  beforeEach(() => {
    before = setEngine(new Engine(makeDevice, seed));
  });
  afterEach(() => {
    setEngine(before);
  });
}

/** The block's tests on the wasm device and on the reference device. */
export function onEachDevice(body: (name: "wasm" | "reference") => void): void {
  describe("wasm", () => {
    eachTestAlone();
    body("wasm");
  });
  describe("reference", () => {
    eachTestAlone(() => new ReferenceDevice());
    body("reference");
  });
}

/** A reference device that can be made to fail: when memory is asked for, when a program is run, or when it is read. */
export class FailingDevice extends ReferenceDevice {
  fails: "block" | "run" | "read" | undefined;

  #failAt(when: "block" | "run" | "read"): void {
    if (this.fails === when) throw new DeviceError(`the device is on fire (${when})`);
  }

  override createBlock(bytes: number): ReturnType<ReferenceDevice["createBlock"]> {
    this.#failAt("block");
    return super.createBlock(bytes);
  }

  override prepare(program: Parameters<ReferenceDevice["prepare"]>[0]): Executable {
    const executable = super.prepare(program);
    return {
      kernels: executable.kernels,
      temporaryBytes: executable.temporaryBytes,
      run: (feeds) => {
        this.#failAt("run");
        return executable.run(feeds);
      },
      dispose: () => executable.dispose(),
    };
  }

  override async read(...args: Parameters<ReferenceDevice["read"]>): ReturnType<ReferenceDevice["read"]> {
    this.#failAt("read");
    return super.read(...args);
  }
}

import type { Kernel } from "../../codegen/kernel/ir.ts";
import type { PrintFeatures } from "../../codegen/wasm/printer.ts";
import { printWasm } from "../../codegen/wasm/printer.ts";
import { InternalError } from "../../graph/errors.ts";

/** A kernel ready to be called with the address of each of its buffers. */
export type KernelFunction = (...addresses: number[]) => void;

/** Distinct kernels kept compiled. */
const capacity = 4096;

/**
 * Compiled kernels, each once: equal layers share them. Keys are compared in full. New kernels of
 * a plan are compiled together, as one module.
 */
export class KernelCache {
  readonly #functions = new Map<string, KernelFunction>();
  readonly #memory: WebAssembly.Memory;
  readonly #features: PrintFeatures;
  /** Distinct kernels compiled since the device was made. */
  compiled = 0;

  constructor(memory: WebAssembly.Memory, features: PrintFeatures) {
    this.#memory = memory;
    this.#features = features;
  }

  /** The functions of the kernels, in order; `key` says in full what a kernel does. */
  load(kernels: readonly { readonly key: string; readonly kernel: Kernel }[]): KernelFunction[] {
    const missing = new Map<string, Kernel>();
    for (const { key, kernel } of kernels) if (!this.#functions.has(key)) missing.set(key, kernel);
    if (missing.size > 0) this.#compile(missing);
    const functions = kernels.map(({ key }) => {
      const kernel = this.#functions.get(key);
      if (kernel === undefined) throw new InternalError("wasm: a kernel was not compiled");
      // Used just now: the last to be dropped.
      this.#functions.delete(key);
      this.#functions.set(key, kernel);
      return kernel;
    });
    for (const key of this.#functions.keys()) {
      if (this.#functions.size <= capacity) break;
      this.#functions.delete(key);
    }
    return functions;
  }

  #compile(missing: ReadonlyMap<string, Kernel>): void {
    const { bytes, exports } = printWasm([...missing.values()], this.#features);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      env: { memory: this.#memory },
    });
    [...missing.keys()].forEach((key, i) => {
      this.#functions.set(key, instance.exports[exports[i]] as KernelFunction);
    });
    this.compiled += missing.size;
  }
}

import { DeviceError } from "../../graph/errors.ts";

/** What will be known later of something that was given to the GPU: an error, or that all is well. */
export type Check = Promise<DeviceError | undefined>;

/** Checks that wait for their end; those that ended well are forgotten. */
export class Checks {
  #open: Check[] = [];

  add(check: Check): void {
    this.#open.push(check);
    void check.then((error) => {
      if (error === undefined) this.#open = this.#open.filter((other) => other !== check);
    });
  }

  addAll(checks: Checks): void {
    for (const check of checks.#open) if (!this.#open.includes(check)) this.add(check);
  }

  /** @throws DeviceError the first error, once all checks have ended. */
  async pass(): Promise<void> {
    for (const error of await Promise.all(this.#open)) if (error !== undefined) throw error;
  }
}

/** Runs `work` and turns what the GPU finds wrong with it into an error. `explain` says what was tried. */
export function checked<T>(
  device: GPUDevice,
  filter: GPUErrorFilter,
  explain: (message: string) => string,
  work: () => T,
): { readonly result: T; readonly check: Check } {
  device.pushErrorScope(filter);
  let result: T;
  let popped: Promise<GPUError | null>;
  try {
    result = work();
  } finally {
    popped = device.popErrorScope();
  }
  const check = popped.then(
    (error) =>
      error === null ? undefined : new DeviceError(`webgpu: ${explain(error.message)}`, { cause: error }),
    // A lost device answers no more: whoever reads learns of that.
    () => undefined,
  );
  return { result, check };
}

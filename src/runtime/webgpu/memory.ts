import { allocateArray, type DType, type TypedArray, viewArray } from "../../graph/dtype.ts";
import { DeviceError } from "../../graph/errors.ts";
import type { Counters } from "../device.ts";
import { type Check, checked } from "./checks.ts";
import { bufferUsage, mapModeRead } from "./flags.ts";

/** Every element takes 4 bytes on the device: bool is a u32 of 0 or 1. */
export const elementBytes = 4;

const usage = bufferUsage.storage | bufferUsage.copySource | bufferUsage.copyTarget;

/** Free staging buffers kept for later reads. */
const stagingKept = 4;

/** The GPU's buffers: counted, checked, and read through staging buffers that are used again. */
export class Memory {
  readonly #device: GPUDevice;
  readonly #counters: Counters;
  #staging: GPUBuffer[] = [];

  constructor(device: GPUDevice, counters: Counters) {
    this.#device = device;
    this.#counters = counters;
  }

  /**
   * A zeroed buffer of at least `bytes` bytes; `what` names it in messages.
   * @throws DeviceError above the device's limit. That memory is out shows in the check.
   */
  allocate(bytes: number, what: string, also = 0): { readonly buffer: GPUBuffer; readonly check: Check } {
    const { maxBufferSize } = this.#device.limits;
    const size = sizeOf(bytes);
    if (size > maxBufferSize) {
      throw new DeviceError(
        `webgpu: ${what} needs ${bytes} bytes, and a buffer of this device holds ${maxBufferSize}; use a smaller batch ` +
          "or model, or ask for larger limits",
      );
    }
    const explain = (message: string): string =>
      `out of memory: ${bytes} bytes for ${what} (${this.#counters.bytes} in use): ${message}. Use a smaller batch or model`;
    const { result: buffer, check } = checked(this.#device, "out-of-memory", explain, () =>
      this.#device.createBuffer({ size, usage: usage | also, label: what }),
    );
    this.#counters.allocated(size);
    return { buffer, check };
  }

  release(buffer: GPUBuffer): void {
    this.#counters.released(buffer.size);
    buffer.destroy();
  }

  /** Copies host data into a buffer, before whatever is submitted next. */
  write(buffer: GPUBuffer, byteOffset: number, data: TypedArray): void {
    if (data.length === 0) return;
    const words = data instanceof Uint8Array ? Uint32Array.from(data, (bit) => (bit === 0 ? 0 : 1)) : data;
    this.#device.queue.writeBuffer(buffer, byteOffset, words.buffer, words.byteOffset, words.byteLength);
  }

  /** A host copy of elements, after all that was submitted. */
  async read(buffer: GPUBuffer, byteOffset: number, dtype: DType, length: number): Promise<TypedArray> {
    const result = allocateArray(dtype, length);
    if (length === 0) return result;
    const bytes = length * elementBytes;
    const staging = this.#takeStaging(bytes);
    const encoder = this.#device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, byteOffset, staging, 0, bytes);
    this.#device.queue.submit([encoder.finish()]);
    await staging.mapAsync(mapModeRead, 0, bytes);
    const mapped = staging.getMappedRange(0, bytes);
    result.set(dtype === "bool" ? new Uint32Array(mapped) : viewArray(dtype, mapped, 0, length));
    staging.unmap();
    this.#keepStaging(staging);
    return result;
  }

  #takeStaging(bytes: number): GPUBuffer {
    const found = this.#staging.find(({ size }) => size >= bytes && size <= 4 * Math.max(bytes, 1024));
    if (found) {
      this.#staging = this.#staging.filter((other) => other !== found);
      return found;
    }
    const size = Math.max(1024, 2 ** Math.ceil(Math.log2(bytes)));
    const fitting = Math.min(size, this.#device.limits.maxBufferSize);
    this.#counters.allocated(fitting);
    return this.#device.createBuffer({ size: fitting, usage: bufferUsage.mapRead | bufferUsage.copyTarget });
  }

  #keepStaging(staging: GPUBuffer): void {
    this.#staging.push(staging);
    const oldest = this.#staging.length > stagingKept ? this.#staging.shift() : undefined;
    if (oldest) this.release(oldest);
  }
}

/** Buffers hold whole words, and something. */
function sizeOf(bytes: number): number {
  return Math.max(16, Math.ceil(bytes / 16) * 16);
}

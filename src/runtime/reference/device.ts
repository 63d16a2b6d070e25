import { bytesPerElement, type DType, dtypeOfArray, type TypedArray, viewArray } from "../../graph/dtype.ts";
import { DeviceError } from "../../graph/errors.ts";
import type { Block, Device, DeviceCounters, Executable, Program, Region, Storage } from "../device.ts";
import { Counters } from "../device.ts";
import { ReferenceExecutable } from "./executable.ts";

/** A block in host memory. */
class ReferenceBlock implements Block {
  readonly device: Device;
  readonly bytes: number;
  readonly #counters: Counters;
  #buffer: ArrayBuffer | undefined;

  constructor(device: Device, bytes: number, counters: Counters) {
    this.device = device;
    this.bytes = bytes;
    this.#counters = counters;
    try {
      this.#buffer = new ArrayBuffer(bytes);
    } catch (cause) {
      throw new DeviceError(`reference: no memory for a block of ${bytes} bytes`, { cause });
    }
    counters.allocated(bytes);
  }

  get buffer(): ArrayBuffer {
    if (!this.#buffer)
      throw new DeviceError(`reference: use of a block of ${this.bytes} bytes after its release`);
    return this.#buffer;
  }

  release(): void {
    if (!this.#buffer) return;
    this.#buffer = undefined;
    this.#counters.released(this.bytes);
  }
}

/**
 * The oracle: evaluates every primitive on the graph with plain loops over typed arrays, one node at a time,
 * and is the only device with f64. f32 results are rounded once per op; sums, products and matrix products of
 * f32 are accumulated in float64 first. Made to be read and to be right, not to be fast.
 */
export class ReferenceDevice implements Device {
  readonly name = "reference";
  readonly dtypes: readonly DType[] = ["bool", "u32", "i32", "f32", "f64"];
  readonly #counters = new Counters();

  get counters(): Readonly<DeviceCounters> {
    return this.#counters;
  }

  createBlock(bytes: number): Block {
    return new ReferenceBlock(this, bytes, this.#counters);
  }

  /** @throws DeviceError when data and region differ in length or dtype. */
  write(region: Region, data: TypedArray): void {
    const dtype = dtypeOfArray(data);
    if (dtype !== region.dtype || data.length !== region.length) {
      throw new DeviceError(
        `reference: ${data.length} elements of ${dtype} written to a region of ${region.length} ` +
          `of ${region.dtype}`,
      );
    }
    this.#view(region).set(data);
  }

  /** @throws DeviceError when the regions differ in length or dtype. */
  copy(source: Region, target: Region): void {
    this.write(target, this.#view(source));
  }

  async read(storage: Storage): Promise<TypedArray> {
    return this.readNow(storage);
  }

  readNow(storage: Storage): TypedArray {
    return this.#view(storage).slice();
  }

  prepare(program: Program): Executable {
    const executable = new ReferenceExecutable(program, {
      counters: this.#counters,
      view: (storage) => this.#view(storage),
    });
    this.#counters.prepared += 1;
    return executable;
  }

  /** The elements of a storage, shared with it. */
  #view(storage: Storage): TypedArray {
    if (storage.kind === "host") return storage.data;
    const owner = storage.kind === "region" ? storage.block.device : storage.device;
    if (storage.kind === "result" || !(storage.block instanceof ReferenceBlock) || owner !== this) {
      throw new DeviceError(
        `reference: ${storage.kind} of ${owner.name} is not mine; read it there and feed host data`,
      );
    }
    const { block, byteOffset, dtype, length } = storage;
    const end = byteOffset + length * bytesPerElement(dtype);
    if (byteOffset < 0 || end > block.bytes || byteOffset % bytesPerElement(dtype) !== 0) {
      throw new DeviceError(
        `reference: ${length} elements of ${dtype} at byte ${byteOffset} do not lie in a block ` +
          `of ${block.bytes} bytes`,
      );
    }
    return viewArray(dtype, block.buffer, byteOffset, length);
  }
}

import { DeviceError } from "../../graph/errors.ts";

const pageBytes = 65536;
/** WebAssembly's 32-bit address space. */
const maximumPages = 65536;
const alignment = 256;

interface Span {
  start: number;
  end: number;
}

/**
 * Memory of a device: one linear memory that grows, and never shrinks, with a first-fit list of free spans. Blocks are
 * few and large, so that searching the list costs nothing beside what is done with them.
 */
export class Heap {
  readonly memory: WebAssembly.Memory;
  /** Free spans, by address; neighbours are joined. */
  #free: Span[] = [];

  constructor() {
    this.memory = new WebAssembly.Memory({ initial: 1, maximum: maximumPages });
    // Address 0 stays unused, so that a forgotten address is seen in a test.
    this.#free.push({ start: alignment, end: pageBytes });
  }

  /** The address of `bytes` zeroed bytes, a multiple of 256. @throws DeviceError when the memory cannot grow so far. */
  allocate(bytes: number): number {
    const size = roundUp(bytes);
    let span = this.#free.find(({ start, end }) => end - start >= size);
    if (span === undefined) {
      this.#grow(size, bytes);
      span = this.#free[this.#free.length - 1];
    }
    const address = span.start;
    span.start += size;
    if (span.start === span.end) this.#free.splice(this.#free.indexOf(span), 1);
    new Uint8Array(this.memory.buffer, address, size).fill(0);
    return address;
  }

  release(address: number, bytes: number): void {
    const freed: Span = { start: address, end: address + roundUp(bytes) };
    const at = this.#free.findIndex(({ start }) => start > address);
    this.#free.splice(at < 0 ? this.#free.length : at, 0, freed);
    const joined: Span[] = [];
    for (const span of this.#free) {
      const last = joined[joined.length - 1];
      if (last && last.end === span.start) last.end = span.end;
      else joined.push(span);
    }
    this.#free = joined;
  }

  #grow(size: number, asked: number): void {
    const end = this.memory.buffer.byteLength;
    const last = this.#free[this.#free.length - 1];
    const start = last && last.end === end ? last.start : end;
    const pages = Math.ceil((start + size - end) / pageBytes);
    try {
      this.memory.grow(pages);
    } catch (cause) {
      throw new DeviceError(
        `wasm: out of memory: ${asked} bytes asked for with ${end} bytes in use or reserved; the address space holds ` +
          `${maximumPages * pageBytes}. Use a smaller batch or model`,
        { cause },
      );
    }
    if (last && last.end === end) last.end = end + pages * pageBytes;
    else this.#free.push({ start: end, end: end + pages * pageBytes });
  }
}

function roundUp(bytes: number): number {
  return Math.max(alignment, Math.ceil(bytes / alignment) * alignment);
}

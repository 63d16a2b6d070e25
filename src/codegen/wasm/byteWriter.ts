import { InternalError } from "../../graph/errors.ts";

/** Bytes being written, one after the other. */
export class ByteWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  byte(value: number): void {
    if (this.#length === this.#bytes.length) this.#grow(1);
    this.#bytes[this.#length++] = value;
  }

  append(bytes: ArrayLike<number>): void {
    if (this.#length + bytes.length > this.#bytes.length) this.#grow(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** An unsigned integer below 2^32 in LEB128. */
  unsigned(value: number): void {
    if (!(Number.isInteger(value) && value >= 0 && value < 2 ** 32)) {
      throw new InternalError(`wasm: ${value} is no unsigned 32-bit integer`);
    }
    let rest = value;
    while (rest >= 128) {
      this.byte((rest % 128) | 0x80);
      rest = Math.floor(rest / 128);
    }
    this.byte(rest);
  }

  /** A 32-bit integer, signed or unsigned, in signed LEB128. */
  signed(value: number): void {
    if (!(Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 32)) {
      throw new InternalError(`wasm: ${value} is no 32-bit integer`);
    }
    let rest = value | 0;
    while (rest < -64 || rest > 63) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>= 7;
    }
    this.byte(rest & 0x7f);
  }

  /** 32 bits, the least significant byte first. */
  word(bits: number): void {
    for (let shift = 0; shift < 32; shift += 8) this.byte((bits >> shift) & 0xff);
  }

  /** What was written. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #grow(by: number): void {
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + by));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

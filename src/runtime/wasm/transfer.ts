import { type DType, type TypedArray, viewArray } from "../../graph/dtype.ts";

/** Every element takes 4 bytes on the device: bool is an i32 of 0 or 1. */
export const deviceElementBytes = 4;

/** Copies host data to an address. */
export function copyIn(memory: WebAssembly.Memory, address: number, data: TypedArray): void {
  if (data instanceof Uint8Array) {
    const target = new Int32Array(memory.buffer, address, data.length);
    for (let i = 0; i < data.length; i++) target[i] = data[i] === 0 ? 0 : 1;
    return;
  }
  if (data instanceof Float32Array) new Float32Array(memory.buffer, address, data.length).set(data);
  else new Int32Array(memory.buffer, address, data.length).set(data as Int32Array | Uint32Array);
}

/** A host copy of the elements at an address. */
export function copyOut(
  memory: WebAssembly.Memory,
  address: number,
  dtype: DType,
  length: number,
): TypedArray {
  if (dtype === "bool") return new Uint8Array(new Int32Array(memory.buffer, address, length));
  return viewArray(dtype, memory.buffer.slice(address, address + length * deviceElementBytes), 0, length);
}

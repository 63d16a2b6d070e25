import type { DType, TypedArray } from "../../graph/dtype.ts";
import { copyOut } from "./transfer.ts";

/**
 * A result as host data that lies in the workspace until somebody asks for it or the workspace is used again: who reads it
 * right after the run gets the only copy that is made.
 */
export class WorkspaceResult {
  readonly kind = "host";
  readonly #memory: WebAssembly.Memory;
  readonly #address: number;
  readonly #dtype: DType;
  readonly #length: number;
  #data: TypedArray | undefined;

  constructor(memory: WebAssembly.Memory, address: number, dtype: DType, length: number) {
    this.#memory = memory;
    this.#address = address;
    this.#dtype = dtype;
    this.#length = length;
  }

  /** The elements, which are never written again. */
  get data(): TypedArray {
    return this.settle();
  }

  /** Copies the elements out of the workspace, if that has not been done. */
  settle(): TypedArray {
    this.#data ??= this.#copy();
    return this.#data;
  }

  /** A copy that is the caller's. */
  read(): TypedArray {
    return this.#data?.slice() ?? this.#copy();
  }

  #copy(): TypedArray {
    return copyOut(this.#memory, this.#address, this.#dtype, this.#length);
  }
}

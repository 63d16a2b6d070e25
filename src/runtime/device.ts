import type { DType, TypedArray } from "../graph/dtype.ts";
import type { Value } from "../graph/node.ts";

/** Persistent zeroed memory on a device: a shard of an arena, in which parameters, gradients and moments lie. */
export interface Block {
  readonly device: Device;
  readonly bytes: number;
  /** Gives the memory back. Using the block afterwards is an error. */
  release(): void;
}

/** A run of elements that a plan can be fed with. */
export type Storage =
  /** In host memory, never written again. Devices whose results are host arrays return these. */
  | { readonly kind: "host"; readonly data: TypedArray }
  /** A region of a block; its content changes when a plan writes it. */
  | {
      readonly kind: "region";
      readonly block: Block;
      readonly byteOffset: number;
      readonly dtype: DType;
      readonly length: number;
    }
  /** A result in device memory, owned by whoever holds this object. */
  | {
      readonly kind: "result";
      readonly device: Device;
      readonly handle: unknown;
      readonly dtype: DType;
      readonly length: number;
    };

export type Region = Extract<Storage, { kind: "region" }>;

/** A value that a program is fed with. */
export interface ProgramInput {
  /** The leaf, or the value whose result of an earlier run is fed. */
  readonly value: Value;
  readonly name: string;
  /**
   * For cells: which of the program's arenas it lies in, and where. Kernels that do the same to neighbours in all their
   * arenas can then become one.
   */
  readonly region?: { readonly arena: number; readonly byteOffset: number };
}

/** A graph with its boundary: what goes in, what comes out, and which inputs are overwritten at the end. */
export interface Program {
  readonly inputs: readonly ProgramInput[];
  readonly outputs: readonly Value[];
  /** `inputs[input]`, a cell, takes `value` after everything that reads its old content has run. */
  readonly writes: readonly { readonly input: number; readonly value: Value }[];
}

/** One kernel of a prepared program, for people to read. */
export interface KernelInfo {
  readonly name: string;
  /** Which code template: map, row, reduce, contract, gather, scatter... */
  readonly template: string;
  /** The ops that the kernel computes, composites by their own name. */
  readonly ops: readonly string[];
  /** Source as printed for the target. */
  readonly source: string;
  /** Bytes read from and written to buffers, each element once. */
  readonly bytes: number;
  /** Floating-point operations, a transcendental counted as one. */
  readonly flops: number;
  /** Why the next op was not fused into this kernel, where something stopped it. */
  readonly stopped: readonly string[];
}

/** A step of planning, with what it worked on before and after, as text. */
export interface PassInfo {
  readonly name: string;
  readonly before: string;
  readonly after: string;
}

/** A program made ready to run many times. */
export interface Executable {
  /**
   * Enqueues one run. `feeds[i]` holds the data of `program.inputs[i]`. The storages returned are new in every run and
   * are never written again.
   * @throws DeviceError when the device cannot run it.
   */
  run(feeds: readonly Storage[]): Storage[];
  readonly kernels: readonly KernelInfo[];
  /** Device bytes that a run needs beside its inputs and results. */
  readonly temporaryBytes: number;
  /** Frees what was prepared. */
  dispose(): void;
}

/** What tests and tools count; all since the device was made. */
export interface DeviceCounters {
  /** Bytes held now: blocks, temporaries of prepared programs, results on the device. */
  bytes: number;
  /** The most that `bytes` has been. */
  peakBytes: number;
  /** Device allocations ever made, results on the device included. */
  allocations: number;
  /** Kernels enqueued. */
  launches: number;
  /** Programs prepared. */
  prepared: number;
}

/** The small interface behind which every target lives. Building and enqueueing are synchronous, reading is not. */
export interface Device {
  readonly name: string;
  readonly dtypes: readonly DType[];
  readonly counters: Readonly<DeviceCounters>;
  /** @throws DeviceError when memory is out, naming the bytes. */
  createBlock(bytes: number): Block;
  /** Copies host data into a region; `data` has the region's dtype and length. */
  write(region: Region, data: TypedArray): void;
  /** Copies one region onto another of the same dtype and length, after all runs enqueued before. */
  copy(source: Region, target: Region): void;
  /** A copy of the data on the host, after all runs enqueued before. */
  read(storage: Storage): Promise<TypedArray>;
  /** The same at once; missing where reading takes time. */
  readNow?(storage: Storage): TypedArray;
  /** @throws DTypeError for a dtype that the device lacks. */
  prepare(program: Program): Executable;
  /** The passes that planning a program goes through; missing where nothing is planned. */
  passesOf?(program: Program): readonly PassInfo[];
}

/** Counters that start at zero, with the one rule that connects them. */
export class Counters implements DeviceCounters {
  bytes = 0;
  peakBytes = 0;
  allocations = 0;
  launches = 0;
  prepared = 0;

  allocated(bytes: number): void {
    this.bytes += bytes;
    this.allocations += 1;
    this.peakBytes = Math.max(this.peakBytes, this.bytes);
  }

  released(bytes: number): void {
    this.bytes -= bytes;
  }
}

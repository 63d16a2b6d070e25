import { type Plan, type PlanOptions, planPasses, planProgram } from "../../codegen/plan.ts";
import type { Target } from "../../codegen/target.ts";
import { detectFeatures, type WasmFeatures } from "../../codegen/wasm/features.ts";
import { sourceText } from "../../codegen/wasm/printer.ts";
import { type DType, dtypeOfArray, type TypedArray } from "../../graph/dtype.ts";
import { DeviceError } from "../../graph/errors.ts";
import { numel } from "../../graph/shape.ts";
import type { Block, Device, Executable, KernelInfo, PassInfo, Program, Region, Storage } from "../device.ts";
import { Counters } from "../device.ts";
import { Heap } from "./heap.ts";
import { KernelCache, type KernelFunction } from "./kernels.ts";
import { WorkspaceResult } from "./result.ts";
import { copyIn, copyOut, deviceElementBytes } from "./transfer.ts";

const dtypes: readonly DType[] = ["bool", "u32", "i32", "f32"];

export interface WasmOptions extends PlanOptions {
  /** Whether fused multiply-add and its like are used where the engine has them. Default true. */
  readonly relaxedSimd?: boolean;
}

/**
 * The device of any CPU: fused kernels as WebAssembly with SIMD, in one linear memory. Parameters lie in blocks of that
 * memory; results are host arrays, so that the memory holds nothing whose lifetime is unknown.
 */
export class WasmDevice implements Device {
  readonly name: string = "wasm";
  readonly dtypes = dtypes;
  readonly counters = new Counters();
  readonly #heap = new Heap();
  readonly #features: WasmFeatures;
  readonly #kernels: KernelCache;
  readonly #target: Target = {
    name: "wasm",
    dtypes,
    intrinsics: new Set(),
    composites: new Set(["attention", "attentionGradient"]),
  };
  /** Temporaries of whichever program runs: programs run one after the other and leave nothing here. */
  #workspace = { address: 0, bytes: 0 };
  /** Results of the last run that still lie in the workspace. */
  #unread: readonly WorkspaceResult[] = [];

  readonly options: WasmOptions;

  /** @throws DeviceError where WebAssembly has no SIMD. */
  constructor(options: WasmOptions = {}) {
    this.options = options;
    const features = detectFeatures();
    this.#features = { ...features, relaxedSimd: features.relaxedSimd && options.relaxedSimd !== false };
    this.#kernels = new KernelCache(this.#heap.memory, this.#features);
    if (!this.#features.simd)
      throw new DeviceError("wasm: this JavaScript engine has no WebAssembly SIMD; use the reference device");
  }

  createBlock(bytes: number): Block {
    const address = this.#heap.allocate(bytes);
    this.counters.allocated(bytes);
    return new WasmBlock(this, address, bytes, () => {
      this.#heap.release(address, bytes);
      this.counters.released(bytes);
    });
  }

  write(region: Region, data: TypedArray): void {
    if (data.length !== region.length || dtypeOfArray(data) !== region.dtype) {
      throw new DeviceError(
        `wasm: ${data.length} elements of ${dtypeOfArray(data)} written to a region of ${region.length} ${region.dtype}`,
      );
    }
    copyIn(this.#heap.memory, this.addressOf(region), data);
  }

  copy(source: Region, target: Region): void {
    const memory = new Uint8Array(this.#heap.memory.buffer);
    const from = this.addressOf(source);
    memory.copyWithin(this.addressOf(target), from, from + source.length * deviceElementBytes);
  }

  async read(storage: Storage): Promise<TypedArray> {
    return this.readNow(storage);
  }

  readNow(storage: Storage): TypedArray {
    if (storage instanceof WorkspaceResult) return storage.read();
    if (storage.kind === "host") return storage.data.slice();
    if (storage.kind === "result") throw new DeviceError("wasm: the storage is another device's");
    return copyOut(this.#heap.memory, this.addressOf(storage), storage.dtype, storage.length);
  }

  prepare(program: Program): Executable {
    const plan = this.plan(program);
    const functions = this.#kernels.load(plan.kernels);
    this.counters.prepared += 1;
    return new WasmExecutable(this, program, plan, functions);
  }

  protected plan(program: Program): Plan {
    return planProgram(program, this.#target, this.options);
  }

  passesOf(program: Program): readonly PassInfo[] {
    return planPasses(program, this.#target);
  }

  // For executables

  get memory(): WebAssembly.Memory {
    return this.#heap.memory;
  }

  /** @throws DeviceError for a region of another device or of a released block. */
  addressOf(region: Region): number {
    const { block } = region;
    if (!(block instanceof WasmBlock) || block.device !== this)
      throw new DeviceError("wasm: the region is another device's");
    return block.address + region.byteOffset;
  }

  /** The address of at least `bytes` bytes of workspace, whose content is undefined. Results there are copied out before. */
  workspace(bytes: number): number {
    this.keep([]);
    if (bytes > this.#workspace.bytes) {
      const before = this.#workspace;
      const address = this.#heap.allocate(bytes);
      if (before.bytes > 0) {
        this.#heap.release(before.address, before.bytes);
        this.counters.released(before.bytes);
      }
      this.#workspace = { address, bytes };
      this.counters.allocated(bytes);
    }
    return this.#workspace.address;
  }

  /** From now on these results lie in the workspace; those of the run before are copied out. */
  keep(results: readonly WorkspaceResult[]): void {
    for (const result of this.#unread) result.settle();
    this.#unread = results;
  }

  /** The text of a planned kernel. */
  infoOf(plan: Plan): KernelInfo[] {
    const features = this.#features;
    return plan.kernels.map(({ kernel, template, ops, bytes, flops, stopped }) => ({
      name: kernel.name,
      template,
      ops,
      bytes,
      flops,
      stopped,
      get source() {
        return sourceText(kernel, features);
      },
    }));
  }
}

class WasmBlock implements Block {
  readonly device: WasmDevice;
  readonly bytes: number;
  readonly #address: number;
  #release: (() => void) | undefined;

  constructor(device: WasmDevice, address: number, bytes: number, release: () => void) {
    this.device = device;
    this.bytes = bytes;
    this.#address = address;
    this.#release = release;
  }

  get address(): number {
    if (this.#release === undefined) throw new DeviceError("wasm: the block was released");
    return this.#address;
  }

  release(): void {
    this.#release?.();
    this.#release = undefined;
  }
}

/** A plan with its kernels: a run copies host data in, calls the kernels in order, and copies results out. */
class WasmExecutable implements Executable {
  readonly temporaryBytes: number;
  readonly #device: WasmDevice;
  readonly #plan: Plan;
  readonly #functions: readonly KernelFunction[];
  readonly #outputs: readonly { readonly dtype: DType; readonly length: number }[];
  readonly #regions: readonly number[];
  #kernels: readonly KernelInfo[] | undefined;

  constructor(device: WasmDevice, program: Program, plan: Plan, functions: readonly KernelFunction[]) {
    this.#device = device;
    this.#plan = plan;
    this.#functions = functions;
    this.temporaryBytes = plan.workspaceBytes;
    this.#outputs = program.outputs.map(({ dtype, shape }) => ({ dtype, length: numel(shape) }));
    this.#regions = program.inputs.flatMap(({ region }, i) => (region ? [i] : []));
  }

  get kernels(): readonly KernelInfo[] {
    this.#kernels ??= this.#device.infoOf(this.#plan);
    return this.#kernels;
  }

  run(feeds: readonly Storage[]): Storage[] {
    const device = this.#device;
    const { kernels, workspaceBytes, uploads, outputs, copies } = this.#plan;
    const workspace = device.workspace(workspaceBytes);
    const { memory } = device;
    const regions = new Map<number, number>();
    for (const input of this.#regions) {
      const feed = feeds[input];
      if (feed.kind !== "region") throw new DeviceError(`wasm: input ${input} must be fed with a region`);
      regions.set(input, device.addressOf(feed));
    }
    const addressOf = (placement: (typeof outputs)[number]): number =>
      placement.kind === "workspace" ? workspace + placement.byteOffset : (regions.get(placement.input) ?? 0);
    for (const { input, byteOffset } of uploads) {
      const feed = feeds[input];
      if (feed.kind !== "host") throw new DeviceError(`wasm: input ${input} must be fed with host data`);
      copyIn(memory, workspace + byteOffset, feed.data);
    }
    this.#functions.forEach((call, i) => {
      call(...kernels[i].bindings.map(addressOf));
    });
    device.counters.launches += this.#functions.length;
    const results = outputs.map((placement, i) => {
      const { dtype, length } = this.#outputs[i];
      return new WorkspaceResult(memory, addressOf(placement), dtype, length);
    });
    // What lies in a parameter's own place may be overwritten any time.
    for (const [i, result] of results.entries()) if (outputs[i].kind !== "workspace") result.settle();
    device.keep(results);
    const bytes = new Uint8Array(memory.buffer);
    for (const { from, input, length } of copies) {
      const source = addressOf(from);
      bytes.copyWithin(regions.get(input) ?? 0, source, source + length * deviceElementBytes);
    }
    return results;
  }

  dispose(): void {
    // Kernels live in the device's bounded cache, temporaries in its workspace: nothing is held here.
  }
}

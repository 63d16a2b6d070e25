import { workgroupSchedules } from "../../codegen/lower/workgroup/index.ts";
import { planPasses, planProgram } from "../../codegen/plan.ts";
import type { Target } from "../../codegen/target.ts";
import { type DType, dtypeOfArray, type TypedArray } from "../../graph/dtype.ts";
import { DeviceError, DeviceLostError } from "../../graph/errors.ts";
import {
  type Block,
  Counters,
  type Device,
  type Executable,
  type PassInfo,
  type Program,
  type Region,
  type Storage,
} from "../device.ts";
import { Checks } from "./checks.ts";
import { WebGpuExecutable } from "./executable.ts";
import { elementBytes, Memory } from "./memory.ts";
import { PipelineCache } from "./pipelines.ts";

const dtypes: readonly DType[] = ["bool", "u32", "i32", "f32"];

/** What a result's storage holds: a buffer, and what is not known yet of the run that fills it. */
export interface GpuResult {
  readonly buffer: GPUBuffer;
  readonly checks: Checks;
}

type ResultStorage = Extract<Storage, { kind: "result" }>;

/** A GPU through WebGPU: fused kernels as WGSL, one submit a run. Make it with `webgpu()`. */
export class WebGpuDevice implements Device {
  readonly name = "webgpu";
  readonly dtypes = dtypes;
  readonly counters = new Counters();
  readonly gpu: GPUDevice;
  readonly owner: GPU;
  readonly memory: Memory;
  readonly pipelines: PipelineCache;
  readonly #target: Target;
  /** Temporaries of whichever program runs: programs run one after the other and leave nothing here. */
  #workspace: GpuResult | undefined;
  /** Frees the buffers of results that nobody holds any more. */
  readonly #results = new FinalizationRegistry<GPUBuffer>((buffer) => this.memory.release(buffer));
  /** What passes from one place of a buffer to another passes through here. */
  #bounce: GPUBuffer | undefined;
  #failure: DeviceError | undefined;

  /** `owner` is kept as long as the device: in Node, a device dies with the object that its adapter came from. */
  constructor(gpu: GPUDevice, owner: GPU) {
    this.gpu = gpu;
    this.owner = owner;
    this.memory = new Memory(gpu, this.counters);
    this.pipelines = new PipelineCache(gpu);
    const { maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupStorageSize } = gpu.limits;
    this.#target = {
      name: this.name,
      dtypes,
      intrinsics: new Set(),
      composites: new Set(["attention", "attentionGradient"]),
      alignment: Math.max(256, gpu.limits.minStorageBufferOffsetAlignment),
      workgroup: {
        invocations: maxComputeInvocationsPerWorkgroup,
        sharedBytes: maxComputeWorkgroupStorageSize,
        schedules: workgroupSchedules,
      },
    };
    void gpu.lost.then(({ reason, message }) => {
      this.#lose(`the device was lost (${reason}${message ? `: ${message}` : ""})`);
    });
    gpu.addEventListener("uncapturederror", ({ error }) => {
      this.#failure ??= new DeviceError(`webgpu: ${error.message}`, { cause: error });
    });
  }

  createBlock(bytes: number): Block {
    this.checkAlive();
    const { buffer, check } = this.memory.allocate(bytes, "a block");
    const checks = new Checks();
    checks.add(check);
    return new GpuBlock(this, bytes, buffer, checks, () => this.memory.release(buffer));
  }

  write(region: Region, data: TypedArray): void {
    if (data.length !== region.length || dtypeOfArray(data) !== region.dtype) {
      throw new DeviceError(
        `webgpu: ${data.length} elements of ${dtypeOfArray(data)} written to a region of ${region.length} ${region.dtype}`,
      );
    }
    this.checkAlive();
    this.memory.write(this.blockOf(region).buffer, region.byteOffset, data);
  }

  copy(source: Region, target: Region): void {
    this.checkAlive();
    const encoder = this.gpu.createCommandEncoder();
    const [from, to] = [this.blockOf(source), this.blockOf(target)];
    const bytes = source.length * elementBytes;
    this.encodeCopy(encoder, from.buffer, source.byteOffset, to.buffer, target.byteOffset, bytes);
    this.gpu.queue.submit([encoder.finish()]);
    to.checks.addAll(from.checks);
  }

  async read(storage: Storage): Promise<TypedArray> {
    if (storage.kind === "host") return storage.data.slice();
    const { dtype, length } = storage;
    const { buffer, checks } = storage.kind === "result" ? this.resultOf(storage) : this.blockOf(storage);
    const byteOffset = storage.kind === "result" ? 0 : storage.byteOffset;
    this.checkAlive();
    try {
      const data = await this.memory.read(buffer, byteOffset, dtype, length);
      await checks.pass();
      this.checkAlive();
      return data;
    } catch (error) {
      // A device that is lost ends all reading first, and says so right after.
      await Promise.race([this.gpu.lost, new Promise((resolve) => setTimeout(resolve, 0))]);
      this.checkAlive();
      await checks.pass();
      if (error instanceof DeviceError) throw error;
      throw new DeviceError(`webgpu: reading ${length} ${dtype} failed: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  prepare(program: Program): Executable {
    this.checkAlive();
    const executable = new WebGpuExecutable(this, program, planProgram(program, this.#target));
    this.counters.prepared += 1;
    return executable;
  }

  passesOf(program: Program): readonly PassInfo[] {
    return planPasses(program, this.#target);
  }

  /** Gives everything back to the GPU. Using the device afterwards is an error. */
  destroy(): void {
    this.gpu.destroy();
    this.#lose("the device was destroyed");
  }

  /** From now on every use says so. What was wrong before is likely a consequence. */
  #lose(how: string): void {
    if (this.#failure instanceof DeviceLostError) return;
    this.#failure = new DeviceLostError(
      `webgpu: ${how}, and what its memory held is gone; make a new one with webgpu(), move the model to it and load what ` +
        "you saved last",
    );
  }

  // For executables

  /** @throws DeviceError when the device is lost, or something went wrong that no run owns up to. */
  checkAlive(): void {
    if (this.#failure) throw this.#failure;
  }

  /** @throws DeviceError for a region of another device or of a released block. */
  blockOf({ block }: Region): GpuBlock {
    if (!(block instanceof GpuBlock) || block.device !== this)
      throw new DeviceError("webgpu: the region is another device's");
    return block;
  }

  /** @throws DeviceError for another device's result. */
  resultOf({ device, handle }: ResultStorage): GpuResult {
    if (device !== this) throw new DeviceError("webgpu: the storage is another device's");
    return handle as GpuResult; // allocateResult made it
  }

  /** A buffer of at least `bytes` bytes, whose content is undefined. */
  workspace(bytes: number, checks: Checks): GPUBuffer {
    if (this.#workspace === undefined || bytes > this.#workspace.buffer.size) {
      const { buffer, check } = this.memory.allocate(bytes, "the temporaries of a program");
      if (this.#workspace) this.memory.release(this.#workspace.buffer);
      this.#workspace = { buffer, checks: new Checks() };
      this.#workspace.checks.add(check);
    }
    checks.addAll(this.#workspace.checks);
    return this.#workspace.buffer;
  }

  /** A new buffer for a result, given back when nobody holds its storage any more. */
  allocateResult(
    dtype: DType,
    length: number,
    checks: Checks,
  ): { readonly buffer: GPUBuffer; readonly storage: Storage } {
    const { buffer, check } = this.memory.allocate(length * elementBytes, "a result");
    const own = new Checks();
    own.add(check);
    own.addAll(checks);
    const handle: GpuResult = { buffer, checks: own };
    const storage: Storage = { kind: "result", device: this, handle, dtype, length };
    this.#results.register(storage, buffer);
    return { buffer, storage };
  }

  /** Copies within or between buffers. */
  encodeCopy(
    encoder: GPUCommandEncoder,
    source: GPUBuffer,
    sourceOffset: number,
    target: GPUBuffer,
    targetOffset: number,
    bytes: number,
  ): void {
    if (bytes === 0 || (source === target && sourceOffset === targetOffset)) return;
    if (source !== target) {
      encoder.copyBufferToBuffer(source, sourceOffset, target, targetOffset, bytes);
      return;
    }
    // A buffer is not copied onto itself: by way of another.
    const between = this.#bounceOf(bytes);
    encoder.copyBufferToBuffer(source, sourceOffset, between, 0, bytes);
    encoder.copyBufferToBuffer(between, 0, target, targetOffset, bytes);
  }

  #bounceOf(bytes: number): GPUBuffer {
    const before = this.#bounce;
    if (before && before.size >= bytes) return before;
    this.#bounce = this.memory.allocate(bytes, "a copy").buffer;
    // Commands that use the one before may not have been submitted yet.
    if (before) void this.gpu.queue.onSubmittedWorkDone().then(() => this.memory.release(before));
    return this.#bounce;
  }
}

/** A block of device memory, with what is not known yet of what was written to it. */
export class GpuBlock implements Block {
  readonly device: WebGpuDevice;
  readonly bytes: number;
  readonly checks: Checks;
  readonly #buffer: GPUBuffer;
  #release: (() => void) | undefined;

  constructor(device: WebGpuDevice, bytes: number, buffer: GPUBuffer, checks: Checks, release: () => void) {
    this.device = device;
    this.bytes = bytes;
    this.checks = checks;
    this.#buffer = buffer;
    this.#release = release;
  }

  get buffer(): GPUBuffer {
    if (this.#release === undefined) throw new DeviceError("webgpu: the block was released");
    return this.#buffer;
  }

  release(): void {
    this.#release?.();
    this.#release = undefined;
  }
}

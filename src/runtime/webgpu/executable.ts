import type { Plan } from "../../codegen/plan.ts";
import type { Place } from "../../codegen/wgsl/bindings.ts";
import type { DType } from "../../graph/dtype.ts";
import { DeviceError, InternalError } from "../../graph/errors.ts";
import { numel } from "../../graph/shape.ts";
import type { Executable, KernelInfo, Program, Storage } from "../device.ts";
import { Checks, checked } from "./checks.ts";
import type { GpuBlock, WebGpuDevice } from "./device.ts";
import { bufferUsage } from "./flags.ts";
import { elementBytes } from "./memory.ts";
import type { PreparedKernel } from "./pipelines.ts";

/** Sets of blocks for which a program's bind groups are kept. */
const bindGroupsKept = 4;

/** The program's memories of one run: its workspace, and the block of each of its arenas. */
interface Memories {
  readonly workspace: GPUBuffer;
  readonly blocks: readonly GpuBlock[];
  readonly bindGroups: readonly GPUBindGroup[];
}

/**
 * A plan with its pipelines: a run writes host data into the workspace, and then encodes everything (copies of results
 * fed in, kernels, results, late writes) into one command buffer with one pass.
 */
export class WebGpuExecutable implements Executable {
  readonly temporaryBytes: number;
  readonly kernels: readonly KernelInfo[];
  readonly #device: WebGpuDevice;
  readonly #plan: Plan;
  readonly #program: Program;
  readonly #outputs: readonly { readonly dtype: DType; readonly length: number }[];
  readonly #kernels: readonly PreparedKernel[];
  /** Offsets of kernels whose memories are bound whole, by kernel. */
  readonly #offsets: ReadonlyMap<PreparedKernel, GPUBuffer>;
  readonly #checks = new Checks();
  #memories: Memories[] = [];
  #ran = false;

  constructor(device: WebGpuDevice, program: Program, plan: Plan) {
    this.#device = device;
    this.#program = program;
    this.#plan = plan;
    this.temporaryBytes = plan.workspaceBytes;
    this.#outputs = program.outputs.map(({ dtype, shape }) => ({ dtype, length: numel(shape) }));
    this.#kernels = plan.kernels.map((planned) => {
      const at = new Map(planned.kernel.buffers.map((buffer, i) => [buffer, i]));
      const kernel = device.pipelines.load(planned, (buffer) =>
        this.#placeOf(planned.bindings[at.get(buffer) ?? -1]),
      );
      this.#checks.add(kernel.pipeline.check);
      return kernel;
    });
    this.#offsets = new Map(
      this.#kernels.flatMap((kernel) =>
        kernel.layout.kind === "whole" ? [[kernel, this.#writeOffsets(kernel)]] : [],
      ),
    );
    this.kernels = plan.kernels.map(({ kernel, template, ops, bytes, flops, stopped }, i) => {
      return { name: kernel.name, template, ops, bytes, flops, stopped, source: this.#kernels[i].source };
    });
  }

  run(feeds: readonly Storage[]): Storage[] {
    const device = this.#device;
    device.checkAlive();
    const { uploads, outputs, copies } = this.#plan;
    const memories = this.#memoriesOf(feeds);
    const { workspace, blocks } = memories;
    for (const { input, byteOffset } of uploads) {
      const feed = feeds[input];
      if (feed.kind === "host") device.memory.write(workspace, byteOffset, feed.data);
    }
    const results = this.#outputs.map(({ dtype, length }) =>
      device.allocateResult(dtype, length, this.#checks),
    );
    const encode = (): void => {
      const encoder = device.gpu.createCommandEncoder();
      this.#encodeFeeds(encoder, feeds, workspace);
      this.#encodeKernels(encoder, memories);
      const copy = (from: Plan["outputs"][number], to: GPUBuffer, offset: number, length: number): void => {
        const [source, sourceOffset] = this.#bufferAt(from, memories);
        device.encodeCopy(encoder, source, sourceOffset, to, offset, length * elementBytes);
      };
      outputs.forEach((placement, i) => {
        copy(placement, results[i].buffer, 0, this.#outputs[i].length);
      });
      for (const { from, input, length } of copies)
        copy(from, ...this.#bufferAt({ kind: "input", input }, memories), length);
      device.gpu.queue.submit([encoder.finish()]);
    };
    if (this.#ran) encode();
    else this.#firstRun(encode);
    for (const block of new Set(blocks)) block.checks.addAll(this.#checks);
    device.counters.launches += this.#kernels.reduce(
      (count, { pipeline }) => count + pipeline.stages.length,
      0,
    );
    return results.map(({ storage }) => storage);
  }

  dispose(): void {
    for (const buffer of this.#offsets.values()) this.#device.memory.release(buffer);
    this.#memories = [];
  }

  /** What the GPU finds wrong with the commands it finds in the first run: later ones are the same. */
  #firstRun(encode: () => void): void {
    const names = this.kernels.map(({ name, ops }) => `${name} (${ops.join(", ")})`).join(", ");
    const { check } = checked(
      this.#device.gpu,
      "validation",
      (message) => `running ${names}: ${message}`,
      encode,
    );
    this.#checks.add(check);
    this.#ran = true;
  }

  #encodeFeeds(encoder: GPUCommandEncoder, feeds: readonly Storage[], workspace: GPUBuffer): void {
    for (const { input, byteOffset } of this.#plan.uploads) {
      const feed = feeds[input];
      if (feed.kind === "host") continue;
      if (feed.kind !== "result")
        throw new DeviceError(`webgpu: input ${input} must be fed with host data or a result`);
      const { buffer, checks } = this.#device.resultOf(feed);
      this.#checks.addAll(checks);
      this.#device.encodeCopy(encoder, buffer, 0, workspace, byteOffset, feed.length * elementBytes);
    }
  }

  #encodeKernels(encoder: GPUCommandEncoder, { bindGroups }: Memories): void {
    const pass = encoder.beginComputePass();
    this.#kernels.forEach(({ pipeline: { stages } }, i) => {
      pass.setBindGroup(0, bindGroups[i]);
      for (const { pipeline, workgroups } of stages) {
        pass.setPipeline(pipeline);
        pass.dispatchWorkgroups(...workgroups);
      }
    });
    pass.end();
  }

  /** Memory 0 is the workspace, memory n + 1 the program's arena n. */
  #placeOf(placement: Plan["outputs"][number]): Place {
    if (placement.kind === "workspace") return { memory: 0, byteOffset: placement.byteOffset };
    const { region } = this.#program.inputs[placement.input];
    if (region === undefined) throw new InternalError(`webgpu: input ${placement.input} lies nowhere`);
    return { memory: region.arena + 1, byteOffset: region.byteOffset };
  }

  #bufferAt(placement: Plan["outputs"][number], { workspace, blocks }: Memories): [GPUBuffer, number] {
    const { memory, byteOffset } = this.#placeOf(placement);
    return [memory === 0 ? workspace : blocks[memory - 1].buffer, byteOffset];
  }

  #memoriesOf(feeds: readonly Storage[]): Memories {
    const workspace = this.#device.workspace(this.#plan.workspaceBytes, this.#checks);
    const blocks: GpuBlock[] = [];
    this.#program.inputs.forEach(({ region }, input) => {
      if (region === undefined) return;
      const feed = feeds[input];
      if (feed.kind !== "region" || feed.byteOffset !== region.byteOffset)
        throw new DeviceError(
          `webgpu: input ${input} must be fed with a region at byte ${region.byteOffset}`,
        );
      blocks[region.arena] = this.#device.blockOf(feed);
    });
    const same = (other: Memories): boolean =>
      other.workspace === workspace && other.blocks.every((block, arena) => block === blocks[arena]);
    const known = this.#memories.find(same);
    if (known) return known;
    const memories = { workspace, blocks, bindGroups: this.#bind(workspace, blocks) };
    // A workspace that has been replaced is gone.
    this.#memories = [memories, ...this.#memories.filter((other) => other.workspace === workspace)];
    this.#memories.splice(bindGroupsKept);
    return memories;
  }

  #bind(workspace: GPUBuffer, blocks: readonly GpuBlock[]): GPUBindGroup[] {
    const { gpu } = this.#device;
    const explain = (message: string): string => `binding buffers: ${message}`;
    const { result, check } = checked(gpu, "validation", explain, () =>
      this.#kernels.map((kernel) => {
        const entries = kernel.layout.bindings.map(({ memory, range }, binding): GPUBindGroupEntry => {
          const buffer = memory === 0 ? workspace : blocks[memory - 1].buffer;
          if (range === undefined) this.#checkWhole(kernel, buffer);
          return {
            binding,
            resource: range ? { buffer, offset: range.byteOffset, size: range.bytes } : { buffer },
          };
        });
        const offsets = this.#offsets.get(kernel);
        if (offsets) entries.push({ binding: entries.length, resource: { buffer: offsets } });
        return gpu.createBindGroup({ layout: kernel.pipeline.bindGroupLayout, entries });
      }),
    );
    this.#checks.add(check);
    return result;
  }

  /** @throws DeviceError for a memory that must be bound whole and is too large for that. */
  #checkWhole({ name }: PreparedKernel, { size, label }: GPUBuffer): void {
    const most = this.#device.gpu.limits.maxStorageBufferBindingSize;
    if (size <= most) return;
    throw new DeviceError(
      `webgpu: kernel ${name} binds all ${size} bytes of ${label}, and a kernel of this device binds ${most} bytes at ` +
        "most; ask for larger limits, or use a smaller batch or model",
    );
  }

  #writeOffsets({ layout }: PreparedKernel): GPUBuffer {
    const words = new Uint32Array(Math.max(4, Math.ceil(layout.offsets.size / 4) * 4));
    words.set([...layout.offsets.values()]);
    const { buffer, check } = this.#device.memory.allocate(
      words.byteLength,
      "a kernel's offsets",
      bufferUsage.uniform,
    );
    this.#checks.add(check);
    this.#device.memory.write(buffer, 0, words);
    return buffer;
  }
}

import type { Buffer } from "../../codegen/kernel/ir.ts";
import type { PlannedKernel } from "../../codegen/plan.ts";
import { chooseLayout, type Layout, type Place } from "../../codegen/wgsl/bindings.ts";
import { printWgsl, type Stage } from "../../codegen/wgsl/printer.ts";
import { DeviceError } from "../../graph/errors.ts";
import { type Check, checked } from "./checks.ts";
import { computeStage } from "./flags.ts";

/** Distinct kernels kept compiled. */
const capacity = 512;

/** A compiled kernel: its stages in order, and how its buffers are bound. */
export interface Pipeline {
  readonly stages: readonly {
    readonly pipeline: GPUComputePipeline;
    readonly workgroups: Stage["workgroups"];
  }[];
  readonly bindGroupLayout: GPUBindGroupLayout;
  readonly check: Check;
}

/** A kernel of a plan as it was printed, with its pipeline. */
export interface PreparedKernel {
  readonly name: string;
  readonly pipeline: Pipeline;
  readonly layout: Layout;
  readonly source: string;
}

/** Compiled kernels, each distinct source once, the last used kept. The whole source is the key. */
export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #pipelines = new Map<string, Pipeline>();
  /** Distinct kernels compiled since the device was made. */
  compiled = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /**
   * A kernel made ready. @throws DeviceError where its buffers lie in more memories than a kernel can bind, or one is
   * larger than a binding. That it does not compile shows in the pipeline's check.
   */
  load(planned: PlannedKernel, placeOf: (buffer: Buffer) => Place): PreparedKernel {
    const { kernel } = planned;
    const most = this.#device.limits.maxStorageBuffersPerShaderStage;
    const layout = chooseLayout(kernel, placeOf, most);
    if (layout.bindings.length > most) {
      throw new DeviceError(
        `webgpu: kernel ${kernel.name} (${planned.ops.join(", ")}) needs ${layout.bindings.length} buffers, and a kernel ` +
          `of this device binds ${most}; ask for larger limits, or keep its parameters in fewer arenas`,
      );
    }
    this.#checkSizes(planned, layout);
    const { source, stages } = printWgsl(kernel, layout);
    let pipeline = this.#pipelines.get(source);
    if (pipeline === undefined) pipeline = this.#compile(planned, layout, source, stages);
    this.#pipelines.delete(source);
    this.#pipelines.set(source, pipeline);
    for (const key of this.#pipelines.keys()) {
      if (this.#pipelines.size <= capacity) break;
      this.#pipelines.delete(key);
    }
    return { name: kernel.name, pipeline, layout, source };
  }

  /** @throws DeviceError for a tensor that is larger than what a kernel can bind. */
  #checkSizes({ kernel, ops }: PlannedKernel, { bindings }: Layout): void {
    const most = this.#device.limits.maxStorageBufferBindingSize;
    for (const { range, buffers } of bindings) {
      const bytes = range?.bytes ?? Math.max(...buffers.map(({ length }) => length * 4));
      if (bytes <= most) continue;
      throw new DeviceError(
        `webgpu: kernel ${kernel.name} (${ops.join(", ")}) uses a tensor of ${bytes} bytes, and a kernel of this device binds ` +
          `${most} bytes at most; ask for larger limits, or split the tensor`,
      );
    }
  }

  #compile(planned: PlannedKernel, layout: Layout, source: string, stages: readonly Stage[]): Pipeline {
    const { name } = planned.kernel;
    const explain = (message: string): string =>
      `kernel ${name} (${planned.ops.join(", ")}) does not compile: ${message}`;
    this.compiled += 1;
    const { result, check } = checked(this.#device, "validation", explain, () => {
      const device = this.#device;
      const entries = layout.bindings.map(({ writable }, binding): GPUBindGroupLayoutEntry => {
        const type = writable ? "storage" : "read-only-storage";
        return { binding, visibility: computeStage, buffer: { type } };
      });
      if (layout.kind === "whole")
        entries.push({ binding: entries.length, visibility: computeStage, buffer: { type: "uniform" } });
      const bindGroupLayout = device.createBindGroupLayout({ entries });
      const pipelineLayout = device.createPipelineLayout({ bindGroupLayouts: [bindGroupLayout] });
      const module = device.createShaderModule({ code: source, label: name });
      const compiled = stages.map(({ entryPoint, workgroups }) => ({
        pipeline: device.createComputePipeline({
          layout: pipelineLayout,
          compute: { module, entryPoint },
          label: name,
        }),
        workgroups,
      }));
      return { stages: compiled, bindGroupLayout };
    });
    return { ...result, check };
  }
}

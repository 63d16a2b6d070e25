import { planProgram } from "../../codegen/plan.ts";
import type { Placement } from "../../codegen/schedule/memory.ts";
import { chooseLayout, type Place } from "../../codegen/wgsl/bindings.ts";
import { printWgsl } from "../../codegen/wgsl/printer.ts";
import type { TypedArray } from "../../graph/dtype.ts";
import { numel } from "../../graph/shape.ts";
import { expectedOf, gpuTarget, programOf, type Repro, valuesOf } from "../../testing/index.ts";
import { UsageError } from "../errors.ts";
import { describeCase } from "./report.ts";

/** The most buffers that any GPU binds. */
const bindings = 8;

/** What a page needs to run a case: plain data. */
interface PageData {
  readonly found: string;
  readonly graph: string;
  readonly workspaceBytes: number;
  /** Words put into the workspace before anything runs. */
  readonly uploads: readonly { readonly byteOffset: number; readonly words: readonly number[] }[];
  readonly kernels: readonly {
    readonly name: string;
    readonly source: string;
    readonly bindings: readonly {
      readonly byteOffset?: number;
      readonly bytes?: number;
      readonly writable: boolean;
    }[];
    /** Places of a memory that is bound whole, in elements. */
    readonly offsets: readonly number[];
    readonly stages: readonly { readonly entryPoint: string; readonly workgroups: readonly number[] }[];
  }[];
  readonly outputs: readonly {
    readonly name: string;
    readonly dtype: string;
    readonly byteOffset: number;
    /** What the elements should be, and how far off they may be; null where nothing is known. */
    readonly expected: readonly (number | string)[];
    readonly bounds: readonly (number | null)[];
  }[];
}

/** The 32-bit words that a device holds for an array. */
function wordsOf(data: TypedArray): number[] {
  if (data instanceof Float32Array) return [...new Uint32Array(data.slice().buffer)];
  return Array.from(data, (x: number) => x >>> 0);
}

/**
 * A page that needs nothing but a browser with WebGPU: the case's kernels as WGSL, its data, what should come out, and a
 * script that runs them and shows the first element that differs.
 * @throws UsageError for a case whose cells last from run to run: it takes several programs.
 */
export async function reproPage(repro: Repro): Promise<string> {
  const { fuzzCase, found } = repro;
  if (fuzzCase.cells)
    throw new UsageError("a page cannot hold a case of the check steps: its cells last from run to run");
  const outputs = valuesOf(fuzzCase, "f32");
  const { program, feeds } = programOf(outputs);
  const plan = planProgram(program, gpuTarget);
  const placeOf = (placement: Placement): Place => {
    if (placement.kind === "workspace") return { memory: 0, byteOffset: placement.byteOffset };
    throw new UsageError("a page holds workspace alone");
  };
  const kernels = plan.kernels.map((planned): PageData["kernels"][number] => {
    const { kernel } = planned;
    const at = new Map(kernel.buffers.map((buffer, i) => [buffer, planned.bindings[i]]));
    const layout = chooseLayout(kernel, (buffer) => placeOf(at.get(buffer) ?? planned.bindings[0]), bindings);
    const { source, stages } = printWgsl(kernel, layout);
    return {
      name: kernel.name,
      source,
      bindings: layout.bindings.map(({ range, writable }) => ({ ...range, writable })),
      offsets: layout.kind === "whole" ? [...layout.offsets.values()] : [],
      stages,
    };
  });
  const { values, bounds } = await expectedOf(valuesOf(fuzzCase, fuzzCase.check === "edges" ? "f32" : "f64"));
  const data: PageData = {
    found,
    graph: describeCase(fuzzCase),
    workspaceBytes: Math.max(256, plan.workspaceBytes),
    uploads: plan.uploads.flatMap(({ input, byteOffset }) => {
      const feed = feeds[input];
      return feed.kind === "host" ? [{ byteOffset, words: wordsOf(feed.data) }] : [];
    }),
    kernels,
    outputs: outputs.map((output, k) => ({
      name: `output ${k}: ${output.node.op} [${output.shape.join(", ")}], ${numel(output.shape)} elements`,
      dtype: output.dtype,
      byteOffset: placeOf(plan.outputs[k]).byteOffset,
      expected: Array.from(values[k], (x: number) => (Number.isFinite(x) ? x : String(x))),
      bounds: Array.from(bounds[k], (x: number) => (Number.isFinite(x) ? x : null)),
    })),
  };
  return pageText(data);
}

function pageText(data: PageData): string {
  // No text of the data may end the script.
  const json = JSON.stringify(data).replaceAll("<", "\\u003c");
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>WGSL repro</title>
<style>body { font: 14px monospace; white-space: pre-wrap; margin: 2em; } .wrong { color: #b00; } .right { color: #070; }</style>
<body>
<script type="module">
const data = ${json};
${script}
</script>
</body>
</html>
`;
}

/** Runs the kernels in order, each stage a dispatch, and compares. */
const script = `
const show = (text, kind) => {
  const line = document.createElement("div");
  line.textContent = text;
  if (kind) line.className = kind;
  document.body.append(line);
};
show(data.found);
show(data.graph);
try {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) throw new Error("no WebGPU adapter");
  const { vendor, architecture, device: model, description } = adapter.info ?? {};
  show("adapter: " + [vendor, architecture, model, description].filter(Boolean).join(", "));
  const device = await adapter.requestDevice();
  device.addEventListener("uncapturederror", ({ error }) => show(error.message, "wrong"));
  const storage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const size = Math.ceil(data.workspaceBytes / 256) * 256 + 256;
  const workspace = device.createBuffer({ size, usage: storage });
  for (const { byteOffset, words } of data.uploads)
    if (words.length > 0) device.queue.writeBuffer(workspace, byteOffset, new Uint32Array(words));
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (const kernel of data.kernels) {
    const layoutEntries = kernel.bindings.map(({ writable }, binding) => ({
      binding, visibility: GPUShaderStage.COMPUTE, buffer: { type: writable ? "storage" : "read-only-storage" },
    }));
    const entries = kernel.bindings.map(({ byteOffset, bytes }, binding) => ({
      binding, resource: bytes === undefined ? { buffer: workspace } : { buffer: workspace, offset: byteOffset, size: bytes },
    }));
    if (kernel.offsets.length > 0) {
      const words = new Uint32Array(Math.ceil(kernel.offsets.length / 4) * 4);
      words.set(kernel.offsets);
      const buffer = device.createBuffer({ size: words.byteLength, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
      device.queue.writeBuffer(buffer, 0, words);
      layoutEntries.push({ binding: entries.length, visibility: GPUShaderStage.COMPUTE, buffer: { type: "uniform" } });
      entries.push({ binding: entries.length, resource: { buffer } });
    }
    const layout = device.createBindGroupLayout({ entries: layoutEntries });
    const module = device.createShaderModule({ code: kernel.source, label: kernel.name });
    pass.setBindGroup(0, device.createBindGroup({ layout, entries }));
    for (const { entryPoint, workgroups } of kernel.stages) {
      pass.setPipeline(device.createComputePipeline({
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }), compute: { module, entryPoint },
      }));
      pass.dispatchWorkgroups(...workgroups);
    }
  }
  pass.end();
  const copy = device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  encoder.copyBufferToBuffer(workspace, 0, copy, 0, size);
  device.queue.submit([encoder.finish()]);
  await copy.mapAsync(GPUMapMode.READ);
  const bytes = copy.getMappedRange();
  for (const { name, dtype, byteOffset, expected, bounds } of data.outputs) {
    const kinds = { f32: Float32Array, i32: Int32Array, u32: Uint32Array, bool: Uint32Array };
    const actual = new kinds[dtype](bytes, byteOffset, expected.length);
    const at = expected.findIndex((wanted, i) => {
      if (bounds[i] === null) return false;
      return !(Math.abs(actual[i] - wanted) <= bounds[i] || Object.is(actual[i], Number(wanted)));
    });
    if (at < 0) show(name + ": as expected", "right");
    else show(name + " differs at " + at + ": " + actual[at] + ", expected " + expected[at] + " within " + bounds[at], "wrong");
  }
} catch (error) {
  show(String(error), "wrong");
}
for (const { name, source } of data.kernels) show("\\n// " + name + "\\n" + source);
`;

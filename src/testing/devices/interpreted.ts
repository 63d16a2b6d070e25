import { allocateElements, type Elements, interpret } from "../../codegen/kernel/interpret.ts";
import type { Buffer } from "../../codegen/kernel/ir.ts";
import { verify } from "../../codegen/kernel/verify.ts";
import { workgroupSchedules } from "../../codegen/lower/workgroup/index.ts";
import { type Plan, planProgram } from "../../codegen/plan.ts";
import type { Placement } from "../../codegen/schedule/memory.ts";
import type { Target } from "../../codegen/target.ts";
import { allocateArray, type DType, type TypedArray } from "../../graph/dtype.ts";
import { DeviceError } from "../../graph/errors.ts";
import { numel } from "../../graph/shape.ts";
import {
  type Block,
  Counters,
  type Device,
  type Executable,
  type Program,
  type Region,
  type Storage,
} from "../../runtime/device.ts";

const dtypes: readonly DType[] = ["bool", "u32", "i32", "f32"];

/** A GPU by its default limits. */
export const target: Target = {
  name: "interpreted",
  dtypes,
  intrinsics: new Set(),
  composites: new Set(["attention", "attentionGradient"]),
  alignment: 256,
  workgroup: { invocations: 256, sharedBytes: 16_384, schedules: workgroupSchedules },
};

class Memory implements Block {
  readonly device: Device;
  readonly bytes: number;
  readonly words: ArrayBuffer;

  constructor(device: Device, bytes: number) {
    this.device = device;
    this.bytes = bytes;
    this.words = new ArrayBuffer(Math.ceil(bytes / 256) * 256 + 256);
  }

  release(): void {}
}

/**
 * Plans as a GPU does, and runs its kernels on the interpreter: which finds what a GPU would not say, invocations that
 * race, barriers that not all come by, and memory that is read before it is written.
 */
export class InterpretedDevice implements Device {
  readonly name = "interpreted";
  readonly dtypes = dtypes;
  readonly counters = new Counters();

  createBlock(bytes: number): Block {
    return new Memory(this, bytes);
  }

  write(region: Region, data: TypedArray): void {
    view(region).set(data);
  }

  copy(source: Region, into: Region): void {
    view(into).set(view(source));
  }

  async read(storage: Storage): Promise<TypedArray> {
    if (storage.kind === "result") throw new DeviceError("results lie on the host");
    return storage.kind === "host" ? storage.data.slice() : hostCopy(view(storage), storage.dtype);
  }

  prepare(program: Program): Executable {
    const plan = planProgram(program, target);
    for (const { kernel } of plan.kernels) verify(kernel);
    return {
      kernels: plan.kernels.map((planned) => ({ ...planned, name: planned.kernel.name, source: "" })),
      temporaryBytes: plan.workspaceBytes,
      run: (feeds) => run(program, plan, feeds),
      dispose: () => undefined,
    };
  }
}

function run(program: Program, plan: Plan, feeds: readonly Storage[]): Storage[] {
  const workspace = new ArrayBuffer(plan.workspaceBytes + 256);
  const at = (placement: Placement, buffer: Pick<Buffer, "type" | "length">): Elements => {
    if (placement.kind === "workspace") return elements(workspace, placement.byteOffset, buffer);
    const feed = feeds[placement.input];
    if (feed.kind !== "region") throw new DeviceError(`input ${placement.input} is no region`);
    return elements((feed.block as Memory).words, feed.byteOffset, buffer);
  };
  for (const { input, byteOffset } of plan.uploads) {
    const feed = feeds[input];
    if (feed.kind !== "host") throw new DeviceError(`input ${input} is not on the host`);
    const { dtype } = program.inputs[input].value;
    elements(workspace, byteOffset, { type: scalar(dtype), length: feed.data.length }).set(feed.data);
  }
  for (const { kernel, bindings } of plan.kernels) {
    const parameters = kernel.buffers.filter(({ access }) => access !== "scratch" && access !== "workgroup");
    interpret(kernel, new Map(parameters.map((buffer, i) => [buffer, at(bindings[i], buffer)])));
  }
  const results = program.outputs.map(({ dtype, shape }, i): Storage => {
    const found = at(plan.outputs[i], { type: scalar(dtype), length: numel(shape) });
    return { kind: "host", data: hostCopy(found, dtype) };
  });
  for (const { from, input, length } of plan.copies) {
    const type = scalar(program.inputs[input].value.dtype);
    at({ kind: "input", input }, { type, length }).set(at(from, { type, length }));
  }
  return results;
}

function scalar(dtype: DType): Buffer["type"] {
  if (dtype === "f64") throw new DeviceError("no GPU has f64");
  return dtype;
}

function elements(
  memory: ArrayBuffer,
  byteOffset: number,
  { type, length }: Pick<Buffer, "type" | "length">,
): Elements {
  const kind = allocateElements({ type, length: 0 }).constructor as Float32ArrayConstructor;
  return new kind(memory, byteOffset, length);
}

function view({ block, byteOffset, dtype, length }: Region): Elements {
  return elements((block as Memory).words, byteOffset, { type: scalar(dtype), length });
}

function hostCopy(found: Elements, dtype: DType): TypedArray {
  const result = allocateArray(dtype, found.length);
  result.set(found);
  return result;
}

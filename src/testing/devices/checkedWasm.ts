import { verify } from "../../codegen/kernel/verify.ts";
import { type Plan, planProgram } from "../../codegen/plan.ts";
import type { Target } from "../../codegen/target.ts";
import { DeviceError } from "../../graph/errors.ts";
import type { Executable, Program, Storage } from "../../runtime/device.ts";
import { WasmDevice, type WasmOptions } from "../../runtime/wasm/device.ts";

const target: Target = {
  name: "wasm",
  dtypes: ["bool", "u32", "i32", "f32"],
  intrinsics: new Set(),
  composites: new Set(["attention", "attentionGradient"]),
};

/** A quiet NaN as f32, a large number as an integer: whoever reads it undefined gives itself away. */
const poison = 0x7fc0dead;
/** Bytes after the workspace that nobody may write. */
const margin = 1024;

/**
 * A WasmDevice that checks what it runs: every kernel passes the verifier, no temporary is read before it is written
 * (the workspace starts as poison in every run), and nothing is written behind the workspace.
 */
export class CheckedWasmDevice extends WasmDevice {
  override readonly name: string;
  #end = 0;

  constructor(options: WasmOptions = {}, name = "wasm") {
    super(options);
    this.name = name;
  }

  override workspace(bytes: number): number {
    const address = super.workspace(bytes + margin);
    new Uint32Array(this.memory.buffer, address, (bytes + margin) / 4).fill(poison);
    this.#end = address + bytes;
    return address;
  }

  protected override plan(program: Program): Plan {
    const plan = super.plan(program);
    for (const { kernel } of plan.kernels) verify(kernel);
    return plan;
  }

  override prepare(program: Program): Executable {
    const inner = super.prepare(program);
    const check = (): void => {
      const after = new Uint32Array(this.memory.buffer, this.#end, margin / 4);
      if (after.some((word) => word !== poison))
        throw new DeviceError("wasm: a kernel wrote behind the workspace");
    };
    return {
      kernels: inner.kernels,
      temporaryBytes: inner.temporaryBytes,
      run(feeds: readonly Storage[]): Storage[] {
        const results = inner.run(feeds);
        check();
        return results;
      },
      dispose: () => inner.dispose(),
    };
  }
}

/** What the device plans for a program. */
export function planOf(program: Program): Plan {
  return planProgram(program, target);
}

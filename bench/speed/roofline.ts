import { assembleModule } from "../../src/codegen/wasm/assembler.ts";
import { detectFeatures } from "../../src/codegen/wasm/features.ts";
import { emptyBlock, type Instruction } from "../../src/codegen/wasm/instructions.ts";
import type { Run } from "./contender.ts";
import { costOf, type Workload } from "./workloads.ts";

// What the machine could do with a workload's arithmetic and bytes if they were all that cost time: the arithmetic as
// independent multiply-adds in WebAssembly's vector registers, the bytes as a copy of memory.

const chains = 12;

/** Takes as long as the workload at least takes: the longer of its arithmetic and its bytes. */
export async function roofline(workload: Workload): Promise<Run> {
  const { flops, bytes } = costOf(workload);
  const multiplyAdd = multiplyAdder();
  const turns = Math.ceil(flops / (chains * 4 * 2));
  const words = Math.ceil(bytes / 2 / 8);
  const source = new Float64Array(words).fill(1);
  const target = new Float64Array(words);
  return async () => {
    const begin = processorTime();
    if (turns > 0) multiplyAdd(turns);
    const middle = processorTime();
    target.set(source);
    const copy = processorTime() - middle;
    return { overriddenDuration: Math.max(middle - begin, copy) };
  };
}

/** What this process took of the processor so far, in ms. */
export function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** A function that does `chains` multiply-adds of four numbers each turn. */
function multiplyAdder(): (turns: number) => void {
  const of = (name: Instruction["name"], ...immediates: number[]): Instruction => ({ name, immediates });
  const [turn, first] = [0, 1];
  const fused = detectFeatures().relaxedSimd;
  const step = (at: number): Instruction[] => {
    const chain = of("local.get", first + at);
    const product = [chain, chain, ...(fused ? [] : [of("f32x4.mul")])];
    return [...product, chain, of(fused ? "f32x4.relaxed_madd" : "f32x4.add"), of("local.set", first + at)];
  };
  const begin = (at: number): Instruction[] => [
    // All different, or the engine would compute one for all.
    ...[of("f32.const", at / 64), of("f32x4.splat"), of("local.set", first + at)],
  ];
  const keep = (at: number): Instruction[] => [
    of("i32.const", 16 * at),
    of("local.get", first + at),
    of("v128.store", 0),
  ];
  const code = [
    ...Array.from({ length: chains }, (_, at) => begin(at)).flat(),
    of("loop", emptyBlock),
    ...Array.from({ length: chains }, (_, at) => step(at)).flat(),
    ...[of("local.get", turn), of("i32.const", -1), of("i32.add"), of("local.tee", turn)],
    ...[of("br_if", 0), of("end")],
    // What nobody reads would not be computed either.
    ...Array.from({ length: chains }, (_, at) => keep(at)).flat(),
  ];
  const locals = ["i32" as const, ...Array.from({ length: chains }, () => "v128" as const)];
  const bytes = assembleModule([{ name: "run", parameters: ["i32"], locals, code }], { shared: false });
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  return exports.run as (turns: number) => void; // the function above
}

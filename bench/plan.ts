import { performance } from "node:perf_hooks";
import { type Plan, planProgram } from "../src/codegen/plan.ts";
import type { Target } from "../src/codegen/target.ts";
import { printWasm } from "../src/codegen/wasm/printer.ts";
import { nn, ones, optim, setDefaultDevice, type Tensor, tensor } from "../src/index.ts";
import { BertConfig, BertForMaskedLM } from "../src/models/index.ts";
import type { Executable, Program } from "../src/runtime/device.ts";
import { WasmDevice } from "../src/runtime/wasm/device.ts";
import { planOf } from "../src/tensor/compile.ts";

// How long a graph takes to become kernels: planning (fusion, order, memory, loops) and printing WebAssembly, in
// milliseconds a kernel. The first run is what a new process pays; the best of the others is what the work itself takes.

const repetitions = 15;

const target: Target = {
  name: "wasm",
  dtypes: ["bool", "u32", "i32", "f32"],
  intrinsics: new Set(),
  composites: new Set(["attention", "attentionGradient"]),
};

/** A device that keeps the program and never runs it. */
class PlanningDevice extends WasmDevice {
  program: Program | undefined;

  override prepare(program: Program): Executable {
    this.program = program;
    const run = (): never => {
      throw new Error("this device only plans");
    };
    return { kernels: [], temporaryBytes: 0, run, dispose: () => undefined };
  }
}

const device = new PlanningDevice();
setDefaultDevice(device);

function programOf<Args extends readonly unknown[]>(fn: (...args: Args) => unknown, ...args: Args): Program {
  planOf(fn, args);
  if (device.program === undefined) throw new Error("nothing was planned");
  return device.program;
}

/** The training step of a small BERT: four layers, d 128, 16 sequences of 64 tokens. */
function bertStep(): Program {
  const [batch, length, masked] = [16, 64, 10];
  const model = new BertForMaskedLM(
    BertConfig.from({
      vocab_size: 4096,
      hidden_size: 128,
      num_hidden_layers: 4,
      num_attention_heads: 4,
      intermediate_size: 512,
      max_position_embeddings: length,
    }),
  );
  const parameters = model.parameters();
  const adamw = new optim.AdamW(parameters);
  model.train();
  const ids = (columns: number): Tensor =>
    tensor(new Int32Array(batch * columns).fill(1), { shape: [batch, columns] });
  const step = (inputIds: Tensor, maskedPositions: Tensor, labels: Tensor): Tensor | undefined => {
    adamw.zeroGrad();
    const { loss } = model.forward(inputIds, { maskedPositions, labels });
    loss?.backward();
    optim.clipGradNorm(parameters, 1);
    adamw.step();
    return loss;
  };
  return programOf(step, ids(length), ids(masked), ids(masked));
}

const width = 32;

/** A pre-LN block: attention and a GELU MLP. */
class Block extends nn.Module {
  readonly norm1 = new nn.LayerNorm(width);
  readonly attention = new nn.MultiHeadAttention(width, 4);
  readonly norm2 = new nn.LayerNorm(width);
  readonly up = new nn.Linear(width, 4 * width);
  readonly down = new nn.Linear(4 * width, width);

  forward(x: Tensor): Tensor {
    const h = x.add(this.attention.forward(this.norm1.forward(x)).output);
    return h.add(this.down.forward(this.up.forward(this.norm2.forward(h)).gelu()));
  }
}

function blockStep(): Program {
  const block = new Block();
  const adamw = new optim.AdamW(block.parameters());
  const step = (x: Tensor): Tensor => {
    adamw.zeroGrad();
    const loss = block.forward(x).square().sum();
    loss.backward();
    adamw.step();
    return loss;
  };
  return programOf(step, ones([2, 16, width]));
}

interface Times {
  readonly plan: number;
  readonly print: number;
}

function measure(program: Program): Times & { readonly made: Plan } {
  const begin = performance.now();
  const made = planProgram(program, target);
  const planned = performance.now();
  const distinct = new Map(made.kernels.map(({ key, kernel }) => [key, kernel]));
  printWasm([...distinct.values()], { relaxedSimd: true });
  return { made, plan: planned - begin, print: performance.now() - planned };
}

function report(name: string, program: Program): void {
  const first = measure(program);
  const { kernels } = first.made;
  const later = Array.from({ length: repetitions }, () => measure(program));
  const best = (of: keyof Times): number => Math.min(...later.map((times) => times[of]));
  const line = (title: string, { plan, print }: Times): string =>
    `  ${title}: plan ${(plan / kernels.length).toFixed(2)}, print ${(print / kernels.length).toFixed(2)}, ` +
    `together ${((plan + print) / kernels.length).toFixed(2)} ms a kernel`;
  const distinct = new Set(kernels.map(({ key }) => key)).size;
  console.log(`${name}: ${kernels.length} kernels, ${distinct} of them distinct`);
  console.log(line("first", first));
  console.log(line(`best of ${repetitions}`, { plan: best("plan"), print: best("print") }));
}

report("training step of BERT, 4 layers, d 128", bertStep());
report("training step of a block", blockStep());

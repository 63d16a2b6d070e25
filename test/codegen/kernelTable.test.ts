import { describe, expect, it } from "vitest";
import { workgroupSchedules } from "../../src/codegen/lower/workgroup/index.ts";
import { type Plan, planProgram } from "../../src/codegen/plan.ts";
import type { Target } from "../../src/codegen/target.ts";
import { BertConfig, BertForMaskedLM } from "../../src/models/index.ts";
import * as nn from "../../src/nn/index.ts";
import { AdamW, clipGradNorm } from "../../src/nn/optim/index.ts";
import type { Executable, Program } from "../../src/runtime/device.ts";
import { WasmDevice } from "../../src/runtime/wasm/device.ts";
import { planOf } from "../../src/tensor/compile.ts";
import { ones, tensor } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { eachTestAlone } from "../engine/worlds.ts";

const wasm: Target = {
  name: "wasm",
  dtypes: ["bool", "u32", "i32", "f32"],
  intrinsics: new Set(),
  composites: new Set(["attention", "attentionGradient"]),
};
/** A device of workgroups must be given the same kernels. */
const webgpu: Target = {
  ...wasm,
  name: "webgpu",
  workgroup: { invocations: 256, sharedBytes: 16_384, schedules: workgroupSchedules },
};

/** A device that plans and never runs. */
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

let device: PlanningDevice;
eachTestAlone(() => {
  device = new PlanningDevice();
  return device;
});

function planFor<Args extends readonly unknown[]>(
  target: Target,
  fn: (...args: Args) => unknown,
  ...args: Args
): Plan {
  planOf(fn, args);
  if (device.program === undefined) throw new Error("nothing was planned");
  return planProgram(device.program, target);
}

const tableOf = ({ kernels }: Plan): string[] =>
  kernels.map(({ template, ops }) => `${template}: ${ops.join(" ")}`);

const [batch, length, width, heads] = [2, 16, 32, 4];

/** A pre-LN block: attention and a GELU MLP. */
class Block extends nn.Module {
  readonly norm1 = new nn.LayerNorm(width);
  readonly attention = new nn.MultiHeadAttention(width, heads);
  readonly norm2 = new nn.LayerNorm(width);
  readonly up = new nn.Linear(width, 4 * width);
  readonly down = new nn.Linear(4 * width, width);

  forward(x: Tensor): Tensor {
    const h = x.add(this.attention.forward(this.norm1.forward(x)).output);
    return h.add(this.down.forward(this.up.forward(this.norm2.forward(h)).gelu()));
  }
}

/** Each case as a function to plan, with the most kernels that it may have. */
const cases: Record<string, { readonly most: number; readonly plan: (target: Target) => Plan }> = {
  softmax: { most: 1, plan: (target) => planFor(target, (x: Tensor) => x.softmax(-1), ones([64, 32])) },
  layerNorm: {
    most: 1,
    plan: (target) => layerPlan(target, new nn.LayerNorm(width), [64, width]),
  },
  "linear + bias + GELU": {
    most: 1,
    plan: (target) => {
      const linear = new nn.Linear(width, 48);
      return layerPlan(target, { forward: (x) => linear.forward(x).gelu() }, [64, width]);
    },
  },
  "attention, no mask": { most: 1, plan: (target) => attentionPlan(target, {}) },
  "attention, causal": { most: 1, plan: (target) => attentionPlan(target, { isCausal: true }) },
  "attention, bool mask": {
    most: 1,
    plan: (target) => attentionPlan(target, { mask: ones([batch, 1, 1, length], { dtype: "bool" }) }),
  },
  "attention, bias": {
    most: 1,
    plan: (target) => attentionPlan(target, { scoreBias: ones([heads, length, length]) }),
  },
  "attention, dropout": {
    most: 1,
    plan: (target) => attentionPlan(target, { dropout: 0.1, training: true }),
  },
  "block forward": {
    most: 7,
    plan: (target) => layerPlan(target, new Block(), [batch, length, width]),
  },
  "block forward + backward": { most: 22, plan: (target) => blockPlan(target, false) },
  "block forward + backward + AdamW": { most: 23, plan: (target) => blockPlan(target, true) },
  "training step of a BERT layer": { most: 47, plan: (target) => bertPlan(target) },
};

interface Layer {
  readonly forward: (x: Tensor) => Tensor;
}

function layerPlan(target: Target, layer: Layer, shape: readonly number[]): Plan {
  return planFor(target, (x: Tensor) => layer.forward(x), ones(shape));
}

function attentionPlan(target: Target, options: nn.functional.ScaledDotProductOptions): Plan {
  const head = (): Tensor => ones([batch, heads, length, width / heads]);
  const { mask, scoreBias, ...rest } = options;
  const attend = (q: Tensor, k: Tensor, v: Tensor, m: typeof mask, b: typeof scoreBias): Tensor =>
    nn.functional.scaledDotProductAttention(q, k, v, { ...rest, mask: m, scoreBias: b });
  return planFor(target, attend, head(), head(), head(), mask, scoreBias);
}

function blockPlan(target: Target, update: boolean): Plan {
  const block = new Block();
  const adamw = new AdamW(block.parameters());
  const step = (x: Tensor): Tensor => {
    adamw.zeroGrad();
    const loss = block.forward(x).square().sum();
    loss.backward();
    if (update) adamw.step();
    return loss;
  };
  return planFor(target, step, ones([batch, length, width]));
}

/** Forward, backward, clipping and update, as the command trains. */
function bertPlan(target: Target, layers = 1): Plan {
  const model = new BertForMaskedLM(
    BertConfig.from({
      vocab_size: 64,
      hidden_size: width,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      intermediate_size: 4 * width,
      max_position_embeddings: length,
    }),
  );
  const parameters = model.parameters();
  const adamw = new AdamW([
    { params: parameters.filter(({ ndim }) => ndim > 1) },
    { params: parameters.filter(({ ndim }) => ndim <= 1), weightDecay: 0 },
  ]);
  model.train();
  const ids = (columns: number): Tensor =>
    tensor(new Int32Array(batch * columns).fill(1), { shape: [batch, columns] });
  const step = (inputIds: Tensor, maskedPositions: Tensor, labels: Tensor): Tensor | undefined => {
    adamw.zeroGrad();
    const { loss } = model.forward(inputIds, { maskedPositions, labels });
    loss?.backward();
    clipGradNorm(parameters, 1);
    adamw.step();
    return loss;
  };
  return planFor(target, step, ids(length), ids(3), ids(3));
}

describe("the kernels of well-known graphs", () => {
  it("are no more than they must be, and those of the golden file", { timeout: 60_000 }, async () => {
    const sections: string[] = [];
    for (const [name, { most, plan }] of Object.entries(cases)) {
      const lines = tableOf(plan(wasm));
      expect(lines.length, name).toBeLessThanOrEqual(most);
      sections.push(`${name}: ${lines.length}\n${lines.map((line) => `  ${line}\n`).join("")}`);
    }
    await expect(sections.join("\n")).toMatchFileSnapshot("./kernelTable.golden.txt");
  });

  it.each(Object.keys(cases))("are the same on every target: %s", { timeout: 60_000 }, (name) => {
    expect(tableOf(cases[name].plan(webgpu))).toEqual(tableOf(cases[name].plan(wasm)));
  });

  it("grow in number with the layers of a model, but not in kind", { timeout: 60_000 }, () => {
    const [three, five] = [3, 5].map((layers) => bertPlan(wasm, layers).kernels);
    expect(five.length).toBeGreaterThan(three.length);
    const distinct = (kernels: typeof three): number => new Set(kernels.map(({ key }) => key)).size;
    // Lowered and printed once each: but for what works on all parameters, inner layers are alike.
    expect(distinct(five)).toBeLessThanOrEqual(distinct(three) + 2);
  });
});

import fc from "fast-check";
import { withEngine } from "../../engine/current.ts";
import { Engine } from "../../engine/engine.ts";
import type { TypedArray } from "../../graph/dtype.ts";
import { InternalError } from "../../graph/errors.ts";
import { topologicalOrder, type Value } from "../../graph/node.ts";
import { numel } from "../../graph/shape.ts";
import * as nn from "../../nn/index.ts";
import * as optim from "../../nn/optim/index.ts";
import { graphBetween } from "../../ops/subgraph.ts";
import { typed } from "../../ops/table.ts";
import type { Executable, Program, Storage } from "../../runtime/device.ts";
import { ReferenceDevice } from "../../runtime/reference/device.ts";
import { compile } from "../../tensor/compile.ts";
import { randn } from "../../tensor/random.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { CellData, FuzzCase } from "./cases.ts";
import type { LeafData } from "./graphData.ts";

/** The sizes of a transformer block. */
export interface BlockSettings {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly headWidth: number;
  readonly intermediate: number;
  readonly mask: "none" | "causal" | "option";
  readonly norm: "before" | "after" | "rms";
  readonly feedForward: "gelu" | "relu" | "gated";
  readonly dropout: number;
  readonly seed: number;
}

type OptimizerName = "SGD" | "momentum" | "AdamW" | "Adam" | "LAMB" | "RMSprop";

const optimizers: Readonly<Record<OptimizerName, (model: nn.Module) => optim.Optimizer<optim.Settings>>> = {
  SGD: (model) => new optim.SGD(model.parameters(), { lr: 0.1 }),
  momentum: (model) =>
    new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.01 }),
  AdamW: (model) => new optim.AdamW(model.parameters(), { lr: 0.01 }),
  Adam: (model) => new optim.Adam(model.parameters(), { lr: 0.01 }),
  LAMB: (model) => new optim.LAMB(model.parameters(), { lr: 0.01 }),
  RMSprop: (model) => new optim.RMSprop(model.parameters(), { lr: 0.01 }),
};

const blockSettings: fc.Arbitrary<BlockSettings> = fc.record({
  batch: fc.constantFrom(1, 2, 3),
  length: fc.constantFrom(3, 4, 5, 8, 1, 9),
  heads: fc.constantFrom(2, 1, 3),
  headWidth: fc.constantFrom(4, 3, 8, 1),
  intermediate: fc.constantFrom(8, 5, 16, 1),
  mask: fc.constantFrom("none", "causal", "option"),
  norm: fc.constantFrom("before", "after", "rms"),
  feedForward: fc.constantFrom("gelu", "relu", "gated"),
  dropout: fc.constantFrom(0, 0, 0.25),
  seed: fc.nat(999),
});

/** A transformer block: attention and a feed-forward network, each beside a residual connection. */
class Block extends nn.Module {
  readonly settings: BlockSettings;
  readonly attention: nn.MultiHeadAttention;
  readonly first: nn.LayerNorm | nn.RMSNorm;
  readonly second: nn.LayerNorm | nn.RMSNorm;
  readonly up: nn.Linear;
  readonly down: nn.Linear;
  readonly gated: nn.GatedFeedForward;

  constructor(settings: BlockSettings) {
    super();
    const { heads, headWidth, intermediate, dropout, norm } = settings;
    const width = heads * headWidth;
    this.settings = settings;
    this.attention = new nn.MultiHeadAttention(width, heads, { dropout });
    this.first = norm === "rms" ? new nn.RMSNorm(width) : new nn.LayerNorm(width);
    this.second = norm === "rms" ? new nn.RMSNorm(width) : new nn.LayerNorm(width);
    this.up = new nn.Linear(width, intermediate);
    this.down = new nn.Linear(intermediate, width);
    this.gated = new nn.GatedFeedForward(width, intermediate);
  }

  /** x [B, T, width] gives the same shape. */
  forward(x: Tensor): Tensor {
    const { first, second, settings } = this;
    if (settings.norm === "after") {
      const y = first.forward(x.add(this.#attend(x)));
      return second.forward(y.add(this.#feedForward(y)));
    }
    const y = x.add(this.#attend(first.forward(x)));
    return y.add(this.#feedForward(second.forward(y)));
  }

  #attend(x: Tensor): Tensor {
    const { mask, length } = this.settings;
    const allowed = mask === "causal" ? nn.causalMask(length) : undefined;
    return this.attention.forward(x, mask === "option" ? { isCausal: true } : { mask: allowed }).output;
  }

  #feedForward(x: Tensor): Tensor {
    const { feedForward } = this.settings;
    if (feedForward === "gated") return this.gated.forward(x);
    const hidden = this.up.forward(x);
    return this.down.forward(feedForward === "gelu" ? hidden.gelu() : hidden.relu());
  }
}

/** A program as it ran, with what it was fed with. */
interface Recorded {
  readonly program: Program;
  readonly data: readonly TypedArray[];
}

/** A reference device that keeps the last program that ran on it. */
class RecordingDevice extends ReferenceDevice {
  last: Recorded | undefined;

  override prepare(program: Program): Executable {
    const inner = super.prepare(program);
    return {
      kernels: inner.kernels,
      temporaryBytes: inner.temporaryBytes,
      run: (feeds: readonly Storage[]): Storage[] => {
        this.last = { program, data: feeds.map((feed) => this.readNow(feed)) };
        return inner.run(feeds);
      },
      dispose: () => inner.dispose(),
    };
  }
}

/** Builds a world with a new device, runs `fn` in it, and gives the last program that ran. */
function record(seed: number, fn: () => void): Recorded {
  const device = new RecordingDevice();
  withEngine(new Engine(() => device, seed), fn);
  if (device.last === undefined) throw new InternalError("fuzz: nothing ran that could be recorded");
  return device.last;
}

/** A recorded program as a case: its inputs, and the constants below, become leaves. */
function caseOf({ program, data }: Recorded, check: FuzzCase["check"]): FuzzCase {
  const { inputs, outputs, writes } = program;
  const values = [...outputs, ...writes.map(({ value }) => value)];
  const fed = inputs.map(({ value }) => value);
  const constants = topologicalOrder(values, (value) => fed.includes(value)).flatMap((node) =>
    node.op === "constant" ? node.outputs : [],
  );
  const { steps, results } = graphBetween([...fed, ...constants], values);
  const leaves = [
    ...fed.map((value, i) => leafOf(value, data[i])),
    ...constants.map((value) => leafOf(value)),
  ];
  const cells = inputs.flatMap(({ region }, leaf): CellData[] => {
    if (region === undefined) return [];
    const write = writes.findIndex(({ input }) => input === leaf);
    return [{ leaf, ...region, ...(write < 0 ? {} : { takes: outputs.length + write }) }];
  });
  return { check, graph: { leaves, steps, results }, ...(check === "steps" ? { cells } : {}) };
}

function leafOf({ shape, dtype, node }: Value, data?: TypedArray): LeafData {
  const constant = typed(node);
  const values = data ?? (constant.op === "constant" ? constant.attrs.data : new Float32Array(numel(shape)));
  return { shape, dtype, numbers: { kind: "list", values: [...values] } };
}

/** Transformer blocks of random sizes, forward. */
export function blockCases(check: "values" | "gradients" | "differences"): fc.Arbitrary<FuzzCase> {
  return blockSettings.map((settings) => {
    const { batch, length, heads, headWidth, seed } = settings;
    const recorded = record(seed, () => {
      const block = new Block(settings);
      if (check === "differences") block.eval();
      const x = randn([batch, length, heads * headWidth]);
      compile(() => block.forward(x))();
    });
    return caseOf(recorded, check);
  });
}

/** Training steps of transformer blocks: forward, backward and update, as one program that changes its cells. */
export function trainingCases(): fc.Arbitrary<FuzzCase> {
  const names = Object.keys(optimizers) as OptimizerName[]; // as its type says
  return fc.tuple(blockSettings, fc.constantFrom(...names), fc.boolean()).map(([settings, name, clip]) => {
    const { batch, length, heads, headWidth, seed } = settings;
    const recorded = record(seed, () => {
      const block = new Block(settings);
      const optimizer = optimizers[name](block);
      const shape = [batch, length, heads * headWidth];
      const [x, target] = [randn(shape), randn(shape)];
      const step = compile(() => {
        optimizer.zeroGrad();
        const loss = nn.functional.mseLoss(block.forward(x), target);
        loss.backward();
        if (clip) optim.clipGradNorm(block.parameters(), 1);
        optimizer.step();
        return loss;
      });
      step();
      step();
    });
    return caseOf(recorded, "steps");
  });
}

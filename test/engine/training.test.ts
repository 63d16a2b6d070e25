import { describe, expect, it } from "vitest";
import { currentEngine } from "../../src/engine/current.ts";
import { Dropout } from "../../src/nn/dropout.ts";
import { mseLoss } from "../../src/nn/functional/loss.ts";
import { Linear } from "../../src/nn/linear.ts";
import { Module } from "../../src/nn/module.ts";
import * as optim from "../../src/nn/optim/index.ts";
import { ReferenceDevice } from "../../src/runtime/reference/device.ts";
import { type Compiled, compile } from "../../src/tensor/compile.ts";
import { rand, randn } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { eachTestAlone, startEngine } from "./worlds.ts";

eachTestAlone();

class Net extends Module {
  readonly up = new Linear(4, 8);
  readonly dropout = new Dropout(0.2);
  readonly down = new Linear(8, 2);

  forward(x: Tensor): Tensor {
    return this.down.forward(this.dropout.forward(this.up.forward(x).gelu()));
  }
}

/** A net, its optimizer with decay groups and a schedule, and a training step. */
function setUp() {
  const net = new Net();
  const isBias = (name: string): boolean => name.endsWith("bias");
  const of = (wanted: boolean) =>
    net.namedParameters().flatMap(([name, parameter]) => (isBias(name) === wanted ? [parameter] : []));
  const adamw = new optim.AdamW(
    [
      { params: of(false), weightDecay: 0.1 },
      { params: of(true), weightDecay: 0 },
    ],
    { lr: optim.linearWarmupDecay({ peak: 0.02, warmup: 10, total: 60 }) },
  );
  const step = (x: Tensor, target: Tensor): Tensor => {
    adamw.zeroGrad();
    const loss = mseLoss(net.forward(x), target);
    loss.backward();
    optim.clipGradNorm(net.parameters(), 0.5);
    adamw.step();
    return loss;
  };
  return { net, adamw, step };
}

const batch = (): [Tensor, Tensor] => [randn([6, 4]).realize(), randn([6, 2]).realize()];

describe("2,000 steps", () => {
  const checkpoints = [20, 200, 2000];

  it("of a plain loop take constant memory and few plans, without any dispose", async () => {
    const { step } = setUp();
    const engine = currentEngine();
    const device = engine.defaultDevice;
    const [x, target] = batch();
    const seen: unknown[] = [];
    let total = 0;
    for (let i = 1; i <= 2000; i++) {
      const loss = step(x, target);
      if (i % 100 === 0) total += await loss.item();
      if (!checkpoints.includes(i)) continue;
      const { bytes, peakBytes, prepared, allocations } = device.counters;
      seen.push({ bytes, peakBytes, prepared, allocations, plans: engine.plansReady(device) });
    }
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[2]).toEqual(seen[0]);
    expect(engine.plansReady(device)).toBeLessThan(12);
    expect(Number.isFinite(total)).toBe(true);
  }, 60_000);

  it("compiled allocate nothing and prepare nothing", async () => {
    const { step } = setUp();
    const compiled = compile(step);
    const { counters } = currentEngine().defaultDevice;
    const [x, target] = batch();
    const seen: unknown[] = [];
    for (let i = 1; i <= 2000; i++) {
      const loss = compiled(x, target);
      if (i % 100 === 0) await loss.item();
      const { bytes, peakBytes, prepared, allocations } = counters;
      if (checkpoints.includes(i)) seen.push({ bytes, peakBytes, prepared, allocations });
    }
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[2]).toEqual(seen[0]);
    expect(compiled.traces).toBe(1);
  }, 60_000);

  it("that accumulate gradients for ever keep no more than one step's graph", () => {
    const { net } = setUp();
    const [x, target] = batch();
    const [first] = net.parameters();
    /** Nodes that can be reached from the gradient. */
    const size = (): number => {
      const found = new Set<object>();
      const visit = (node: { readonly inputs: readonly { readonly node: object }[] }): void => {
        if (found.has(node)) return;
        found.add(node);
        for (const input of node.inputs) visit(input.node as typeof node);
      };
      const value = first.cell.gradient?.value;
      if (value) visit(value.node);
      return found.size;
    };
    for (let i = 0; i < 3; i++) {
      mseLoss(net.forward(x), target).backward();
      currentEngine().settleGradients(net.parameters().map(({ cell }) => cell));
      expect(size()).toBe(1);
    }
  });
});

describe("a compiled step", () => {
  type Mode = "plain" | "compiled" | "mixed";

  /** Losses of 50 steps, what the generator gives next, and the weights. */
  async function train(mode: Mode): Promise<unknown> {
    startEngine();
    const { net, adamw, step } = setUp();
    const compiled: Compiled<[Tensor, Tensor], Tensor> = compile(step);
    const losses: Tensor[] = [];
    for (let i = 0; i < 50; i++) {
      const plain = mode === "plain" || (mode === "mixed" && i >= 10 && i < 30);
      losses.push((plain ? step : compiled)(...batch()));
    }
    expect(compiled.traces).toBe(mode === "plain" ? 0 : 1);
    const values: number[] = [];
    for (const loss of losses) values.push(await loss.item());
    expect(new Set(values).size).toBe(50);
    return {
      values,
      next: await rand([3]).array(),
      draws: currentEngine().generator.draws,
      steps: adamw.steps,
      weights: await net.up.weight.array(),
      gradient: await net.down.bias?.grad?.array(),
    };
  }

  it("makes the bits of the plain loop over 50 steps: dropout, AdamW, schedule, clipping", async () => {
    expect(await train("compiled")).toEqual(await train("plain"));
  });

  it("takes turns with plain steps", async () => {
    expect(await train("mixed")).toEqual(await train("plain"));
  });

  it("learns on the wasm device as on the reference device", async () => {
    const losses = async (): Promise<number[]> => {
      const { step } = setUp();
      const compiled = compile(step);
      const [x, target] = batch();
      const found: number[] = [];
      for (let i = 0; i < 30; i++) found.push(await compiled(x, target).item());
      return found;
    };
    const wasm = await losses();
    startEngine(() => new ReferenceDevice());
    (await losses()).forEach((value, i) => {
      expect(wasm[i]).toBeCloseTo(value, 4);
    });
    expect(wasm[29]).toBeLessThan(wasm[0]);
  });

  it("returns losses that are still there many calls later", async () => {
    const { step } = setUp();
    const compiled = compile(step);
    const losses = Array.from({ length: 5 }, () => compiled(...batch()));
    const early = await Promise.all(losses.map((loss) => loss.item()));
    for (let i = 0; i < 5; i++) compiled(...batch());
    expect(await Promise.all(losses.map((loss) => loss.item()))).toEqual(early);
    expect(new Set(early).size).toBe(5);
  });

  it("takes the learning rate of the moment without another trace", async () => {
    const run = async (wrap: (fn: () => void) => () => void): Promise<unknown> => {
      startEngine();
      const net = new Linear(2, 1);
      const sgd = new optim.SGD(net.parameters(), { lr: 0.1 });
      const step = wrap(() => {
        net.zeroGrad();
        net
          .forward(randn([3, 2]))
          .square()
          .sum()
          .backward();
        sgd.step();
      });
      for (let i = 0; i < 5; i++) {
        sgd.groups[0].lr = 0.1 / (i + 1);
        step();
      }
      return net.weight.array();
    };
    let traces = 0;
    const compiled = await run((fn) => {
      const step = compile(fn);
      return () => {
        step();
        traces = step.traces;
      };
    });
    expect(compiled).toEqual(await run((fn) => fn));
    expect(traces).toBe(1);
  });

  it("is traced again for evaluation, and found again for training", async () => {
    const net = new Net();
    const forward = compile((x: Tensor) => net.forward(x));
    const [x] = batch();
    const training = await forward(x).array();
    net.eval();
    const [first, second] = [await forward(x).array(), await forward(x).array()];
    expect(first).toEqual(second);
    expect(first).toEqual(await net.forward(x).array());
    net.train();
    expect(await forward(x).array()).not.toEqual(training);
    expect(forward.traces).toBe(2);
  });
});

import { describe, expect, it } from "vitest";
import { setEngine } from "../../src/engine/current.ts";
import { Engine } from "../../src/engine/engine.ts";
import { ArgumentError, DeviceError, StaleVersionError, StateDictError } from "../../src/graph/errors.ts";
import { Linear } from "../../src/nn/linear.ts";
import * as optim from "../../src/nn/optim/index.ts";
import { ReferenceDevice } from "../../src/runtime/reference/device.ts";
import { compile } from "../../src/tensor/compile.ts";
import { full, ones, randn, tensor, zeros } from "../../src/tensor/create.ts";
import { Parameter } from "../../src/tensor/parameter.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { onReferenceDevice } from "./reference.ts";

onReferenceDevice();

const f64 = { dtype: "f64" } as const;
const start = [0.5, -1.5, 2];
const pull = [1, -3, 0.25];

/** Gradients of sum(pull x²) / 2 at x. */
const slope = (x: readonly number[]): number[] => x.map((value, i) => pull[i] * value);

function parameter(): Parameter {
  return new Parameter(tensor(start, f64), { name: "x" });
}

function backward(x: Parameter): Tensor {
  const loss = x.square().mul(tensor(pull, f64)).sum().mul(0.5);
  loss.backward();
  return loss;
}

interface AdamWNumbers {
  readonly lr: (step: number) => number;
  readonly eps: number;
  readonly decay: number;
  readonly correct: boolean;
}

/** AdamW on plain numbers, as its paper states it (with the correction) or as BERT's code does (without). */
function adamwTrajectory({ lr, eps, decay, correct }: AdamWNumbers, steps: number): number[][] {
  let x = [...start];
  const [m, v] = [x.map(() => 0), x.map(() => 0)];
  return Array.from({ length: steps }, (_, step) => {
    const g = slope(x);
    x = x.map((value, i) => {
      m[i] = 0.9 * m[i] + 0.1 * g[i];
      v[i] = 0.999 * v[i] + 0.001 * g[i] ** 2;
      const mean = correct ? m[i] / (1 - 0.9 ** (step + 1)) : m[i];
      const square = correct ? v[i] / (1 - 0.999 ** (step + 1)) : v[i];
      return value - lr(step) * (mean / (Math.sqrt(square) + eps) + decay * value);
    });
    return x;
  });
}

async function expectClose(found: Tensor, wanted: readonly number[], digits = 10): Promise<void> {
  (await found.data()).forEach((value, i) => {
    expect(value).toBeCloseTo(wanted[i], digits);
  });
}

describe("AdamW", () => {
  it.each([
    ["corrected", { lr: () => 0.1, eps: 1e-8, decay: 0.05, correct: true }],
    ["as in BERT's code", { lr: () => 0.1, eps: 1e-6, decay: 0.01, correct: false }],
    [
      "with a schedule",
      { lr: optim.cosine({ peak: 0.2, warmup: 5, total: 20 }), eps: 1e-8, decay: 0.1, correct: true },
    ],
  ] as const)("follows its definition over 20 steps, plain and compiled: %s", async (_, numbers) => {
    const { lr, eps, decay: weightDecay, correct: correctBias } = numbers;
    const wanted = adamwTrajectory(numbers, 20);
    for (const wrap of [(fn: () => Tensor) => fn, (fn: () => Tensor) => compile(fn)]) {
      const x = parameter();
      const optimizer = new optim.AdamW([x], { lr, eps, weightDecay, correctBias });
      const step = wrap(() => {
        optimizer.zeroGrad();
        const loss = backward(x);
        optimizer.step();
        return loss;
      });
      for (const row of wanted) {
        step();
        await expectClose(x, row);
      }
      expect(optimizer.steps).toBe(20);
    }
  });

  it("starts sqrt(1 - β2) / (1 - β1), 3.16 times, larger without correction", async () => {
    const first = async (correctBias: boolean): Promise<number> => {
      const x = parameter();
      const optimizer = new optim.AdamW([x], { lr: 0.01, weightDecay: 0, correctBias });
      backward(x);
      optimizer.step();
      return start[0] - (await x.data())[0];
    };
    expect((await first(false)) / (await first(true))).toBeCloseTo(0.1 / Math.sqrt(0.001), 4);
  });

  it("makes the same bits compiled as plain", async () => {
    const run = async (wrap: (fn: (x: Tensor) => Tensor) => (x: Tensor) => Tensor): Promise<unknown> => {
      setEngine(new Engine(() => new ReferenceDevice(), 3));
      const layer = new Linear(3, 2);
      const optimizer = new optim.AdamW(layer.parameters(), { lr: optim.noam({ width: 4, warmup: 3 }) });
      const step = wrap((x) => {
        layer.zeroGrad();
        const loss = layer.forward(x).square().mean();
        loss.backward();
        optim.clipGradNorm(layer.parameters(), 0.5);
        optimizer.step();
        return loss;
      });
      const losses: number[] = [];
      for (let i = 0; i < 5; i++) losses.push(await step(randn([4, 3])).item());
      return [losses, await layer.weight.array()];
    };
    expect(await run((fn) => compile(fn))).toEqual(await run((fn) => fn));
  });
});

describe("SGD", () => {
  it.each([
    ["plain", { momentum: 0, nesterov: false, weightDecay: 0.1 }],
    ["with momentum", { momentum: 0.9, nesterov: false, weightDecay: 0 }],
    ["Nesterov's", { momentum: 0.8, nesterov: true, weightDecay: 0.01 }],
  ])("follows its definition: %s", async (_, options) => {
    const x = parameter();
    const optimizer = new optim.SGD([x], { lr: 0.05, ...options });
    let wanted = [...start];
    const velocity = [0, 0, 0];
    for (let step = 0; step < 6; step++) {
      optimizer.zeroGrad();
      backward(x);
      optimizer.step();
      const g = slope(wanted);
      wanted = wanted.map((value, i) => {
        const decayed = g[i] + options.weightDecay * value;
        velocity[i] = options.momentum * velocity[i] + decayed;
        return value - 0.05 * (options.nesterov ? decayed + options.momentum * velocity[i] : velocity[i]);
      });
      await expectClose(x, wanted);
    }
  });

  it("checks its arguments", () => {
    expect(() => new optim.SGD([parameter()], { nesterov: true })).toThrow(ArgumentError);
    expect(() => new optim.SGD([parameter()], { lr: -1 })).toThrow(ArgumentError);
    expect(() => new optim.SGD([])).toThrow("there are no parameters");
    const x = parameter();
    expect(() => new optim.SGD([{ params: [x] }, { params: [x] }])).toThrow("x is named twice");
    const elsewhere = new Parameter(ones([1], { device: new ReferenceDevice() }));
    expect(() => new optim.SGD([x, elsewhere])).toThrow(DeviceError);
    expect(() => new optim.AdamW([x], { betas: [1, 0.9] })).toThrow(ArgumentError);
  });
});

describe("every optimizer", () => {
  it("gives groups settings of their own, which may change between steps, compiled too", async () => {
    const [a, b] = [parameter(), parameter()];
    const optimizer = new optim.SGD([{ params: [a], lr: 1 }, { params: [b] }], { lr: 0.5 });
    const step = compile(() => {
      optimizer.zeroGrad();
      a.sum().add(b.sum()).backward();
      optimizer.step();
    });
    step();
    await expectClose(
      a,
      start.map((x) => x - 1),
    );
    await expectClose(
      b,
      start.map((x) => x - 0.5),
    );
    optimizer.groups[0].lr = 0;
    optimizer.groups[1].lr = (n) => n;
    step();
    await expectClose(
      a,
      start.map((x) => x - 1),
    );
    await expectClose(
      b,
      start.map((x) => x - 1.5),
    );
    expect(step.traces).toBe(1);
  });

  it("skips parameters without gradient, and counts their steps for themselves", async () => {
    const [a, late] = [parameter(), parameter()];
    const optimizer = new optim.AdamW([a, late], { lr: 0.1, weightDecay: 0.05 });
    const step = compile((both: boolean) => {
      optimizer.zeroGrad();
      backward(a);
      if (both) backward(late);
      optimizer.step();
    });
    for (let i = 0; i < 3; i++) step(false);
    await expectClose(late, start);
    for (let i = 0; i < 3; i++) step(true);
    const wanted = adamwTrajectory({ lr: () => 0.1, eps: 1e-8, decay: 0.05, correct: true }, 6);
    await expectClose(a, wanted[5]);
    await expectClose(late, wanted[2]);
  });

  it("continues from its state dict as if it had never stopped", async () => {
    const make = (x: Parameter): optim.AdamW => new optim.AdamW([x], { lr: 0.1 });
    const advance = (x: Parameter, optimizer: optim.Optimizer, steps: number): void => {
      for (let i = 0; i < steps; i++) {
        optimizer.zeroGrad();
        backward(x);
        optimizer.step();
      }
    };
    const [x, y] = [parameter(), parameter()];
    const [first, second] = [make(x), make(y)];
    advance(x, first, 4);
    const state = first.stateDict();
    y.assign(x);
    second.loadStateDict(state);
    advance(x, first, 3);
    advance(y, second, 3);
    expect(await y.array()).toEqual(await x.array());
    expect(second.steps).toBe(7);
  });

  it("refuses a state that does not fit", () => {
    const state = new optim.AdamW([parameter()]).stateDict();
    const other = new optim.AdamW([new Parameter(zeros([2], f64), { name: "y" })]);
    expect(() => other.loadStateDict(state)).toThrow(StateDictError);
    expect(() => other.loadStateDict(state)).toThrow("y.expAvg has shape [3], wanted [2]");
    expect(() => new optim.AdamW([parameter(), parameter()]).loadStateDict(state)).toThrow(StateDictError);
    const plain = new optim.SGD([parameter()]).stateDict();
    expect(() => new optim.AdamW([parameter()]).loadStateDict(plain)).toThrow(
      "2 missing: x.expAvg, x.expAvgSq",
    );
  });

  it("packs values, gradients and moments alike", () => {
    const parameters = [parameter(), new Parameter(ones([100], f64)), new Parameter(ones([2, 3], f64))];
    new optim.AdamW([{ params: [parameters[2]] }, { params: parameters.slice(0, 2) }]);
    const offsets = (cells: readonly { region?: { byteOffset: number; block: unknown } }[]): unknown[] =>
      cells.map(({ region }) => region?.byteOffset);
    const cells = parameters.map(({ cell }) => cell);
    expect(offsets(cells)).toEqual([256, 512, 0]);
    expect(offsets(cells.map((cell) => cell.gradientCell))).toEqual([256, 512, 0]);
    expect(new Set(cells.map((cell) => cell.region?.block)).size).toBe(1);
    expect(cells[0].gradientCell.region?.block).not.toBe(cells[0].region?.block);
  });

  it("takes gradients as they were when backward was called", async () => {
    const x = parameter();
    const optimizer = new optim.SGD([x], { lr: 0.5 });
    backward(x);
    x.assign(full([3], 1, f64));
    optimizer.step();
    await expectClose(
      x,
      slope(start).map((g) => 1 - 0.5 * g),
    );
  });

  it("fails on gradients that need what a frozen parameter no longer holds", () => {
    const x = parameter();
    const frozen = new Parameter(tensor(pull, f64), { name: "frozen", requiresGrad: false });
    const optimizer = new optim.SGD([x]);
    x.mul(frozen).sum().backward();
    frozen.assign(full([3], 1, f64));
    expect(() => optimizer.step()).toThrow(StaleVersionError);
    expect(() => optimizer.step()).toThrow("frozen was read at version 0");
  });
});

describe("clipGradNorm", () => {
  it.each([false, true])("scales all gradients together to the norm (compiled: %s)", async (compiled) => {
    const [a, b] = [new Parameter(tensor([1, 1])), new Parameter(tensor([1]))];
    const body = (): Tensor => {
      a.zeroGrad();
      b.zeroGrad();
      a.mul(tensor([3, 0]))
        .sum()
        .add(b.mul(4).sum())
        .backward();
      return optim.clipGradNorm([a, b], 2.5);
    };
    const norm = (compiled ? compile(body) : body)();
    a.assign(zeros([2]));
    expect(await norm.item()).toBeCloseTo(5, 6);
    await expectClose(a.grad as Tensor, [1.5, 0], 5);
    await expectClose(b.grad as Tensor, [2], 5);
  });

  it("leaves small gradients alone, and does not count missing ones", async () => {
    const [a, b] = [new Parameter(tensor([3])), new Parameter(tensor([1]))];
    a.mul(2).sum().backward();
    expect(await optim.clipGradNorm([a, b], 10).item()).toBe(2);
    expect(await a.grad?.item()).toBe(2);
    expect(b.grad).toBeUndefined();
    expect(await optim.clipGradNorm([b], 1).item()).toBe(0);
    expect(() => optim.clipGradNorm([a], Number.NaN)).toThrow(ArgumentError);
  });

  it("keeps to what was clipped when more gradient is added", async () => {
    const a = new Parameter(tensor([1]));
    a.mul(10).sum().backward();
    optim.clipGradNorm([a], 1);
    a.mul(2).sum().backward();
    expect(await a.grad?.item()).toBeCloseTo(3, 5);
  });
});

describe("schedules", () => {
  it("linearWarmupDecay rises and falls in straight lines", () => {
    const lr = optim.linearWarmupDecay({ peak: 2, warmup: 4, total: 12 });
    expect([0, 1, 2, 4, 8, 12, 20].map(lr)).toEqual([0, 0.5, 1, 2, 1, 0, 0]);
    expect(() => optim.linearWarmupDecay({ peak: 1, warmup: 5, total: 4 })).toThrow(ArgumentError);
  });

  it("bertSchedule jumps down where the warm-up ends", () => {
    const lr = optim.bertSchedule({ peak: 1, warmup: 5, total: 20 });
    expect([0, 4, 5, 10, 20, 30].map(lr)).toEqual([0, 0.8, 0.75, 0.5, 0, 0]);
  });

  it("noam counts from 1 and peaks at (width warmup)^-0.5", () => {
    const lr = optim.noam({ width: 512, warmup: 4000 });
    expect(lr(3999)).toBeCloseTo((512 * 4000) ** -0.5, 12);
    expect(lr(0)).toBeCloseTo(512 ** -0.5 * 4000 ** -1.5, 15);
    expect(lr(15999)).toBeCloseTo(lr(3999) / 2, 12);
  });

  it("cosine falls along half a wave", () => {
    const lr = optim.cosine({ peak: 1, warmup: 2, total: 10, minimum: 0.2 });
    expect([1, 2, 6, 10, 12].map((step) => Number(lr(step).toFixed(12)))).toEqual([0.5, 1, 0.6, 0.2, 0.2]);
    expect(optim.constant(0.3)(99)).toBe(0.3);
  });
});

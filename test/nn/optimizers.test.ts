import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/graph/errors.ts";
import * as optim from "../../src/nn/optim/index.ts";
import { compile } from "../../src/tensor/compile.ts";
import { tensor } from "../../src/tensor/create.ts";
import { Parameter } from "../../src/tensor/parameter.ts";
import { onReferenceDevice } from "./reference.ts";

onReferenceDevice();

const f64 = { dtype: "f64" } as const;
const start = [0.5, -1.5, 2, -0.25];
const pull = [1, -3, 0.25, 2];
const [lr, wd, b1, b2, eps] = [0.05, 0.1, 0.8, 0.9, 1e-3];
const betas = [b1, b2] as const;
const adam = { lr, weightDecay: wd, betas, eps };
const { abs, max, sqrt } = Math;

/** The paper's step of one element: what it remembers is in `s`, which starts at 0. */
type Step = (p: number, g: number, s: { m: number; v: number; u: number }, t: number) => number;

const moments = (s: { m: number; v: number }, g: number): void => {
  s.m = b1 * s.m + (1 - b1) * g;
  s.v = b2 * s.v + (1 - b2) * g * g;
};

const optimizers: readonly (readonly [name: string, make: (p: Parameter) => optim.Optimizer, step: Step])[] =
  [
    [
      "SGD",
      (p) => new optim.SGD([p], { lr, weightDecay: wd, momentum: 0.9, dampening: 0.5 }),
      (p, g, s, t) => {
        s.m = 0.9 * s.m + (t === 1 ? 1 : 0.5) * (g + wd * p);
        return p - lr * s.m;
      },
    ],
    [
      "SGD with nesterov, climbing",
      (p) => new optim.SGD([p], { lr, momentum: 0.9, nesterov: true, maximize: true }),
      (p, g, s) => {
        s.m = 0.9 * s.m - g;
        return p - lr * (0.9 * s.m - g);
      },
    ],
    [
      "Adam with amsgrad",
      (p) => new optim.Adam([p], { ...adam, amsgrad: true }),
      (p, g, s, t) => {
        moments(s, g + wd * p);
        s.u = max(s.u, s.v);
        return p - (lr * s.m) / (1 - b1 ** t) / (sqrt(s.u / (1 - b2 ** t)) + eps);
      },
    ],
    [
      "AdamW",
      (p) => new optim.AdamW([p], adam),
      (p, g, s, t) => {
        moments(s, g);
        return p * (1 - lr * wd) - (lr * s.m) / (1 - b1 ** t) / (sqrt(s.v / (1 - b2 ** t)) + eps);
      },
    ],
    [
      "TransformersAdamW",
      (p) => new optim.TransformersAdamW([p], adam),
      (p, g, s, t) => {
        moments(s, g);
        return (p - (((lr * sqrt(1 - b2 ** t)) / (1 - b1 ** t)) * s.m) / (sqrt(s.v) + eps)) * (1 - lr * wd);
      },
    ],
    [
      "RMSprop, centered, with momentum",
      (p) => new optim.RMSprop([p], { lr, weightDecay: wd, alpha: 0.9, eps, momentum: 0.5, centered: true }),
      (p, g, s) => {
        const d = g + wd * p;
        s.v = 0.9 * s.v + 0.1 * d * d;
        s.m = 0.9 * s.m + 0.1 * d;
        s.u = 0.5 * s.u + d / (sqrt(s.v - s.m * s.m) + eps);
        return p - lr * s.u;
      },
    ],
    [
      "Adagrad",
      (p) => new optim.Adagrad([p], { lr, weightDecay: wd, lrDecay: 0.1, eps, initialAccumulatorValue: 0.5 }),
      (p, g, s, t) => {
        s.v += (t === 1 ? 0.5 : 0) + (g + wd * p) ** 2;
        return p - ((lr / (1 + (t - 1) * 0.1)) * (g + wd * p)) / (sqrt(s.v) + eps);
      },
    ],
    [
      "Adadelta",
      (p) => new optim.Adadelta([p], { lr: 1, weightDecay: wd, rho: 0.9, eps }),
      (p, g, s) => {
        s.v = 0.9 * s.v + 0.1 * (g + wd * p) ** 2;
        const delta = sqrt((s.u + eps) / (s.v + eps)) * (g + wd * p);
        s.u = 0.9 * s.u + 0.1 * delta * delta;
        return p - delta;
      },
    ],
    [
      "Adamax",
      (p) => new optim.Adamax([p], adam),
      (p, g, s, t) => {
        moments(s, g + wd * p);
        s.u = max(b2 * s.u, abs(g + wd * p) + eps);
        return p - (lr / (1 - b1 ** t)) * (s.m / s.u);
      },
    ],
    [
      "NAdam",
      (p) => new optim.NAdam([p], { ...adam, momentumDecay: 0.1 }),
      (p, g, s, t) => {
        const mu = (k: number): number => b1 * (1 - 0.5 * 0.96 ** (k * 0.1));
        moments(s, g + wd * p);
        s.u = (t === 1 ? 1 : s.u) * mu(t);
        const mean = ((1 - mu(t)) * (g + wd * p)) / (1 - s.u) + (mu(t + 1) * s.m) / (1 - s.u * mu(t + 1));
        return p - (lr * mean) / (sqrt(s.v / (1 - b2 ** t)) + eps);
      },
    ],
    [
      "RAdam",
      (p) => new optim.RAdam([p], adam),
      (p, g, s, t) => {
        moments(s, g + wd * p);
        const longest = 2 / (1 - b2) - 1;
        const r = longest - (2 * t * b2 ** t) / (1 - b2 ** t);
        const mean = s.m / (1 - b1 ** t);
        if (r <= 5) return p - lr * mean;
        const by = sqrt(((r - 4) * (r - 2) * longest) / ((longest - 4) * (longest - 2) * r));
        return p - (lr * by * mean * sqrt(1 - b2 ** t)) / (sqrt(s.v) + eps);
      },
    ],
  ];

/** Those whose step depends on norms of the whole parameter: held to their fixtures' laws below. */
const ofNorms: readonly (readonly [string, (p: Parameter) => optim.Optimizer])[] = [
  ["LAMB", (p) => new optim.LAMB([p], { lr })],
  ["LARS", (p) => new optim.LARS([p], { lr, weightDecay: wd })],
  ["Adafactor", (p) => new optim.Adafactor([p], { beta1: 0.5 })],
  [
    "Adafactor, fixed rate",
    (p) => new optim.Adafactor([p], { lr, relativeStep: false, scaleParameter: false }),
  ],
];

const all = [...optimizers.map(([name, make]) => [name, make] as const), ...ofNorms];

const newParameter = (numbers = start): Parameter =>
  new Parameter(tensor(numbers, { ...f64, shape: [2, 2] }), { name: "x" });

/** A training step on sum(pull x²) / 2. */
const stepOf = (x: Parameter, optimizer: optim.Optimizer) => () => {
  optimizer.zeroGrad();
  x.square()
    .mul(tensor(pull, { ...f64, shape: [2, 2] }))
    .sum()
    .mul(0.5)
    .backward();
  optimizer.step();
};

async function run(x: Parameter, optimizer: optim.Optimizer, steps: number): Promise<number[]> {
  const step = stepOf(x, optimizer);
  for (let i = 0; i < steps; i++) step();
  return [...(await x.data())];
}

describe.each(optimizers)("%s", (_, make, step) => {
  it("takes the steps of its formula", async () => {
    const x = newParameter();
    const expected = start.map((first, i) => {
      const state = { m: 0, v: 0, u: 0 };
      let p = first;
      for (let t = 1; t <= 7; t++) p = step(p, pull[i] * p, state, t);
      return p;
    });
    const found = await run(x, make(x), 7);
    found.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i], 10);
    });
  });
});

describe.each(all)("%s", (_, make) => {
  it("gives the same bits compiled and not", async () => {
    const [plain, captured] = [newParameter(), newParameter()];
    const expected = await run(plain, make(plain), 5);
    const step = compile(stepOf(captured, make(captured)));
    for (let i = 0; i < 5; i++) step();
    expect([...(await captured.data())]).toEqual(expected);
  });

  it("goes on exactly from a saved state", async () => {
    const whole = newParameter();
    const expected = await run(whole, make(whole), 6);
    const first = newParameter();
    const optimizer = make(first);
    const middle = await run(first, optimizer, 3);
    const second = newParameter(middle);
    const next = make(second);
    next.loadStateDict(optimizer.stateDict());
    expect(await run(second, next, 3)).toEqual(expected);
  });
});

describe("LAMB", () => {
  const norm = (x: readonly number[]): number => sqrt(x.reduce((sum, value) => sum + value * value, 0));

  it("moves by lr times the parameter's norm, within bounds", async () => {
    for (const normBounds of [undefined, [0.5, 1] as const]) {
      const x = newParameter();
      const optimizer = new optim.LAMB([x], { lr, weightDecay: 0, normBounds });
      const moved = (await run(x, optimizer, 1)).map((value, i) => value - start[i]);
      const size = normBounds ? 1 : norm(start);
      expect(norm(moved)).toBeCloseTo(lr * size, 10);
      expect(await optimizer.trustRatios[0].item()).toBeCloseTo(size / 2, 5);
    }
  });

  it("does not scale where a norm is 0, nor groups that are left out", async () => {
    const zero = new Parameter(tensor([0, 0], f64));
    const left = new Parameter(tensor([3, 4], f64));
    const optimizer = new optim.LAMB([{ params: [zero] }, { params: [left], adapt: false, weightDecay: 0 }], {
      lr,
    });
    zero.add(left).sum().backward();
    optimizer.step();
    expect(await Promise.all(optimizer.trustRatios.map((ratio) => ratio.item()))).toEqual([1, 1]);
    expect((await left.data())[0]).toBeCloseTo(3 - lr, 6);
  });
});

describe("Adafactor", () => {
  it("keeps a row and a column of a matrix, and the whole of a vector", () => {
    const vector = new Parameter(tensor([1, 2, 3]));
    const matrix = new Parameter(tensor([[1, 2, 3]]));
    const { parameters } = new optim.Adafactor([vector, matrix]).stateDict();
    const shapes = parameters.map((each) => [...each.moments].map(([name, { shape }]) => [name, shape]));
    expect(shapes).toEqual([
      [["expAvgSq", [3]]],
      [
        ["expAvgSqRow", [1]],
        ["expAvgSqCol", [3]],
      ],
    ]);
  });

  it("refuses a rate that would not count", () => {
    expect(() => new optim.Adafactor([newParameter()], { lr: 0.1 })).toThrow(ArgumentError);
  });
});

it("groups take any setting for themselves", async () => {
  const [a, b] = [newParameter(), newParameter()];
  const optimizer = new optim.SGD([{ params: [a], momentum: 0.5 }, { params: [b] }], { lr: 0.1 });
  expect(optimizer.stateDict().parameters.map(({ moments }) => moments.size)).toEqual([1, 0]);
  expect(() => new optim.Adam([{ params: [a], betas: [0.9, 1] }])).toThrow(ArgumentError);
});

it("clipGradValue bounds every element", async () => {
  const x = new Parameter(tensor([1, 2]));
  x.mul(tensor([-9, 0.5]))
    .sum()
    .backward();
  optim.clipGradValue([x], 1);
  expect(await x.grad?.array()).toEqual([-1, 0.5]);
});

describe("schedules", () => {
  const rates = (schedule: optim.Schedule, steps: readonly number[]): number[] =>
    steps.map((step) => Number(schedule(step).toFixed(9)));

  it("fall as PyTorch's do", () => {
    expect(rates(optim.stepDecay({ initial: 1, stepSize: 2, gamma: 0.5 }), [0, 1, 2, 4])).toEqual([
      1, 1, 0.5, 0.25,
    ]);
    expect(rates(optim.multiStep({ initial: 1, milestones: [1, 3] }), [0, 1, 2, 3])).toEqual([
      1, 0.1, 0.1, 0.01,
    ]);
    expect(rates(optim.exponential({ initial: 1, gamma: 0.5 }), [0, 3])).toEqual([1, 0.125]);
    expect(rates(optim.cosineAnnealing({ initial: 1, period: 4, minimum: 0.5 }), [0, 2, 4, 8])).toEqual([
      1, 0.75, 0.5, 1,
    ]);
    expect(
      rates(
        optim.lambda(2, (step) => step),
        [0, 3],
      ),
    ).toEqual([0, 6]);
    expect(rates(optim.linear({ initial: 1, startFactor: 0.5, total: 2 }), [0, 1, 2, 9])).toEqual([
      0.5, 0.75, 1, 1,
    ]);
    expect(rates(optim.constantFactor({ initial: 1, factor: 0.5, total: 2 }), [0, 1, 2])).toEqual([
      0.5, 0.5, 1,
    ]);
  });

  it("cosineWarmRestarts begins anew, with longer waves", () => {
    const schedule = optim.cosineWarmRestarts({ initial: 1, period: 2, multiplier: 2 });
    expect(rates(schedule, [0, 1, 2, 4, 6, 10, 14])).toEqual([1, 0.5, 1, 0.5, 1, 0.5, 1]);
  });

  it("oneCycle rises to its peak and falls far below the start", () => {
    const schedule = optim.oneCycle({ max: 1, total: 10, rise: 0.5, divFactor: 10, finalDivFactor: 10 });
    expect(rates(schedule, [0, 2, 4, 9])).toEqual([0.1, 0.55, 1, 0.01]);
    expect(() => schedule(10)).toThrow(ArgumentError);
    const three = optim.oneCycle({ max: 1, total: 10, rise: 0.4, threePhase: true, annealing: "linear" });
    expect(rates(three, [0, 3, 6])).toEqual([0.04, 1, 0.04]);
  });

  it("polynomial, hard restarts and constant with warm-up", () => {
    const common = { peak: 1, warmup: 2, total: 10 };
    expect(rates(optim.polynomial({ ...common, end: 0.2, power: 2 }), [1, 2, 6, 11])).toEqual([
      0.5, 1, 0.4, 0.2,
    ]);
    expect(rates(optim.cosineHardRestarts({ ...common, cycles: 2 }), [1, 2, 4, 6, 10])).toEqual([
      0.5, 1, 0.5, 1, 0,
    ]);
    expect(rates(optim.constantWithWarmup({ peak: 1, warmup: 2 }), [0, 1, 9])).toEqual([0, 0.5, 1]);
  });

  it("ReduceOnPlateau waits, falls, cools down, and keeps its state", () => {
    const optimizer = new optim.SGD([newParameter()], { lr: 1 });
    const plateau = new optim.ReduceOnPlateau(optimizer, { factor: 0.5, patience: 1, cooldown: 1 });
    const seen = [3, 2, 2, 2, 2, 2, 2].map((metric) => {
      plateau.step(metric);
      return optimizer.groups[0].lr;
    });
    expect(seen).toEqual([1, 1, 1, 0.5, 0.5, 0.5, 0.25]);
    const other = new optim.ReduceOnPlateau(optimizer, { factor: 0.5, patience: 1, cooldown: 1 });
    other.loadStateDict(plateau.stateDict());
    expect(other.stateDict()).toEqual({ best: 2, bad: 0, cooldown: 1 });
    const scheduled = new optim.SGD([newParameter()], { lr: () => 1 });
    expect(() => new optim.ReduceOnPlateau(scheduled)).toThrow(ArgumentError);
  });
});

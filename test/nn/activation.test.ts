import { describe, expect, it } from "vitest";
import * as activation from "../../src/nn/functional/activation.ts";
import { ReferenceDevice } from "../../src/runtime/reference/device.ts";
import { tensor } from "../../src/tensor/create.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { gradcheck, gradgradcheck } from "../../src/testing/index.ts";

const f = activation;
const { exp, log, log1p, tanh } = Math;
const sigmoid = (x: number): number => 1 / (1 + exp(-x));

/** Each function with its definition, and its gradient at its kinks as PyTorch has it. */
const functions: readonly (readonly [
  name: keyof typeof activation,
  apply: (x: Tensor) => Tensor,
  definition: (x: number) => number,
  kinks: readonly (readonly [at: number, gradient: number])[],
])[] = [
  ["relu", f.relu, (x) => Math.max(x, 0), [[0, 0]]],
  ["silu", f.silu, (x) => x * sigmoid(x), []],
  ["mish", f.mish, (x) => x * tanh(log1p(exp(x))), []],
  ["softplus", (x) => f.softplus(x, 2, 3), (x) => (2 * x > 3 ? x : log1p(exp(2 * x)) / 2), []],
  ["logSigmoid", f.logSigmoid, (x) => log(sigmoid(x)), [[0, 0.5]]],
  ["softsign", f.softsign, (x) => x / (1 + Math.abs(x)), [[0, 1]]],
  ["elu", (x) => f.elu(x, 0.5), (x) => (x > 0 ? x : 0.5 * (exp(x) - 1)), [[0, 0.5]]],
  [
    "selu",
    f.selu,
    (x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * (exp(x) - 1)),
    [[0, 1.7580993408473766]],
  ],
  ["celu", (x) => f.celu(x, 0.7), (x) => (x > 0 ? x : 0.7 * (exp(x / 0.7) - 1)), [[0, 1]]],
  ["leakyRelu", (x) => f.leakyRelu(x, 0.25), (x) => (x > 0 ? x : x / 4), [[0, 0.25]]],
  [
    "hardtanh",
    f.hardtanh,
    (x) => Math.min(Math.max(x, -1), 1),
    [
      [-1, 0],
      [1, 0],
    ],
  ],
  [
    "relu6",
    f.relu6,
    (x) => Math.min(Math.max(x, 0), 6),
    [
      [0, 0],
      [6, 0],
    ],
  ],
  [
    "hardsigmoid",
    f.hardsigmoid,
    (x) => Math.min(Math.max(x / 6 + 0.5, 0), 1),
    [
      [-3, 0],
      [3, 0],
    ],
  ],
  [
    "hardswish",
    f.hardswish,
    (x) => (x * Math.min(Math.max(x + 3, 0), 6)) / 6,
    [
      [-3, -0.5],
      [3, 1.5],
    ],
  ],
  [
    "hardshrink",
    f.hardshrink,
    (x) => (Math.abs(x) > 0.5 ? x : 0),
    [
      [-0.5, 0],
      [0.5, 0],
    ],
  ],
  [
    "softshrink",
    f.softshrink,
    (x) => Math.sign(x) * Math.max(Math.abs(x) - 0.5, 0),
    [
      [-0.5, 0],
      [0.5, 0],
    ],
  ],
  ["tanhshrink", f.tanhshrink, (x) => x - tanh(x), []],
  ["threshold", (x) => f.threshold(x, 1, 20), (x) => (x > 1 ? x : 20), [[1, 0]]],
];

/** Along a dim, or with a spec of its own. */
const elsewhere = ["activations", "gelu", "logSoftmax", "softmax", "softmin"];

const points = [-7.3, -3.4, -1.7, -0.9, -0.3, 0.2, 0.8, 1.2, 1.9, 3.3, 6.4];

it("covers every activation", () => {
  expect([...functions.map(([name]) => name), ...elsewhere].sort()).toEqual(Object.keys(activation).sort());
});

describe.each(functions)("%s", (_, apply, definition, kinks) => {
  const device = new ReferenceDevice();
  const onValue = (inputs: readonly Parameters<typeof wrap>[0][]) => apply(wrap(inputs[0])).value;
  const wrap = (value: Tensor["value"]): Tensor => new Tensor(value, device);

  it("is what its definition says", async () => {
    const found = await apply(tensor(points)).data();
    points.forEach((x, i) => {
      expect(found[i]).toBeCloseTo(definition(x), 5);
    });
  });

  it("has gradients of first and second order", async () => {
    const inputs = [{ shape: [points.length], dtype: "f64", data: Float64Array.from(points) }] as const;
    await gradcheck(onValue, inputs);
    await gradgradcheck(onValue, inputs);
  });

  it("has PyTorch's gradient at kinks and stays finite far out", async () => {
    const x = tensor([...kinks.map(([at]) => at), 1e3, -1e3], { requiresGrad: true });
    apply(x).sum().backward();
    const gradient = [...((await x.grad?.data()) ?? [NaN])];
    kinks.forEach(([, wanted], i) => {
      expect(gradient[i]).toBeCloseTo(wanted, 6);
    });
    expect(gradient.every(Number.isFinite)).toBe(true);
  });

  it("keeps NaN", async () => {
    const [value] = await apply(tensor([NaN])).data();
    expect(value).toBeNaN();
  });
});

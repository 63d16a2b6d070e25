import { describe, expect, it } from "vitest";
import { ArgumentError, ShapeError } from "../../src/graph/errors.ts";
import * as nn from "../../src/nn/index.ts";
import { randn, tensor, zeros } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { onReferenceDevice } from "./reference.ts";

onReferenceDevice();

const f64 = { dtype: "f64" } as const;
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const rows = async (x: Tensor | undefined): Promise<number[][]> => (await x?.array()) as number[][];
const vector = async (x: Tensor | undefined): Promise<number[]> => (await x?.array()) as number[];

/** W x + b in plain loops. */
function affine(w: readonly number[][], x: readonly number[], b: readonly number[]): number[] {
  return w.map((row, i) => row.reduce((sum, a, j) => sum + a * x[j], b[i]));
}

function expectClose(actual: readonly number[], wanted: readonly number[]): void {
  expect(actual.length).toBe(wanted.length);
  actual.forEach((x, i) => {
    expect(x).toBeCloseTo(wanted[i], 10);
  });
}

describe("names and shapes", () => {
  it("are PyTorch's", () => {
    const layers = new nn.LSTM(3, 4, { numLayers: 2, bidirectional: true, projSize: 2 });
    const shapes = Object.fromEntries([...layers.stateDict()].map(([name, { shape }]) => [name, shape]));
    const layer = (width: number, suffix: string) => ({
      [`weight_ih_${suffix}`]: [16, width],
      [`weight_hh_${suffix}`]: [16, 2],
      [`bias_ih_${suffix}`]: [16],
      [`bias_hh_${suffix}`]: [16],
      [`weight_hr_${suffix}`]: [2, 4],
    });
    expect(shapes).toEqual({
      ...layer(3, "l0"),
      ...layer(3, "l0_reverse"),
      ...layer(4, "l1"),
      ...layer(4, "l1_reverse"),
    });
    expect([...new nn.GRU(3, 4, { bias: false }).stateDict().keys()].sort()).toEqual([
      "weight_hh_l0",
      "weight_ih_l0",
    ]);
    expect([...new nn.RNNCell(3, 4).stateDict().keys()].sort()).toEqual([
      "bias_hh",
      "bias_ih",
      "weight_hh",
      "weight_ih",
    ]);
  });

  it("follow batchFirst, and inputs without a batch", () => {
    const layers = new nn.LSTM(3, 4, { numLayers: 2, batchFirst: true, projSize: 2 });
    const { output, state } = layers.forward(zeros([5, 7, 3]));
    expect([output, state.hidden, state.cell].map(({ shape }) => shape)).toEqual([
      [5, 7, 2],
      [2, 5, 2],
      [2, 5, 4],
    ]);
    const single = new nn.GRU(3, 4, { bidirectional: true }).forward(zeros([7, 3]), zeros([2, 4]));
    expect([single.output.shape, single.hidden.shape]).toEqual([
      [7, 8],
      [2, 4],
    ]);
  });

  it("refuse what does not fit", () => {
    expect(() => new nn.RNN(3, 4, { numLayers: 0 })).toThrow(ArgumentError);
    expect(() => new nn.LSTM(3, 4, { projSize: 4 })).toThrow("LSTM: projSize 4");
    expect(() => new nn.RNN(3, 4).forward(zeros([2, 2, 5]))).toThrow(ShapeError);
    expect(() => new nn.RNN(3, 4).forward(zeros([2, 2, 3]), zeros([2, 2, 4]))).toThrow("2 initial states");
    expect(() => new nn.GRU(3, 4).forward(zeros([0, 2, 3]))).toThrow("T of at least 1");
  });
});

describe("cells in plain loops", () => {
  const x = [0.5, -1, 2];
  const h = [0.25, -0.75];
  const c = [1, -2];

  it("RNNCell", async () => {
    const cell = new nn.RNNCell(3, 2, { ...f64, nonlinearity: "relu" });
    const own = affine(await rows(cell.weightIh), x, await vector(cell.biasIh));
    const back = affine(await rows(cell.weightHh), h, await vector(cell.biasHh));
    const next = cell.forward(tensor(x, f64), tensor(h, f64));
    expectClose(
      await vector(next),
      own.map((a, i) => Math.max(0, a + back[i])),
    );
  });

  it("LSTMCell", async () => {
    const cell = new nn.LSTMCell(3, 2, f64);
    const own = affine(await rows(cell.weightIh), x, await vector(cell.biasIh));
    const back = affine(await rows(cell.weightHh), h, await vector(cell.biasHh));
    const gates = own.map((a, i) => a + back[i]);
    const memory = c.map(
      (old, i) => sigmoid(gates[2 + i]) * old + sigmoid(gates[i]) * Math.tanh(gates[4 + i]),
    );
    const state = { hidden: tensor(h, f64), cell: tensor(c, f64) };
    const next = cell.forward(tensor(x, f64), state);
    expectClose(await vector(next.cell), memory);
    expectClose(
      await vector(next.hidden),
      memory.map((value, i) => sigmoid(gates[6 + i]) * Math.tanh(value)),
    );
  });

  it("GRUCell", async () => {
    const cell = new nn.GRUCell(3, 2, f64);
    const own = affine(await rows(cell.weightIh), x, await vector(cell.biasIh));
    const back = affine(await rows(cell.weightHh), h, await vector(cell.biasHh));
    const wanted = h.map((old, i) => {
      const reset = sigmoid(own[i] + back[i]);
      const update = sigmoid(own[2 + i] + back[2 + i]);
      const fresh = Math.tanh(own[4 + i] + reset * back[4 + i]);
      return (1 - update) * fresh + update * old;
    });
    expectClose(await vector(cell.forward(tensor(x, f64), tensor(h, f64))), wanted);
  });
});

describe("layers", () => {
  it("walk a sequence as their cell does, and against time in the other direction", async () => {
    const layer = new nn.GRU(3, 2, { ...f64, bidirectional: true });
    const x = randn([4, 2, 3], f64);
    const data = tensor(await x.data(), f64).reshape([4, 2, 3]);
    const { output, hidden } = layer.forward(data);
    for (const direction of [0, 1]) {
      const weights = {
        weightIh: layer.weightIh[direction],
        weightHh: layer.weightHh[direction],
        biasIh: layer.biasIh[direction],
        biasHh: layer.biasHh[direction],
      };
      let state: Tensor = zeros([2, 2], f64);
      for (const t of direction === 0 ? [0, 1, 2, 3] : [3, 2, 1, 0]) {
        state = nn.functional.gruCell(data.select(0, t), state, weights);
        const shown = output.select(0, t).narrow(1, 2 * direction, 2);
        expectClose([...(await shown.data())], [...(await state.data())]);
      }
      expectClose([...(await hidden.select(0, direction).data())], [...(await state.data())]);
    }
  });

  it("drop between layers while training alone", async () => {
    const layers = new nn.RNN(2, 8, { numLayers: 2, dropout: 0.5 });
    const x = zeros([3, 1, 2]).add(1);
    const draw = async (): Promise<number[]> => [...(await layers.forward(x).output.data())];
    expect(await draw()).not.toEqual(await draw());
    layers.eval();
    expect(await draw()).toEqual(await draw());
  });
});

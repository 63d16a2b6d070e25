import { describe, expect, it } from "vitest";
import { withEngine } from "../../src/engine/current.ts";
import { Engine } from "../../src/engine/engine.ts";
import { ArgumentError, DTypeError } from "../../src/graph/errors.ts";
import { ReferenceDevice } from "../../src/runtime/reference/device.ts";
import { WasmDevice } from "../../src/runtime/wasm/device.ts";
import {
  bernoulli,
  exponential,
  gumbel,
  multinomial,
  normal,
  randint,
  randn,
  randperm,
  tensor,
  truncatedNormal,
  uniform,
} from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const reference = new ReferenceDevice();
const wasm = new WasmDevice();

/** The numbers that a fresh engine draws. */
async function drawOn(device: typeof reference | typeof wasm, draw: () => Tensor): Promise<number[]> {
  return withEngine(new Engine(() => device, 7), async () => [...(await draw().data())]);
}

const draw = (make: () => Tensor): Promise<number[]> => drawOn(wasm, make);

/**
 * The greatest distance between the distribution function and what was drawn (Kolmogorov and Smirnov). Of n numbers of
 * that distribution it exceeds 1.95 / sqrt(n) once in a thousand times; the seed is fixed.
 */
function distance(numbers: readonly number[], below: (x: number) => number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return Math.max(
    ...sorted.map((x, i) =>
      Math.max(Math.abs(below(x) - i / sorted.length), Math.abs(below(x) - (i + 1) / sorted.length)),
    ),
  );
}

/** Abramowitz and Stegun 7.1.26: within 1.5e-7. */
function normalBelow(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * z);
  const poly =
    ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  const erf = 1 - poly * Math.exp(-z * z);
  return x < 0 ? (1 - erf) / 2 : (1 + erf) / 2;
}

const count = 4000;
const bound = 1.95 / Math.sqrt(count);

describe("continuous distributions", () => {
  const truncatedBelow = (x: number): number =>
    (normalBelow(x) - normalBelow(-1)) / (normalBelow(2) - normalBelow(-1));
  const cases: readonly [string, () => Tensor, (x: number) => number][] = [
    ["uniform", () => uniform([count], -2, 3), (x) => (x + 2) / 5],
    ["normal", () => normal([count], 1, 2), (x) => normalBelow((x - 1) / 2)],
    ["exponential", () => exponential([count], 2), (x) => 1 - Math.exp(-2 * x)],
    ["gumbel", () => gumbel([count]), (x) => Math.exp(-Math.exp(-x))],
    ["truncatedNormal", () => truncatedNormal([count], { min: -1, max: 2 }), truncatedBelow],
  ];

  it.each(cases)("%s has its distribution function", async (_, make, below) => {
    expect(distance(await draw(make), below)).toBeLessThan(bound);
  });

  it("another distribution is told apart", async () => {
    expect(distance(await draw(() => randn([count])), (x) => normalBelow(x / 1.1))).toBeGreaterThan(
      bound / 2,
    );
    expect(distance(await draw(() => randn([count])), (x) => normalBelow(x - 0.1))).toBeGreaterThan(bound);
  });

  it("a truncated one stays within its bounds, mean and deviation given", async () => {
    const numbers = await draw(() => truncatedNormal([2000], { mean: 3, std: 0.5, min: 2.5, max: 3.2 }));
    expect(Math.min(...numbers)).toBeGreaterThanOrEqual(2.5);
    expect(Math.max(...numbers)).toBeLessThanOrEqual(Math.fround(3.2));
    expect(Math.min(...numbers)).toBeLessThan(2.51);
  });
});

describe("discrete distributions", () => {
  it("randint reaches every integer of its range about as often", async () => {
    const counts = new Map<number, number>();
    for (const x of await draw(() => randint(-3, 4, [7000]))) counts.set(x, (counts.get(x) ?? 0) + 1);
    expect([...counts.keys()].sort((a, b) => a - b)).toEqual([-3, -2, -1, 0, 1, 2, 3]);
    // Chi-square with 6 degrees of freedom exceeds 22.5 once in a thousand times.
    const chiSquare = [...counts.values()].reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0);
    expect(chiSquare).toBeLessThan(22.5);
  });

  it("randint takes the whole range of i32", async () => {
    const numbers = await draw(() => randint(-(2 ** 31), 2 ** 31, [200]));
    expect(Math.max(...numbers)).toBeGreaterThan(2 ** 30);
    expect(Math.min(...numbers)).toBeLessThan(-(2 ** 30));
  });

  it("randperm holds every number once, each in any place", async () => {
    const order = await draw(() => randperm(50));
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(order).not.toEqual([...order].sort((a, b) => a - b));
    expect(await draw(() => randperm(0))).toEqual([]);
    const orders = await withEngine(new Engine(() => wasm, 1), () =>
      Promise.all(Array.from({ length: 300 }, () => randperm(3).data())),
    );
    const firsts = orders.map(([first]) => first);
    for (const k of [0, 1, 2]) expect(firsts.filter((x) => x === k).length).toBeGreaterThan(70);
  });

  it("bernoulli of a tensor has each element's own chance", async () => {
    const chances = tensor([0, 0.25, 1]).expand([4000, 3]);
    const means = await draw(() => bernoulli(chances).to("f32").mean({ dim: 0 }));
    expect(means[0]).toBe(0);
    expect(Math.abs(means[1] - 0.25)).toBeLessThan(0.025);
    expect(means[2]).toBe(1);
  });

  const weights = [1, 0, 3, 6];

  it("multinomial with replacement draws in proportion to the weights", async () => {
    const found = await draw(() => multinomial(tensor(weights), 5000, { replacement: true }));
    weights.forEach((weight, i) => {
      const share = found.filter((x) => x === i).length / 5000;
      expect(Math.abs(share - weight / 10)).toBeLessThan(0.025);
    });
  });

  it("multinomial without replacement draws no index twice, the first in proportion", async () => {
    const rows = 3000;
    const found = await draw(() => multinomial(tensor(weights).expand([rows, 4]), 3));
    const firsts = found.filter((_, i) => i % 3 === 0);
    for (let row = 0; row < rows; row++)
      expect([...found.slice(3 * row, 3 * row + 3)].sort()).toEqual([0, 2, 3]);
    weights.forEach((weight, i) => {
      expect(Math.abs(firsts.filter((x) => x === i).length / rows - weight / 10)).toBeLessThan(0.03);
    });
  });
});

describe("random bits", () => {
  it.each([
    ["randint", () => randint(0, 1000, [64])],
    ["randperm", () => randperm(64)],
    ["uniform", () => uniform([64])],
    ["bernoulli", () => bernoulli([64], 0.3).to("i32")],
  ] as const)("of %s are the same on both devices", async (_, make) => {
    expect(await drawOn(wasm, make)).toEqual(await drawOn(reference, make));
  });

  it("numbers made of them agree", async () => {
    for (const make of [() => exponential([64]), () => gumbel([64]), () => truncatedNormal([64])]) {
      const [a, b] = [await drawOn(wasm, make), await drawOn(reference, make)];
      a.forEach((x, i) => {
        expect(Math.abs(x - b[i])).toBeLessThan(1e-5 * Math.max(1, Math.abs(x)));
      });
    }
  });
});

describe("what is refused", () => {
  it.each([
    ["an empty range", () => randint(3, 3, [1])],
    ["a fraction as a bound", () => randint(0.5, 3, [1])],
    ["a rate of 0", () => exponential([1], 0)],
    ["a negative deviation", () => normal([1], 0, -1)],
    ["bounds in the wrong order", () => truncatedNormal([1], { min: 1, max: 0 })],
    ["bounds that hold nothing", () => truncatedNormal([1], { min: 30, max: 31 })],
    ["more draws than there are", () => multinomial(tensor([1, 2]), 3)],
  ] as const)("%s", (_, make) => {
    expect(make).toThrow(ArgumentError);
  });

  it("integers as weights", () => {
    expect(() => multinomial(tensor([1, 2], { dtype: "i32" }), 1)).toThrow(DTypeError);
  });
});

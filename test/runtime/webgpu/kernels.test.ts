import { beforeAll, describe, expect, it } from "vitest";
import type { Value } from "../../../src/graph/node.ts";
import { numel } from "../../../src/graph/shape.ts";
import * as b from "../../../src/ops/builders.ts";
import type { Device } from "../../../src/runtime/device.ts";
import { ReferenceDevice } from "../../../src/runtime/reference/device.ts";
import type { WebGpuDevice } from "../../../src/runtime/webgpu/node/index.ts";
import { InterpretedDevice } from "../../../src/testing/devices/interpreted.ts";
import { programOf } from "../../../src/testing/evaluate.ts";
import { assertClose, evaluateOn } from "../../../src/testing/index.ts";
import { openGpu } from "./gpu.ts";

const reference = new ReferenceDevice();
const interpreted = new InterpretedDevice();
let device: WebGpuDevice;
beforeAll(async () => {
  device = await openGpu();
});

/** Numbers between -2 and 2 in no order. */
function leaf(shape: readonly number[], start = 0): Value {
  const data = Float32Array.from({ length: numel(shape) }, (_, i) => 2 * Math.sin(1.7 * (i + start)));
  return b.constant(shape, "f32", data);
}

async function agreeOn(on: Device, outputs: readonly Value[], atol: number): Promise<void> {
  const [actual, expected] = [await evaluateOn(on, outputs), await evaluateOn(reference, outputs)];
  actual.forEach((array, i) => {
    assertClose(array, expected[i], { atol, rtol: 1e-4 }, `output ${i}`);
  });
}

const devices: readonly (readonly [name: string, open: () => Device])[] = [
  ["webgpu", () => device],
  ["the interpreter", () => interpreted],
];

/** Larger than random graphs are: kernels whose workgroups share memory. */
describe.each(devices)("workgroups on %s agree with the reference device", (_, open) => {
  const agree = (outputs: readonly Value[], atol = 1e-5): Promise<void> => agreeOn(open(), outputs, atol);

  it.each([
    ["one tile and its edges", [37], 50, 41],
    ["several tiles", [70], 33, 70],
    ["a batch", [2, 3, 17], 40, 60],
    ["a single row", [1], 900, 70],
  ] as const)("in products of %s", async (_, rows, inner, columns) => {
    const x = leaf([...rows, inner]);
    const w = leaf([...rows.slice(0, -1), columns, inner], 5);
    const product = b.matmul(x, b.transpose(w, -1, -2));
    await agree([b.unary("tanh", b.mul(product, b.full([], "f32", 0.01)))]);
  });

  it("in products with much after them, and sums beside them", { timeout: 60_000 }, async () => {
    const [x, w, bias] = [leaf([40, 48]), leaf([48, 36], 3), leaf([36], 9)];
    const y = b.mul(b.add(b.matmul(x, w), b.expand(bias, [40, 36])), b.full([], "f32", 0.05));
    const heavy = b.unary("exp", b.unary("sin", b.unary("erf", b.unary("tanh", y))));
    const dw = b.matmul(b.transpose(x, 0, 1), heavy);
    await agree([heavy, dw, b.sum(heavy, [0])], 1e-3);
  });

  it.each([
    [[5], 100],
    [[3, 2], 33],
    [[2], 300],
    [[], 600],
    [[70], 40],
    [[3], 200],
  ] as const)("in rows %j of %d elements", async (rows, length) => {
    const x = leaf([...rows, length]);
    const last = rows.length;
    const spread = (value: Value): Value => b.expand(b.reshape(value, [...rows, 1]), x.shape);
    const e = b.unary("exp", b.sub(x, spread(b.reduce("max", x, [last]))));
    const softmax = b.div(e, spread(b.sum(e, [last])));
    const mean = b.mul(b.sum(x, [last]), b.full([], "f32", 1 / length));
    await agree([softmax, mean, b.reduce("min", x, [last]), b.sum(b.mul(softmax, x), [last])], 1e-4);
  });

  it.each([
    [[300, 7], [0]],
    [[64, 3, 40], [0]],
    [
      [5, 200, 33],
      [0, 1],
    ],
    [[1000, 1], [0]],
  ] as const)("in sums of %j over %j", async (shape, dims) => {
    const x = leaf(shape);
    await agree([b.sum(b.unary("exp", x), dims), b.reduce("max", x, dims)], 1e-3);
  });

  it("in scatters and gathers of rows", async () => {
    const table = leaf([50, 40]);
    const ids = b.constant(
      [90],
      "i32",
      Int32Array.from({ length: 90 }, (_, i) => (i * i) % 50),
    );
    const index = b.expand(b.reshape(ids, [90, 1]), [90, 40]);
    const rows = b.gather(table, 0, index);
    await agree([b.scatterAdd(table, 0, index, b.mul(rows, rows))]);
  });
});

it("a hundred concatenated parts in a loop compile without a branch for each", async () => {
  const parts = Array.from({ length: 100 }, (_, i) => b.constant([1], "f32", Float32Array.of(i)));
  const sum = b.sum(b.concat(parts, 0), [0]);
  const { kernels } = device.prepare(programOf([sum]).program);
  expect(kernels.at(-1)?.source).toContain("for (var");
  expect(await evaluateOn(device, [sum])).toEqual([Float32Array.of(4950)]);
});

it("what becomes of a program can be read: every pass, and its source in WGSL", () => {
  const x = leaf([4, 64]);
  const { program } = programOf([b.sum(b.unary("exp", x), [1])]);
  const passes = device.passesOf(program);
  expect(passes.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["expand", "fuse", "lower", "placeLets"]),
  );
  expect(passes.at(-1)?.after).toContain("local ");
  const [{ source }] = device.prepare(program).kernels;
  expect(source).toMatch(/^@group\(0\)[\s\S]*@compute @workgroup_size\(32\)\nfn stage0/);
});

describe("numbers", () => {
  it("are computed by more workgroups than a dimension has", async () => {
    const x = b.iota(65_536 * 64 + 100, "i32");
    const found = await evaluateOn(device, [b.mul(x, b.full([], "i32", 3))]);
    expect(found[0].length).toBe(65_536 * 64 + 100);
    expect(found[0].every((value: number, i: number) => value === 3 * i)).toBe(true);
  });
  it("divided by the smallest leave their remainder, where parts of them would be taken for 0", async () => {
    const x = Float32Array.of(2.5, 7, 3e38, 2.5);
    const y = Float32Array.of(1.175494490952134e-38, 2e-38, 1e-33, 1e-36);
    const of = (data: Float32Array): Value => b.constant([4], "f32", data);
    const [found] = await evaluateOn(device, [b.binary("fmod", of(x), of(y))]);
    const exact = Array.from(x, (value, i) => value % y[i]).map((rest) => (rest < 2 ** -126 ? 0 : rest));
    expect([...found]).toEqual(exact);
  });

  it("near 0 keep their logarithm of 1 + x, which lives on what rounding loses", async () => {
    const x = b.constant([2], "f32", Float32Array.of(-0.03269042819738388, 3e-4));
    const [found] = await evaluateOn(device, [b.unary("log1p", x)]);
    assertClose(found, Float32Array.of(-0.03323669731616974, 2.9995501e-4), { rtol: 3e-7 }, "log1p");
  });

  it("that no literal has are written by their bits", async () => {
    const numbers = [3.4028234663852886e38, -3.4028234663852886e38, Infinity, -Infinity, NaN, -0, 2 ** -126];
    const found = await evaluateOn(
      device,
      numbers.map((value) => b.full([2], "f32", value)),
    );
    expect(found.map(([value]) => value)).toEqual(numbers);
  });

  it("of u32 become the nearest float", async () => {
    const x = b.constant([3], "u32", Uint32Array.of(3890659457, 4294967295, 16777217));
    const [found] = await evaluateOn(device, [b.cast(x, "f32")]);
    expect([...found]).toEqual([3890659584, 4294967296, 16777216]);
  });
});

import { describe, expect, it } from "vitest";
import type { TypedArray } from "../../../src/graph/dtype.ts";
import { DeviceError, InternalError } from "../../../src/graph/errors.ts";
import type { Value } from "../../../src/graph/node.ts";
import type { Shape } from "../../../src/graph/shape.ts";
import { build } from "../../../src/ops/build.ts";
import * as b from "../../../src/ops/builders.ts";
import type { Program, Region, Storage } from "../../../src/runtime/device.ts";
import { ReferenceDevice } from "../../../src/runtime/reference/device.ts";

function source(shape: Shape, name: string): Value {
  const attrs = {
    shape,
    dtype: "f32",
    source: { kind: "cell", name },
    version: 0,
    requiresGrad: false,
  } as const;
  return build("source", [], attrs).outputs[0];
}

const program = (
  inputs: readonly Value[],
  outputs: readonly Value[],
  writes: Program["writes"] = [],
): Program => ({
  inputs: inputs.map((value, i) => ({ value, name: `input${i}` })),
  outputs,
  writes,
});

const host = (...numbers: number[]): Storage => ({ kind: "host", data: Float32Array.from(numbers) });

/** A region of a new block, holding the numbers; `before` bytes of the block lie in front of it. */
function regionOf(device: ReferenceDevice, numbers: readonly number[], before = 0): Region {
  const block = device.createBlock(before + numbers.length * 4);
  const region: Region = { kind: "region", block, byteOffset: before, dtype: "f32", length: numbers.length };
  device.write(region, Float32Array.from(numbers));
  return region;
}

const dataOf = (storage: Storage): TypedArray => {
  if (storage.kind !== "host") throw new Error("not on the host");
  return storage.data;
};

describe("running a program", () => {
  it("computes outputs from feeds, again and again", () => {
    const device = new ReferenceDevice();
    const [x, y] = [source([2], "x"), source([2], "y")];
    const executable = device.prepare(program([x, y], [b.add(x, y), b.mul(x, y), b.add(x, y)]));
    const first = executable.run([host(1, 2), host(3, 4)]);
    const second = executable.run([host(5, 6), host(7, 8)]);
    expect(first.map((storage) => [...dataOf(storage)])).toEqual([
      [4, 6],
      [3, 8],
      [4, 6],
    ]);
    expect(second.map((storage) => [...dataOf(storage)])).toEqual([
      [12, 14],
      [35, 48],
      [12, 14],
    ]);
  });

  it("takes a value of the middle as an input and computes nothing below it", () => {
    const device = new ReferenceDevice();
    const middle = b.exp(source([1], "never fed"));
    const executable = device.prepare(program([middle], [b.neg(middle)]));
    expect([...dataOf(executable.run([host(3)])[0])]).toEqual([-3]);
    expect(executable.kernels.map(({ name }) => name)).toEqual(["neg"]);
  });

  it("takes one output of a node as an input and computes the other", () => {
    const device = new ReferenceDevice();
    const zero = b.full([1], "u32", 0);
    const [first, second] = b.threefry2x32([zero, zero], [zero, zero]);
    const executable = device.prepare(program([first], [first, second]));
    const fed: Storage = { kind: "host", data: Uint32Array.of(5) };
    expect(executable.run([fed]).map((storage) => dataOf(storage)[0])).toEqual([5, 0x99ba4efe]);
  });

  it("returns constants and inputs as they are", () => {
    const device = new ReferenceDevice();
    const x = source([1], "x");
    const [one, same] = device.prepare(program([x], [b.full([1], "f32", 1), x])).run([host(7)]);
    expect([dataOf(one)[0], dataOf(same)[0]]).toEqual([1, 7]);
  });

  it("refuses a source that is no input", () => {
    const device = new ReferenceDevice();
    const forgotten = (): unknown => device.prepare(program([], [b.exp(source([1], "weight"))]));
    expect(forgotten).toThrow(InternalError);
    expect(forgotten).toThrow(/"weight"/);
  });

  it("refuses feeds that do not fit, and running after dispose", () => {
    const device = new ReferenceDevice();
    const x = source([2], "x");
    const executable = device.prepare(program([x], [b.neg(x)]));
    expect(() => executable.run([])).toThrow(DeviceError);
    expect(() => executable.run([host(1)])).toThrow(/"input0" is f32 \[2\], fed with 1 elements of f32/);
    expect(() => executable.run([{ kind: "host", data: new Int32Array(2) }])).toThrow(/elements of i32/);
    const foreign = regionOf(new ReferenceDevice(), [1, 2]);
    expect(() => executable.run([foreign])).toThrow(DeviceError);
    executable.dispose();
    expect(() => executable.run([host(1, 2)])).toThrow(/disposed/);
  });
});

describe("writes", () => {
  it("take place after everything that reads the old content", async () => {
    const device = new ReferenceDevice();
    const [x, y] = [source([2], "x"), source([2], "y")];
    // Swaps both cells, and returns what they held and their difference.
    const swap = device.prepare(
      program(
        [x, y],
        [b.sub(x, y), x],
        [
          { input: 0, value: y },
          { input: 1, value: x },
        ],
      ),
    );
    const regions = [regionOf(device, [1, 2]), regionOf(device, [5, 5], 256)];
    const [difference, before] = swap.run(regions);
    expect([...dataOf(difference)]).toEqual([-4, -3]);
    expect([...(await device.read(regions[0]))]).toEqual([5, 5]);
    expect([...(await device.read(regions[1]))]).toEqual([1, 2]);
    expect([...dataOf(before)]).toEqual([1, 2]);
    swap.run(regions);
    expect([...dataOf(before)]).toEqual([1, 2]);
    expect([...(await device.read(regions[0]))]).toEqual([1, 2]);
  });

  it("need a region", () => {
    const device = new ReferenceDevice();
    const x = source([1], "x");
    const executable = device.prepare(program([x], [], [{ input: 0, value: b.neg(x) }]));
    expect(() => executable.run([host(1)])).toThrow(/"input0" is written; feed it with a region/);
  });
});

describe("blocks", () => {
  it("are zeroed, copied, read as copies, and counted", async () => {
    const device = new ReferenceDevice();
    const block = device.createBlock(16);
    const part = (byteOffset: number): Region => ({
      kind: "region",
      block,
      byteOffset,
      dtype: "f32",
      length: 2,
    });
    device.write(part(0), Float32Array.of(1, 2));
    expect([...(await device.read(part(8)))]).toEqual([0, 0]);
    device.copy(part(0), part(8));
    const read = await device.read(part(8));
    device.write(part(8), Float32Array.of(7, 7));
    expect([...read]).toEqual([1, 2]);
    expect(device.counters).toMatchObject({ bytes: 16, allocations: 1 });
    block.release();
    block.release();
    expect(device.counters).toMatchObject({ bytes: 0, peakBytes: 16 });
    await expect(device.read(part(0))).rejects.toThrow(/after its release/);
  });

  it("refuse what does not fit", () => {
    const device = new ReferenceDevice();
    const block = device.createBlock(8);
    const region = (byteOffset: number, length: number): Region => ({
      kind: "region",
      block,
      byteOffset,
      dtype: "f32",
      length,
    });
    for (const [offset, length] of [
      [0, 3],
      [8, 1],
      [-4, 1],
      [2, 1],
    ] as const) {
      expect(() => device.write(region(offset, length), new Float32Array(length))).toThrow(DeviceError);
    }
    expect(() => device.write(region(0, 2), new Float32Array(1))).toThrow(/1 elements of f32.*2 of f32/);
    expect(() => device.write(region(0, 2), new Int32Array(2))).toThrow(/i32/);
    expect(() => device.createBlock(2 ** 53)).toThrow(/no memory for a block of 9007199254740992 bytes/);
  });
});

describe("what people read", () => {
  it("kernels name ops and composites, with bytes and flops", () => {
    const device = new ReferenceDevice();
    const x = source([2, 3], "x");
    const { kernels } = device.prepare(program([x], [b.matmul(b.softmax(x, 1), b.transpose(x, 0, 1))]));
    const product = kernels.find(({ name }) => name === "matmul");
    expect(product).toMatchObject({
      template: "reference",
      ops: ["matmul"],
      source: "matmul(f32 [2, 3], f32 [3, 2]) -> f32 [2, 2]",
      bytes: 4 * (6 + 6 + 4),
      flops: 2 * 2 * 2 * 3,
    });
    expect(kernels.filter(({ ops }) => ops[0] === "softmax").map(({ name }) => name)).toContain(
      "softmax/exp",
    );
  });

  it("temporaries are freed after their last use", () => {
    const device = new ReferenceDevice();
    const x = source([1024], "x");
    let y = x;
    for (let i = 0; i < 10; i++) y = b.neg(y);
    const executable = device.prepare(program([x], [y]));
    // Of a chain two links live at once; the last is the result.
    expect(executable.temporaryBytes).toBe(2 * 4096);
    executable.run([{ kind: "host", data: new Float32Array(1024) }]);
    expect(device.counters).toMatchObject({ bytes: 0, peakBytes: 8192, launches: 10, prepared: 1 });
  });

  it("a failure names the op", () => {
    const device = new ReferenceDevice();
    const huge = b.expand(source([1], "x"), [2 ** 40]);
    const executable = device.prepare(program([huge.node.inputs[0]], [huge]));
    expect(() => executable.run([host(1)])).toThrow(DeviceError);
    expect(() => executable.run([host(1)])).toThrow(/expand\(f32 \[1\]\)/);
  });
});

import { describe, expect, it } from "vitest";
import { packCells } from "../../src/engine/arena.ts";
import { BlockRegistry, Cell } from "../../src/engine/cell.ts";
import { currentEngine } from "../../src/engine/current.ts";
import { PlanCache } from "../../src/engine/planCache.ts";
import { DeviceError } from "../../src/graph/errors.ts";
import { WasmDevice } from "../../src/runtime/wasm/device.ts";
import { full, tensor } from "../../src/tensor/create.ts";
import { Buffer } from "../../src/tensor/parameter.ts";
import { eachTestAlone } from "./worlds.ts";

eachTestAlone();

const offsets = (buffers: readonly Buffer[]): unknown[] => buffers.map(({ cell }) => cell.region?.byteOffset);

describe("packCells", () => {
  it("keeps contents, computed or not, and gives lists of the same shapes the same offsets", async () => {
    const engine = currentEngine();
    const sizes = [3, 64, 65, 1, 0];
    const list = (value: number): Buffer[] => sizes.map((size) => new Buffer(full([size], value).add(0.5)));
    const [first, second] = [list(1), list(2)];
    await first[0].array();
    await first[2].array();
    for (const buffers of [first, second]) {
      packCells(
        buffers.map(({ cell }) => cell),
        engine.blocks,
      );
    }
    expect(offsets(first)).toEqual([0, 256, 512, 1024, 1280]);
    expect(offsets(second)).toEqual(offsets(first));
    for (const [buffers, value] of [
      [first, 1.5],
      [second, 2.5],
    ] as const) {
      expect(new Set(buffers.map(({ cell }) => cell.region?.block)).size).toBe(1);
      for (const [i, buffer] of buffers.entries()) {
        expect(await buffer.array()).toEqual(Array.from({ length: sizes[i] }, () => value));
      }
    }
  });

  it("begins a new shard where the next cell would not fit", async () => {
    const engine = currentEngine();
    const buffers = [1, 2, 3, 4].map((value) => new Buffer(full([64], value)));
    packCells(
      buffers.map(({ cell }) => cell),
      engine.blocks,
      600,
    );
    expect(offsets(buffers)).toEqual([0, 256, 0, 256]);
    expect(new Set(buffers.map(({ cell }) => cell.region?.block)).size).toBe(2);
    for (const [i, buffer] of buffers.entries()) expect(await buffer.sum().item()).toBe(64 * (i + 1));
    expect(buffers[0].cell.owner).toBe(buffers[1].cell.owner);
    expect(buffers[1].cell.owner).not.toBe(buffers[2].cell.owner);
  });

  it("gives back blocks that it empties", async () => {
    const engine = currentEngine();
    const { counters } = engine.defaultDevice;
    const buffers = [1, 2].map((value) => new Buffer(tensor([value, value])));
    for (const buffer of buffers) await buffer.array();
    const before = counters.bytes;
    packCells(
      buffers.map(({ cell }) => cell),
      engine.blocks,
    );
    expect(counters.bytes).toBe(before - 2 * 8 + 2 * 256);
    expect(await buffers[1].array()).toEqual([2, 2]);
  });
});

describe("BlockRegistry", () => {
  it("releases at once what it is told to", () => {
    const device = new WasmDevice();
    const blocks = new BlockRegistry();
    const cell = new Cell({ name: "c", shape: [4], dtype: "f32", device, requiresGrad: false });
    const region = cell.ensureRegion(blocks);
    expect(cell.ensureRegion(blocks)).toBe(region);
    expect(device.counters.bytes).toBe(16);
    if (cell.owner) blocks.release(cell.owner);
    expect(device.counters.bytes).toBe(0);
    expect(() => device.write(region, new Float32Array(4))).toThrow(DeviceError);
  });
});

describe("PlanCache", () => {
  it("drops the least recently used entry first", () => {
    const dropped: number[] = [];
    const cache = new PlanCache<number>(2, (entry) => dropped.push(entry));
    expect([cache.set("a", 1), cache.set("b", 2)]).toEqual([false, false]);
    expect(cache.get("a")).toBe(1);
    expect(cache.set("c", 3)).toBe(true);
    expect([dropped, cache.get("b"), cache.get("a"), cache.size]).toEqual([[2], undefined, 1, 2]);
  });
});

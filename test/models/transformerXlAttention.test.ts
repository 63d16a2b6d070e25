import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ShapeError } from "../../src/graph/errors.ts";
import {
  distances,
  memoryLength,
  relativeShift,
  remember,
  sinusoids,
} from "../../src/models/transformerXlAttention.ts";
import { arange, zeros } from "../../src/tensor/create.ts";
import { onReferenceDevice } from "../nn/reference.ts";

onReferenceDevice();

describe("relativeShift", () => {
  it("puts each distance where query and key are so far apart", async () => {
    const sizes = fc.record({
      queries: fc.integer({ min: 1, max: 5 }),
      memory: fc.integer({ min: 0, max: 5 }),
      both: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(sizes, async ({ queries, memory, both }) => {
        const keys = memory + queries;
        const last = both ? 1 - queries : 0;
        const columns = keys - last + 1;
        // Entry [q, r] is 100 q + r.
        const x = arange(0, queries).unsqueeze(1).mul(100).add(arange(0, columns));
        const shifted = await relativeShift(x.reshape([1, 1, queries, columns]), keys).data();
        const known = await distances({ keys, last }, x).data();
        for (let i = 0; i < queries; i++) {
          for (let j = 0; j < (both ? keys : memory + i + 1); j++) {
            const entry = shifted[i * keys + j];
            expect(Math.floor(entry / 100)).toBe(i);
            expect(known[entry % 100]).toBe(memory + i - j);
          }
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe("distances", () => {
  it("run down from the number of keys, and stop at the clamp", async () => {
    const like = zeros([1]);
    expect(await distances({ keys: 3, last: -1 }, like).array()).toEqual([3, 2, 1, 0, -1]);
    expect(await distances({ keys: 3, last: -2, clamp: 1 }, like).array()).toEqual([1, 1, 1, 0, -1, -1]);
  });

  it("are encoded as sines, then cosines", async () => {
    const encoded = (await sinusoids(arange(3, -2, -1, { dtype: "f32" }), 6).array()) as number[][];
    for (const [i, distance] of [3, 2, 1, 0, -1].entries()) {
      for (const pair of [0, 1, 2]) {
        const angle = distance / 10000 ** ((2 * pair) / 6);
        expect(encoded[i][pair]).toBeCloseTo(Math.sin(angle), 6);
        expect(encoded[i][3 + pair]).toBeCloseTo(Math.cos(angle), 6);
      }
    }
  });
});

describe("memory", () => {
  it("keeps the last positions of the old one and the new states", async () => {
    const old = arange(0, 3, 1, { dtype: "f32" }).reshape([3, 1, 1]);
    const hidden = arange(3, 5, 1, { dtype: "f32" }).reshape([1, 2, 1]);
    const kept = async (length?: number) => Array.from(await remember(old, hidden, length).data());
    expect(await kept()).toEqual([0, 1, 2, 3, 4]);
    expect(await kept(4)).toEqual([1, 2, 3, 4]);
    expect(await kept(9)).toEqual([0, 1, 2, 3, 4]);
    expect(await kept(0)).toEqual([]);
    expect(Array.from(await remember(undefined, hidden, 1).data())).toEqual([4]);
  });

  it("is one for each layer, of one shape", () => {
    const wanted = { layers: 2, batch: 3, width: 4 };
    expect(memoryLength("model", undefined, wanted)).toBe(0);
    expect(memoryLength("model", [zeros([5, 3, 4]), zeros([5, 3, 4])], wanted)).toBe(5);
    expect(() => memoryLength("model", [zeros([5, 3, 4])], wanted)).toThrow(ShapeError);
    expect(() => memoryLength("model", [zeros([5, 3, 4]), zeros([4, 3, 4])], wanted)).toThrow(ShapeError);
  });
});

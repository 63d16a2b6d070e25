import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError, ShapeError } from "../../../src/graph/errors.ts";
import type { Value } from "../../../src/graph/node.ts";
import { arange, tensor, zeros } from "../../../src/tensor/create.ts";
import * as diagonals from "../../../src/tensor/diagonals.ts";
import * as movement from "../../../src/tensor/movement.ts";
import { type PadMode, pad } from "../../../src/tensor/padding.ts";
import { stack, type Tensor } from "../../../src/tensor/tensor.ts";
import { gradcheck } from "../../../src/testing/index.ts";
import { alongDim, at, make, read, toHost, toTensor } from "./samples.ts";

const mod = (n: number, size: number): number => ((n % size) + size) % size;

/** Where an index beyond the edges reads; undefined where nothing is. */
function reflected(mode: PadMode, i: number, size: number): number | undefined {
  if (i >= 0 && i < size) return i;
  switch (mode) {
    case "constant":
      return undefined;
    case "reflect":
      return i < 0 ? -i : 2 * (size - 1) - i;
    case "replicate":
      return i < 0 ? 0 : size - 1;
    case "circular":
      return mod(i, size);
  }
}

/** An operation along a dim, and what it says about the element at coordinates of its result. */
interface AlongDim {
  readonly ours: (x: Tensor, dim: number, size: number) => Tensor;
  readonly size: (size: number) => number;
  /** The index along the dim that is read, or a number that stands there. */
  readonly from: (i: number, size: number) => number | { readonly value: number };
}

const padded = (mode: PadMode): AlongDim => ({
  ours: (x, dim, size) => {
    const amounts = Array.from({ length: 2 * (x.ndim - dim) }, () => 0);
    amounts.splice(-2, 2, Math.min(2, size - 1), size - 1);
    return x.pad(amounts, { mode, value: 7 });
  },
  size: (size) => Math.min(2, size - 1) + 2 * size - 1,
  from: (i, size) => reflected(mode, i - Math.min(2, size - 1), size) ?? { value: 7 },
});

describe("movements along a dim agree with index arithmetic", () => {
  const cases: Record<string, AlongDim> = {
    "roll by 2": {
      ours: (x, dim) => x.roll(2, dim),
      size: (n) => n,
      from: (i, n) => mod(i - 2, n),
    },
    "roll back": { ours: (x, dim) => x.roll([-1], [dim]), size: (n) => n, from: (i, n) => mod(i + 1, n) },
    repeatInterleave: {
      ours: (x, dim) => x.repeatInterleave(3, dim),
      size: (n) => 3 * n,
      from: (i) => Math.floor(i / 3),
    },
    repeat: {
      ours: (x, dim) => x.repeat(x.shape.map((_, d) => (d === dim ? 2 : 1))),
      size: (n) => 2 * n,
      from: (i, n) => i % n,
    },
    flip: { ours: (x, dim) => x.flip(dim), size: (n) => n, from: (i, n) => n - 1 - i },
    constant: padded("constant"),
    reflect: padded("reflect"),
    replicate: padded("replicate"),
    circular: padded("circular"),
  };

  it.each(Object.entries(cases))("%s", async (_, { ours, size, from }) => {
    await fc.assert(
      fc.asyncProperty(alongDim, async ([sample, dim]) => {
        const length = sample.shape[dim];
        const shape = sample.shape.map((n, d) => (d === dim ? size(length) : n));
        const expected = make(shape, (c) => {
          const source = from(c[dim], length);
          if (typeof source !== "number") return source.value;
          return at(
            sample,
            c.map((n, d) => (d === dim ? source : n)),
          );
        });
        expect(await read(ours(toTensor(sample), dim, length))).toEqual(expected);
      }),
      { numRuns: 12 },
    );
  });

  it("split, chunk and unbind take apart what stacking and concatenation join", async () => {
    await fc.assert(
      fc.asyncProperty(alongDim, async ([sample, dim]) => {
        const x = toTensor(sample);
        const size = sample.shape[dim];
        expect(await read(stack(x.unbind(dim), dim))).toEqual(sample);
        const parts = x.split(2, dim);
        expect(parts.map((part) => part.shape[dim])).toEqual(
          Array.from({ length: Math.ceil(size / 2) }, (_, i) => Math.min(2, size - 2 * i)),
        );
        expect(await read(parts.reduce((a, b) => a.add(b.sum().mul(0))))).toEqual(await read(parts[0]));
        expect(x.chunk(3, dim).length).toBe(Math.ceil(size / Math.ceil(size / 3)));
        expect(x.split([size, 0], dim)[1].shape[dim]).toBe(0);
      }),
      { numRuns: 15 },
    );
  });

  it("windows show their neighbours", async () => {
    await fc.assert(
      fc.asyncProperty(alongDim, async ([sample, dim]) => {
        const length = sample.shape[dim];
        const size = Math.ceil(length / 2);
        const found = await read(toTensor(sample).unfold(dim, size, 2));
        const count = Math.floor((length - size) / 2) + 1;
        const shape = [...sample.shape.map((n, d) => (d === dim ? count : n)), size];
        const expected = make(shape, (c) =>
          at(
            sample,
            c.slice(0, -1).map((n, d) => (d === dim ? 2 * n + c[c.length - 1] : n)),
          ),
        );
        expect(found).toEqual(expected);
      }),
      { numRuns: 15 },
    );
  });
});

describe("matrices", () => {
  const x = arange(12).to("f32").reshape([3, 4]);

  it("triangles keep what their diagonal says", async () => {
    for (const diagonal of [-2, -1, 0, 1, 3]) {
      const grid = (keep: (row: number, column: number) => boolean) =>
        make([3, 4], ([r, c]) => (keep(r, c) ? 4 * r + c : 0));
      expect(await read(x.tril(diagonal))).toEqual(grid((r, c) => c - r <= diagonal));
      expect(await read(x.triu(diagonal))).toEqual(grid((r, c) => c - r >= diagonal));
    }
  });

  it("diagonals are taken and put back", async () => {
    expect(await x.diagonal().array()).toEqual([0, 5, 10]);
    expect(await x.diagonal({ offset: 2 }).array()).toEqual([2, 7]);
    expect(await x.diagonal({ offset: -1 }).array()).toEqual([4, 9]);
    expect(x.diagonal({ offset: 4 }).shape).toEqual([0]);
    expect(x.diagonal({ offset: -3 }).shape).toEqual([0]);
    const cube = arange(24).to("f32").reshape([2, 3, 4]);
    expect(await cube.diagonal({ dim1: 0, dim2: 2 }).array()).toEqual([
      [0, 13],
      [4, 17],
      [8, 21],
    ]);
    for (const offset of [-2, 0, 1]) {
      const rows = tensor([
        [1, 2, 3],
        [4, 5, 6],
      ]);
      const square = rows.diagEmbed({ offset });
      expect(square.shape).toEqual([2, 3 + Math.abs(offset), 3 + Math.abs(offset)]);
      expect(await square.diagonal({ offset, dim1: 1, dim2: 2 }).array()).toEqual(await rows.array());
      expect(await square.sum().item()).toBe(21);
      expect(rows.diagEmbed({ offset, dim1: 0, dim2: 2 }).shape[1]).toBe(2);
    }
  });
});

describe("shapes", () => {
  const x = arange(24).to("f32").reshape([2, 3, 4]);

  it("movedim takes dims to places", () => {
    expect(x.movedim(0, -1).shape).toEqual([3, 4, 2]);
    expect(x.movedim([0, 2], [2, 0]).shape).toEqual([4, 3, 2]);
    expect(x.unflatten(2, [2, -1]).shape).toEqual([2, 3, 2, 2]);
    expect(x.tile([2]).shape).toEqual([2, 3, 8]);
    expect(x.repeat([2, 1, 1, 2]).shape).toEqual([2, 2, 3, 8]);
    expect(zeros([1, 3, 1]).squeeze([0, 1]).shape).toEqual([3, 1]);
  });

  it("asStrided reads by strides", async () => {
    expect(await arange(6).asStrided([2, 2, 2], [2, 1, 1], 1).array()).toEqual([
      [
        [1, 2],
        [2, 3],
      ],
      [
        [3, 4],
        [4, 5],
      ],
    ]);
    expect(await x.roll(5).reshape([24]).slice([0, 6]).array()).toEqual([19, 20, 21, 22, 23, 0]);
  });

  it("negative padding cuts off", async () => {
    expect(await arange(5).pad([-1, -2]).array()).toEqual([1, 2]);
    expect(await arange(5).pad([-1, 1], { mode: "circular" }).array()).toEqual([1, 2, 3, 4, 1]);
  });
});

describe("gradients agree with differences", () => {
  const input = toHost(make([3, 5], ([r, c]) => r - c / 2));
  const cases: Record<string, (x: Value) => Value> = {
    roll: (x) => movement.roll(x, [2, -1], [1, 0]),
    repeat: (x) => movement.repeat(x, [2, 1, 3]),
    repeatInterleave: (x) => movement.repeatInterleave(x, 2, 0),
    unfold: (x) => movement.unfold(x, 1, 3, 2),
    asStrided: (x) => movement.asStrided(x, [3, 4], [2, 3], 1),
    tril: (x) => diagonals.triangle("tril", x, 1, true),
    diagonal: (x) => diagonals.diagonal(x, 1, 0, 1),
    diagEmbed: (x) => diagonals.diagEmbed(x, -1, -2, -1),
    "pad by reflection": (x) => pad(x, [2, 3, 1, 2], "reflect", 0),
    "pad by the edge": (x) => pad(x, [2, 3, 1, -1], "replicate", 0),
    "pad in a circle": (x) => pad(x, [2, 3, -1, 2], "circular", 0),
    "pad with a number": (x) => pad(x, [2, -1], "constant", 3),
  };
  it.each(Object.entries(cases))("of %s", async (_, apply) => {
    await gradcheck(([x]) => apply(x), [input]);
  });
});

describe("what is refused", () => {
  const x = zeros([2, 3]);
  it.each([
    ["pad by more than can be reflected", () => x.pad([3, 0], { mode: "reflect" }), ShapeError],
    ["pad by more than the other end has", () => x.pad([4, 0], { mode: "circular" }), ShapeError],
    ["pad with an odd number", () => x.pad([1]), ArgumentError],
    ["cut more than there is", () => x.pad([-2, -2]), ShapeError],
    ["split into what does not add up", () => x.split([1, 1], 1), ArgumentError],
    ["repeat with fewer numbers than dims", () => x.repeat([2]), ArgumentError],
    ["one shift for two dims", () => x.roll([1], [0, 1]), ArgumentError],
    ["a window that does not fit", () => x.unfold(1, 4, 1), ArgumentError],
    ["strides that leave the data", () => x.asStrided([3], [3]), ArgumentError],
    ["a diagonal of one dim", () => x.diagonal({ dim1: 1, dim2: -1 }), ArgumentError],
    ["two dims for one place", () => x.movedim([0, 1], [0, 0]), ArgumentError],
  ] as const)("%s", (_, act, error) => {
    expect(act).toThrow(error);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { topologicalOrder, type Value } from "../../../src/graph/node.ts";
import { sameShape } from "../../../src/graph/shape.ts";
import * as b from "../../../src/ops/builders.ts";
import type { Device } from "../../../src/runtime/device.ts";
import { ReferenceDevice } from "../../../src/runtime/reference/device.ts";
import {
  type BuiltGraph,
  errorBounds,
  evaluateOn,
  formatGraph,
  randomGraphs,
} from "../../../src/testing/index.ts";
import { type CellWrite, pack, programWithCells, runOnCells } from "./cells.ts";
import { runs, seed } from "./tries.ts";

const reference = new ReferenceDevice();

/** Multiples of 1/4, so that sums and small products are exact. */
function leaf(shape: readonly number[], start = 0): Value {
  const count = shape.reduce((product, size) => product * size, 1);
  return b.constant(
    shape,
    "f32",
    Float32Array.from({ length: count }, (_, i) => (((i + start) * 5) % 23) / 4 - 2),
  );
}

/** Runs two steps on both devices; all numbers must be equal. */
async function sameOn(
  device: Device,
  leaves: readonly Value[],
  outputs: readonly Value[],
  writes: readonly (readonly [Value, Value])[],
): Promise<void> {
  const cells = pack([leaves]);
  const of = (value: Value) => cells[leaves.indexOf(value)];
  const program = programWithCells(
    cells,
    outputs,
    writes.map(([target, value]) => ({ cell: of(target), value })),
  );
  const expected = await runOnCells(reference, cells, program, 2);
  expect(await runOnCells(device, cells, program, 2)).toEqual(expected);
}

/** Values that a cell can take, in the same order for a graph and its twin. */
function candidates({ leaves, outputs }: BuiltGraph, cell: Value): Value[] {
  const kind = (value: Value): string => (value.dtype === "f64" ? "f32" : value.dtype);
  const all = [...leaves, ...topologicalOrder(outputs).flatMap((node) => node.outputs)];
  const found = [...new Set(all)].filter(
    (value) => kind(value) === kind(cell) && sameShape(value.shape, cell.shape),
  );
  return [
    ...found,
    ...found.map((value) =>
      b.flip(
        value,
        value.shape.map((_, dim) => dim),
      ),
    ),
  ];
}

/** Programs that write cells, chosen ones and `usual` random ones. */
export function writesAgree(open: () => Device, usual: number): void {
  const sameAsReference = (
    leaves: readonly Value[],
    outputs: readonly Value[],
    writes: readonly (readonly [Value, Value])[],
  ): Promise<void> => sameOn(open(), leaves, outputs, writes);

  describe("cells take their new contents as if all were computed before any was written", () => {
    const [x, y, z] = [leaf([4, 6]), leaf([4, 6], 7), leaf([4, 6], 11)];

    it("when two are swapped", () =>
      sameAsReference(
        [x, y],
        [],
        [
          [x, y],
          [y, x],
        ],
      ));
    it("when three go round", () =>
      sameAsReference(
        [x, y, z],
        [],
        [
          [x, y],
          [y, z],
          [z, x],
        ],
      ));
    it("when each depends on several", () =>
      sameAsReference(
        [x, y, z],
        [b.add(x, y)],
        [
          [x, b.add(x, y)],
          [y, b.sub(x, z)],
          [z, b.add(y, z)],
        ],
      ));
    it("when one takes a permutation of itself", () => {
      const square = leaf([9, 9]);
      return sameAsReference(
        [square, x],
        [],
        [
          [square, b.transpose(square, 0, 1)],
          [x, b.flip(x, [0, 1])],
        ],
      );
    });
    it("when one takes itself", () =>
      sameAsReference(
        [x, y],
        [x],
        [
          [x, x],
          [y, x],
        ],
      ));
    it("when the same value goes to two, and out", () => {
      const sum = b.add(x, y);
      return sameAsReference(
        [x, y, z],
        [sum, b.neg(sum)],
        [
          [x, sum],
          [z, sum],
        ],
      );
    });
    it("when the old content is asked for as well", () =>
      sameAsReference([x, y], [x, b.permute(x, [1, 0]), b.add(x, x)], [[x, b.add(x, y)]]));
    it("when a row is reduced into the cell that it is read from", () => {
      const centred = b.sub(x, b.reduce("max", x, [1]));
      return sameAsReference(
        [x, y],
        [centred],
        [
          [x, b.mul(centred, y)],
          [y, b.add(y, b.sum(x, [0]))],
        ],
      );
    });
    it("when a product is added to what its operand is", () => {
      const square = leaf([8, 8]);
      const small = b.mul(square, b.full([], "f32", 0.25));
      const product = b.mul(b.matmul(small, small), b.full([], "f32", 2 ** -4));
      const rounded = b.unary("floor", product);
      return sameAsReference([square], [rounded], [[square, b.add(square, rounded)]]);
    });
    it("when one element of the old content is read for all", () => {
      const row = leaf([9]);
      const last = b.narrow(row, [8], [1]);
      const first = b.narrow(row, [0], [1]);
      return sameAsReference([row], [], [[row, b.add(row, b.sub(last, first))]]);
    });
    it("when a scatter adds to what the cell holds", () => {
      const index = b.constant(
        [4, 6],
        "i32",
        Int32Array.from({ length: 24 }, (_, i) => (i * 7) % 5),
      );
      return sameAsReference(
        [x, y],
        [],
        [
          [x, b.scatterAdd(x, 0, index, y)],
          [y, b.gather(x, 0, index)],
        ],
      );
    });
    it("when a cell takes a scalar's copy and the scalar changes", () => {
      const step = leaf([]);
      const next = b.add(step, b.full([], "f32", 1));
      return sameAsReference(
        [x, step],
        [next],
        [
          [step, next],
          [x, b.mul(b.add(x, step), next)],
        ],
      );
    });
    it("when a value goes to one cell and, changed, to another", () => {
      const index = b.constant(
        [4, 6],
        "i32",
        Int32Array.from({ length: 24 }, (_, i) => (i * 7) % 5),
      );
      const counts = b.scatterAdd(y, 0, index, z);
      const [p, q] = [leaf([4, 6], 2), leaf([4, 6], 3)];
      return sameAsReference(
        [y, z, p, q],
        [],
        [
          [p, b.neg(counts)],
          [q, counts],
        ],
      );
    });
    it("when a cell is cleared that another one's new content reads", () =>
      sameAsReference(
        [x, y],
        [],
        [
          [x, b.sub(x, y)],
          [y, b.full([4, 6], "f32", 0)],
        ],
      ));
    it("when a cell is empty or of one element", () => {
      const [none, one] = [leaf([0, 3]), leaf([1, 1], 5)];
      return sameAsReference(
        [none, one],
        [],
        [
          [none, b.neg(none)],
          [one, b.add(one, b.sum(none, [0, 1]))],
        ],
      );
    });
  });

  describe("random programs that write", () => {
    it("leave in their cells what the reference computes from the old contents", {
      timeout: 3_600_000,
    }, async () => {
      const choices = fc.array(fc.nat(99), { minLength: 4, maxLength: 4 });
      const property = fc.asyncProperty(
        randomGraphs({ maxSteps: 8 }),
        choices,
        fc.boolean(),
        async (graph, picks, split) => {
          const [built, twin] = [graph.build("f32"), graph.build("f64")];
          const places = built.leaves.flatMap(({ dtype }, i) => (dtype === "bool" ? [] : [i])).slice(0, 4);
          const leaves = places.map((i) => built.leaves[i]);
          const cells = pack(
            split ? [leaves.filter((_, i) => i % 2 === 0), leaves.filter((_, i) => i % 2 === 1)] : [leaves],
          );
          const writes: CellWrite[] = [];
          const twins: Value[] = [];
          places.forEach((place, k) => {
            const [mine, theirs] = [
              candidates(built, built.leaves[place]),
              candidates(twin, twin.leaves[place]),
            ];
            const cell = cells.find((one) => one.leaf === built.leaves[place]);
            if (cell === undefined || picks[k] % 4 === 0) return;
            writes.push({ cell, value: mine[picks[k] % mine.length] });
            twins.push(theirs[picks[k] % theirs.length]);
          });
          const program = programWithCells(cells, built.outputs, writes);
          const wanted = [...twin.outputs, ...twins];
          const arrays = await evaluateOn(reference, [...wanted, ...errorBounds(wanted)]);
          const found = await runOnCells(open(), cells, program);
          const actual = [...found.outputs, ...writes.map(({ cell }) => found.cells[cells.indexOf(cell)])];
          actual.forEach((array, k) => {
            array.forEach((got: number, i: number) => {
              const [expected, bound] = [arrays[k][i], arrays[wanted.length + k][i]];
              if (!Number.isFinite(bound) || Math.abs(got - expected) <= bound || Object.is(got, expected))
                return;
              const what = k < built.outputs.length ? `output ${k}` : `write ${k - built.outputs.length}`;
              const text = formatGraph([
                ...built.outputs,
                ...writes.flatMap(({ cell, value }) => [cell.leaf, value]),
              ]);
              throw new Error(`${what} at ${i}: ${got}, expected ${expected} within ${bound}\n${text}`);
            });
          });
        },
      );
      await fc.assert(property, { numRuns: runs(usual), seed });
    });
  });
}

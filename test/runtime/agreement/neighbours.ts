import { describe, expect, it } from "vitest";
import type { Value } from "../../../src/graph/node.ts";
import * as b from "../../../src/ops/builders.ts";
import type { Device } from "../../../src/runtime/device.ts";
import { ReferenceDevice } from "../../../src/runtime/reference/device.ts";
import { type Cell, pack, programWithCells, runOnCells } from "./cells.ts";

const reference = new ReferenceDevice();
const number = (value: number): Value => b.full([], "f32", value);

function leaf(shape: readonly number[], start: number): Value {
  const count = shape.reduce((product, size) => product * size, 1);
  return b.constant(
    shape,
    "f32",
    Float32Array.from({ length: count }, (_, i) => (((i + start) * 5) % 23) / 4 - 2),
  );
}

type Shapes = readonly (readonly number[])[];

/** Parameters and their gradients of the given shapes, each packed in an arena, and a learning rate. */
function model(shapes: Shapes) {
  const parameters = shapes.map((shape, i) => leaf(shape, i));
  const gradients = shapes.map((shape, i) => leaf(shape, i + 9));
  const rate = leaf([], 2);
  const cells = [...pack([parameters, gradients]), { leaf: rate, arena: 2, byteOffset: 0 }];
  return { parameters, gradients, rate, cells };
}

/** Checks one step against the reference device and returns the number of kernels. */
async function kernelsOn(
  device: Device,
  cells: readonly Cell[],
  writes: readonly (readonly [Value, Value])[],
): Promise<number> {
  const program = programWithCells(
    cells,
    [],
    writes.map(([target, value]) => ({ cell: cells.find((cell) => cell.leaf === target) as Cell, value })),
  );
  const expected = await runOnCells(reference, cells, program);
  expect(await runOnCells(device, cells, program)).toEqual(expected);
  return device.prepare(program).kernels.length;
}

const shapes: Shapes = [[3, 5], [70], [64], [2, 2, 9], [130]];

/** Updates of cells that lie side by side become few kernels, with the values of many. */
export function neighboursAgree(open: () => Device): void {
  const kernelsOf = (cells: readonly Cell[], writes: readonly (readonly [Value, Value])[]): Promise<number> =>
    kernelsOn(open(), cells, writes);

  describe("alike updates of neighbouring cells", () => {
    it("are one kernel with the values of many", async () => {
      const { parameters, gradients, rate, cells } = model(shapes);
      const step = (p: Value, i: number): Value => b.sub(p, b.mul(gradients[i], rate));
      expect(
        await kernelsOf(
          cells,
          parameters.map((p, i) => [p, step(p, i)]),
        ),
      ).toBe(1);
    });

    it("are one kernel also where each gradient is cleared in the same step", async () => {
      const { parameters, gradients, rate, cells } = model(shapes);
      const writes = parameters.flatMap((p, i): [Value, Value][] => [
        [p, b.sub(p, b.mul(gradients[i], rate))],
        [gradients[i], b.full(p.shape, "f32", 0)],
      ]);
      expect(await kernelsOf(cells, writes)).toBeLessThanOrEqual(2);
    });

    it("do not wait for the last of them where something between overwrites what they read", async () => {
      const { parameters, gradients, rate, cells } = model([[8], [8]]);
      const [p, q] = parameters;
      const [g, h] = gradients;
      const index = b.constant(
        [8],
        "i32",
        Int32Array.from({ length: 8 }, (_, i) => 7 - i),
      );
      const first = b.sub(p, b.mul(g, rate));
      // The new g is made of the new p; the new q of the new g.
      const moved = b.gather(first, 0, index);
      const last = b.add(b.gather(moved, 0, index), h);
      await kernelsOf(cells, [
        [p, first],
        [g, moved],
        [h, last],
        [q, b.sub(q, b.mul(last, rate))],
      ]);
    });

    it("read the old rate where the rate changes too", async () => {
      const { parameters, gradients, rate, cells } = model(shapes);
      const writes = parameters.map((p, i): [Value, Value] => [p, b.sub(p, b.mul(gradients[i], rate))]);
      await kernelsOf(cells, [...writes.slice(0, 2), [rate, b.mul(rate, number(0.5))], ...writes.slice(2)]);
    });

    it("stay apart where they differ in a number, or a gap lies between", async () => {
      const { parameters, gradients, cells } = model([[70], [70], [70]]);
      const step = (p: Value, i: number): Value =>
        b.sub(p, b.mul(gradients[i], number(i === 2 ? 0.5 : 0.25)));
      expect(
        await kernelsOf(
          cells,
          parameters.map((p, i) => [p, step(p, i)]),
        ),
      ).toBe(2);
      const apart = cells.map((cell) =>
        cell.leaf === parameters[1] || cell.leaf === gradients[1] ? { ...cell, byteOffset: 2048 } : cell,
      );
      expect(
        await kernelsOf(
          apart,
          parameters.map((p, i) => [p, b.sub(p, gradients[i])]),
        ),
      ).toBe(3);
    });

    it("of one element, and of views that are flat only within their own bounds, are right", async () => {
      const one = model([[1, 1], [64], [1], [], [66]]);
      await kernelsOf(
        one.cells,
        one.parameters.map((p, i) => [p, b.add(p, b.flip(one.gradients[i], i === 0 ? [0] : []))]),
      );
      const { parameters, gradients, cells } = model([[1, 5], [64], [1, 70]]);
      const turned = gradients.map((g) =>
        g.shape.length === 2 ? b.reshape(b.permute(g, [1, 0]), g.shape) : b.flip(b.flip(g, [0]), [0]),
      );
      const rows = parameters.map((p) =>
        p.shape.length === 2 ? b.expand(b.reshape(p, [p.shape[1]]), p.shape) : p,
      );
      await kernelsOf(
        cells,
        parameters.map((p, i) => [p, b.sub(rows[i], turned[i])]),
      );
    });

    it("that change several arenas at once are one kernel", async () => {
      const { parameters, gradients, cells } = model(shapes);
      const writes = parameters.flatMap((p, i): [Value, Value][] => {
        const momentum = b.add(b.mul(gradients[i], number(0.5)), p);
        return [
          [gradients[i], momentum],
          [p, b.sub(p, momentum)],
        ];
      });
      expect(await kernelsOf(cells, writes)).toBe(1);
    });
  });
}

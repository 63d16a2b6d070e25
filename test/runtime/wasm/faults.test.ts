import { describe, expect, it } from "vitest";
import type { Value } from "../../../src/graph/node.ts";
import * as b from "../../../src/ops/builders.ts";
import { ReferenceDevice } from "../../../src/runtime/reference/device.ts";
import { CheckedWasmDevice } from "../../../src/testing/devices/checkedWasm.ts";
import { evaluateOn } from "../../../src/testing/index.ts";

const wasm = new CheckedWasmDevice();
const reference = new ReferenceDevice();

/** Small whole numbers, on which both devices are exact. */
function leaf(shape: readonly number[], start = 0): Value {
  const count = shape.reduce((product, size) => product * size, 1);
  return b.constant(
    shape,
    "f32",
    Float32Array.from({ length: count }, (_, i) => ((i + start) * 5) % 7),
  );
}

async function exact(...outputs: Value[]): Promise<void> {
  expect(await evaluateOn(wasm, outputs)).toEqual(await evaluateOn(reference, outputs));
}

/** Graphs that once were planned or computed wrongly. */
describe("fusion", () => {
  it("reads the parts of a concatenation elsewhere than in place", async () => {
    const sums = b.sum(leaf([4, 2]), [1]);
    await exact(b.neg(b.concat([sums, sums], 0)));
    const wide = b.sub(leaf([4, 8]), b.sum(leaf([4, 8]), [1]));
    await exact(b.neg(b.concat([b.narrow(wide, [0, 4], [4, 4]), b.narrow(wide, [0, 0], [4, 4])], 1)));
  });

  it("gathers from a row's own result, also where the index is that very value", async () => {
    const x = b.cast(leaf([5, 6]), "i32");
    const small = b.binary("remainder", b.add(x, b.reduce("max", x, [1])), b.full([], "i32", 5));
    await exact(b.gather(small, 0, small), b.gather(small, 1, small));
  });

  it("lets a group that waits for a reader store what that reader computes itself", async () => {
    const x = leaf([17, 1]);
    const a = b.neg(x);
    const c = b.neg(a);
    const d = b.neg(c);
    const left = b.matmul(d, b.permute(a, [1, 0]));
    await exact(a, left, b.neg(b.matmul(c, b.permute(c, [1, 0]))));
  });

  it("knows what lies below a value that is computed again instead of stored", async () => {
    const x = leaf([11, 5]);
    const negative = b.neg(x);
    const again = b.neg(negative);
    const largest = b.reduce("max", x, [0]);
    const count = b.sum(b.cast(b.eq(x, largest), "f32"), [0]);
    const product = b.neg(b.reduce("max", b.mul(again, b.full([], "f32", 0.5)), [1]));
    const wide = b.add(product, again);
    const scaled = b.mul(wide, b.sum(wide, [0]));
    await exact(b.add(b.eq(x, largest), count), scaled, negative);
  });

  it("adopts no operand into a row that waits for a reduction of it", async () => {
    const x = leaf([9, 4]);
    const base = b.add(x, x);
    const columns = b.sum(base, [0]);
    const rows = b.sum(b.mul(base, b.expand(columns, [9, 4])), [1]);
    await exact(columns, rows, b.sum(base, [1]), b.matmul(base, leaf([4, 4])));
  });

  it("steps through a movement that is asked for as well", async () => {
    const x = leaf([6, 5]);
    const centred = b.sub(x, b.reduce("max", x, [1]));
    const part = b.narrow(centred, [0, 0], [6, 1]);
    const view = b.slice(centred, [0, 0], [6, 5], [1, 1]);
    const flipped = b.flip(centred, [0]);
    const one = b.mul(leaf([1, 1], 3), b.sum(leaf([1, 1], 3), [0]));
    const stepped = b.slice(one, [0, 0], [1, 1], [2, 1]);
    await exact(part, view, flipped, b.neg(flipped), b.neg(part), stepped, b.neg(stepped));
  });

  it("reads a kept value of a row backwards from its operands", async () => {
    const x = b.mul(leaf([3, 40]), b.full([], "f32", 0.25));
    const kept = b.mul(b.add(b.mul(x, x), x), b.add(x, b.mul(x, x)));
    const other = b.reduce("max", b.sub(kept, b.flip(kept, [1])), [1]);
    const centred = b.sub(kept, b.reduce("max", kept, [1]));
    await exact(other, b.sum(b.mul(centred, b.full([], "f32", 0.5)), [1]));
  });
});

describe("long chains", () => {
  it.each(["free", "in a row", "after a product"])(
    "of elementwise ops %s are cut before the stack ends",
    async (where) => {
      const x = leaf([2, 4]);
      let y = x;
      if (where === "in a row") y = b.sub(x, b.reduce("max", x, [1]));
      if (where === "after a product") y = b.matmul(x, b.transpose(x, 0, 1));
      const one = b.full(y.shape, "f32", 1);
      for (let i = 0; i < 3000; i++) y = b.add(y, one);
      await exact(y);
    },
  );
});

describe("kernels", () => {
  it("add nothing to an empty scatter", () =>
    exact(
      b.scatterAdd(b.full([0, 1], "f32", 0), 0, b.constant([1, 1], "i32", Int32Array.of(-1)), leaf([1, 1])),
    ));

  it("share scratch between rows and batches only one after the other", async () => {
    const rows = b.softmax(b.full([3, 16], "f32", 0), 1);
    await exact(rows, b.matmul(leaf([3, 2, 4]), leaf([3, 4, 5])));
  });

  it("declare that they read back what they store", async () => {
    const x = leaf([4, 70]);
    const powers = b.unary("floor", b.mul(b.mul(x, x), b.add(x, b.mul(x, x))));
    await exact(powers, b.sub(powers, b.reduce("max", powers, [1])));
  });
});

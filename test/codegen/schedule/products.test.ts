import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planProgram } from "../../../src/codegen/plan.ts";
import { topologicalOrder, type Value } from "../../../src/graph/node.ts";
import * as b from "../../../src/ops/builders.ts";
import { ReferenceDevice } from "../../../src/runtime/reference/device.ts";
import { CheckedWasmDevice } from "../../../src/testing/devices/checkedWasm.ts";
import { assertClose, evaluateOn } from "../../../src/testing/index.ts";

const wasm = new CheckedWasmDevice();
const reference = new ReferenceDevice();
const target = {
  name: "wasm",
  dtypes: ["bool", "u32", "i32", "f32"],
  intrinsics: new Set<string>(),
  composites: new Set<string>(),
} as const;

function leaf(shape: readonly number[], seed: number): Value {
  const length = shape.reduce((count, size) => count * size, 1);
  return b.constant(
    shape,
    "f32",
    Float32Array.from({ length }, (_, i) => (((i + seed) * 7) % 19) / 4 - 2),
  );
}

/** Kernels as template and ops, after checking what they compute. */
async function kernelsOf(...outputs: Value[]): Promise<string[]> {
  const [actual, expected] = await Promise.all([evaluateOn(wasm, outputs), evaluateOn(reference, outputs)]);
  actual.forEach((array, i) => {
    assertClose(array, expected[i], { atol: 1e-4, rtol: 1e-5 }, outputs[i].node.op);
  });
  const inputs = topologicalOrder(outputs).flatMap(({ op, outputs: [value] }) =>
    op === "constant" ? [{ value, name: "constant" }] : [],
  );
  return planProgram({ inputs, outputs, writes: [] }, target).kernels.map(
    ({ template, ops }) => `${template}: ${ops.join(" ")}`,
  );
}

const transposed = (x: Value): Value => b.transpose(x, -2, -1);

describe("a product's kernel", () => {
  it("sums what it multiplies: the rows of the left operand", async () => {
    const [dy, x] = [leaf([21, 10], 1), leaf([21, 13], 2)];
    const dw = b.matmul(transposed(dy), x);
    expect(await kernelsOf(dw, b.sum(dy, [0]))).toEqual(["contract: matmul sum"]);
    // Whichever comes first, and with what follows elementwise.
    const shifted = b.mul(b.reshape(b.sum(dy, [0]), [10]), leaf([10], 3));
    expect(await kernelsOf(shifted, dw)).toEqual(["contract: matmul sum mul"]);
  });

  it("reduces the columns of the right operand", async () => {
    const [x, dy] = [leaf([2, 9, 7], 1), leaf([2, 9, 12], 2)];
    const dw = b.matmul(transposed(x), dy);
    expect(await kernelsOf(dw, b.reduce("max", dy, [1]))).toEqual(["contract: matmul max"]);
  });

  it("sums over several dims that the product has as one", async () => {
    const [dy, x] = [leaf([3, 7, 10], 1), leaf([3, 7, 9], 2)];
    const dw = b.matmul(transposed(b.reshape(dy, [21, 10])), b.reshape(x, [21, 9]));
    expect(await kernelsOf(dw, b.sum(dy, [0, 1]))).toEqual(["contract: matmul sum"]);
  });

  it("does not sum what it only nearly reads", async () => {
    const [dy, x] = [leaf([10, 10], 1), leaf([10, 13], 2)];
    const dw = b.matmul(transposed(dy), x);
    expect(await kernelsOf(dw, b.sum(dy, [1]))).toHaveLength(2);
    expect(await kernelsOf(dw, b.sum(b.mul(dy, dy), [0]))).toHaveLength(2);
    expect(await kernelsOf(dw, b.sum(b.flip(dy, [1]), [0]))).toHaveLength(2);
  });

  it("leaves what needs a sum for every element to another", async () => {
    const [dy, x] = [leaf([21, 10], 1), leaf([21, 13], 2)];
    const dw = b.matmul(transposed(dy), x);
    const sums = b.expand(b.reshape(b.sum(dy, [0]), [10, 1]), [10, 13]);
    expect(await kernelsOf(b.add(dw, sums))).toHaveLength(2);
  });

  it("is that of all products of one shape that share an operand", async () => {
    const x = leaf([14, 9], 1);
    const heads = [2, 3, 4].map((seed) =>
      b.add(b.matmul(x, transposed(leaf([11, 9], seed))), leaf([11], seed)),
    );
    expect(await kernelsOf(...heads)).toEqual(["contract: matmul add"]);
    const gated = b.mul(b.exp(heads[0]), heads[1]);
    expect(await kernelsOf(gated)).toHaveLength(1);
    expect(await kernelsOf(...heads, b.matmul(x, leaf([9, 12], 5)))).toHaveLength(2);
  });

  it("adds products that share nothing, whatever their shared dims", async () => {
    const products = [3, 16, 1].map((shared, i) => b.matmul(leaf([8, shared], i), leaf([shared, 6], i + 4)));
    const [p, q, r] = products;
    expect(await kernelsOf(b.add(b.add(p, q), r))).toEqual(["contract: matmul add"]);
    expect(await kernelsOf(b.add(b.add(p, q), r), q)).toHaveLength(1);
    // One that is made of another cannot stand beside it.
    const chained = b.matmul(p, leaf([6, 6], 9));
    expect(await kernelsOf(b.add(p, chained))).toHaveLength(2);
    // Nor one that is made of it through a third.
    const norm = b.sum(p, [1]);
    const late = b.matmul(b.mul(leaf([8, 4], 3), norm), leaf([4, 6], 2));
    await kernelsOf(b.add(p, late), norm);
  });

  it("computes the weights' gradients of several layers on one input with their biases'", async () => {
    const x = leaf([15, 9], 1);
    const dys = [2, 3, 4].map((seed) => leaf([15, 10], seed));
    const outputs = dys.flatMap((dy) => [b.matmul(transposed(dy), x), b.sum(dy, [0])]);
    expect(await kernelsOf(...outputs)).toEqual(["contract: matmul sum"]);
  });

  it("is right for any sizes", { timeout: 60_000 }, async () => {
    const size = fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 17);
    await fc.assert(
      fc.asyncProperty(size, size, size, size, async (m, n, k, l) => {
        const [x, y] = [leaf([m, k], 1), leaf([l, m], 2)];
        const first = b.matmul(x, leaf([k, n], 3));
        const second = b.matmul(transposed(y), leaf([l, n], 4));
        await kernelsOf(
          b.add(first, b.exp(b.mul(second, b.scalarLike(second, 0.01)))),
          b.sum(x, [1]),
          b.mul(b.sum(y, [0]), b.scalarLike(y, 2)),
        );
      }),
      { numRuns: 40 },
    );
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WasmDevice } from "../../../src/runtime/wasm/device.ts";
import { tensor } from "../../../src/tensor/create.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { eachTestAlone } from "../../engine/worlds.ts";

eachTestAlone(() => new WasmDevice());

/** Small integers: sums of products are exact in whatever order. */
function integers(rows: number, columns: number, seed: number): Float32Array {
  return Float32Array.from({ length: rows * columns }, (_, i) => ((i * 31 + seed * 17) % 13) - 6);
}

/** The product in plain loops, of `left(row, k)` and `right(k, column)`. */
function product(
  [rows, shared, columns]: readonly [number, number, number],
  left: (row: number, k: number) => number,
  right: (k: number, column: number) => number,
): number[] {
  return Array.from({ length: rows * columns }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < shared; k++) sum += left(Math.floor(i / columns), k) * right(k, i % columns);
    return sum;
  });
}

type Operand = { readonly tensor: Tensor; readonly at: (row: number, column: number) => number };

const plain = (rows: number, columns: number): Operand => {
  const data = integers(rows, columns, 1);
  return { tensor: tensor(data, { shape: [rows, columns] }), at: (r, c) => data[r * columns + c] };
};

/** Operands whose elements lie row after row, column after column, or are computed, or read through an index. */
const operands = {
  plain,
  transposed: (rows, columns) => {
    const { tensor: x, at } = plain(columns, rows);
    return { tensor: x.t(), at: (r, c) => at(c, r) };
  },
  computed: (rows, columns) => {
    const { tensor: x, at } = plain(rows, columns);
    return { tensor: x.abs().add(1), at: (r, c) => Math.abs(at(r, c)) + 1 };
  },
  computedTransposed: (rows, columns) => {
    const { tensor: x, at } = plain(columns, rows);
    return { tensor: x.t().mul(2), at: (r, c) => 2 * at(c, r) };
  },
  gathered: (rows, columns) => {
    const { tensor: x, at } = plain(rows, columns);
    const order = Int32Array.from({ length: rows }, (_, i) => rows - 1 - i);
    return { tensor: x.indexSelect(0, tensor(order)), at: (r, c) => at(rows - 1 - r, c) };
  },
  everyOther: (rows, columns) => {
    const { tensor: x, at } = plain(rows, 2 * columns);
    return { tensor: x.reshape([rows, columns, 2]).select(2, 1), at: (r, c) => at(r, 2 * c + 1) };
  },
} satisfies Record<string, (rows: number, columns: number) => Operand>;

async function expectProduct(
  sizes: readonly [number, number, number],
  kinds: [string, string],
): Promise<void> {
  const [rows, shared, columns] = sizes;
  const make = (kind: string) => operands[kind as keyof typeof operands]; // drawn from its keys
  const left = make(kinds[0])(rows, shared);
  const right = make(kinds[1])(shared, columns);
  const found = await left.tensor.matmul(right.tensor).add(1).data();
  expect([...found]).toEqual(product(sizes, left.at, right.at).map((value) => value + 1));
}

describe("matrix products on wasm", () => {
  it("are exact for integers, whatever their sizes and their operands' order", async () => {
    const kind = fc.constantFrom(...Object.keys(operands));
    const size = fc.constantFrom(1, 2, 3, 5, 6, 7, 8, 12, 13, 31, 32, 33, 40);
    await fc.assert(fc.asyncProperty(fc.tuple(size, size, size), fc.tuple(kind, kind), expectProduct), {
      numRuns: 60,
    });
  });

  it("are exact over several blocks of rows", async () => {
    for (const kind of ["plain", "transposed", "computed"])
      await expectProduct([100, 5501, 32], [kind, "plain"]);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError, ShapeError } from "../../../src/graph/errors.ts";
import { numel } from "../../../src/graph/shape.ts";
import { cosineSimilarity, normalize, pairwiseDistance } from "../../../src/nn/functional/index.ts";
import { rand, tensor, zeros } from "../../../src/tensor/create.ts";
import { einsum as einsumOf } from "../../../src/tensor/einsum.ts";
import { cdist, einsum } from "../../../src/tensor/functions.ts";
import { cdist as cdistOf, cosineSimilarity as cosineOf } from "../../../src/tensor/products.ts";
import { gradcheck, gradgradcheck } from "../../../src/testing/index.ts";
import { at, coordinatesOf, make, numbers, read, type Sample, toHost, toTensor } from "./samples.ts";

const sizes: Readonly<Record<string, number>> = { a: 2, b: 3, c: 2, d: 4, e: 1 };

/** The definition: one sum over all letters for each element of the output. */
function plainEinsum(inputs: readonly string[], output: string, operands: readonly Sample[]): Sample {
  const letters = [...new Set(inputs.join(""))];
  const rest = letters.filter((letter) => !output.includes(letter));
  return make(
    [...output].map((letter) => sizes[letter]),
    (c) => {
      let total = 0;
      for (const summed of coordinatesOf(rest.map((letter) => sizes[letter]))) {
        const value = (letter: string): number =>
          output.includes(letter) ? c[output.indexOf(letter)] : summed[rest.indexOf(letter)];
        total += operands.reduce((product, x, i) => product * at(x, [...inputs[i]].map(value)), 1);
      }
      return total;
    },
  );
}

const sampleOf = (labels: string): fc.Arbitrary<Sample> =>
  numbers([...labels].map((letter) => sizes[letter]));

describe("einsum", () => {
  const labels = fc.array(fc.constantFrom(..."abcde"), { maxLength: 3 }).map((parts) => parts.join(""));
  const equations = fc.array(labels, { minLength: 1, maxLength: 3 }).chain((inputs) =>
    fc.tuple(
      fc.constant(inputs),
      fc.shuffledSubarray([...new Set(inputs.join(""))]).map((parts) => parts.join("")),
      fc.tuple(...inputs.map(sampleOf)),
    ),
  );

  it("is its definition, for any equation", async () => {
    await fc.assert(
      fc.asyncProperty(equations, async ([inputs, output, operands]) => {
        const found = await read(einsum(`${inputs.join(",")}->${output}`, ...operands.map(toTensor)));
        const expected = plainEinsum(inputs, output, operands);
        expect(found.shape).toEqual(expected.shape);
        found.data.forEach((x, i) => {
          expect(x).toBeCloseTo(expected.data[i], 2);
        });
      }),
      { numRuns: 60 },
    );
  });

  it("has gradients", async () => {
    await fc.assert(
      fc.asyncProperty(equations, async ([inputs, output, operands]) => {
        const equation = `${inputs.join(",")}->${output}`;
        await gradcheck((values) => einsumOf(equation, values), operands.map(toHost));
      }),
      { numRuns: 15 },
    );
  });

  it("finds the output where none is given, and broadcasts what dots stand for", async () => {
    const [x, y] = [rand([2, 3, 4]), rand([4, 5])];
    const close = async (a: ReturnType<typeof rand>, b: ReturnType<typeof rand>): Promise<void> => {
      const [found, expected] = [await read(a), await read(b)];
      expect(found.shape).toEqual(expected.shape);
      found.data.forEach((n, i) => {
        expect(n).toBeCloseTo(expected.data[i], 5);
      });
    };
    await close(einsum("bij,jk", x, y), x.matmul(y));
    await close(einsum("ba", rand([2, 3]).mul(0).add(1)), zeros([3, 2]).add(1));
    await close(einsum("...j,jk->...k", x, y), x.matmul(y));
    await close(
      einsum("...ij,...jk", x, rand([1, 4, 2]).mul(0).add(1)),
      x.sum({ dim: 2, keepdim: true }).expand([2, 3, 2]),
    );
    await close(
      einsum(
        "ii",
        tensor([
          [1, 2],
          [3, 4],
        ]),
      ),
      tensor([5]).reshape([]),
    );
    await close(einsum("i , i -> ", tensor([1, 2]), tensor([3, 4])), tensor([11]).reshape([]));
    await close(
      einsum("ij,kj->ik", x.select(0, 0), rand([2, 1]).mul(0).add(2)),
      x.select(0, 0).sum({ dim: 1, keepdim: true }).mul(2).expand([3, 2]),
    );
  });

  it.each([
    ["too few operands", () => einsum("i,j", zeros([2])), ArgumentError],
    ["too few letters", () => einsum("i", zeros([2, 2])), ArgumentError],
    ["an unknown letter in the output", () => einsum("i->j", zeros([2])), ArgumentError],
    ["a letter twice in the output", () => einsum("i->ii", zeros([2])), ArgumentError],
    ["other signs", () => einsum("i+j", zeros([2])), ArgumentError],
    ["two sizes of a letter", () => einsum("ij,ij", zeros([2, 3]), zeros([2, 4])), ShapeError],
  ] as const)("refuses %s", (_, act, error) => {
    expect(act).toThrow(error);
  });
});

describe("products", () => {
  const [v, w] = [tensor([1, 2]), tensor([3, 4, 5])];
  const m = tensor([
    [1, 2],
    [3, 4],
  ]);

  it("of vectors and matrices", async () => {
    expect(await v.outer(w).array()).toEqual([
      [3, 4, 5],
      [6, 8, 10],
    ]);
    expect(await v.dot(v).item()).toBe(5);
    expect(await m.inner(m).array()).toEqual([
      [5, 11],
      [11, 25],
    ]);
    expect(await m.mv(v).array()).toEqual([5, 11]);
    expect(await v.kron(w).array()).toEqual([3, 4, 5, 6, 8, 10]);
    expect(await m.kron(v).array()).toEqual([
      [1, 2, 2, 4],
      [3, 6, 4, 8],
    ]);
    expect(await m.trace().item()).toBe(5);
    expect(await m.tensordot(m).item()).toBe(30);
    expect(await m.tensordot(m, [[0], [1]]).array()).toEqual(await m.t().matmul(m.t()).array());
    expect(await zeros([2]).addmm(m, m, { alpha: 2 }).array()).toEqual([
      [14, 20],
      [30, 44],
    ]);
    const nan = tensor([NaN]).expand([1, 2, 2]);
    expect(await nan.baddbmm(m.unsqueeze(0), m.unsqueeze(0), { beta: 0 }).array()).toEqual([
      [
        [7, 10],
        [15, 22],
      ],
    ]);
  });

  it("are refused where dims do not fit", () => {
    expect(() => v.mm(m)).toThrow(ShapeError);
    expect(() => m.dot(m)).toThrow(ShapeError);
    expect(() => zeros([2, 1, 1]).bmm(zeros([3, 1, 1]))).toThrow(ShapeError);
    expect(() => zeros([3]).addmm(m, m)).toThrow(ShapeError);
    expect(() => m.tensordot(w, 1)).toThrow(ShapeError);
  });
});

describe("distances", () => {
  const pairs = fc.tuple(numbers([3, 4]), numbers([2, 4]));

  it("are norms of differences", async () => {
    await fc.assert(
      fc.asyncProperty(pairs, fc.constantFrom(0, 1, 2, 3, Infinity), async ([x, y], p) => {
        const found = await read(cdist(toTensor(x), toTensor(y), { p }));
        const expected = make([3, 2], ([i, j]) => {
          const apart = [0, 1, 2, 3].map((k) => Math.abs(at(x, [i, k]) - at(y, [j, k])));
          if (p === 0) return apart.filter((d) => d !== 0).length;
          return p === Infinity ? Math.max(...apart) : apart.reduce((s, d) => s + d ** p, 0) ** (1 / p);
        });
        found.data.forEach((d, i) => {
          expect(d).toBeCloseTo(expected.data[i], 4);
        });
      }),
      { numRuns: 20 },
    );
    expect(cdist(zeros([5, 1, 2, 3]), zeros([4, 6, 3])).shape).toEqual([5, 4, 2, 6]);
  });

  it("have gradient 0 at 0", async () => {
    for (const p of [1, 1.5, 2, 3]) {
      const x = tensor(
        [
          [1, 2],
          [0, 0],
        ],
        { requiresGrad: true },
      );
      cdist(x, tensor([[1, 2]]), { p })
        .sum()
        .backward();
      const [same, other] = ((await x.grad?.array()) ?? []) as number[][];
      expect(same.map((g) => g + 0)).toEqual([0, 0]);
      expect(other.every((g) => g < 0)).toBe(true);
    }
  });

  it("and cosines have gradients, twice", async () => {
    const apart = (shape: number[], from: number) =>
      toHost({
        shape,
        data: Array.from({ length: numel(shape) }, (_, i) => from + ((i * 7) % 5) / 3 + i / 50),
      });
    const inputs = [apart([2, 3], 0), apart([3, 3], 5)];
    for (const p of [2, 3]) {
      await gradcheck(([x, y]) => cdistOf(x, y, p), inputs);
      await gradgradcheck(([x, y]) => cdistOf(x, y, p), inputs);
    }
    const rows = [apart([2, 3], 1), apart([2, 3], -2)];
    await gradcheck(([x, y]) => cosineOf(x, y, -1, 1e-8), rows);
    await gradgradcheck(([x, y]) => cosineOf(x, y, -1, 1e-8), rows);
  });

  it("unit vectors, cosines and distances of pairs", async () => {
    const x = tensor([
      [3, 4],
      [0, 0],
    ]);
    const unit = (await normalize(x).array()) as number[][];
    expect(unit[0][0]).toBeCloseTo(0.6, 6);
    expect(unit[1]).toEqual([0, 0]);
    expect(
      await cosineSimilarity(
        tensor([[3, 4]]),
        tensor([
          [4, 3],
          [-3, -4],
        ]),
      ).array(),
    ).toEqual([expect.closeTo(0.96, 5), expect.closeTo(-1, 5)]);
    expect(await cosineSimilarity(x, x).array()).toEqual([expect.closeTo(1, 5), 0]);
    expect(await pairwiseDistance(x, zeros([2]), { eps: 0 }).array()).toEqual([5, 0]);
  });
});

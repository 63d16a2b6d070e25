import { describe, expect, it } from "vitest";
import { gradients } from "../../../src/autograd/gradients.ts";
import type { TypedArray } from "../../../src/graph/dtype.ts";
import type { Value } from "../../../src/graph/node.ts";
import { numel, type Shape } from "../../../src/graph/shape.ts";
import * as b from "../../../src/ops/builders.ts";
import type { Device } from "../../../src/runtime/device.ts";
import { ReferenceDevice } from "../../../src/runtime/reference/device.ts";
import { programOf } from "../../../src/testing/evaluate.ts";
import { assertClose, evaluateOn } from "../../../src/testing/index.ts";

const reference = new ReferenceDevice();

type Float = "f32" | "f64";

/** A leaf of numbers in [-1, 1] that a hash of their place gives. */
function leaf(shape: Shape, seed: number, float: Float, change?: (data: Float32Array) => void): Value {
  const data = Float32Array.from(
    { length: numel(shape) },
    (_, i) => ((Math.imul(i + 1, 2654435761) ^ Math.imul(seed, 40503)) % 1024) / 1024,
  );
  change?.(data);
  return b.constant(shape, float, float === "f32" ? data : Float64Array.from(data), true);
}

interface Setting {
  readonly batch?: Shape;
  readonly queries: number;
  readonly keys: number;
  readonly depth: number;
  readonly width?: number;
  readonly score?: (score: Value, float: Float) => Value;
  readonly dropout?: number;
  readonly emptyRow?: "zero" | "nan";
  readonly change?: Partial<Record<"query" | "key" | "value", (data: Float32Array) => void>>;
}

const scoresOf = ({ batch = [2, 3], queries, keys }: Setting): number[] => [...batch, queries, keys];

/** Which probabilities are kept: Threefry of the position, as the drawing functions make it. */
function keptOf(shape: Shape, probability: number): Value {
  const zero = b.full([], "u32", 5);
  const [word] = b.threefry2x32([zero, zero], [b.reshape(b.iota(numel(shape), "u32"), shape), zero]);
  return b.ge(word, b.full([], "u32", Math.floor(probability * 2 ** 32)));
}

/** Inputs, then outputs: the result and, with `backward`, the gradients of the three operands. */
function build(setting: Setting, float: Float, backward = false): Value[] {
  const {
    batch = [2, 3],
    queries,
    keys,
    depth,
    width = depth,
    score,
    dropout = 0,
    emptyRow = "zero",
  } = setting;
  const { change = {} } = setting;
  const operands = [
    leaf([...batch, queries, depth], 1, float, change.query),
    leaf([...batch, keys, depth], 2, float, change.key),
    leaf([...batch, keys, width], 3, float, change.value),
  ] as const;
  const [result] = b.attention(operands, {
    scale: 1 / Math.sqrt(depth),
    score: score && ((scores) => score(scores, float)),
    dropout: dropout > 0 ? { kept: keptOf(scoresOf(setting), dropout), probability: dropout } : undefined,
    emptyRow,
  });
  if (!backward) return [result];
  const found = gradients([result], [leaf(result.shape, 4, float)], operands);
  return [result, ...found.filter((value) => value !== undefined)];
}

function kernelsOf(device: Device, values: readonly Value[]) {
  const { program } = programOf(values);
  return device.prepare(program);
}

async function compareOn(device: Device, setting: Setting): Promise<TypedArray[]> {
  const [actual, expected] = await Promise.all([
    evaluateOn(device, build(setting, "f32", true)),
    evaluateOn(reference, build(setting, "f64", true)),
  ]);
  actual.forEach((array, i) => {
    assertClose(array, expected[i], { atol: 2e-5, rtol: 1e-5 }, `output ${i}`);
  });
  return actual;
}

const query = (n: number): Value => b.reshape(b.iota(n, "i32"), [n, 1]);
const infinite = (score: Value): Value => b.scalarLike(score, Number.NEGATIVE_INFINITY);
/** Scores where the query's and the key's position allow it. */
const where =
  (allowed: (query: Value, key: Value) => Value) =>
  (score: Value): Value => {
    const [queries, keys] = score.shape.slice(-2);
    return b.where(allowed(query(queries), b.iota(keys, "i32")), score, infinite(score));
  };
const number = (value: number): Value => b.full([], "i32", value);
const causal = where((i, j) => b.le(j, i));
const window = where((i, j) => b.logicalAnd(b.le(b.abs(b.sub(i, j)), number(9)), b.ne(i, j)));

/** Queries, keys, depth and width. */
export type AttentionSize = readonly [number, number, number, number];

const allSizes: readonly AttentionSize[] = [
  [1, 1, 1, 1],
  [1, 7, 3, 2],
  [5, 1, 4, 9],
  [33, 65, 8, 1],
  [73, 64, 6, 12],
  [145, 131, 9, 7],
];

/** The values of attention and its gradient as kernels of a device, of ordinary size and at the edges. */
export function attentionAgrees(name: string, deviceOf: () => Device, sizes = allSizes): void {
  const compare = (setting: Setting): Promise<TypedArray[]> => compareOn(deviceOf(), setting);

  describe(`attention on ${name} agrees with its definition in f64, forwards and backwards`, () => {
    it.each(sizes)("of %d queries and %d keys of width %d", async (queries, keys, depth, width) => {
      await compare({ queries, keys, depth, width });
      await compare({ queries, keys, depth, width, score: where((i, j) => b.ge(j, i)), dropout: 0.3 });
    });

    it.each([
      ["causal", causal],
      ["a window without the diagonal", window],
      ["two positions apart or more", where((i, j) => b.gt(b.mul(i, number(2)), b.add(j, number(3))))],
      [
        "a captured mask",
        (score: Value, float: Float) =>
          b.where(b.gt(leaf([1, 1, 1, 150], 7, float), b.full([], float, 0)), score, infinite(score)),
      ],
      [
        "a soft cap and a slope a head",
        (score: Value, float: Float) =>
          b.add(
            b.tanh(score),
            b.mul(leaf([3, 1, 1], 8, float), b.cast(b.sub(query(140), b.iota(150, "i32")), float)),
          ),
      ],
    ] as const)("with a score of %s", async (_, score) => {
      await compare({ queries: 140, keys: 150, depth: 8, score, dropout: 0.2 });
    });

    it("with nothing to compute", async () => {
      expect((await compare({ batch: [0, 2], queries: 3, keys: 4, depth: 2 }))[0]).toHaveLength(0);
      expect((await compare({ batch: [2], queries: 0, keys: 4, depth: 2 }))[1]).toHaveLength(0);
      // Without a width to multiply over, all scores are 0: the mean of the values.
      await compare({ queries: 3, keys: 4, depth: 0, width: 2, score: (score) => b.mul(score, score) });
    });

    it("of operands that are views or computed", async () => {
      const both = async (float: Float): Promise<TypedArray[]> => {
        const x = leaf([2, 20, 3, 24], 1, float);
        const part = (at: number): Value =>
          b.permute(b.narrow(x, [0, 0, 0, 8 * at], [2, 20, 3, 8]), [0, 2, 1, 3]);
        const rotated = b.mul(part(0), b.unary("cos", b.cast(query(20), float)));
        const scores = { scale: 0.5, emptyRow: "nan" } as const;
        const [result] = b.attention([rotated, b.neg(part(1)), part(2)], scores);
        const merged = b.reshape(b.permute(result, [0, 2, 1, 3]), [2, 20, 24]);
        const output = b.matmul(merged, leaf([24, 5], 2, float));
        return evaluateOn(float === "f32" ? deviceOf() : reference, [
          output,
          ...gradients([output], [output], [x]),
        ] as Value[]);
      };
      const [actual, expected] = [await both("f32"), await both("f64")];
      actual.forEach((array, i) => {
        assertClose(array, expected[i], { atol: 1e-4, rtol: 1e-5 }, `output ${i}`);
      });
    });

    it("of values captured by the score, which get gradients", async () => {
      const both = async (float: Float): Promise<TypedArray[]> => {
        const operands = [
          leaf([2, 3, 70, 8], 1, float),
          leaf([2, 3, 130, 8], 2, float),
          leaf([2, 3, 130, 8], 3, float),
        ] as const;
        const bias = leaf([3, 70, 130], 5, float);
        const slope = leaf([3, 1, 1], 6, float);
        const [result, maximum, logSum] = b.attention(operands, {
          scale: 0.4,
          score: (score) => causal(b.mul(b.add(score, bias), slope)),
          emptyRow: "zero",
        });
        const total = b.add(maximum, logSum);
        const outputs = [result, total];
        const found = gradients(
          outputs,
          [leaf(result.shape, 7, float), leaf(total.shape, 8, float)],
          [...operands, bias, slope],
        );
        return evaluateOn(float === "f32" ? deviceOf() : reference, [...outputs, ...found] as Value[]);
      };
      const [actual, expected] = [await both("f32"), await both("f64")];
      actual.forEach((array, i) => {
        assertClose(array, expected[i], { atol: 2e-4, rtol: 1e-4 }, `output ${i}`);
      });
    });
  });

  describe(`attention's edges on ${name}`, () => {
    const at = (array: TypedArray, width: number, row: number): number[] => [
      ...array.slice(row * width, (row + 1) * width),
    ];

    it("a row of nothing but -infinity gives 0 and no gradient, or NaN", async () => {
      const empty = where((i) => b.ge(i, number(2)));
      const setting: Setting = { batch: [], queries: 70, keys: 100, depth: 4, score: empty };
      const [result, ofQuery, ofKey] = await compare(setting);
      expect([...at(result, 4, 0), ...at(result, 4, 1), ...at(ofQuery, 4, 1)].every((x) => x === 0)).toBe(
        true,
      );
      expect(at(result, 4, 2).every((x) => x !== 0) && ofKey.every(Number.isFinite)).toBe(true);
      const [loose] = await evaluateOn(deviceOf(), build({ ...setting, emptyRow: "nan" }, "f32"));
      expect([...at(loose, 4, 0), ...at(loose, 4, 1)].every(Number.isNaN)).toBe(true);
      expect(at(loose, 4, 2)).toEqual(at(result, 4, 2));
    });

    it("the lowest number in place of -infinity attends to all evenly, with its gradient", async () => {
      const score = (scores: Value): Value => b.add(scores, b.scalarLike(scores, -3.4028234663852886e38));
      const setting: Setting = { batch: [1], queries: 5, keys: 80, depth: 4, score };
      const wanted = build(setting, "f64", true);
      const [actual, expected] = [
        await evaluateOn(deviceOf(), build(setting, "f32", true)),
        await evaluateOn(reference, build(setting, "f32", true)),
      ];
      expect(wanted).toHaveLength(4);
      actual.forEach((array, i) => {
        assertClose(array, expected[i], { atol: 1e-6 }, `output ${i}`);
      });
    });

    it("huge scores choose one key; NaN and infinities spread over their row alone", async () => {
      const scaled = (score: Value): Value => b.mul(score, b.scalarLike(score, 1e6));
      const [peaked] = await evaluateOn(
        deviceOf(),
        build({ batch: [], queries: 9, keys: 90, depth: 4, score: scaled }, "f32"),
      );
      expect(peaked.every(Number.isFinite)).toBe(true);
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
        const change = { query: (data: Float32Array) => void data.fill(bad, 8, 12) };
        const setting: Setting = { batch: [], queries: 9, keys: 90, depth: 4, change, emptyRow: "nan" };
        const [actual, expected] = [
          (await evaluateOn(deviceOf(), build(setting, "f32")))[0],
          (await evaluateOn(reference, build(setting, "f32")))[0],
        ];
        expect(at(actual, 4, 2).every(Number.isNaN) && at(expected, 4, 2).every(Number.isNaN)).toBe(true);
        assertClose(actual, expected, { atol: 1e-6 }, "result");
      }
    });

    it("a value that is NaN spreads to whom its block is shown, but not to blocks that are skipped", async () => {
      const change = { value: (data: Float32Array) => void data.fill(Number.NaN, 149 * 4) };
      const setting: Setting = { batch: [], queries: 150, keys: 150, depth: 4, score: causal, change };
      const [result] = await evaluateOn(deviceOf(), build(setting, "f32"));
      expect(at(result, 4, 149).every(Number.isNaN)).toBe(true);
      expect(at(result, 4, 0).every(Number.isFinite)).toBe(true);
    });
  });
}

/** How many kernels attention becomes, and how much memory they need. */
export function attentionIsOneKernel(name: string, deviceOf: () => Device): void {
  describe(`attention's kernels on ${name}`, () => {
    const settings: readonly (readonly [string, Partial<Setting>])[] = [
      ["plain", {}],
      ["causal", { score: causal }],
      ["in a window, with dropout", { score: window, dropout: 0.1 }],
      [
        "with a captured mask",
        {
          score: (score, float) =>
            b.where(b.gt(leaf([2, 1, 1, 64], 7, float), b.full([], float, 0)), score, infinite(score)),
        },
      ],
    ];
    it.each(settings)("are one forwards and one backwards: %s", (_, more) => {
      const setting: Setting = { queries: 64, keys: 64, depth: 16, ...more };
      expect(kernelsOf(deviceOf(), build(setting, "f32")).kernels.map(({ template }) => template)).toEqual([
        "attend",
      ]);
      const training = kernelsOf(deviceOf(), build(setting, "f32", true)).kernels.map(
        ({ template }) => template,
      );
      expect(training).toEqual(["attend", "attendGradient"]);
    });

    it("need memory that grows with the length, not with its square", () => {
      const bytes = (length: number, more: Partial<Setting>): number => {
        const setting: Setting = { batch: [1, 2], queries: length, keys: length, depth: 16, ...more };
        return kernelsOf(deviceOf(), build(setting, "f32", true)).temporaryBytes;
      };
      const mask = (score: Value, float: Float): Value => {
        const length = score.shape[score.shape.length - 1];
        const allowed = b.gt(leaf([1, 1, 1, length], 7, float), b.full([], float, 0));
        return b.where(allowed, score, infinite(score));
      };
      for (const more of [{}, { score: causal }, { score: window, dropout: 0.1 }, { score: mask }]) {
        expect(bytes(4096, more)).toBeLessThan(8.5 * bytes(512, more));
      }
    });
  });
}

/** A few attentions of several tiles each way, small enough for a device that takes its time. */
export function attentionComputes(name: string, deviceOf: () => Device): void {
  it(`attention on ${name} agrees with its definition in f64, tile by tile`, async () => {
    const plain: Setting = { batch: [2], queries: 33, keys: 35, depth: 3, width: 2 };
    await compareOn(deviceOf(), plain);
    await compareOn(deviceOf(), { ...plain, score: window, dropout: 0.3 });
    await compareOn(deviceOf(), { batch: [], queries: 3, keys: 70, depth: 17, width: 66, score: causal });
  });
}

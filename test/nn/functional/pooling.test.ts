import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError, DTypeError, ShapeError } from "../../../src/graph/errors.ts";
import {
  adaptiveAvgPool,
  adaptiveMaxPoolWithIndices,
  avgPool2d,
  interpolate,
  maxPool1d,
  maxPool2d,
  maxPoolWithIndices,
  pixelShuffle,
  pixelUnshuffle,
} from "../../../src/nn/functional/index.ts";
import { arange, tensor, zeros } from "../../../src/tensor/create.ts";
import { Parameter } from "../../../src/tensor/parameter.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { poolingSpecs } from "../../../src/testing/specs/functions/pooling.ts";
import { onReferenceDevice } from "../reference.ts";
import { checkFunctions } from "./checkFunctions.ts";

checkFunctions(poolingSpecs);
onReferenceDevice();

const f64 = { dtype: "f64" } as const;
/** Small numbers, with ties. */
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => ((i * 7) % 5) - 2);

/** One dim of a pooling as PyTorch defines it: the places of each window, those inside of the input and all that count. */
function windowsOf(
  size: number,
  { kernel, stride, padding, dilation, ceilMode }: Form,
): { readonly inside: number[]; readonly counted: number }[] {
  const span = (kernel - 1) * dilation + 1;
  const room = (size + 2 * padding - span) / stride;
  let count = (ceilMode ? Math.ceil(room) : Math.floor(room)) + 1;
  if (ceilMode && (count - 1) * stride >= size + padding) count -= 1;
  return Array.from({ length: count }, (_, window) => {
    const places = Array.from({ length: kernel }, (_unused, k) => window * stride + k * dilation - padding);
    return {
      inside: places.filter((at) => at >= 0 && at < size),
      counted: places.filter((at) => at < size + padding).length,
    };
  });
}

interface Form {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
  readonly ceilMode: boolean;
}

const form: fc.Arbitrary<Form & { readonly sizes: readonly [number, number] }> = fc
  .record({
    kernel: fc.integer({ min: 1, max: 3 }),
    stride: fc.integer({ min: 1, max: 4 }),
    padding: fc.integer({ min: 0, max: 1 }),
    dilation: fc.integer({ min: 1, max: 2 }),
    ceilMode: fc.boolean(),
    extra: fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 5 })),
  })
  .map(({ extra: [a, b], ...rest }) => {
    const padding = Math.min(rest.padding, Math.floor(rest.kernel / 2));
    const least = Math.max(1, (rest.kernel - 1) * rest.dilation + 1 - 2 * padding);
    return { ...rest, padding, sizes: [least + a, least + b] };
  });

describe("max pooling in plain loops", () => {
  it("takes the first of the largest, which gets the gradient", async () => {
    await fc.assert(
      fc.asyncProperty(form, async ({ sizes, ...how }) => {
        const x = new Parameter(tensor(numbers(sizes[0] * sizes[1]), f64).reshape([1, 1, ...sizes]));
        const values = numbers(sizes[0] * sizes[1]);
        const [rows, columns] = sizes.map((size) => windowsOf(size, how));
        const chosen = rows.flatMap((row) =>
          columns.map((column) => {
            const places = row.inside.flatMap((y) => column.inside.map((z) => y * sizes[1] + z));
            return places.reduce((best, at) => (values[at] > values[best] ? at : best), places[0] ?? -1);
          }),
        );
        const { kernel, ...options } = how;
        const { output, indices } = maxPoolWithIndices(x, 2, kernel, options);
        expect(output.shape).toEqual([1, 1, rows.length, columns.length]);
        // A window that lies in the padding altogether has no largest element.
        expect([...(await indices.data())]).toEqual(chosen.map((at) => Math.max(at, 0)));
        expect([...(await output.data())].map((n) => n + 0)).toEqual(
          chosen.map((at) => values[at] ?? -Infinity),
        );
        const plain = maxPool2d(x.detach(), kernel, options);
        expect([...(await plain.data())]).toEqual([...(await output.data())]);
        const cotangent = chosen.map((_, i) => i + 1);
        output.backward(tensor(cotangent, f64).reshape(output.shape));
        const wanted = values.map(() => 0);
        chosen.forEach((at, i) => {
          if (at >= 0) wanted[at] += cotangent[i];
        });
        expect([...((await x.grad?.data()) ?? [])]).toEqual(wanted);
      }),
      { numRuns: 40 },
    );
  });

  it("keeps -infinity and NaN, and does not look into the padding", async () => {
    const x = new Parameter(tensor([-Infinity, -Infinity, NaN, -5]).reshape([1, 1, 4]));
    const y = maxPool1d(x, 2, { stride: 2, padding: 1 });
    expect((await y.array()) as unknown).toEqual([[[-Infinity, NaN, -5]]]);
    const { indices } = maxPoolWithIndices(x, 1, 2, { stride: 2, padding: 1 });
    expect(await indices.array()).toEqual([[[0, 2, 3]]]);
  });
});

describe("average pooling in plain loops", () => {
  it("divides by what counts", async () => {
    await fc.assert(
      fc.asyncProperty(form, fc.boolean(), async ({ sizes, ...drawn }, countIncludePad) => {
        const how = { ...drawn, dilation: 1 };
        const values = numbers(sizes[0] * sizes[1]);
        const [rows, columns] = sizes.map((size) => windowsOf(size, how));
        const wanted = rows.flatMap((row) =>
          columns.map((column) => {
            const places = row.inside.flatMap((y) => column.inside.map((z) => y * sizes[1] + z));
            const total = places.reduce((sum, at) => sum + values[at], 0);
            return total / (countIncludePad ? row.counted * column.counted : places.length);
          }),
        );
        const { kernel, stride, padding, ceilMode } = how;
        const x = tensor(values, f64).reshape([1, 1, ...sizes]);
        const y = avgPool2d(x, kernel, { stride, padding, ceilMode, countIncludePad });
        const found = [...(await y.data())];
        expect(found.length).toBe(wanted.length);
        found.forEach((value, i) => {
          expect(value).toBeCloseTo(wanted[i], 12);
        });
      }),
      { numRuns: 40 },
    );
  });

  it("or by what it is told", async () => {
    const y = avgPool2d(tensor([1, 2, 3, 4]).reshape([1, 2, 2]), 2, { divisorOverride: 3 });
    expect(await y.item()).toBeCloseTo(10 / 3, 6);
  });
});

describe("adaptive pooling", () => {
  it("covers each dim with windows that may overlap", async () => {
    const x = tensor([1, 5, 2, 9, 3, 4, 0], f64).reshape([1, 7]);
    // Windows [0, 3), [2, 5), [4, 7).
    const means = [...(await adaptiveAvgPool(x, 1, 3).data())];
    [8 / 3, 14 / 3, 7 / 3].forEach((wanted, i) => {
      expect(means[i]).toBeCloseTo(wanted, 12);
    });
    const { output, indices } = adaptiveMaxPoolWithIndices(x, 1, 3);
    expect(await output.array()).toEqual([[5, 9, 4]]);
    expect(await indices.array()).toEqual([[1, 3, 5]]);
    // More windows than elements repeat them.
    expect(await adaptiveAvgPool(tensor([1, 2]).reshape([1, 2]), 1, 3).array()).toEqual([[1, 1.5, 2]]);
  });
});

describe("interpolate", () => {
  const line = (...values: number[]): Tensor => tensor(values, f64).reshape([1, 1, values.length]);

  it("takes the nearest element", async () => {
    const five = { size: 5 } as const;
    expect(await interpolate(line(1, 2, 3), five).array()).toEqual([[[1, 1, 2, 2, 3]]]);
    expect(await interpolate(line(1, 2, 3), { ...five, mode: "nearest-exact" }).array()).toEqual([
      [[1, 1, 2, 3, 3]],
    ]);
    expect(await interpolate(line(1, 2, 3, 4), { scaleFactor: 0.5 }).array()).toEqual([[[1, 3]]]);
  });

  it("draws lines between centres, or from corner to corner", async () => {
    const lines = { mode: "linear" } as const;
    expect(await interpolate(line(0, 4), { ...lines, scaleFactor: 2 }).array()).toEqual([[[0, 1, 3, 4]]]);
    expect(await interpolate(line(0, 3), { ...lines, size: 4, alignCorners: true }).array()).toEqual([
      [[0, 1, 2, 3]],
    ]);
    // A factor that the size was rounded from is the distance between centres, unless it is computed again.
    const rounded = { ...lines, scaleFactor: 1.7 };
    const [given] = (await interpolate(line(0, 17), rounded).array()) as number[][][];
    given[0].forEach((value, i) => {
      expect(value).toBeCloseTo(17 * Math.min(1, Math.max(0, (i + 0.5) / 1.7 - 0.5)), 9);
    });
    const again = interpolate(line(0, 17), { ...rounded, recomputeScaleFactor: true });
    const [[first]] = (await again.array()) as number[][][];
    expect(first[1]).toBeCloseTo(17 * ((1.5 * 2) / 3 - 0.5), 9);
  });

  it("is exact on a cubic's own samples and keeps constants", async () => {
    const image = zeros([1, 1, 3, 3], f64).add(2);
    const smooth = await interpolate(image, { size: [5, 7], mode: "bicubic" }).data();
    for (const value of smooth) expect(value).toBeCloseTo(2, 12);
    const same = arange(0, 12, 1, f64).reshape([1, 1, 3, 4]);
    const options = { size: [3, 4], mode: "bicubic" } as const;
    expect(await interpolate(same, options).data()).toEqual(await same.data());
  });

  it("refuses options that do not go together", () => {
    const x = zeros([1, 1, 4]);
    expect(() => interpolate(x, {})).toThrow(ArgumentError);
    expect(() => interpolate(x, { size: 2, scaleFactor: 2 })).toThrow("either size or scaleFactor");
    expect(() => interpolate(x, { size: 2, mode: "bilinear" })).toThrow(ShapeError);
    expect(() => interpolate(x, { size: 2, alignCorners: true })).toThrow('not for mode "nearest"');
    expect(() => interpolate(x, { scaleFactor: 0.1 })).toThrow("leaves nothing");
    expect(() => interpolate(zeros([1, 1, 4], { dtype: "i32" }), { size: 2 })).toThrow(DTypeError);
  });
});

describe("pixelShuffle", () => {
  it("interleaves channels, and back", async () => {
    const x = arange(0, 8, 1, f64).reshape([1, 4, 1, 2]);
    const wide = pixelShuffle(x, 2);
    expect(await wide.array()).toEqual([
      [
        [
          [0, 2, 1, 3],
          [4, 6, 5, 7],
        ],
      ],
    ]);
    expect(await pixelUnshuffle(wide, 2).array()).toEqual(await x.array());
    expect(() => pixelShuffle(x, 3)).toThrow(ShapeError);
    expect(() => pixelUnshuffle(x, 2)).toThrow(ShapeError);
  });
});

describe("refusals of pooling", () => {
  it("name what is wrong", () => {
    const x = zeros([1, 1, 4, 4]);
    expect(() => maxPool2d(x, 5)).toThrow("a window over 5 elements does not fit dim 0 of [4, 4]");
    expect(() => maxPool2d(x, 3, { padding: 2 })).toThrow("padding 2 is more than half a window");
    expect(() => avgPool2d(x, 2, { divisorOverride: 0 })).toThrow(ArgumentError);
    expect(() => maxPool1d(x, 2)).toThrow(ShapeError);
    expect(() => maxPool2d(zeros([1, 4, 4], { dtype: "i32" }), 2)).toThrow(DTypeError);
    expect(() => adaptiveAvgPool(x, 2, [1, 2, 3])).toThrow(ArgumentError);
  });
});

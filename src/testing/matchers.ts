import type { TypedArray } from "../graph/dtype.ts";
import { ArgumentError } from "../graph/errors.ts";
import { formatShape, type Shape, sameShape } from "../graph/shape.ts";
import { compareArrays, describeComparison, type Tolerance } from "./compare.ts";

/** Numbers as JavaScript has them: one, an array of them (of arrays), or a typed array. */
export type NestedNumbers = number | boolean | TypedArray | readonly NestedNumbers[];

/** What vitest and Jest expect of a matcher. */
export interface MatcherResult {
  readonly pass: boolean;
  readonly message: () => string;
}

interface Flat {
  readonly shape: Shape;
  readonly numbers: readonly number[];
}

function flatten(value: NestedNumbers): Flat {
  if (typeof value === "number" || typeof value === "boolean") return { shape: [], numbers: [Number(value)] };
  if (ArrayBuffer.isView(value)) return { shape: [value.length], numbers: [...value] };
  if (!Array.isArray(value)) {
    throw new ArgumentError(
      `toBeAllclose: got ${typeof value}, wanted numbers, nested arrays or a typed array; read a tensor first (await x.array())`,
    );
  }
  const parts = (value as readonly NestedNumbers[]).map(flatten); // isArray does not narrow readonly arrays
  const inner = parts[0]?.shape ?? [];
  if (parts.some(({ shape }) => !sameShape(shape, inner)))
    throw new ArgumentError("toBeAllclose: nested arrays differ in length");
  return { shape: [parts.length, ...inner], numbers: parts.flatMap(({ numbers }) => numbers) };
}

/**
 * Matchers for `expect.extend(matchers)` of vitest or Jest.
 *
 * `expect(await x.array()).toBeAllclose([[1, 2]], { atol: 1e-6 })` passes where shapes are equal and every element lies within
 * atol + rtol |expected| + ulps units in the last place of an f32. Defaults: rtol 1e-5, atol 1e-8, as `torch.allclose` has
 * them. Two NaN are equal.
 */
export const matchers = {
  toBeAllclose(received: NestedNumbers, expected: NestedNumbers, tolerance?: Tolerance): MatcherResult {
    const [actual, wanted] = [flatten(received), flatten(expected)];
    if (!sameShape(actual.shape, wanted.shape)) {
      const message = `expected shape ${formatShape(wanted.shape)}, got ${formatShape(actual.shape)}`;
      return { pass: false, message: () => message };
    }
    const single = tolerance?.ulps === undefined ? Float64Array : Float32Array;
    const used = tolerance ?? { rtol: 1e-5, atol: 1e-8 };
    const comparison = compareArrays(single.from(actual.numbers), wanted.numbers, used);
    return {
      pass: comparison.equal,
      message: () =>
        comparison.equal
          ? "expected numbers that are not close, got close ones"
          : `numbers are not close: ${describeComparison(comparison)}`,
    };
  },
} as const;

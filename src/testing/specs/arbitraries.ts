import fc from "fast-check";
import { allocateArray, type DType, isFloat, type TypedArray } from "../../graph/dtype.ts";
import { numel, type Shape } from "../../graph/shape.ts";
import type { HostTensor, SampleOptions } from "./spec.ts";

/** A real number in [min, max], on a grid of f32 numbers so that f32 and f64 devices get the same. */
export function real(min: number, max: number): fc.Arbitrary<number> {
  return fc.integer({ min: 0, max: 4096 }).map((step) => Math.fround(min + ((max - min) * step) / 4096));
}

/** A real number whose magnitude lies in [min, max]. */
export function awayFromZero(min: number, max: number): fc.Arbitrary<number> {
  return fc.tuple(real(min, max), fc.boolean()).map(([x, negative]) => (negative ? -x : x));
}

/** A small number that the dtype holds; for f32 and f64 a real one in [-3, 3]. */
export function usualNumber(dtype: DType): fc.Arbitrary<number> {
  if (isFloat(dtype)) return real(-3, 3);
  if (dtype === "bool") return fc.integer({ min: 0, max: 1 });
  return fc.integer({ min: dtype === "i32" ? -9 : 0, max: 9 });
}

const floatEdges = [
  0,
  -0,
  1,
  -1,
  0.5,
  -0.5,
  1.5,
  2.5,
  Infinity,
  -Infinity,
  NaN,
  2 ** 31,
  -(2 ** 31),
  2 ** 32,
  1e30,
];
const i32Edges = [0, 1, -1, 31, 32, 2 ** 31 - 1, -(2 ** 31), 65536];
const u32Edges = [0, 1, 31, 32, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 65536];

/** Any number that the dtype holds, but subnormal ones, which devices may flush to 0. */
export function anyNumber(dtype: DType): fc.Arbitrary<number> {
  switch (dtype) {
    case "bool":
      return fc.integer({ min: 0, max: 1 });
    case "i32":
      return fc.oneof(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.constantFrom(...i32Edges));
    case "u32":
      return fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constantFrom(...u32Edges));
    case "f32":
    case "f64":
      return fc.oneof(
        fc.float().map((x) => (Math.abs(x) < 2 ** -126 ? 0 : x)),
        fc.constantFrom(...floatEdges),
      );
  }
}

/** What an operand holds where nothing more particular is asked for. */
export function numberFor(options: SampleOptions): fc.Arbitrary<number> {
  return options.domain === "whole" && !options.smooth
    ? anyNumber(options.dtype)
    : usualNumber(options.dtype);
}

/** Mostly small; the largest cross the widths of vectors and tiles. */
const size = fc.oneof(
  { weight: 2, arbitrary: fc.constant(1) },
  { weight: 6, arbitrary: fc.integer({ min: 2, max: 7 }) },
  { weight: 1, arbitrary: fc.integer({ min: 8, max: 70 }) },
);

/** Cuts sizes from the front to at most `maxElements` elements. */
function cutTo(sizes: readonly number[], maxElements: number): number[] {
  let room = maxElements;
  return sizes.map((wanted) => {
    const given = Math.max(1, Math.min(wanted, room));
    room = Math.floor(room / given);
    return given;
  });
}

/** A shape of at least `minRank` dims; one in ten is empty. */
export function shapeOf(options: SampleOptions, minRank = 0): fc.Arbitrary<readonly number[]> {
  const sizes = fc.array(size, { minLength: minRank, maxLength: Math.max(minRank, options.maxRank) });
  return fc.tuple(sizes, fc.integer({ min: 0, max: 39 })).map(([drawn, empty]) => {
    const shape = cutTo(drawn, options.maxElements);
    // 0 to 3 of 40 empties that dim, where there is one. A sample shrinks to an ordinary shape when that
    // suffices.
    const dim = 39 - empty;
    if (dim < shape.length) shape[dim] = 0;
    return shape;
  });
}

/** An index of a dim of a shape that has one. */
export function dimOf(shape: Shape): fc.Arbitrary<number> {
  return fc.integer({ min: 0, max: shape.length - 1 });
}

/** A typed array of `count` numbers. */
export function arrayOf(dtype: DType, count: number, number: fc.Arbitrary<number>): fc.Arbitrary<TypedArray> {
  return fc.array(number, { minLength: count, maxLength: count }).map((numbers) => {
    const data = allocateArray(dtype, count);
    data.set(numbers);
    return data;
  });
}

/** A tensor of the given shape. */
export function tensorOf(shape: Shape, dtype: DType, number: fc.Arbitrary<number>): fc.Arbitrary<HostTensor> {
  return arrayOf(dtype, numel(shape), number).map((data) => ({ shape, dtype, data }));
}

/** A tensor without equal elements, at least 0.25 apart: no ties, and none within a small step. */
export function distinctTensorOf(shape: Shape, dtype: DType): fc.Arbitrary<HostTensor> {
  const count = numel(shape);
  const ranks = Array.from({ length: count }, (_, i) => (i - count / 2) * 0.25);
  return fc.shuffledSubarray(ranks, { minLength: count, maxLength: count }).map((numbers) => {
    const data = allocateArray(dtype, count);
    data.set(numbers);
    return { shape, dtype, data };
  });
}

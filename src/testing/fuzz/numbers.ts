import { allocateArray, type DType, isFloat, type TypedArray } from "../../graph/dtype.ts";
import { threefry2x32 } from "../../runtime/reference/threefry.ts";

/**
 * What a leaf holds, in a form that a file can keep.
 * - `pattern`: small multiples of a quarter, so that much of the arithmetic is exact; small integers
 * - `spread`: irregular numbers in [-2, 2): no ties and nothing exactly at a kink; integers as `pattern`
 * - `edges`: infinities, NaN, signed zeros, subnormal numbers, the smallest and largest integers
 * - `list`: each one
 */
export type LeafNumbers =
  | { readonly kind: "pattern" | "spread" | "edges"; readonly seed: number }
  | { readonly kind: "list"; readonly values: readonly number[] };

const floatEdges = [0, -0, 1, -1, 0.5, -2.5, 1.5, Infinity, -Infinity, NaN, 2 ** 31, -(2 ** 31), 3e38, -3e38];
const subnormals = [2 ** -149, -(2 ** -149), 2 ** -127, 2 ** -126];
const i32Edges = [0, 1, -1, 7, -7, 31, 32, 2 ** 31 - 1, -(2 ** 31), 65536];
const u32Edges = [0, 1, 7, 31, 32, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 65536];

const word = (seed: number, i: number): number => threefry2x32(seed, 0x66757a7a, i, 0)[0];

function edgesOf(dtype: DType): readonly number[] {
  switch (dtype) {
    case "bool":
      return [0, 1];
    case "i32":
      return i32Edges;
    case "u32":
      return u32Edges;
    case "f32":
    case "f64":
      return [...floatEdges, ...subnormals];
  }
}

/** The i-th number of a repeating pattern. */
function patternAt(dtype: DType, seed: number, i: number): number {
  const drawn = (i * 7 + Math.floor(i / 13) * 3 + seed * 5) % 17;
  if (isFloat(dtype)) return (drawn - 8) / 4;
  if (dtype === "bool") return drawn % 2;
  return dtype === "i32" ? drawn - 8 : drawn;
}

/** The numbers as an array of the dtype. Those of f32 and f64 are the same. */
export function numbersOf(numbers: LeafNumbers, dtype: DType, count: number): TypedArray {
  const data = allocateArray(dtype, count);
  if (numbers.kind === "list") {
    data.set(numbers.values);
    return data;
  }
  const { kind, seed } = numbers;
  const edges = edgesOf(dtype);
  for (let i = 0; i < count; i++) {
    if (kind === "edges") data[i] = edges[word(seed, i) % edges.length];
    else if (kind === "spread" && isFloat(dtype)) data[i] = Math.fround(word(seed, i) / 2 ** 30 - 2);
    else data[i] = patternAt(dtype, seed, i);
  }
  return data;
}

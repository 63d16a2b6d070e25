import { allocateArray, type DType, isFloat, type TypedArray, viewArray } from "../../graph/dtype.ts";

const integerRange = { i32: [-(2 ** 31), 2 ** 31 - 1], u32: [0, 2 ** 32 - 1] } as const;

/** The elements as another dtype, by the rules of the op `cast`. */
export function castArray(x: TypedArray, from: DType, to: DType): TypedArray {
  const result = allocateArray(to, x.length);
  if (to === "bool") {
    for (let i = 0; i < x.length; i++) result[i] = x[i] !== 0 ? 1 : 0;
  } else if (isFloat(from) && (to === "i32" || to === "u32")) {
    const [lowest, highest] = integerRange[to];
    for (let i = 0; i < x.length; i++) result[i] = saturate(x[i], lowest, highest);
  } else {
    // Storing rounds to f32 and keeps the bits between i32 and u32.
    for (let i = 0; i < x.length; i++) result[i] = x[i];
  }
  return result;
}

function saturate(x: number, lowest: number, highest: number): number {
  return Number.isNaN(x) ? 0 : Math.trunc(Math.min(Math.max(x, lowest), highest));
}

/** The same 32 bits an element, read as another dtype. */
export function bitcastArray(x: TypedArray, to: DType): TypedArray {
  return viewArray(to, x.slice().buffer, 0, x.length);
}

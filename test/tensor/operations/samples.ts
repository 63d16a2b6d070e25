import fc from "fast-check";
import { numel, type Shape, stridesOf } from "../../../src/graph/shape.ts";
import { tensor } from "../../../src/tensor/create.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import type { HostTensor } from "../../../src/testing/specs/spec.ts";

/** Numbers with a shape. */
export interface Sample {
  readonly shape: Shape;
  readonly data: readonly number[];
}

/** Shapes of 1 to 3 dims of up to 5. */
export const shapes: fc.Arbitrary<number[]> = fc.array(fc.integer({ min: 1, max: 5 }), {
  minLength: 1,
  maxLength: 3,
});

/** Multiples of 1/4 in [-3, 3], some of them equal. */
export function numbers(shape: Shape): fc.Arbitrary<Sample> {
  const count = numel(shape);
  return fc
    .array(
      fc.integer({ min: -12, max: 12 }).map((n) => n / 4),
      { minLength: count, maxLength: count },
    )
    .map((data) => ({ shape, data }));
}

/** A sample and one of its dims. */
export const alongDim: fc.Arbitrary<readonly [Sample, number]> = shapes.chain((shape) =>
  fc.tuple(numbers(shape), fc.integer({ min: 0, max: shape.length - 1 })),
);

export const toTensor = ({ shape, data }: Sample): Tensor => tensor([...data], { shape });

/** The same for gradient checks. */
export const toHost = ({ shape, data }: Sample): HostTensor => ({
  shape,
  dtype: "f64",
  data: Float64Array.from(data),
});

/** All coordinates of a shape in row-major order. */
export function coordinatesOf(shape: Shape): number[][] {
  const strides = stridesOf(shape);
  return Array.from({ length: numel(shape) }, (_, i) =>
    shape.map((size, dim) => Math.floor(i / strides[dim]) % size),
  );
}

export function at({ shape, data }: Sample, coordinates: readonly number[]): number {
  const strides = stridesOf(shape);
  return data[coordinates.reduce((sum, c, dim) => sum + c * strides[dim], 0)];
}

/** A sample made element by element. */
export function make(shape: Shape, element: (coordinates: number[]) => number): Sample {
  return { shape, data: coordinatesOf(shape).map(element) };
}

/** What a tensor holds. */
export async function read(x: Tensor): Promise<Sample> {
  return { shape: [...x.shape], data: Array.from(await x.data()) };
}

/** The lines along a dim: for each position in the other dims, the elements. */
export function linesOf(x: Sample, dim: number): number[][] {
  const others = x.shape.filter((_, i) => i !== dim);
  return coordinatesOf(others).map((rest) =>
    Array.from({ length: x.shape[dim] }, (_, i) => at(x, [...rest.slice(0, dim), i, ...rest.slice(dim)])),
  );
}

/** The sample of which `linesOf` along that dim gives these. */
export function fromLines(lines: readonly (readonly number[])[], shape: Shape, dim: number): Sample {
  const others = shape.filter((_, i) => i !== dim);
  const strides = stridesOf(others);
  return make([...shape.slice(0, dim), lines[0]?.length ?? 0, ...shape.slice(dim + 1)], (c) => {
    const rest = c.filter((_, i) => i !== dim);
    return lines[rest.reduce((sum, n, i) => sum + n * strides[i], 0)][c[dim]];
  });
}

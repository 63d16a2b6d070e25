import fc from "fast-check";
import type { DType } from "../../graph/dtype.ts";
import type { AttrsOf, OpNameOfKind } from "../../ops/table.ts";
import { numberFor, shapeOf, tensorOf, usualNumber } from "./arbitraries.ts";
import { exact, type OpSpec } from "./spec.ts";

const ALL: readonly DType[] = ["f32", "f64", "i32", "u32", "bool"];

/** A leaf has no operands; all that varies are its attrs. */
function leaf<Attrs>(
  doc: string,
  dtypes: readonly DType[],
  attrsFor: (options: Parameters<OpSpec["samples"]>[0]) => fc.Arbitrary<Attrs>,
): OpSpec<Attrs> {
  return {
    doc,
    dtypes,
    differentiable: false,
    secondOrder: false,
    samples: (options) => attrsFor(options).map((attrs) => ({ inputs: [], attrs })),
    tolerance: exact,
  };
}

export const leafSpecs = {
  source: leaf("Data that a run is fed with.", ALL, (options) =>
    shapeOf(options).map((shape) => ({
      shape,
      dtype: options.dtype,
      source: { kind: "argument" as const, name: "sample" },
      version: 0,
      requiresGrad: false,
    })),
  ),
  constant: leaf("Data known on the host.", ALL, (options) =>
    shapeOf(options)
      .chain((shape) => tensorOf(shape, options.dtype, numberFor(options)))
      .map((tensor) => ({ ...tensor, requiresGrad: false })),
  ),
  full: leaf("One number everywhere.", ALL, (options) =>
    fc
      .tuple(shapeOf(options), usualNumber(options.dtype))
      .map(([shape, value]) => ({ shape, dtype: options.dtype, value })),
  ),
  iota: leaf("0, 1, 2, ... along one dim.", ["i32", "u32", "f32", "f64"], ({ dtype }) =>
    fc.integer({ min: 0, max: 9 }).map((length) => ({ length, dtype })),
  ),
} satisfies { readonly [Name in OpNameOfKind<"leaf">]: OpSpec<AttrsOf<Name>> };

import fc from "fast-check";
import type { DType } from "../../graph/dtype.ts";
import { numel } from "../../graph/shape.ts";
import type { specials } from "../../ops/special.ts";
import type { AttrsOf } from "../../ops/table.ts";
import type { Tolerance } from "../compare.ts";
import { anyNumber, arrayOf, awayFromZero, real, shapeOf } from "./arbitraries.ts";
import type { OpSpec, Sample, SampleOptions } from "./spec.ts";

const FLOATS: readonly DType[] = ["f32", "f64"];

interface SpecialOptions<Attrs> {
  readonly doc: string;
  /** What each operand holds, inside the domain and away from kinks. */
  readonly operands: readonly fc.Arbitrary<number>[];
  readonly attrs: fc.Arbitrary<Attrs>;
  readonly tolerance: Tolerance;
}

function samples<Attrs>(
  { operands, attrs }: SpecialOptions<Attrs>,
  options: SampleOptions,
): fc.Arbitrary<Sample<Attrs>> {
  const whole = options.domain === "whole" && !options.smooth;
  return fc.tuple(shapeOf(options), attrs).chain(([shape, chosen]) => {
    const tensors = operands.map((usual) => {
      const number = whole ? anyNumber(options.dtype) : usual;
      return arrayOf(options.dtype, numel(shape), number).map((data) => ({
        shape,
        dtype: options.dtype,
        data,
      }));
    });
    return fc.tuple(...tensors).map((inputs) => ({ inputs, attrs: chosen }));
  });
}

function special<Attrs>(options: SpecialOptions<Attrs>): OpSpec<Attrs> {
  return {
    doc: options.doc,
    dtypes: FLOATS,
    differentiable: true,
    secondOrder: true,
    samples: (wanted) => samples(options, wanted),
    tolerance: () => options.tolerance,
  };
}

type NoAttrs = AttrsOf<"tan">;

const unary = (doc: string, operand: fc.Arbitrary<number>, ulps: number): OpSpec<NoAttrs> =>
  special({ doc, operands: [operand], attrs: fc.constant({}), tolerance: { ulps, atol: 2 ** -24 } });

const binary = (doc: string, x: fc.Arbitrary<number>, y: fc.Arbitrary<number>): OpSpec<NoAttrs> =>
  special({ doc, operands: [x, y], attrs: fc.constant({}), tolerance: { ulps: 8, atol: 2 ** -22 } });

export const specialSpecs = {
  tan: unary("Tangent of radians.", real(-1.3, 1.3), 8),
  asin: unary("Inverse sine; NaN outside of [-1, 1].", real(-0.95, 0.95), 6),
  acos: unary("Inverse cosine; NaN outside of [-1, 1].", real(-0.95, 0.95), 6),
  atan: unary("Inverse tangent.", real(-4, 4), 4),
  sinh: unary("Hyperbolic sine.", real(-4, 4), 8),
  cosh: unary("Hyperbolic cosine.", real(-4, 4), 8),
  asinh: unary("Inverse hyperbolic sine.", real(-4, 4), 8),
  acosh: unary("Inverse hyperbolic cosine; NaN below 1.", real(1.1, 6), 8),
  atanh: unary("Inverse hyperbolic tangent; infinite at -1 and 1.", real(-0.95, 0.95), 8),
  hypot: binary("Length of (x, y).", awayFromZero(0.25, 3), awayFromZero(0.25, 3)),
  logaddexp: binary("log(exp(x) + exp(y)).", real(-4, 0), real(0.5, 4)),
  xlogy: binary("x log y, 0 where x is 0.", awayFromZero(0.25, 3), real(0.1, 4)),
  polygamma: special({
    doc: "The nth derivative of digamma.",
    operands: [fc.oneof(real(0.3, 4), real(-0.8, -0.2), real(-1.8, -1.2))],
    attrs: fc.integer({ min: 0, max: 2 }).map((n) => ({ n })),
    // Near its zeros the error is that of the terms.
    tolerance: { ulps: 256, atol: 2 ** -16 },
  }),
} satisfies { readonly [Name in keyof typeof specials]: OpSpec<AttrsOf<Name>> };

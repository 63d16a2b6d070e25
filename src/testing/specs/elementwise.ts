import fc from "fast-check";
import { allocateArray, type DType, isFloat, type TypedArray } from "../../graph/dtype.ts";
import { numel } from "../../graph/shape.ts";
import type { AttrsOf, OpNameOfKind } from "../../ops/table.ts";
import type { Tolerance } from "../compare.ts";
import { anyNumber, awayFromZero, real, shapeOf, usualNumber } from "./arbitraries.ts";
import { exact, magnitude, type OpSpec, type Sample, type SampleOptions } from "./spec.ts";

const FLOATS: readonly DType[] = ["f32", "f64"];
const INTEGERS: readonly DType[] = ["i32", "u32"];
const NUMBERS: readonly DType[] = [...FLOATS, ...INTEGERS];
const ALL: readonly DType[] = [...NUMBERS, "bool"];

/** Operands of one element, drawn together: [x], or [x, y], and so on. */
type Row = fc.Arbitrary<readonly number[]>;

interface MapOptions {
  readonly doc: string;
  readonly dtypes: readonly DType[];
  /** Dtype of each operand, where it is not the sample's; null stands for the sample's. */
  readonly operands?: readonly (DType | null)[];
  /** Operands inside the domain. Default: small numbers. */
  readonly usual?: (dtype: DType) => Row;
  /** Operands away from kinks, for ops that have some. */
  readonly smooth?: Row;
  readonly differentiable?: boolean;
  readonly tolerance?: (sample: Sample) => Tolerance;
}

type NoAttrs = AttrsOf<"add">;

const ulps =
  (count: number, atol = 0): (() => Tolerance) =>
  () => ({ ulps: count, atol });

/** Samples of a map: a shape, and each element's operands drawn together. */
function mapSamples<Attrs>(
  options: SampleOptions,
  map: MapOptions,
  attrs: fc.Arbitrary<Attrs>,
): fc.Arbitrary<Sample<Attrs>> {
  const dtypes = (map.operands ?? [null]).map((dtype) => dtype ?? options.dtype);
  const usual = map.usual?.(options.dtype) ?? fc.tuple(...dtypes.map(usualNumber));
  const whole = fc.tuple(...dtypes.map(anyNumber));
  const row: Row = options.smooth ? (map.smooth ?? usual) : options.domain === "whole" ? whole : usual;
  return fc.tuple(shapeOf(options), attrs).chain(([shape, chosen]) => {
    const count = numel(shape);
    return fc.array(row, { minLength: count, maxLength: count }).map((rows) => ({
      inputs: dtypes.map((dtype, k) => ({ shape, dtype, data: columnOf(rows, k, dtype) })),
      attrs: chosen,
    }));
  });
}

function columnOf(rows: readonly (readonly number[])[], k: number, dtype: DType): TypedArray {
  const data = allocateArray(dtype, rows.length);
  rows.forEach((row, i) => {
    data[i] = row[k];
  });
  return data;
}

/** The spec of a map whose attrs depend on what is asked for. */
function mapWith<Attrs>(
  map: MapOptions,
  attrs: (options: SampleOptions) => fc.Arbitrary<Attrs>,
): OpSpec<Attrs> {
  const differentiable = map.differentiable ?? false;
  return {
    doc: map.doc,
    dtypes: map.dtypes,
    differentiable,
    secondOrder: differentiable,
    samples: (options) => mapSamples(options, map, attrs(options)),
    tolerance: map.tolerance ?? exact,
  };
}

const map = (options: MapOptions): OpSpec<NoAttrs> => mapWith(options, () => fc.constant({}));

const one = (number: fc.Arbitrary<number>): Row => fc.tuple(number);
const two = (x: fc.Arbitrary<number>, y: fc.Arbitrary<number>): Row => fc.tuple(x, y);
const PAIR = [null, null] as const;

const binary = (options: MapOptions): OpSpec<NoAttrs> => map({ ...options, operands: PAIR });

/** Two numbers further apart than a step of a central difference. */
const apart: Row = two(real(-3, 3), awayFromZero(0.1, 2)).map(([x, gap]) => [x, x + gap]);

/** x and y such that x / y stays away from the integers. */
const quotients: Row = fc
  .tuple(awayFromZero(0.5, 3), fc.integer({ min: -3, max: 3 }), real(0.125, 0.875))
  .map(([y, whole, part]) => [Math.fround(y * (whole + part)), y]);

const quotientsOf = (dtype: DType): Row =>
  isFloat(dtype) ? quotients : two(usualNumber(dtype), usualNumber(dtype));

/** Small numbers among which ties are common. */
const ties = (dtype: DType): Row => {
  const number = isFloat(dtype) ? fc.integer({ min: -2, max: 2 }) : usualNumber(dtype);
  return two(number, number);
};

const comparison = (doc: string, dtypes: readonly DType[]): OpSpec<NoAttrs> =>
  binary({ doc, dtypes, usual: ties });

const bits = (doc: string, dtypes: readonly DType[]): OpSpec<NoAttrs> =>
  binary({ doc, dtypes, usual: (dtype) => two(anyNumber(dtype), anyNumber(dtype)) });

const unarySpecs = {
  neg: map({ doc: "-x.", dtypes: NUMBERS, differentiable: true }),
  abs: map({
    doc: "|x|; its gradient at 0 is 0.",
    dtypes: NUMBERS,
    smooth: one(awayFromZero(0.1, 3)),
    differentiable: true,
  }),
  sign: map({ doc: "-1, 0 or 1; NaN stays NaN.", dtypes: NUMBERS }),
  exp: map({ doc: "e to the x.", dtypes: FLOATS, differentiable: true, tolerance: ulps(8) }),
  expm1: map({ doc: "e to the x, minus 1.", dtypes: FLOATS, differentiable: true, tolerance: ulps(4) }),
  log: map({
    doc: "Natural logarithm; -Infinity at 0, NaN below.",
    dtypes: FLOATS,
    usual: () => one(real(0.1, 4)),
    differentiable: true,
    tolerance: ulps(4, 2 ** -21),
  }),
  log1p: map({
    doc: "Natural logarithm of 1 + x; -Infinity at -1, NaN below.",
    dtypes: FLOATS,
    usual: () => one(real(-0.9, 4)),
    differentiable: true,
    tolerance: ulps(4),
  }),
  log2: map({
    doc: "Logarithm to base 2.",
    dtypes: FLOATS,
    usual: () => one(real(0.1, 4)),
    differentiable: true,
    tolerance: ulps(3),
  }),
  log10: map({
    doc: "Logarithm to base 10.",
    dtypes: FLOATS,
    usual: () => one(real(0.1, 4)),
    differentiable: true,
    tolerance: ulps(3),
  }),
  sqrt: map({
    doc: "Square root; NaN below 0.",
    dtypes: FLOATS,
    usual: () => one(real(0.1, 4)),
    differentiable: true,
    tolerance: ulps(3),
  }),
  rsqrt: map({
    doc: "1 / sqrt(x).",
    dtypes: FLOATS,
    usual: () => one(real(0.1, 4)),
    differentiable: true,
    tolerance: ulps(4),
  }),
  reciprocal: map({
    doc: "1 / x.",
    dtypes: FLOATS,
    usual: () => one(awayFromZero(0.25, 3)),
    differentiable: true,
    tolerance: ulps(3),
  }),
  sin: map({ doc: "Sine of radians.", dtypes: FLOATS, differentiable: true, tolerance: ulps(4, 2 ** -20) }),
  cos: map({ doc: "Cosine of radians.", dtypes: FLOATS, differentiable: true, tolerance: ulps(4, 2 ** -20) }),
  tanh: map({
    doc: "Hyperbolic tangent.",
    dtypes: FLOATS,
    differentiable: true,
    tolerance: ulps(8, 2 ** -22),
  }),
  erf: map({ doc: "Error function.", dtypes: FLOATS, differentiable: true, tolerance: ulps(8, 2 ** -22) }),
  erfc: map({
    doc: "1 minus the error function.",
    dtypes: FLOATS,
    differentiable: true,
    tolerance: ulps(8),
  }),
  erfinv: map({
    doc: "Inverse of the error function; infinite at -1 and 1.",
    dtypes: FLOATS,
    usual: () => one(real(-0.99, 0.99)),
    smooth: one(real(-0.9, 0.9)),
    differentiable: true,
    tolerance: ulps(6),
  }),
  lgamma: map({
    doc: "Logarithm of |gamma|; infinite at 0 and the negative integers.",
    dtypes: FLOATS,
    usual: () => one(real(0.1, 6)),
    smooth: one(fc.oneof(real(0.2, 6), real(-0.8, -0.2), real(-1.8, -1.2))),
    differentiable: true,
    tolerance: ulps(6),
  }),
  floor: map({ doc: "Largest integer at most x.", dtypes: FLOATS }),
  ceil: map({ doc: "Smallest integer at least x.", dtypes: FLOATS }),
  round: map({ doc: "Nearest integer, ties to even.", dtypes: FLOATS, usual: () => one(real(-4, 4)) }),
  trunc: map({ doc: "x without its fraction.", dtypes: FLOATS }),
  logicalNot: map({ doc: "Not x.", dtypes: ["bool"] }),
  bitwiseNot: map({ doc: "Each bit inverted.", dtypes: INTEGERS, usual: (dtype) => one(anyNumber(dtype)) }),
};

const binarySpecs = {
  add: binary({ doc: "x + y; integers wrap.", dtypes: NUMBERS, differentiable: true, tolerance: ulps(1) }),
  sub: binary({ doc: "x - y; integers wrap.", dtypes: NUMBERS, differentiable: true, tolerance: ulps(1) }),
  mul: binary({ doc: "x * y; integers wrap.", dtypes: NUMBERS, differentiable: true, tolerance: ulps(1) }),
  div: binary({
    doc: "x / y of floats.",
    dtypes: FLOATS,
    usual: () => two(real(-3, 3), awayFromZero(0.25, 3)),
    differentiable: true,
    tolerance: ulps(3),
  }),
  pow: binary({
    doc: "x to the y, as IEEE 754 defines it.",
    dtypes: FLOATS,
    usual: () => two(real(0.1, 3), real(-3, 3)),
    // Where the exponent is 0, the gradient of x is the constant 0, whatever is near it.
    smooth: two(real(0.1, 3), awayFromZero(0.1, 3)),
    differentiable: true,
    tolerance: ulps(64),
  }),
  atan2: binary({
    doc: "Angle of the point (y, x), in (-pi, pi].",
    dtypes: FLOATS,
    usual: () => two(awayFromZero(0.25, 3), awayFromZero(0.25, 3)),
    differentiable: true,
    tolerance: ulps(4),
  }),
  maximum: binary({
    doc: "The larger; NaN if either is NaN. Equal operands share the gradient.",
    dtypes: NUMBERS,
    smooth: apart,
    differentiable: true,
  }),
  minimum: binary({
    doc: "The smaller; NaN if either is NaN. Equal operands share the gradient.",
    dtypes: NUMBERS,
    smooth: apart,
    differentiable: true,
  }),
  fmod: binary({
    doc: "What is left of x after whole multiples of y, with the sign of x; an integer by 0 gives 0.",
    dtypes: NUMBERS,
    usual: quotientsOf,
    differentiable: true,
  }),
  remainder: binary({
    doc: "x - y * floor(x / y), with the sign of y; an integer by 0 gives 0.",
    dtypes: NUMBERS,
    usual: quotientsOf,
    differentiable: true,
    // What is left is exact; where its sign changes, y comes on top.
    tolerance: (sample) => ({ ulps: 1, atol: 2 ** -24 * magnitude(sample.inputs[1]) }),
  }),
  floorDivide: binary({ doc: "floor(x / y); an integer by 0 gives 0.", dtypes: NUMBERS, usual: quotientsOf }),
  eq: comparison("x = y; false for NaN.", ALL),
  ne: comparison("x differs from y; true for NaN.", ALL),
  lt: comparison("x < y.", NUMBERS),
  le: comparison("x <= y.", NUMBERS),
  gt: comparison("x > y.", NUMBERS),
  ge: comparison("x >= y.", NUMBERS),
  logicalAnd: comparison("x and y.", ["bool"]),
  logicalOr: comparison("x or y.", ["bool"]),
  bitwiseAnd: bits("Bits set in both.", [...INTEGERS, "bool"]),
  bitwiseOr: bits("Bits set in either.", [...INTEGERS, "bool"]),
  bitwiseXor: bits("Bits set in one alone.", [...INTEGERS, "bool"]),
  shiftLeft: bits("x moved left by y modulo 32 bits.", INTEGERS),
  shiftRight: bits("x moved right by y modulo 32 bits; i32 keeps its sign.", INTEGERS),
};

/** Dtypes to which a sample of the given dtype is cast: f64 only where the sample is f64 already. */
function castTargets({ dtype, smooth }: SampleOptions): readonly DType[] {
  // A difference of 1e-6 does not survive a rounding to f32.
  if (smooth) return [dtype];
  return dtype === "f64" ? ALL : ALL.filter((target) => target !== "f64");
}

export const elementwiseSpecs = {
  ...unarySpecs,
  ...binarySpecs,
  where: map({
    doc: "condition ? x : y.",
    dtypes: ALL,
    operands: ["bool", null, null],
    differentiable: true,
  }),
  cast: mapWith(
    { doc: "To another dtype; floats to integers truncate and saturate.", dtypes: ALL, differentiable: true },
    (options) => fc.constantFrom(...castTargets(options)).map((dtype) => ({ dtype })),
  ),
  bitcast: mapWith({ doc: "The same 32 bits as another dtype.", dtypes: ["f32", "i32", "u32"] }, () =>
    fc.constantFrom<DType>("f32", "i32", "u32").map((dtype) => ({ dtype })),
  ),
  detach: map({ doc: "x, through which no gradient flows.", dtypes: ALL }),
  threefry2x32: map({
    doc: "Two random words from a key and a counter, by Threefry-2x32 with 20 rounds.",
    dtypes: ["u32"],
    operands: [null, null, null, null],
    usual: () => fc.tuple(...[0, 1, 2, 3].map(() => anyNumber("u32"))),
  }),
} satisfies { readonly [Name in OpNameOfKind<"map">]: OpSpec<AttrsOf<Name>> };

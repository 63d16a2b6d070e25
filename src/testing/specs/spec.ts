import type fc from "fast-check";
import type { DType, TypedArray } from "../../graph/dtype.ts";
import type { Shape } from "../../graph/shape.ts";
import type { Tolerance } from "../compare.ts";

/** A tensor's data on the host. */
export interface HostTensor {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly data: TypedArray;
}

/** Operands and attributes that an op accepts. */
export interface Sample<Attrs = unknown> {
  readonly inputs: readonly HostTensor[];
  readonly attrs: Attrs;
}

export interface SampleOptions {
  /** Of the operands that carry data; indices and conditions have their own. One of the spec's `dtypes`. */
  readonly dtype: DType;
  /**
   * `usual`: small, well-conditioned numbers inside the op's domain, on which devices agree within the
   * tolerance.
   * `whole`: anything the dtype holds, NaN, infinities and extreme integers included, and indices out of
   * range.
   */
  readonly domain: "usual" | "whole";
  /** Usual numbers away from kinks, jumps and ties, where central differences are meaningful. */
  readonly smooth: boolean;
  /** The most elements of an operand. */
  readonly maxElements: number;
  /** The most dims, up to 4. */
  readonly maxRank: number;
}

/**
 * What tests, fuzzers and documentation know of an op beside its entry in the op table. Shapes drawn include
 * scalars, empty ones, sizes of 1 and odd sizes.
 */
export interface OpSpec<Attrs = unknown> {
  /** One line. */
  readonly doc: string;
  /** Dtypes of the operands that carry data, the usual one first. */
  readonly dtypes: readonly DType[];
  /** Whether gradients flow through the op: its smooth samples of f64 pass gradcheck. */
  readonly differentiable: boolean;
  /** Whether its smooth samples pass gradgradcheck as well. */
  readonly secondOrder: boolean;
  samples(options: SampleOptions): fc.Arbitrary<Sample<Attrs>>;
  /**
   * How far an f32 device may lie from the reference in float64 on a usual sample. Other dtypes agree
   * exactly.
   */
  tolerance(sample: Sample<Attrs>): Tolerance;
}

export const exact = (): Tolerance => ({});

/** The largest finite magnitude of the data, or 0. */
export function magnitude({ data }: HostTensor): number {
  let most = 0;
  for (const x of data) if (Number.isFinite(x)) most = Math.max(most, Math.abs(x));
  return most;
}

/**
 * Absolute error of adding `count` terms of the given magnitude in f32 in any order. The square root is the
 * probabilistic growth of rounding errors (Higham and Mary, A new approach to probabilistic rounding error
 * analysis, 2019), with a margin of 8.
 */
export function summationError(count: number, term: number): number {
  return 2 ** -24 * (8 + 2 * Math.sqrt(count)) * count * term;
}

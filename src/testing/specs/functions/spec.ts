import fc from "fast-check";
import type { Shape } from "../../../graph/shape.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { real, tensorOf } from "../arbitraries.ts";
import type { HostTensor } from "../spec.ts";

/** Operands and a call that accepts them. */
export interface FunctionSample {
  readonly inputs: readonly HostTensor[];
  /** The options of the call, for messages. */
  readonly options: unknown;
  readonly apply: (inputs: readonly Tensor[]) => readonly Tensor[];
}

export interface FunctionSampleOptions {
  readonly dtype: "f32" | "f64";
  /** Whether operands stay away from kinks, jumps and ties, where central differences mean nothing. */
  readonly smooth: boolean;
}

/**
 * What tests and fuzzers know of a function of tensors that is made of ops of the table, such as a convolution. What
 * devices may differ by follows from the ops (see `errorBounds`).
 */
export interface FunctionSpec {
  /** One line. */
  readonly doc: string;
  /** Whether its smooth samples pass gradgradcheck. */
  readonly secondOrder: boolean;
  samples(options: FunctionSampleOptions): fc.Arbitrary<FunctionSample>;
}

/** Tensors of the given shapes with numbers in [-2, 2]. */
export function tensorsOf(
  { dtype }: FunctionSampleOptions,
  shapes: readonly Shape[],
): fc.Arbitrary<HostTensor[]> {
  return fc.tuple(...shapes.map((shape) => tensorOf(shape, dtype, real(-2, 2))));
}

/** A sample of one result, for options drawn beforehand. */
export function sampleOf<Options>(
  inputs: fc.Arbitrary<readonly HostTensor[]>,
  options: Options,
  apply: (inputs: readonly Tensor[], options: Options) => Tensor | readonly Tensor[],
): fc.Arbitrary<FunctionSample> {
  return inputs.map((drawn) => ({
    inputs: drawn,
    options,
    apply: (tensors) => {
      const result = apply(tensors, options);
      return Array.isArray(result) ? result : [result as Tensor]; // isArray does not narrow readonly arrays
    },
  }));
}

/** An integer from `min` to `max`. */
export const int = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });

/** One number for each of `dims`. */
export const each = (dims: number, number: fc.Arbitrary<number>): fc.Arbitrary<number[]> =>
  fc.array(number, { minLength: dims, maxLength: dims });

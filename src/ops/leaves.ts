import { type DType, isFloat, type TypedArray } from "../graph/dtype.ts";
import { InternalError, ShapeError } from "../graph/errors.ts";
import type { ValueType } from "../graph/node.ts";
import { formatShape, numel, type Shape } from "../graph/shape.ts";
import { defineOp } from "./define.ts";

/**
 * Where the data of a `source` leaf comes from. The engine owns what stands behind it; a plan sees a slot to be fed.
 * - `cell`: a parameter or buffer as it was at `version`
 * - `result`: what an earlier run left
 * - `scalar`: a named number that may differ in each run of one plan (learning rate, step, random counter)
 * - `argument`: an argument of a compiled function
 */
export type SourceKind = "cell" | "result" | "scalar" | "argument";

export interface Source {
  readonly kind: SourceKind;
  /** Name for messages and kernel listings. */
  readonly name: string;
}

export interface SourceAttrs extends ValueType {
  readonly source: Source;
  /** The version read, for cells; 0 for everything else. */
  readonly version: number;
  readonly requiresGrad: boolean;
}

/** Host data, never changed after the node is made. */
export interface ConstantAttrs {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly data: TypedArray;
  readonly requiresGrad: boolean;
}

export const leaves = {
  /** Data that a run is fed with. */
  source: defineOp<SourceAttrs>({
    kind: "leaf",
    infer: (_, { shape, dtype }) => [{ shape, dtype }],
    gradient: "none",
  }),

  /** Data known on the host. */
  constant: defineOp<ConstantAttrs>({
    kind: "leaf",
    infer: (_, { shape, dtype, data }) => {
      if (data.length !== numel(shape)) {
        throw new ShapeError(
          `constant: shape ${formatShape(shape)} needs ${numel(shape)} elements, got ${data.length}`,
        );
      }
      return [{ shape, dtype }];
    },
    gradient: "none",
  }),

  /** One number everywhere; part of the kernel's source, so only for numbers that do not vary from run to run. */
  full: defineOp<{ readonly shape: Shape; readonly dtype: DType; readonly value: number }>({
    kind: "leaf",
    infer: (_, { shape, dtype, value }) => {
      if (!isFloat(dtype) && !Number.isInteger(value))
        throw new InternalError(`full: ${value} is no ${dtype}`);
      return [{ shape, dtype }];
    },
    gradient: "none",
  }),

  /** The position along the only dim: 0, 1, ..., length - 1. */
  iota: defineOp<{ readonly length: number; readonly dtype: DType }>({
    kind: "leaf",
    infer: (_, { length, dtype }) => [{ shape: [length], dtype }],
    gradient: "none",
  }),
};

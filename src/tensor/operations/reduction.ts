import type { Value } from "../../graph/node.ts";
import { normalizeDim, normalizeDims } from "../../graph/shape.ts";
import * as b from "../../ops/builders.ts";
import * as statistics from "../statistics.ts";
import type { Tensor } from "../tensor.ts";
import type { ReduceOptions } from "./base.ts";
import { SpecialOperations } from "./special.ts";

/** Elements, and where they stood along the dim (i32). */
export interface ValuesAndIndices {
  readonly values: Tensor;
  readonly indices: Tensor;
}

export interface VarianceOptions extends ReduceOptions {
  /** What is taken from the number of elements before dividing by it: 1 (the default) or 0. */
  readonly correction?: number;
}

export interface NormOptions extends ReduceOptions {
  /** Any number, 0 (counts what is not 0) or an infinity; 2 by default. */
  readonly p?: number;
}

const positionOf = { argmax: b.argmax, argmin: b.argmin } as const;

/** Operations that combine the elements along dims: all of them unless `dim` names some. */
export abstract class ReductionOperations extends SpecialOperations {
  /** Sum; a bool counts as i32. */
  sum(options: ReduceOptions = {}): Tensor {
    return this.reduce("sum", this.countable(), options);
  }
  /** Mean of floats; of nothing it is NaN. */
  mean(options: ReduceOptions = {}): Tensor {
    return this.reduceFloat("mean", options, b.mean);
  }
  /** Variance of floats. */
  var(options: VarianceOptions = {}): Tensor {
    const { correction = 1 } = options;
    return this.reduceFloat("var", options, (x, dims) => statistics.variance(x, dims, correction));
  }
  /** Standard deviation of floats; its gradient is 0 where it is 0. */
  std(options: VarianceOptions = {}): Tensor {
    const { correction = 1 } = options;
    return this.reduceFloat("std", options, (x, dims) =>
      statistics.root(statistics.variance(x, dims, correction), 2),
    );
  }
  /** Product; a bool counts as i32. Its gradient is right at zeros. */
  prod(options: ReduceOptions = {}): Tensor {
    return this.reduce("prod", this.countable(), options);
  }
  /** The largest element; NaN if any is NaN. Equal ones share the gradient. */
  amax(options: ReduceOptions = {}): Tensor {
    return this.reduce("max", this.usable(), options);
  }
  /** The smallest element; NaN if any is NaN. Equal ones share the gradient. */
  amin(options: ReduceOptions = {}): Tensor {
    return this.reduce("min", this.usable(), options);
  }
  /**
   * The largest element of all; along a dim, with the index of the first largest, which gets the gradient.
   * @throws ShapeError where there is none.
   */
  max(): Tensor;
  max(dim: number, options?: { readonly keepdim?: boolean }): ValuesAndIndices;
  max(dim?: number, options: { readonly keepdim?: boolean } = {}): Tensor | ValuesAndIndices {
    return dim === undefined ? this.amax() : this.extremum("argmax", dim, options.keepdim);
  }
  /** The smallest; see max. */
  min(): Tensor;
  min(dim: number, options?: { readonly keepdim?: boolean }): ValuesAndIndices;
  min(dim?: number, options: { readonly keepdim?: boolean } = {}): Tensor | ValuesAndIndices {
    return dim === undefined ? this.amin() : this.extremum("argmin", dim, options.keepdim);
  }
  /** Whether any element is not 0: of none, false. */
  any(options: ReduceOptions = {}): Tensor {
    return this.truth("max", 0, options);
  }
  /** Whether no element is 0: of none, true. */
  all(options: ReduceOptions = {}): Tensor {
    return this.truth("min", 1, options);
  }
  /** Index (i32) of the first largest element along dim, or among all in row-major order; NaN counts as largest. */
  argmax(dim?: number, options: { readonly keepdim?: boolean } = {}): Tensor {
    return this.position("argmax", dim, options.keepdim);
  }
  /** Index (i32) of the first smallest element along dim, or among all in row-major order; NaN counts as smallest. */
  argmin(dim?: number, options: { readonly keepdim?: boolean } = {}): Tensor {
    return this.position("argmin", dim, options.keepdim);
  }
  /** log of the sum of exp of floats, without overflow. */
  logsumexp(options: ReduceOptions = {}): Tensor {
    return this.reduceFloat("logsumexp", options, statistics.logsumexp);
  }
  /** The p-norm of floats. Where it is 0 its gradient is 0. */
  norm(options: NormOptions = {}): Tensor {
    const { p = 2 } = options;
    return this.reduceFloat("norm", options, (x, dims) => statistics.norm(x, p, dims));
  }
  /** How many elements are not 0 (i32). */
  countNonzero(options: ReduceOptions = {}): Tensor {
    const dims = normalizeDims("countNonzero", options.dim, this.ndim);
    return this.squeezed(statistics.countNonzero(this.usable(), dims), dims, options.keepdim);
  }
  softmax(dim: number): Tensor {
    return this.wrap(b.softmax(this.usable(), normalizeDim("softmax", dim, this.ndim)));
  }
  logSoftmax(dim: number): Tensor {
    return this.wrap(b.logSoftmax(this.usable(), normalizeDim("logSoftmax", dim, this.ndim)));
  }

  /** What sums and products are of: a bool counts as i32. */
  protected countable(): Value {
    return this.dtype === "bool" ? b.cast(this.usable(), "i32") : this.usable();
  }

  private reduceFloat(
    op: string,
    options: ReduceOptions,
    apply: (x: Value, dims: readonly number[]) => Value,
  ): Tensor {
    this.checkFloat(op);
    const dims = normalizeDims(op, options.dim, this.ndim);
    return this.squeezed(apply(this.usable(), dims), dims, options.keepdim);
  }

  private truth(op: "max" | "min", ofNone: number, options: ReduceOptions): Tensor {
    const dims = normalizeDims(op === "max" ? "any" : "all", options.dim, this.ndim);
    const isEmpty = dims.some((dim) => this.shape[dim] === 0);
    if (!isEmpty) return this.reduce(op, b.cast(this.usable(), "bool"), options);
    const none = b.full(b.reducedShape(this.shape, dims), "bool", ofNone);
    return this.squeezed(none, dims, options.keepdim);
  }

  private extremum(op: "argmax" | "argmin", dim: number, keepdim: boolean | undefined): ValuesAndIndices {
    const at = normalizeDim(op === "argmax" ? "max" : "min", dim, this.ndim);
    const x = this.usable();
    const indices = positionOf[op](this.countable(), at);
    return {
      values: this.squeezed(b.gather(x, at, indices), [at], keepdim),
      indices: this.squeezed(indices, [at], keepdim),
    };
  }

  private position(op: "argmax" | "argmin", dim: number | undefined, keepdim = false): Tensor {
    const x = this.usable();
    if (dim !== undefined) {
      const at = normalizeDim(op, dim, this.ndim);
      return this.squeezed(positionOf[op](x, at), [at], keepdim);
    }
    const flat = positionOf[op](b.reshape(x, [this.numel]), 0);
    return this.wrap(b.reshape(flat, keepdim ? this.shape.map(() => 1) : []));
  }
}

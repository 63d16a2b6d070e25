import { ArgumentError } from "../../graph/errors.ts";
import type { Value } from "../../graph/node.ts";
import { normalizeDim } from "../../graph/shape.ts";
import * as b from "../../ops/builders.ts";
import * as o from "../../ops/orderBuilders.ts";
import * as ordering from "../ordering.ts";
import type { Tensor } from "../tensor.ts";
import { ReductionOperations, type ValuesAndIndices } from "./reduction.ts";

export interface SortOptions {
  /** Default -1. */
  readonly dim?: number;
  readonly descending?: boolean;
}

export interface TopkOptions {
  /** Default -1. */
  readonly dim?: number;
  /** The largest (the default) or the smallest. */
  readonly largest?: boolean;
}

/** Running combinations and sorts along a dim. */
export abstract class OrderingOperations extends ReductionOperations {
  /** Running sum; a bool counts as i32. */
  cumsum(dim: number): Tensor {
    return this.wrap(ordering.scanAlong("cumsum", this.countable(), dim, o.cumsum));
  }
  /** Running product; a bool counts as i32. Its gradient is right at zeros. */
  cumprod(dim: number): Tensor {
    return this.wrap(ordering.scanAlong("cumprod", this.countable(), dim, o.cumprod));
  }
  /** Running maximum, and where it was found: of equal elements the last, which gets the gradient. */
  cummax(dim: number): ValuesAndIndices {
    return this.pair(ordering.runningExtremum("cummax", this.countable(), dim));
  }
  /** Running minimum; see cummax. */
  cummin(dim: number): ValuesAndIndices {
    return this.pair(ordering.runningExtremum("cummin", this.countable(), dim));
  }
  /** log of the running sum of exp of floats, without overflow. */
  logcumsumexp(dim: number): Tensor {
    this.checkFloat("logcumsumexp");
    return this.wrap(ordering.scanAlong("logcumsumexp", this.usable(), dim, o.logcumsumexp));
  }
  /** Differences of neighbours along a dim (the last by default), `n` times. */
  diff(options: { readonly n?: number; readonly dim?: number } = {}): Tensor {
    const { n = 1, dim = -1 } = options;
    const at = normalizeDim("diff", dim, this.ndim);
    if (this.ndim === 0) throw new ArgumentError("diff: a scalar has no neighbours; reshape it to [1]");
    let x = this.countable();
    for (let i = 0; i < n; i++) {
      const less = x.shape.map((size, d) => (d === at ? Math.max(size - 1, 0) : size));
      const from = (start: number): number[] => x.shape.map((_, d) => (d === at ? start : 0));
      x = b.sub(b.narrow(x, from(Math.min(1, x.shape[at])), less), b.narrow(x, from(0), less));
    }
    return this.wrap(x);
  }
  /** In order along a dim, with the indices (i32). Equal elements keep their order; NaN counts as greatest. */
  sort(options: SortOptions = {}): ValuesAndIndices {
    const { dim = -1, descending = false } = options;
    return this.pair(ordering.sort("sort", this.usable(), dim, descending));
  }
  /** The indices (i32) that sort a dim; see sort. */
  argsort(options: SortOptions = {}): Tensor {
    const { dim = -1, descending = false } = options;
    return this.wrap(ordering.argsort(this.usable(), dim, descending));
  }
  /**
   * The k largest (or smallest) elements along a dim, in order. NaN counts as greatest.
   * @throws ArgumentError when there are fewer.
   */
  topk(k: number, options: TopkOptions = {}): ValuesAndIndices {
    const { dim = -1, largest = true } = options;
    return this.pair(ordering.topk(this.usable(), k, dim, largest));
  }
  /** The k-th smallest element along a dim (the last by default), k counted from 1. @throws ArgumentError unless there is. */
  kthvalue(k: number, dim = -1, options: { readonly keepdim?: boolean } = {}): ValuesAndIndices {
    return this.along("kthvalue", ordering.kthvalue(this.usable(), k, dim), dim, options.keepdim);
  }
  /** The lower of the two middle elements of all; along a dim, with its index. NaN if any is NaN. */
  median(): Tensor;
  median(dim: number, options?: { readonly keepdim?: boolean }): ValuesAndIndices;
  median(dim?: number, options: { readonly keepdim?: boolean } = {}): Tensor | ValuesAndIndices {
    const x = this.usable();
    if (dim === undefined) return this.wrap(b.reshape(ordering.median(b.reshape(x, [this.numel]), 0)[0], []));
    return this.along("median", ordering.median(x, dim), dim, options.keepdim);
  }
  /** The most frequent element along a dim, of several the smallest, with the last index at which it stands. */
  mode(dim = -1, options: { readonly keepdim?: boolean } = {}): ValuesAndIndices {
    return this.along("mode", ordering.mode(this.usable(), dim), dim, options.keepdim);
  }

  private pair([values, indices]: ordering.Pair): ValuesAndIndices {
    return { values: this.wrap(values), indices: this.wrap(indices) };
  }

  /** Both without the dim, unless it is kept. */
  private along(
    op: string,
    [values, indices]: ordering.Pair,
    dim: number,
    keepdim = false,
  ): ValuesAndIndices {
    const at = normalizeDim(op, dim, this.ndim);
    const squeezed = (value: Value): Tensor => this.squeezed(value, [at], keepdim);
    return { values: squeezed(values), indices: squeezed(indices) };
  }
}

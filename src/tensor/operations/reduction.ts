import { normalizeDim, normalizeDims } from "../../graph/shape.ts";
import * as b from "../../ops/builders.ts";
import type { Tensor } from "../tensor.ts";
import type { ReduceOptions } from "./base.ts";
import { ElementwiseOperations } from "./elementwise.ts";

/** Operations that combine the elements along dims. */
export abstract class ReductionOperations extends ElementwiseOperations {
  sum(options: ReduceOptions = {}): Tensor {
    return this.reduce("sum", this.dtype === "bool" ? b.cast(this.usable(), "i32") : this.usable(), options);
  }
  mean(options: ReduceOptions = {}): Tensor {
    this.checkFloat("mean");
    const dims = normalizeDims("mean", options.dim, this.ndim);
    return this.squeezed(b.mean(this.usable(), dims), dims, options.keepdim);
  }
  /** Variance; `correction` 1 (the default) divides by n - 1, 0 by n. */
  var(options: ReduceOptions & { readonly correction?: number } = {}): Tensor {
    this.checkFloat("var");
    const dims = normalizeDims("var", options.dim, this.ndim);
    const x = this.usable();
    const centered = b.sub(x, b.expand(b.mean(x, dims), x.shape));
    const count = dims.reduce((product, dim) => product * this.shape[dim], 1) - (options.correction ?? 1);
    const total = b.sum(b.mul(centered, centered), dims);
    return this.squeezed(b.div(total, b.scalarLike(total, Math.max(count, 0))), dims, options.keepdim);
  }
  prod(options: ReduceOptions = {}): Tensor {
    return this.reduce("prod", this.usable(), options);
  }
  /** The largest element; NaN if any is NaN. Equal ones share the gradient. */
  amax(options: ReduceOptions = {}): Tensor {
    return this.reduce("max", this.usable(), options);
  }
  amin(options: ReduceOptions = {}): Tensor {
    return this.reduce("min", this.usable(), options);
  }
  any(options: ReduceOptions = {}): Tensor {
    return this.reduce("max", b.cast(this.usable(), "bool"), options);
  }
  all(options: ReduceOptions = {}): Tensor {
    return this.reduce("min", b.cast(this.usable(), "bool"), options);
  }
  /** Index (i32) of the first largest element along dim. */
  argmax(dim: number, options: { readonly keepdim?: boolean } = {}): Tensor {
    const at = normalizeDim("argmax", dim, this.ndim);
    return this.squeezed(b.argmax(this.usable(), at), [at], options.keepdim);
  }
  softmax(dim: number): Tensor {
    return this.wrap(b.softmax(this.usable(), normalizeDim("softmax", dim, this.ndim)));
  }
  logSoftmax(dim: number): Tensor {
    return this.wrap(b.logSoftmax(this.usable(), normalizeDim("logSoftmax", dim, this.ndim)));
  }
}

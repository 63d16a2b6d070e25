import { ShapeError } from "../../graph/errors.ts";
import type { Value } from "../../graph/node.ts";
import { formatShape, numel } from "../../graph/shape.ts";
import * as b from "../../ops/builders.ts";
import * as products from "../products.ts";
import type { Tensor } from "../tensor.ts";
import { literal } from "./base.ts";
import { IndexingOperations } from "./indexing.ts";

/** How a product is added to what there is: beta times that, and alpha times the product. */
export interface AddProductOptions {
  readonly alpha?: number;
  readonly beta?: number;
}

/** Linear algebra. */
export abstract class LinalgOperations extends IndexingOperations {
  /** Matrix product, with PyTorch's rules for vectors and its broadcasting of leading dims. */
  matmul(other: Tensor): Tensor {
    return this.wrap(b.matmul(this.usable(), other.usable()), other);
  }
  /** Product of matrices [n, k] and [k, m]. */
  mm(other: Tensor): Tensor {
    return this.product("mm", 2, other, 2);
  }
  /** Products of a batch of matrices: [b, n, k] and [b, k, m]. */
  bmm(other: Tensor): Tensor {
    return this.product("bmm", 3, other, 3);
  }
  /** Product of a matrix [n, k] and a vector [k]. */
  mv(vector: Tensor): Tensor {
    return this.product("mv", 2, vector, 1);
  }
  /** Sum of products of two vectors. */
  dot(other: Tensor): Tensor {
    return this.product("dot", 1, other, 1);
  }
  /** Products of all pairs of two vectors: [n] and [m] give [n, m]. */
  outer(other: Tensor): Tensor {
    return this.wrap(products.outer(this.usable(), other.usable()), other);
  }
  /** Sums of products over the last dims of both. */
  inner(other: Tensor): Tensor {
    return this.wrap(products.inner(this.usable(), other.usable()), other);
  }
  /** Sums of products over pairs of dims, or over the last of this and as many first ones of the other. */
  tensordot(other: Tensor, dims: number | readonly [readonly number[], readonly number[]] = 2): Tensor {
    return this.wrap(products.tensordot(this.usable(), other.usable(), dims), other);
  }
  /** Each element times the whole of the other. */
  kron(other: Tensor): Tensor {
    return this.wrap(products.kron(this.usable(), other.usable()), other);
  }
  /** beta this + alpha (x y) of matrices; this broadcasts. With beta 0, NaN in this is ignored. */
  addmm(x: Tensor, y: Tensor, options: AddProductOptions = {}): Tensor {
    return this.addProduct("addmm", 2, x, y, options);
  }
  /** beta this + alpha (x y) of a batch of matrices; see addmm. */
  baddbmm(x: Tensor, y: Tensor, options: AddProductOptions = {}): Tensor {
    return this.addProduct("baddbmm", 3, x, y, options);
  }
  /** Sum of a matrix's diagonal. */
  trace(): Tensor {
    return this.wrap(products.trace(this.usable()));
  }

  private product(op: string, rank: number, other: Tensor, otherRank: number): Tensor {
    const [x, y] = [this.usable(), other.usable()];
    products.checkRank(op, x, rank);
    products.checkRank(op, y, otherRank);
    if (rank === 3 && x.shape[0] !== y.shape[0]) {
      throw new ShapeError(`${op}: batches of ${formatShape(x.shape)} and ${formatShape(y.shape)} differ`);
    }
    return this.wrap(b.matmul(x, y), other);
  }

  private addProduct(op: string, rank: number, x: Tensor, y: Tensor, options: AddProductOptions): Tensor {
    const { alpha = 1, beta = 1 } = options;
    const [left, right] = [x.usable(), y.usable()];
    products.checkRank(op, left, rank);
    products.checkRank(op, right, rank);
    const scaled = (value: Value, by: number): Value => (by === 1 ? value : b.mul(value, literal(value, by)));
    const product = scaled(b.matmul(left, right), alpha);
    const base = this.usable();
    const sum = beta === 0 ? product : b.add(scaled(base, beta), product);
    if (numel(sum.shape) !== numel(product.shape)) {
      throw new ShapeError(
        `${op}: ${formatShape(base.shape)} does not broadcast to the product ${formatShape(product.shape)}`,
      );
    }
    return this.wrap(sum, x, y);
  }
}

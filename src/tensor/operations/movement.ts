import { normalizeDims, type Shape } from "../../graph/shape.ts";
import * as b from "../../ops/builders.ts";
import * as movement from "../movement.ts";
import type { SliceRange } from "../ranges.ts";
import type { Tensor } from "../tensor.ts";
import { ReductionOperations } from "./reduction.ts";

/** Operations that show the same elements in another order or shape. */
export abstract class MovementOperations extends ReductionOperations {
  /** The same elements under another shape; one size may be -1 and is inferred. */
  reshape(shape: Shape): Tensor {
    return this.wrap(movement.reshape(this.usable(), shape));
  }
  flatten(start = 0, end = -1): Tensor {
    return this.wrap(movement.flatten(this.usable(), start, end));
  }
  permute(dims: readonly number[]): Tensor {
    return this.wrap(movement.permute(this.usable(), dims));
  }
  transpose(dim0: number, dim1: number): Tensor {
    return this.wrap(b.transpose(this.usable(), dim0, dim1));
  }
  /** Transpose of a matrix (or of fewer dims: itself). */
  t(): Tensor {
    return this.wrap(movement.matrixTranspose(this.usable()));
  }
  /** Repeats dims of size 1; -1 keeps a size. */
  expand(shape: Shape): Tensor {
    return this.wrap(movement.expand(this.usable(), shape));
  }
  unsqueeze(dim: number): Tensor {
    return this.wrap(movement.unsqueeze(this.usable(), dim));
  }
  /** Without dims of size 1: all of them, or the one named (which stays if its size is not 1). */
  squeeze(dim?: number): Tensor {
    return this.wrap(movement.squeeze(this.usable(), dim));
  }
  flip(dims: number | readonly number[]): Tensor {
    return this.wrap(b.flip(this.usable(), normalizeDims("flip", dims, this.ndim)));
  }
  /**
   * One entry a dim, from the first: an index drops the dim, `[start, stop, step]` or `null` (all) keeps it, with
   * Python's rules for negative and missing ends. Missing entries keep their dims whole.
   * @throws IndexOutOfRangeError for an index outside its dim.
   */
  slice(...ranges: readonly SliceRange[]): Tensor {
    return this.wrap(movement.slice(this.usable(), ranges));
  }
  /** `length` elements of a dim from `start` on. */
  narrow(dim: number, start: number, length: number): Tensor {
    return this.wrap(movement.narrow(this.usable(), dim, start, length));
  }
  /** The only element along a dim at an index, which drops the dim. */
  select(dim: number, index: number): Tensor {
    return this.wrap(movement.select(this.usable(), dim, index));
  }
  /** Zeros around: `[before, after]` for each of the trailing dims, last dim first, as in PyTorch. */
  pad(amounts: readonly number[]): Tensor {
    return this.wrap(movement.pad(this.usable(), amounts));
  }
}

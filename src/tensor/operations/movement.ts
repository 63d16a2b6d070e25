import { normalizeDims, type Shape } from "../../graph/shape.ts";
import * as b from "../../ops/builders.ts";
import * as diagonals from "../diagonals.ts";
import * as movement from "../movement.ts";
import { type PadMode, pad } from "../padding.ts";
import type { SliceRange } from "../ranges.ts";
import type { Tensor } from "../tensor.ts";
import { OrderingOperations } from "./ordering.ts";

export interface DiagonalOptions {
  /** How many columns to the right the diagonal lies. Default 0. */
  readonly offset?: number;
  readonly dim1?: number;
  readonly dim2?: number;
}

/** Operations that show the same elements in another order or shape. */
export abstract class MovementOperations extends OrderingOperations {
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
  /** Without dims of size 1: all of them, or those named (which stay if their size is not 1). */
  squeeze(dim?: number | readonly number[]): Tensor {
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
  /** A dim as several; one size may be -1 and is inferred. */
  unflatten(dim: number, sizes: Shape): Tensor {
    return this.wrap(movement.unflatten(this.usable(), dim, sizes));
  }
  /** Dims moved to other places, the rest staying in order. */
  movedim(source: number | readonly number[], destination: number | readonly number[]): Tensor {
    return this.wrap(movement.movedim(this.usable(), source, destination));
  }
  /** Elements moved on along dims, what leaves the end coming round to the front; without dims, in row-major order. */
  roll(shifts: number | readonly number[], dims?: number | readonly number[]): Tensor {
    return this.wrap(movement.roll(this.usable(), shifts, dims));
  }
  /** Copies side by side, as many along each dim; more numbers than dims make new leading dims. */
  repeat(repeats: readonly number[]): Tensor {
    return this.wrap(movement.repeat(this.usable(), repeats));
  }
  /** The same where missing numbers are 1. */
  tile(repeats: readonly number[]): Tensor {
    const missing = Math.max(0, this.ndim - repeats.length);
    return this.repeat([...Array.from({ length: missing }, () => 1), ...repeats]);
  }
  /** Pieces of `size` along a dim (the last may be shorter), or of the sizes given. */
  split(size: number | readonly number[], dim = 0): Tensor[] {
    return movement.split(this.usable(), size, dim).map((part) => this.wrap(part));
  }
  /** At most so many pieces along a dim, of one size but the last. */
  chunk(chunks: number, dim = 0): Tensor[] {
    return movement.chunk(this.usable(), chunks, dim).map((part) => this.wrap(part));
  }
  /** The slices at each index of a dim, without it. */
  unbind(dim = 0): Tensor[] {
    return movement.unbind(this.usable(), dim).map((part) => this.wrap(part));
  }
  /** Windows of `size` neighbours along a dim, `step` apart, as a new last dim. */
  unfold(dim: number, size: number, step: number): Tensor {
    return this.wrap(movement.unfold(this.usable(), dim, size, step));
  }
  /** Elements in row-major order, from `offset` on at the given distances along each dim of the result. */
  asStrided(size: Shape, stride: readonly number[], offset = 0): Tensor {
    return this.wrap(movement.asStrided(this.usable(), size, stride, offset));
  }
  /**
   * Grows the trailing dims: `[before, after]` for each, last dim first, as in PyTorch; negative amounts cut off.
   * @throws ShapeError where a dim is too short to be reflected or continued.
   */
  pad(
    amounts: readonly number[],
    options: { readonly mode?: PadMode; readonly value?: number } = {},
  ): Tensor {
    return this.wrap(pad(this.usable(), amounts, options.mode ?? "constant", options.value ?? 0));
  }
  /** The last two dims without what lies above the diagonal, `diagonal` columns to the right. */
  tril(diagonal = 0): Tensor {
    return this.wrap(diagonals.triangle("tril", this.usable(), diagonal, true));
  }
  /** The last two dims without what lies below the diagonal, `diagonal` columns to the right. */
  triu(diagonal = 0): Tensor {
    return this.wrap(diagonals.triangle("triu", this.usable(), diagonal, false));
  }
  /** Diagonals of the matrices that two dims make, as a new last dim. */
  diagonal(options: DiagonalOptions = {}): Tensor {
    const { offset = 0, dim1 = 0, dim2 = 1 } = options;
    return this.wrap(diagonals.diagonal(this.usable(), offset, dim1, dim2));
  }
  /** Matrices whose diagonals are the last dim, as dims dim1 and dim2 of the result (the last two by default). */
  diagEmbed(options: DiagonalOptions = {}): Tensor {
    const { offset = 0, dim1 = -2, dim2 = -1 } = options;
    return this.wrap(diagonals.diagEmbed(this.usable(), offset, dim1, dim2));
  }
}

import { InternalError } from "../../graph/errors.ts";
import { always, and, type Condition, inRange } from "./condition.ts";
import { add, constant, delinearize, type Expression, linearize, multiply, subtract } from "./expression.ts";

// Movement operations as index rewrites. Each function takes the index with which a movement operation's
// output is read and returns the index with which its input is read instead. Nothing is moved: a chain of
// views is one expression for each dim of the tensor that lies in memory.

/** An input's index, to be read only where the guard holds; elsewhere the value is the padding. */
export interface GuardedIndex {
  readonly index: Expression[];
  readonly guard: Condition;
}

function checkRank(name: string, index: readonly Expression[], rank: number): void {
  if (index.length !== rank) {
    throw new InternalError(`${name}: ${index.length} indices where the view has ${rank} dims`);
  }
}

/**
 * Reshape: the element at the same row-major position. Runs of dims with equal products are taken apart and
 * put together among themselves, so that equal dims pass through untouched.
 */
export function reshapeIndex(
  outIndex: readonly Expression[],
  outShape: readonly number[],
  inShape: readonly number[],
): Expression[] {
  checkRank("reshapeIndex", outIndex, outShape.length);
  const size = (shape: readonly number[]) => shape.reduce((product, extent) => product * extent, 1);
  if (size(outShape) !== size(inShape)) {
    throw new InternalError(
      `reshapeIndex: [${outShape.join(", ")}] and [${inShape.join(", ")}] differ in size`,
    );
  }
  if (size(outShape) === 0) return inShape.map(() => constant(0));
  const result: Expression[] = [];
  let out = 0;
  let dim = 0;
  while (out < outShape.length || dim < inShape.length) {
    // The shortest run of dims on each side, from here, with the same product.
    let outEnd = out;
    let inEnd = dim;
    let outSize = 1;
    let inSize = 1;
    do {
      if (inEnd === inShape.length || (outSize <= inSize && outEnd < outShape.length)) {
        outSize *= outShape[outEnd++] as number;
      } else inSize *= inShape[inEnd++] as number;
    } while (outSize !== inSize);
    const position = linearize(outIndex.slice(out, outEnd), outShape.slice(out, outEnd));
    result.push(...delinearize(position, inShape.slice(dim, inEnd)));
    out = outEnd;
    dim = inEnd;
  }
  return result;
}

/** Permute: dim k of the output reads dim `dims[k]` of the input. */
export function permuteIndex(outIndex: readonly Expression[], dims: readonly number[]): Expression[] {
  checkRank("permuteIndex", outIndex, dims.length);
  return dims.map((_, inDim) => {
    const index = outIndex[dims.indexOf(inDim)];
    if (index === undefined) throw new InternalError(`permuteIndex: [${dims.join(", ")}] is no permutation`);
    return index;
  });
}

/** Expand: dims of extent 1 are read at 0 whatever the output's index; new leading dims are not read. */
export function expandIndex(outIndex: readonly Expression[], inShape: readonly number[]): Expression[] {
  const added = outIndex.length - inShape.length;
  if (added < 0)
    throw new InternalError(`expandIndex: ${outIndex.length} indices for ${inShape.length} dims`);
  return inShape.map((extent, dim) => (extent === 1 ? constant(0) : (outIndex[added + dim] as Expression)));
}

/** Slice: dim k reads `starts[k] + steps[k] * index`; a negative step walks down from its start. */
export function sliceIndex(
  outIndex: readonly Expression[],
  starts: readonly number[],
  steps: readonly number[],
): Expression[] {
  checkRank("sliceIndex", outIndex, starts.length);
  checkRank("sliceIndex", outIndex, steps.length);
  return outIndex.map((index, dim) => add(multiply(index, steps[dim] as number), starts[dim] as number));
}

/** Flip: the given dims are read from their end. */
export function flipIndex(
  outIndex: readonly Expression[],
  dims: readonly number[],
  shape: readonly number[],
): Expression[] {
  checkRank("flipIndex", outIndex, shape.length);
  return outIndex.map((index, dim) =>
    dims.includes(dim) ? subtract((shape[dim] as number) - 1, index) : index,
  );
}

/** Unfold: element k of window i is read at `i * step + k * dilation`; the last dim of the output is k. */
export function unfoldIndex(
  outIndex: readonly Expression[],
  dim: number,
  step: number,
  dilation: number,
): Expression[] {
  const element = outIndex[outIndex.length - 1];
  if (element === undefined) throw new InternalError("unfoldIndex: no index");
  return outIndex
    .slice(0, -1)
    .map((index, i) => (i === dim ? add(multiply(index, step), multiply(element, dilation)) : index));
}

/**
 * Pad: the input begins `before[k]` later in dim k; the guard holds where the output lies inside the input.
 */
export function padIndex(
  outIndex: readonly Expression[],
  before: readonly number[],
  inShape: readonly number[],
): GuardedIndex {
  checkRank("padIndex", outIndex, before.length);
  checkRank("padIndex", outIndex, inShape.length);
  const index = outIndex.map((one, dim) => subtract(one, before[dim] as number));
  const guards = index.map((one, dim) => inRange(one, 0, inShape[dim] as number));
  return { index, guard: and(always, ...guards) };
}

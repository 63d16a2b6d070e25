import { allocateArray, type TypedArray } from "../../graph/dtype.ts";
import { InternalError } from "../../graph/errors.ts";
import type { Node, Value } from "../../graph/node.ts";
import { numel, type Shape, stridesOf } from "../../graph/shape.ts";
import { typed } from "../../ops/table.ts";
import { forEachOffset } from "./strided.ts";

/** Evaluates an op of kind "movement": every result element is an operand's element, or padding. */
export function evaluateMovement(node: Node, inputs: readonly TypedArray[]): readonly TypedArray[] {
  const [x] = inputs;
  const { shape } = node.inputs[0];
  const result = node.outputs[0];
  const strides = stridesOf(shape);
  const movement = typed(node);
  switch (movement.op) {
    case "reshape":
    case "after":
      return [x.slice()];
    case "permute":
      return [
        read(
          x,
          result,
          movement.attrs.dims.map((dim) => strides[dim]),
          0,
        ),
      ];
    case "expand": {
      const added = result.shape.length - shape.length;
      // A dim that is new or stretched reads the same element again: its stride is 0.
      const repeated = result.shape.map((size, dim) =>
        dim < added || shape[dim - added] !== size ? 0 : strides[dim - added],
      );
      return [read(x, result, repeated, 0)];
    }
    case "slice": {
      const { starts, steps } = movement.attrs;
      const first = strides.reduce((offset, stride, dim) => offset + starts[dim] * stride, 0);
      return [
        read(
          x,
          result,
          strides.map((stride, dim) => stride * steps[dim]),
          first,
        ),
      ];
    }
    case "flip": {
      const { dims } = movement.attrs;
      const first = dims.reduce((offset, dim) => offset + (shape[dim] - 1) * strides[dim], 0);
      const reversed = strides.map((stride, dim) => (dims.includes(dim) ? -stride : stride));
      return [read(x, result, reversed, first)];
    }
    case "unfold": {
      const { dim, step, dilation } = movement.attrs;
      const windows = strides.map((stride, i) => (i === dim ? stride * step : stride));
      return [read(x, result, [...windows, strides[dim] * dilation], 0)];
    }
    case "pad": {
      const padded = allocateArray(result.dtype, numel(result.shape));
      write(padded, result.shape, x, shape, movement.attrs.before);
      return [padded];
    }
    case "concat": {
      const { dim } = movement.attrs;
      const joined = allocateArray(result.dtype, numel(result.shape));
      const start = result.shape.map(() => 0);
      inputs.forEach((part, k) => {
        const partShape = node.inputs[k].shape;
        write(joined, result.shape, part, partShape, start);
        start[dim] += partShape[dim];
      });
      return [joined];
    }
    default:
      throw new InternalError(`reference: movement op ${node.op} is not known`);
  }
}

/** A new array of the type and shape of `result`, read from `x` with the given strides. */
function read(x: TypedArray, result: Value, strides: readonly number[], start: number): TypedArray {
  const elements = allocateArray(result.dtype, numel(result.shape));
  forEachOffset(result.shape, strides, start, (position, offset) => {
    elements[position] = x[offset];
  });
  return elements;
}

/** Writes `x` as a block of the larger `target` that begins at `start`. */
function write(
  target: TypedArray,
  shape: Shape,
  x: TypedArray,
  block: Shape,
  start: readonly number[],
): void {
  const strides = stridesOf(shape);
  const first = strides.reduce((offset, stride, dim) => offset + start[dim] * stride, 0);
  forEachOffset(block, strides, first, (position, offset) => {
    target[offset] = x[position];
  });
}

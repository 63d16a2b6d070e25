import { currentEngine } from "../engine/current.ts";
import { ArgumentError, DeviceError, GradientError, ShapeError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { formatShape, normalizeDim, sameShape } from "../graph/shape.ts";
import * as b from "../ops/builders.ts";
import { literal, type Operand } from "./operations/base.ts";
import { LinalgOperations } from "./operations/linalg.ts";

export type { NestedArray } from "./handle.ts";
export { checkDType, type Operand, type ReduceOptions } from "./operations/base.ts";
export type { IndexItem, UniqueResult } from "./operations/indexing.ts";
export type { AddProductOptions } from "./operations/linalg.ts";
export type { DiagonalOptions } from "./operations/movement.ts";
export type { SortOptions, TopkOptions } from "./operations/ordering.ts";
export type { NormOptions, ValuesAndIndices, VarianceOptions } from "./operations/reduction.ts";
export type { PadMode } from "./padding.ts";
export type { ScatterReduce } from "./scattering.ts";

/**
 * An immutable n-dimensional value on a device. Operations build a lazy graph and return at once; reading (`data`,
 * `array`, `item`) computes what it needs. Errors of shape, dtype and argument are thrown by the call that makes them.
 * Names and meanings are PyTorch's, in camelCase. Its methods lie in `operations/`, one file a family.
 */
export class Tensor extends LinalgOperations {
  // Gradients

  /** The accumulated gradient of a leaf, or undefined. */
  get grad(): Tensor | undefined {
    const gradient = currentEngine().leafGradient(this.value);
    return gradient && new Tensor(gradient, this.device);
  }

  /** Forgets the accumulated gradient. */
  zeroGrad(): void {
    currentEngine().clearLeafGradient(this.value);
  }

  /**
   * Adds the gradients of this tensor to every leaf below it that requires one. A tensor of several elements needs the
   * gradient of each.
   * @throws GradientError without history, or for several elements without `gradient`; ShapeError if that is misshapen.
   */
  backward(gradient?: Tensor): void {
    if (gradient === undefined && this.numel !== 1) {
      throw new GradientError(
        `backward: shape ${formatShape(this.shape)} has ${this.numel} elements; reduce it first (sum, mean) or pass the ` +
          "gradient of each element",
      );
    }
    currentEngine().backward(this.usable(), gradient?.usable());
  }

  /** The same value without gradient history. */
  detach(): Tensor {
    return this.wrap(b.detach(this.usable()));
  }

  protected wrap(value: Value, ...others: readonly Tensor[]): Tensor {
    for (const other of others) {
      if (other.device !== this.device) {
        throw new DeviceError(
          `tensors of shape ${formatShape(this.shape)} on ${this.device.name} and ${formatShape(other.shape)} on ` +
            `${other.device.name} meet in one operation; make both on one device`,
        );
      }
    }
    return new Tensor(value, this.device);
  }
}

/** condition ? x : y, element by element, with broadcasting; x and y may be numbers. */
export function where(condition: Tensor, x: Operand, y: Operand): Tensor {
  const like = x instanceof Tensor ? x : y instanceof Tensor ? y : undefined;
  const value = (operand: Operand): Value => {
    if (operand instanceof Tensor) return operand.usable();
    return like ? literal(like.value, operand) : b.full([], "f32", Number(operand));
  };
  const device = condition.device;
  for (const operand of [x, y]) {
    if (operand instanceof Tensor && operand.device !== device) {
      throw new DeviceError(`where: condition on ${device.name}, values on ${operand.device.name}`);
    }
  }
  return new Tensor(b.where(condition.usable(), value(x), value(y)), device);
}

/** Tensors one after the other along an existing dim. */
export function concat(tensors: readonly Tensor[], dim = 0): Tensor {
  const [first] = tensors;
  if (!first) throw new ArgumentError("concat: no tensors; give at least one");
  const at = normalizeDim("concat", dim, first.ndim);
  if (tensors.some((t) => t.device !== first.device))
    throw new DeviceError("concat: tensors on several devices");
  return new Tensor(
    b.concat(
      tensors.map((t) => t.usable()),
      at,
    ),
    first.device,
  );
}

/** Tensors of one shape side by side along a new dim. */
export function stack(tensors: readonly Tensor[], dim = 0): Tensor {
  const [first] = tensors;
  if (!first) throw new ArgumentError("stack: no tensors; give at least one");
  for (const other of tensors) {
    if (!sameShape(other.shape, first.shape)) {
      throw new ShapeError(
        `stack: shapes ${formatShape(first.shape)} and ${formatShape(other.shape)} differ`,
      );
    }
  }
  const at = normalizeDim("stack", dim, first.ndim + 1);
  return concat(
    tensors.map((t) => t.unsqueeze(at)),
    at,
  );
}

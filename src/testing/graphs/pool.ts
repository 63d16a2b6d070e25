import { type DType, isFloat } from "../../graph/dtype.ts";
import type { Value } from "../../graph/node.ts";
import { numel, type Shape } from "../../graph/shape.ts";
import * as b from "../../ops/builders.ts";
import { typed } from "../../ops/table.ts";
import { type LeafNumbers, numbersOf } from "../fuzz/numbers.ts";

/** The values made so far, with an estimate of how large their numbers may be. */
export class Pool {
  readonly values: Value[] = [];
  /** The leaves, with what they hold. */
  readonly leaves = new Map<Value, LeafNumbers>();
  readonly maxElements: number;
  readonly #sizes = new Map<Value, number>();

  constructor(maxElements: number) {
    this.maxElements = maxElements;
  }

  leaf(shape: Shape, dtype: DType, numbers: LeafNumbers): Value {
    const value = b.constant(shape, dtype, numbersOf(numbers, dtype, numel(shape)));
    this.leaves.set(value, numbers);
    this.add(value, 2);
    return value;
  }

  /** Indices along a dim of the given size; some lie outside. */
  index(shape: Shape, size: number, seed: number): Value {
    const data = new Int32Array(numel(shape)).map((_, i) => ((i * 5 + seed * 3) % (size + 2)) - 1);
    return b.constant(shape, "i32", data);
  }

  add(value: Value, size = this.sizeOf(value)): void {
    if (this.values.includes(value)) return;
    // Scaled by a power of two, which keeps what is exact exact.
    const kept =
      size > 4096 && isFloat(value.dtype)
        ? b.mul(value, b.scalarLike(value, 2 ** -Math.ceil(Math.log2(size))))
        : value;
    this.#sizes.set(kept, Math.min(size, 4096));
    this.values.push(kept);
  }

  /** Recent values more often than old ones. */
  pick(at: number): Value {
    const { values } = this;
    const back = at < 60 ? at % Math.min(3, values.length) : at % values.length;
    return values[values.length - 1 - back];
  }

  /** One of those that satisfy a condition. */
  choose(at: number, fits: (value: Value) => boolean): Value | undefined {
    const found = this.values.filter(fits);
    return found[found.length - 1 - (at % found.length)];
  }

  /** The value as a float, no larger than `limit`. */
  asFloat(value: Value, limit = 4096): Value {
    const x = b.cast(value, "f32");
    const size = this.sizeOf(value);
    return size <= limit ? x : b.mul(x, b.scalarLike(x, 2 ** -Math.ceil(Math.log2(size / limit))));
  }

  /** A bound of the magnitude, by and large. */
  sizeOf(value: Value): number {
    const known = this.#sizes.get(value);
    if (known !== undefined) return known;
    const inputs = value.node.inputs.map((input) => this.sizeOf(input));
    const size = this.#estimate(value, inputs);
    this.#sizes.set(value, size);
    return size;
  }

  #estimate(value: Value, inputs: readonly number[]): number {
    const node = typed(value.node);
    const [x, y] = inputs;
    switch (node.op) {
      case "full":
        return Math.abs(node.attrs.value);
      case "iota":
        return node.attrs.length;
      case "add":
      case "sub":
        return x + y;
      case "mul":
        return x * y;
      case "exp":
        return Math.exp(x);
      case "sum":
        return (x * numel(node.inputs[0].shape)) / Math.max(1, numel(value.shape));
      case "prod":
        return x ** (numel(node.inputs[0].shape) / Math.max(1, numel(value.shape)));
      case "matmul":
        return x * y * node.inputs[0].shape[node.inputs[0].shape.length - 1];
      case "cumsum":
        return x * value.shape[value.shape.length - 1];
      case "sort":
      case "argsort":
        return Math.max(1, x, value.shape[value.shape.length - 1]);
      case "scatterAdd":
        return x + inputs[2] * numel(node.inputs[1].shape);
      case "layerNorm":
        return inputs.length > 1 ? 30 * y : 30;
      case "argmax":
        return numel(node.inputs[0].shape);
      case "threefry2x32":
        return 2 ** 32;
      default:
        return Math.max(1, ...inputs);
    }
  }
}

import { currentEngine } from "../engine/current.ts";
import type { Engine } from "../engine/engine.ts";
import type { Trace } from "../engine/trace.ts";
import type { DType, TypedArray } from "../graph/dtype.ts";
import { ArgumentError, ShapeError, TraceError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { formatShape, normalizeDim, numel, type Shape } from "../graph/shape.ts";
import { detach } from "../ops/builders.ts";
import type { Device } from "../runtime/device.ts";
import { formatTensor } from "./print.ts";

export type NestedArray = number | boolean | readonly NestedArray[];

/**
 * What a tensor is beside its operations: a value of the lazy graph on a device, which can be read. Knows whether it
 * belongs to a call being compiled.
 */
export class Handle {
  readonly device: Device;
  #value: Value | undefined;
  readonly #trace: Trace | undefined;
  readonly #engine: Engine;

  /** Wraps a graph value; undefined where a subclass gives it. Use `tensor`, `zeros`, `randn`... to make tensors from data. */
  constructor(value: Value | undefined, device: Device) {
    this.#value = value;
    this.device = device;
    this.#engine = currentEngine();
    this.#trace = this.#engine.trace;
  }

  /** The graph value behind this tensor; for a parameter, the one that reads it now. */
  get value(): Value {
    if (this.#value === undefined) throw new ArgumentError("this tensor was disposed");
    return this.#value;
  }

  get shape(): Shape {
    return this.value.shape;
  }

  get dtype(): DType {
    return this.value.dtype;
  }

  /** Number of dims. */
  get ndim(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  get numel(): number {
    return numel(this.shape);
  }

  get requiresGrad(): boolean {
    return this.value.requiresGrad;
  }

  /** Size of one dim; negative dims count from the end. */
  size(dim: number): number {
    return this.shape[normalizeDim("size", dim, this.ndim)];
  }

  // Reading

  /**
   * A copy of the elements in row-major order.
   * @throws TraceError inside a compiled function; StaleVersionError or DeviceError as a rejection.
   */
  async data(): Promise<TypedArray> {
    this.checkReadable();
    const data = await currentEngine().fetch(this.device, this.value);
    this.settle();
    return data;
  }

  /** The elements as nested arrays; a number for a scalar, booleans for bool. */
  async array(): Promise<NestedArray> {
    return nestArray(await this.data(), this.shape, this.dtype);
  }

  /** The only element. @throws ShapeError (as a rejection) if there is not exactly one. */
  async item(): Promise<number> {
    if (this.numel !== 1) {
      throw new ShapeError(
        `item: shape ${formatShape(this.shape)} has ${this.numel} elements; item() reads exactly one`,
      );
    }
    return (await this.data())[0];
  }

  /** Enqueues the computation of this tensor, so that it is computed once however often it is used. Returns itself. */
  realize(): this {
    this.checkReadable();
    currentEngine().realise(this.device, [this.value]);
    this.settle();
    return this;
  }

  /** As PyTorch prints it, once read; a dtype, device or gradient that is not the usual stands behind the numbers. */
  async format(): Promise<string> {
    const { value, device } = this;
    const made = value.node.inputs.some((input) => input.requiresGrad);
    return formatTensor(await this.data(), this.shape, this.dtype, {
      ...(device !== currentEngine().defaultDevice && { device: device.name }),
      ...(value.requiresGrad && (made ? { gradFn: value.node.op } : { requiresGrad: true })),
    });
  }

  toString(): string {
    return `Tensor(shape=${formatShape(this.shape)}, dtype=${this.dtype}, device=${this.device.name})`;
  }

  /** Lets go of the value at once instead of with the last reference; the tensor cannot be used afterwards. */
  dispose(): void {
    this.#value = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  // What operations build on

  /**
   * The value for use in a new operation, here and now: checked against the call being compiled, without history under
   * `noGrad`.
   */
  usable(): Value {
    const engine = currentEngine();
    this.#trace?.checkOpen("operation");
    this.#checkEngine();
    let { value } = this;
    if (engine.trace && this.#trace !== engine.trace) value = this.capture();
    return !engine.gradEnabled && value.requiresGrad ? detach(value) : value;
  }

  /** The value of a tensor from outside, inside a compiled function: its data as of now, without history. */
  protected capture(): Value {
    const { value } = this;
    if (value.node.op === "constant" && !value.requiresGrad) return value;
    if (value.requiresGrad) {
      throw new TraceError(
        `a tensor of shape ${formatShape(this.shape)} that requires grad was made outside the compiled function; pass it as ` +
          "an argument, make it a Parameter, or detach it",
      );
    }
    return currentEngine().captureOutside(this.device, value);
  }

  protected checkReadable(): void {
    if (currentEngine().trace) {
      throw new TraceError(
        "reading a tensor inside a compiled function is not possible: it has no value before the function has returned; " +
          "return it and read the result",
      );
    }
    this.#trace?.checkOpen("read");
    this.#checkEngine();
  }

  /** Another engine can use what it can compute: not what was computed before, nor random numbers. */
  #checkEngine(): void {
    const engine = currentEngine();
    if (engine === this.#engine || engine.canCompute(this.value)) return;
    throw new ArgumentError(
      `a tensor of shape ${formatShape(this.shape)} was computed in another engine, whose results this one does not know; ` +
        "read it there and make it anew: tensor(await t.data(), { shape: t.shape })",
    );
  }

  /** Once realised, a tensor without gradients forgets how it was made. */
  protected settle(): void {
    const value = this.#value;
    if (value === undefined || value.requiresGrad || value.node.inputs.length === 0) return;
    this.#value = currentEngine().settledLeaf(value) ?? value;
  }
}

function nestArray(data: TypedArray, shape: Shape, dtype: DType): NestedArray {
  const element = (i: number): number | boolean => (dtype === "bool" ? data[i] !== 0 : data[i]);
  const nest = (dim: number, offset: number, stride: number): NestedArray => {
    if (dim === shape.length) return element(offset);
    const inner = stride / Math.max(shape[dim], 1);
    return Array.from({ length: shape[dim] }, (_, i) => nest(dim + 1, offset + i * inner, inner));
  };
  return nest(0, 0, data.length);
}

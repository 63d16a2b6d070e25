import { Cell } from "../engine/cell.ts";
import { currentEngine } from "../engine/current.ts";
import { DeviceError, DTypeError, ShapeError, TraceError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { formatShape, sameShape } from "../graph/shape.ts";
import { detach } from "../ops/builders.ts";
import { Tensor } from "./tensor.ts";

/**
 * A tensor that changes: every use reads its content of that moment, and `assign` replaces it. Uses from before an
 * assignment keep their meaning; what has not been computed by then fails with a StaleVersionError.
 */
export class Buffer extends Tensor {
  readonly cell: Cell;

  /** Takes the tensor's value as initial content, which is computed when it is first needed (or at once, if it reads others). */
  constructor(initial: Tensor, options: { readonly name?: string; readonly requiresGrad?: boolean } = {}) {
    super(undefined, initial.device);
    const engine = currentEngine();
    if (engine.trace) {
      throw new TraceError(
        "parameters and buffers cannot be made inside a compiled function; make them before it",
      );
    }
    const { shape, dtype, device } = initial;
    this.cell = new Cell({
      name: options.name ?? "buffer",
      shape,
      dtype,
      device,
      requiresGrad: options.requiresGrad ?? false,
      initial: detach(initial.usable()),
    });
    engine.adopt(this.cell);
  }

  override get value(): Value {
    return currentEngine().read(this.cell);
  }

  /**
   * Replaces the content: at once outside of compiled functions, in every call inside of them.
   * @throws ShapeError, DTypeError or DeviceError unless the tensor is of this shape, dtype and device.
   */
  assign(next: Tensor): void {
    const { cell } = this;
    if (!sameShape(next.shape, cell.shape)) {
      throw new ShapeError(
        `assign: ${formatShape(next.shape)} to ${cell.name} of shape ${formatShape(cell.shape)}`,
      );
    }
    if (next.dtype !== cell.dtype) {
      throw new DTypeError(
        `assign: ${next.dtype} to ${cell.name}, which is ${cell.dtype}; cast it with .to("${cell.dtype}")`,
      );
    }
    if (next.device !== cell.device) {
      throw new DeviceError(`assign: tensor on ${next.device.name} to ${cell.name} on ${cell.device.name}`);
    }
    currentEngine().assign([{ cell, value: next.usable() }]);
  }

  override dispose(): void {
    // The content belongs to the module; it goes with its last reference.
  }

  protected override capture(): Value {
    return this.value;
  }

  protected override settle(): void {
    // Nothing to forget: reading is a leaf already.
  }
}

/** A buffer that is trained: gradients accumulate on it. Floats only. */
export class Parameter extends Buffer {
  /** @throws DTypeError unless the tensor is a float. */
  constructor(initial: Tensor, options: { readonly name?: string; readonly requiresGrad?: boolean } = {}) {
    if (initial.dtype !== "f32" && initial.dtype !== "f64") {
      throw new DTypeError(`Parameter: ${initial.dtype} cannot require a gradient; only floats can`);
    }
    super(initial, { name: options.name ?? "parameter", requiresGrad: options.requiresGrad ?? true });
  }

  override get grad(): Tensor | undefined {
    const gradient = currentEngine().gradientOf(this.cell);
    return gradient && new Tensor(gradient, this.device);
  }

  override zeroGrad(): void {
    currentEngine().clearGradient(this.cell);
  }

  override async format(): Promise<string> {
    return `Parameter containing:\n${await super.format()}`;
  }
}

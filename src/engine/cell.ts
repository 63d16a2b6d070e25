import { bytesPerElement, type DType } from "../graph/dtype.ts";
import { InternalError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { numel, type Shape } from "../graph/shape.ts";
import { build } from "../ops/build.ts";
import type { Source } from "../ops/leaves.ts";
import type { Block, Device, Region } from "../runtime/device.ts";

/** One backward(): the loss it began at, and the cells and other leaves that it left gradients on. */
export interface BackwardRecord {
  readonly root: Value;
  readonly cells: readonly Cell[];
  readonly leaves: readonly Value[];
}

/**
 * The gradient that a cell has accumulated, and the backward() calls it came from that have not been computed yet. Once
 * computed, the value is the leaf of the cell's gradient cell.
 */
export interface GradientState {
  readonly value: Value;
  readonly pending: ReadonlySet<BackwardRecord>;
}

/**
 * The storage behind a parameter or buffer: the only thing that changes. Every assignment raises `version`; a leaf names
 * the version that it reads.
 */
export class Cell implements Source {
  readonly kind = "cell";
  name: string;
  readonly shape: Shape;
  readonly dtype: DType;
  readonly device: Device;
  requiresGrad: boolean;
  version = 0;
  /** Where the content lies; undefined until it is first needed. */
  region: Region | undefined;
  /** What the content will be once it is needed: set until the first run that touches the cell. */
  initial: Value | undefined;
  /** The gradient accumulated so far, outside compiled calls. */
  gradient: GradientState | undefined;
  /** Keeps the block that `region` lies in alive, and lets it go with the last cell in it. */
  #owner: BlockOwner | undefined;
  #gradientCell: Cell | undefined;
  #leaf: { readonly version: number; readonly requiresGrad: boolean; readonly value: Value } | undefined;

  constructor(options: {
    readonly name: string;
    readonly shape: Shape;
    readonly dtype: DType;
    readonly device: Device;
    readonly requiresGrad: boolean;
    readonly initial?: Value;
  }) {
    this.name = options.name;
    this.shape = options.shape;
    this.dtype = options.dtype;
    this.device = options.device;
    this.requiresGrad = options.requiresGrad;
    this.initial = options.initial;
  }

  get bytes(): number {
    return numel(this.shape) * bytesPerElement(this.dtype === "bool" ? "i32" : this.dtype);
  }

  /** The cell in which this one's gradient is kept; same shape, made on first use. */
  get gradientCell(): Cell {
    this.#gradientCell ??= new Cell({
      name: `${this.name}.grad`,
      shape: this.shape,
      dtype: this.dtype,
      device: this.device,
      requiresGrad: false,
    });
    return this.#gradientCell;
  }

  /** The leaf that reads the present version; one object until the version changes. */
  leaf(): Value {
    const { shape, dtype, version, requiresGrad } = this;
    if (this.#leaf?.version !== version || this.#leaf.requiresGrad !== requiresGrad) {
      const attrs = { shape, dtype, source: this, version, requiresGrad };
      this.#leaf = { version, requiresGrad, value: build("source", [], attrs).outputs[0] };
    }
    return this.#leaf.value;
  }

  /** Places the content in a block. What was there before is not copied. */
  place(owner: BlockOwner, byteOffset: number): void {
    this.#owner = owner;
    const { dtype } = this;
    this.region = { kind: "region", block: owner.block, byteOffset, dtype, length: numel(this.shape) };
  }

  /** The region, allocated in a block of its own if there is none. */
  ensureRegion(blocks: BlockRegistry): Region {
    if (this.region === undefined) this.place(blocks.create(this.device, Math.max(this.bytes, 1)), 0);
    if (this.region === undefined) throw new InternalError(`cell ${this.name} has no region`);
    return this.region;
  }

  /** The block's owner, for tests of lifetime. */
  get owner(): BlockOwner | undefined {
    return this.#owner;
  }
}

/** Holds a block for the cells that lie in it; when the last of them is collected, so is this, and the block is freed. */
export interface BlockOwner {
  readonly block: Block;
}

/** Makes blocks that are released when their owner is collected. */
export class BlockRegistry {
  readonly #net = new FinalizationRegistry<Block>((block) => block.release());

  create(device: Device, bytes: number): BlockOwner {
    const owner: BlockOwner = { block: device.createBlock(bytes) };
    this.#net.register(owner, owner.block, owner);
    return owner;
  }

  /** Releases at once, for owners whose cells have moved away. */
  release(owner: BlockOwner): void {
    this.#net.unregister(owner);
    owner.block.release();
  }
}

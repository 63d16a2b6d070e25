import type { BlockRegistry, Cell } from "./cell.ts";

/** Tensors begin at multiples of this in an arena, which is what WebGPU asks of an offset in a binding. */
const alignment = 256;

/** A binding's default limit in WebGPU; shards stay below it. */
export const defaultShardBytes = 128 * 1024 * 1024;

/**
 * Moves cells into shared blocks, in order, each at a multiple of 256 bytes; a new shard begins where the next cell
 * would pass `shardBytes`. Lists packed one by one get the same layout when their shapes agree, so that a parameter, its
 * gradient and its moments lie at the same offset of their arenas, and one kernel can update a whole shard.
 *
 * Cells keep their content. All must live on one device.
 */
export function packCells(
  cells: readonly Cell[],
  blocks: BlockRegistry,
  shardBytes = defaultShardBytes,
): void {
  let shard: { cell: Cell; offset: number }[] = [];
  let used = 0;
  const close = (): void => {
    if (shard.length === 0) return;
    const { device } = shard[0].cell;
    const owner = blocks.create(device, used);
    for (const { cell, offset } of shard) {
      const before = cell.region;
      const previous = cell.owner;
      cell.place(owner, offset);
      if (before !== undefined && cell.region !== undefined) device.copy(before, cell.region);
      // A block of its own holds nothing else: it can go at once.
      if (previous !== undefined && previous.block.bytes <= Math.max(cell.bytes, 1)) blocks.release(previous);
    }
    shard = [];
    used = 0;
  };
  for (const cell of cells) {
    const bytes = Math.ceil(Math.max(cell.bytes, 1) / alignment) * alignment;
    if (used + bytes > shardBytes) close();
    shard.push({ cell, offset: used });
    used += bytes;
  }
  close();
}

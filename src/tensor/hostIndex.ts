import type { TypedArray } from "../graph/dtype.ts";
import { IndexOutOfRangeError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { formatShape, type Shape } from "../graph/shape.ts";
import { typed } from "../ops/table.ts";

/**
 * The elements of an index whose data is known on the host (made by `tensor`, perhaps viewed since), in any order;
 * undefined for one that a device computes.
 */
export function hostElements(index: Value): TypedArray | undefined {
  let value = index;
  // Views repeat or rearrange elements; a slice may leave bad ones out, so it ends the search.
  while (value.node.op === "reshape" || value.node.op === "expand" || value.node.op === "permute") {
    value = value.node.inputs[0];
  }
  const node = typed(value.node);
  return node.op === "constant" ? node.attrs.data : undefined;
}

/** How indices that are known on the host are checked. */
export interface HostIndexOptions {
  /** An index that is let through. */
  readonly ignored?: number;
  /** Whether negative indices count from the end. */
  readonly fromEnd?: boolean;
}

/**
 * Checks an index whose data is known on the host. One that a device computes cannot be checked here: it reads 0 and
 * drops writes outside the dim.
 * @throws IndexOutOfRangeError naming the first bad index.
 */
export function checkHostIndex(
  op: string,
  index: Value,
  shape: Shape,
  dim: number,
  { ignored, fromEnd = false }: HostIndexOptions = {},
): void {
  const size = shape[dim] ?? 1;
  const least = fromEnd ? -size : 0;
  for (const at of hostElements(index) ?? []) {
    if ((at < least || at >= size) && at !== ignored) {
      throw new IndexOutOfRangeError(
        `${op}: index ${at} is outside dim ${dim} of ${formatShape(shape)}; indices run from ${least} to ${size - 1}`,
      );
    }
  }
}

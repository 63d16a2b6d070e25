import { IndexOutOfRangeError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { formatShape, type Shape } from "../graph/shape.ts";
import { typed } from "../ops/table.ts";

/**
 * Checks an index whose data is known on the host (made by `tensor`, perhaps viewed since). One that a device computes
 * cannot be checked here: it reads 0 and drops writes outside the dim. `ignored` is let through.
 * @throws IndexOutOfRangeError naming the first bad index.
 */
export function checkHostIndex(op: string, index: Value, shape: Shape, dim: number, ignored?: number): void {
  let value = index;
  // Views repeat or rearrange elements; a slice may leave bad ones out, so it ends the search.
  while (value.node.op === "reshape" || value.node.op === "expand" || value.node.op === "permute") {
    value = value.node.inputs[0];
  }
  const node = typed(value.node);
  if (node.op !== "constant") return;
  const size = shape[dim];
  for (const at of node.attrs.data) {
    if ((at < 0 || at >= size) && at !== ignored) {
      throw new IndexOutOfRangeError(
        `${op}: index ${at} is outside dim ${dim} of ${formatShape(shape)}; indices run from 0 to ${size - 1}`,
      );
    }
  }
}

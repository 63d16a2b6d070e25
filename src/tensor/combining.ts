import { ArgumentError, ShapeError } from "../graph/errors.ts";
import { broadcastShapes, formatShape, type Shape } from "../graph/shape.ts";
import { concat, type Tensor } from "./tensor.ts";

/** Tensors side by side along the second dim, or along the only one. */
export function hstack(tensors: readonly Tensor[]): Tensor {
  const whole = tensors.map((tensor) => atLeast(tensor, 1));
  return concat(whole, whole[0]?.ndim === 1 ? 0 : 1);
}

/** Tensors below each other, along the first dim; those of one dim are rows. */
export function vstack(tensors: readonly Tensor[]): Tensor {
  return concat(tensors.map((tensor) => (tensor.ndim < 2 ? tensor.reshape([1, tensor.numel]) : tensor)));
}

function atLeast(tensor: Tensor, rank: number): Tensor {
  return tensor.ndim < rank ? tensor.reshape([1]) : tensor;
}

/** All tensors expanded to the shape in which they meet. @throws ShapeError where there is none. */
export function broadcastTensors(tensors: readonly Tensor[]): Tensor[] {
  const shape = tensors.reduce<Shape>(
    (met, tensor) => broadcastShapes("broadcastTensors", met, tensor.shape),
    [],
  );
  return tensors.map((tensor) => tensor.expand(shape));
}

/**
 * The coordinates of the grid that vectors span, one tensor a vector: of shape [n0, n1, ...], or with `indexing: "xy"` with
 * the first two dims the other way round.
 * @throws ShapeError for what is no vector.
 */
export function meshgrid(
  vectors: readonly Tensor[],
  options: { readonly indexing?: "ij" | "xy" } = {},
): Tensor[] {
  const { indexing = "ij" } = options;
  if (indexing !== "ij" && indexing !== "xy")
    throw new ArgumentError(`meshgrid: indexing "${String(indexing)}" is neither "ij" nor "xy"`);
  for (const { shape } of vectors) {
    if (shape.length > 1) throw new ShapeError(`meshgrid: ${formatShape(shape)} is no vector; flatten it`);
  }
  const sizes = vectors.map((vector) => vector.numel);
  const grids = vectors.map((vector, at) =>
    vector.reshape(sizes.map((size, dim) => (dim === at ? size : 1))).expand(sizes),
  );
  return indexing === "xy" && vectors.length > 1 ? grids.map((grid) => grid.transpose(0, 1)) : grids;
}

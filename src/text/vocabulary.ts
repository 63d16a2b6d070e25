import { ArgumentError } from "../graph/errors.ts";

/**
 * The ids of the pieces of a vocabulary, in its order.
 * @throws ArgumentError, in the name of `model`, for a piece that occurs twice.
 */
export function idsOfPieces(model: string, pieces: readonly string[]): Map<string, number> {
  const ids = new Map<string, number>();
  for (const [id, piece] of pieces.entries()) {
    const earlier = ids.get(piece);
    if (earlier !== undefined) {
      throw new ArgumentError(`${model}: "${piece}" stands twice in the vocabulary, at ${earlier} and ${id}`);
    }
    ids.set(piece, id);
  }
  return ids;
}

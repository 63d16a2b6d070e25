import { ArgumentError } from "../graph/errors.ts";

/**
 * Which text of a pair is cut: the longer one until both are equally long, only the first, or only the
 * second.
 */
export type TruncationStrategy = "longestFirst" | "onlyFirst" | "onlySecond";

/** A limit on the number of tokens, special tokens included. Texts are cut at their end. */
export interface Truncation {
  readonly maxLength: number;
  readonly strategy: TruncationStrategy;
}

/**
 * Lengths to which texts of `a` and `b` tokens (b null for a single text) are cut so that with `added`
 * special tokens they fit into `maxLength`. As Hugging Face does, "longestFirst" cuts the longer text down to
 * the shorter before it cuts both, and gives the odd token to the second text, or to the first if that was
 * the longer.
 *
 * @throws ArgumentError when `maxLength` is no length or has no room for the special tokens, or when the text
 * that the strategy cuts is too short.
 */
export function truncatedLengths(
  a: number,
  b: number | null,
  maxLength: number,
  added: number,
  strategy: TruncationStrategy,
): readonly [number, number] {
  if (!(maxLength >= 0 && (Number.isInteger(maxLength) || maxLength === Number.POSITIVE_INFINITY))) {
    throw new ArgumentError(`truncation: maxLength must be a length, got ${maxLength}`);
  }
  const room = maxLength - added;
  if (room < 0) {
    throw new ArgumentError(
      `truncation: maxLength ${maxLength} has no room for ${added} special tokens; ` +
        "raise it or leave them out",
    );
  }
  const total = a + (b ?? 0);
  if (total <= room) return [a, b ?? 0];
  if (b === null && strategy !== "onlySecond") return [room, 0];
  switch (strategy) {
    case "longestFirst": {
      const shorter = Math.min(a, b ?? 0);
      // Either the shorter text stays whole, or both get half of the room.
      const [small, large] =
        2 * shorter <= room ? [shorter, room - shorter] : [Math.floor(room / 2), Math.ceil(room / 2)];
      return a > (b ?? 0) ? [large, small] : [small, large];
    }
    case "onlyFirst":
    case "onlySecond": {
      const [cut, length] = strategy === "onlyFirst" ? ["first", a] : ["second", b ?? 0];
      const excess = total - room;
      if (length <= excess) {
        throw new ArgumentError(
          `truncation: "${strategy}" cannot cut ${excess} tokens from a ${cut} text of ${length}; ` +
            `raise maxLength ${maxLength} or use "longestFirst"`,
        );
      }
      return strategy === "onlyFirst" ? [a - excess, b ?? 0] : [a, (b ?? 0) - excess];
    }
  }
}

/** A word as its characters, with its count. */
export interface CountedWord {
  readonly characters: readonly string[];
  readonly count: number;
}

/** A candidate piece and how often it occurs. */
export interface SeedPiece {
  readonly text: string;
  readonly count: number;
}

/** Of strings in the order of their UTF-16 units. */
export function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** For each place of each word: does a frequent substring of the current length start there? */
type Starts = readonly Uint8Array[];

/** Counts the substrings of `length` whose two parts of `length - 1` are both frequent. */
function countSubstrings(words: readonly CountedWord[], length: number, starts: Starts): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [w, { characters, count }] of words.entries()) {
    for (let i = 0; i + length <= characters.length; i++) {
      if (starts[w][i] === 0 || starts[w][i + 1] === 0) continue;
      const text = characters.slice(i, i + length).join("");
      counts.set(text, (counts.get(text) ?? 0) + count);
    }
  }
  return counts;
}

/**
 * The substrings of 2 to `maxLength` characters that occur `minCount` times, without those that are always
 * followed by the same character (the longer one says as much): what a suffix tree has as inner nodes.
 *
 * Found length by length: a substring is counted only where both of its parts, one character shorter, are
 * frequent, so that memory is bounded by the frequent ones.
 *
 * @returns The `limit` ones with the highest count times length; of equals, the first by their text.
 */
export function frequentSubstrings(
  words: readonly CountedWord[],
  maxLength: number,
  minCount: number,
  limit: number,
): SeedPiece[] {
  let starts: Starts = words.map(({ characters }) => new Uint8Array(characters.length + 1).fill(1));
  let shorter = new Map<string, number>();
  const seeds: (SeedPiece & { readonly rating: number })[] = [];
  for (let length = 2; length <= maxLength + 1; length++) {
    const counts = countSubstrings(words, length, starts);
    for (const [text, count] of counts) {
      if (count < minCount) counts.delete(text);
      // Always followed by the same character, the last one of `text`; unless that would be too long a piece.
      else if (length > 2 && length <= maxLength) {
        const prefix = [...text].slice(0, -1).join("");
        if (shorter.get(prefix) === count) shorter.delete(prefix);
      }
    }
    for (const [text, count] of shorter) seeds.push({ text, count, rating: count * (length - 1) });
    if (counts.size === 0) break;
    starts = words.map(({ characters }, w) =>
      starts[w].map((_, i) =>
        i + length <= characters.length && counts.has(characters.slice(i, i + length).join("")) ? 1 : 0,
      ),
    );
    shorter = counts;
  }
  seeds.sort((a, b) => b.rating - a.rating || byText(a.text, b.text));
  return seeds.slice(0, limit).map(({ text, count }) => ({ text, count }));
}

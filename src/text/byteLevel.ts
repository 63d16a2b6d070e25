import type { Decoder, JsonObject, PostProcessor, PreTokenizer, ProcessedIds } from "./components.ts";

function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

/**
 * The character that stands for each byte in a byte-level vocabulary: a printable Latin-1 character for
 * itself, any other byte for the next character from U+0100 on (a space is "Ġ", a line feed "Ċ").
 *
 * Source: Radford et al., GPT-2 (2019), `encoder.py`.
 */
export const BYTE_CHARACTERS: readonly string[] = Object.freeze(
  Array.from({ length: 256 }, (_, byte) => {
    if (isPrintable(byte)) return String.fromCharCode(byte);
    let earlier = 0;
    for (let other = 0; other < byte; other++) if (!isPrintable(other)) earlier++;
    return String.fromCharCode(0x100 + earlier);
  }),
);

const BYTE_OF: ReadonlyMap<string, number> = new Map(
  BYTE_CHARACTERS.map((character, byte) => [character, byte] as const),
);

// White space is Unicode's, as in the Rust library; JavaScript's \s has U+FEFF and lacks U+0085.
const GPT2_WORD = new RegExp(
  [
    "'s|'t|'re|'ve|'m|'ll|'d",
    " ?\\p{L}+",
    " ?\\p{N}+",
    " ?[^\\p{White_Space}\\p{L}\\p{N}]+",
    // A run of white space leaves its last character to the word after it.
    "\\p{White_Space}+(?!\\P{White_Space})",
    "\\p{White_Space}+",
  ].join("|"),
  "gu",
);

/** The bytes of `text` in UTF-8, each as its character. An unpaired surrogate becomes U+FFFD. */
function toByteCharacters(text: string): string {
  let result = "";
  for (const byte of new TextEncoder().encode(text)) result += BYTE_CHARACTERS[byte];
  return result;
}

/** Settings of {@link ByteLevelPreTokenizer}. */
export interface ByteLevelOptions {
  /**
   * Put a space before a text that does not start with one, so that its first word is like any other. Default
   * true.
   */
  readonly addPrefixSpace?: boolean;
  /** Cut into GPT-2's words; otherwise each text is one word. Default true. */
  readonly useRegex?: boolean;
  /** Concerns offsets, which this library does not give: kept for `toJSON` only. Default true. */
  readonly trimOffsets?: boolean;
}

/**
 * GPT-2's pre-tokenization, equal to Hugging Face's `ByteLevel`: words keep the space before them, runs of
 * letters, of digits and of other characters are apart, English contractions are cut off; then each word is
 * written as characters that stand for its bytes.
 */
export class ByteLevelPreTokenizer implements PreTokenizer {
  readonly addPrefixSpace: boolean;
  readonly useRegex: boolean;
  readonly trimOffsets: boolean;

  constructor(options: ByteLevelOptions = {}) {
    this.addPrefixSpace = options.addPrefixSpace ?? true;
    this.useRegex = options.useRegex ?? true;
    this.trimOffsets = options.trimOffsets ?? true;
  }

  preTokenize(text: string): string[] {
    if (text === "") return [];
    const spaced = this.addPrefixSpace && !text.startsWith(" ") ? ` ${text}` : text;
    const words = this.useRegex ? (spaced.match(GPT2_WORD) ?? []) : [spaced];
    return words.map(toByteCharacters);
  }

  toJSON(): JsonObject {
    return {
      type: "ByteLevel",
      add_prefix_space: this.addPrefixSpace,
      trim_offsets: this.trimOffsets,
      use_regex: this.useRegex,
    };
  }
}

/**
 * Text of byte-level tokens, equal to Hugging Face's `ByteLevel` decoder: their characters as the bytes they
 * stand for. A token with a character that stands for no byte is taken as text. Bytes that are no UTF-8, as
 * at the end of a cut sequence, become U+FFFD.
 */
export class ByteLevelDecoder implements Decoder {
  decode(tokens: readonly string[]): string {
    const bytes: number[] = [];
    const encoder = new TextEncoder();
    for (const token of tokens) {
      const own: number[] = [];
      for (const character of token) {
        const byte = BYTE_OF.get(character);
        if (byte === undefined) break;
        own.push(byte);
      }
      // Every character that stands for a byte is one UTF-16 unit.
      for (const byte of own.length === token.length ? own : encoder.encode(token)) bytes.push(byte);
    }
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
  }

  toJSON(): JsonObject {
    return { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true };
  }
}

/** Adds no token: GPT-2's texts stand alone. Equal to Hugging Face's `ByteLevel` post-processor. */
export class ByteLevelPostProcessor implements PostProcessor {
  readonly trimOffsets: boolean;

  /** @param trimOffsets Concerns offsets, which this library does not give: kept for `toJSON` only. */
  constructor(trimOffsets = true) {
    this.trimOffsets = trimOffsets;
  }

  addedCount(): number {
    return 0;
  }

  process(a: readonly number[], b: readonly number[] | null): ProcessedIds {
    const ids = [...a, ...(b ?? [])];
    return {
      ids,
      typeIds: ids.map((_, i) => (i < a.length ? 0 : 1)),
      specialTokensMask: ids.map(() => 0),
    };
  }

  toJSON(): JsonObject {
    return {
      type: "ByteLevel",
      add_prefix_space: true,
      trim_offsets: this.trimOffsets,
      use_regex: true,
    };
  }
}

import { ArgumentError } from "../graph/errors.ts";
import type { Decoder, JsonObject, PreTokenizer } from "./components.ts";

/** Which texts get a space in front: every stretch between added tokens, only the first one, or none. */
export type PrependScheme = "always" | "first" | "never";

/** Settings of {@link MetaspacePreTokenizer} and {@link MetaspaceDecoder}. */
export interface MetaspaceOptions {
  /** One character that stands for a space. Default "▁" (U+2581). */
  readonly replacement?: string;
  /** Default "always". */
  readonly prependScheme?: PrependScheme;
  /** Cut before each space; otherwise a text is one word. Default true. */
  readonly split?: boolean;
}

abstract class Metaspace {
  readonly replacement: string;
  readonly prependScheme: PrependScheme;
  readonly split: boolean;

  /** @throws ArgumentError for a replacement that is not one character. */
  constructor(options: MetaspaceOptions = {}) {
    this.replacement = options.replacement ?? "\u2581";
    this.prependScheme = options.prependScheme ?? "always";
    this.split = options.split ?? true;
    if ([...this.replacement].length !== 1) {
      throw new ArgumentError(`Metaspace: replacement must be one character, got "${this.replacement}"`);
    }
  }

  toJSON(): JsonObject {
    return {
      type: "Metaspace",
      replacement: this.replacement,
      prepend_scheme: this.prependScheme,
      split: this.split,
    };
  }
}

/**
 * SentencePiece's way with spaces, equal to Hugging Face's `Metaspace`: each space becomes "▁", which belongs
 * to the word after it; a text is given one in front.
 *
 * Source: Kudo and Richardson, SentencePiece (1808.06226).
 */
export class MetaspacePreTokenizer extends Metaspace implements PreTokenizer {
  preTokenize(text: string, atStart = true): string[] {
    if (text === "") return [];
    let marked = text.replaceAll(" ", () => this.replacement);
    const prepends = this.prependScheme === "always" || (this.prependScheme === "first" && atStart);
    if (prepends && !marked.startsWith(this.replacement)) marked = this.replacement + marked;
    if (!this.split) return [marked];
    const [first, ...rest] = marked.split(this.replacement);
    const words = rest.map((word) => this.replacement + word);
    return first === "" ? words : [first, ...words];
  }
}

/**
 * Joins tokens and turns "▁" back into spaces, equal to Hugging Face's `Metaspace` decoder: those of the
 * first token are dropped, unless nothing is ever put in front.
 */
export class MetaspaceDecoder extends Metaspace implements Decoder {
  decode(tokens: readonly string[]): string {
    return tokens
      .map((token, i) => {
        const space = i === 0 && this.prependScheme !== "never" ? "" : " ";
        return token.replaceAll(this.replacement, space);
      })
      .join("");
  }
}

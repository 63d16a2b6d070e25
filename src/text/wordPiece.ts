import { ArgumentError } from "../graph/errors.ts";
import type { Decoder, JsonObject, TokenModel } from "./components.ts";
import { idsOfPieces } from "./vocabulary.ts";

/** Settings of {@link WordPiece}. */
export interface WordPieceOptions {
  /** The piece that stands for a word that cannot be cut. Default "[UNK]"; must be in the vocabulary. */
  readonly unkToken?: string;
  /** What marks a piece that continues a word. Default "##". */
  readonly continuingSubwordPrefix?: string;
  /** Words of more code points than this become the unknown piece. Default 100. */
  readonly maxInputCharsPerWord?: number;
}

/** True where `index` lies between the two halves of a surrogate pair. */
function insideCodePoint(text: string, index: number): boolean {
  const low = text.charCodeAt(index);
  const high = text.charCodeAt(index - 1);
  return low >= 0xdc00 && low <= 0xdfff && high >= 0xd800 && high <= 0xdbff;
}

function hasMoreCodePointsThan(text: string, limit: number): boolean {
  if (text.length <= limit) return false;
  let count = 0;
  for (let i = 0; i < text.length; i++) if (!insideCodePoint(text, i)) count++;
  return count > limit;
}

/**
 * The WordPiece model: a word is cut, from the left, into the longest pieces that the vocabulary has; pieces
 * after the first carry the prefix `##`. A word that cannot be cut to its end becomes one unknown piece.
 *
 * Source: Devlin et al., BERT (1810.04805), `WordpieceTokenizer`; Hugging Face tokenizers,
 * `models/wordpiece`.
 */
export class WordPiece implements TokenModel {
  readonly unkToken: string;
  readonly unkId: number;
  readonly continuingSubwordPrefix: string;
  readonly maxInputCharsPerWord: number;
  readonly #pieces: readonly string[];
  readonly #ids: ReadonlyMap<string, number>;
  /** Length, in UTF-16 units, of the longest piece: no longer candidate need be tried. */
  readonly #longest: number;

  /**
   * @param vocabulary The pieces in the order of their ids.
   * @throws ArgumentError for a piece that occurs twice, an unknown piece that is missing, or a limit below
   * 1.
   */
  constructor(vocabulary: readonly string[], options: WordPieceOptions = {}) {
    this.unkToken = options.unkToken ?? "[UNK]";
    this.continuingSubwordPrefix = options.continuingSubwordPrefix ?? "##";
    this.maxInputCharsPerWord = options.maxInputCharsPerWord ?? 100;
    if (!Number.isInteger(this.maxInputCharsPerWord) || this.maxInputCharsPerWord < 1) {
      throw new ArgumentError(
        `WordPiece: maxInputCharsPerWord must be a positive integer, got ${this.maxInputCharsPerWord}`,
      );
    }
    this.#pieces = [...vocabulary];
    const ids = idsOfPieces("WordPiece", this.#pieces);
    const unkId = ids.get(this.unkToken);
    if (unkId === undefined) {
      throw new ArgumentError(`WordPiece: the unknown piece "${this.unkToken}" is not in the vocabulary`);
    }
    this.unkId = unkId;
    this.#ids = ids;
    this.#longest = this.#pieces.reduce((longest, piece) => Math.max(longest, piece.length), 0);
  }

  get vocabSize(): number {
    return this.#pieces.length;
  }

  tokenToId(token: string): number | undefined {
    return this.#ids.get(token);
  }

  idToToken(id: number): string | undefined {
    return this.#pieces[id];
  }

  tokenizeWord(word: string): readonly number[] {
    if (hasMoreCodePointsThan(word, this.maxInputCharsPerWord)) return [this.unkId];
    const ids: number[] = [];
    let start = 0;
    while (start < word.length) {
      let id: number | undefined;
      let end = Math.min(word.length, start + this.#longest);
      for (; end > start; end--) {
        if (insideCodePoint(word, end)) continue;
        const text = word.slice(start, end);
        id = this.#ids.get(start === 0 ? text : this.continuingSubwordPrefix + text);
        if (id !== undefined) break;
      }
      if (id === undefined) return [this.unkId];
      ids.push(id);
      start = end;
    }
    return ids;
  }

  toJSON(): JsonObject {
    return {
      type: "WordPiece",
      unk_token: this.unkToken,
      continuing_subword_prefix: this.continuingSubwordPrefix,
      max_input_chars_per_word: this.maxInputCharsPerWord,
      // fromEntries defines properties, so that a piece called "__proto__" survives.
      vocab: Object.fromEntries(this.#ids),
    };
  }
}

const CLEANUPS: readonly (readonly [string, string])[] = [
  [" .", "."],
  [" ?", "?"],
  [" !", "!"],
  [" ,", ","],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" do not", " don't"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

/**
 * Joins word pieces: a piece with the prefix is glued to its neighbour on the left, any other gets a space
 * before it.
 * `cleanup` takes back the space before punctuation and English contractions, token by token, as Hugging
 * Face's `decoders.WordPiece` does (so " ' " between two words stays, since no single token holds it).
 */
export class WordPieceDecoder implements Decoder {
  readonly prefix: string;
  readonly cleanup: boolean;

  constructor(options: { readonly prefix?: string; readonly cleanup?: boolean } = {}) {
    this.prefix = options.prefix ?? "##";
    this.cleanup = options.cleanup ?? true;
  }

  decode(tokens: readonly string[]): string {
    return tokens
      .map((token, i) => {
        let text = token;
        if (i > 0) text = text.startsWith(this.prefix) ? text.slice(this.prefix.length) : ` ${text}`;
        if (this.cleanup) for (const [from, to] of CLEANUPS) text = text.replaceAll(from, to);
        return text;
      })
      .join("");
  }

  toJSON(): JsonObject {
    return { type: "WordPiece", prefix: this.prefix, cleanup: this.cleanup };
  }
}

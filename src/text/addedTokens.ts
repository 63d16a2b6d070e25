import { ArgumentError } from "../graph/errors.ts";
import type { Normalizer } from "./components.ts";

/** A token that is found in the text as it stands, before the model sees any of it. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Left out by `decode` with `skipSpecialTokens`. */
  readonly special: boolean;
  /** Looked for in the normalized text, in its own normalized form; otherwise in the raw text. */
  readonly normalized: boolean;
  /** Only where no word character touches it. */
  readonly singleWord: boolean;
  /** Takes the white space on its left along. */
  readonly lstrip: boolean;
  /** Takes the white space on its right along. */
  readonly rstrip: boolean;
}

/** A piece of text still to be tokenized, or the id of an added token that stood there. */
export type TextOrId = string | number;

// A word character as Rust's regular expressions define \w, which is what Hugging Face asks for here.
const WORD_CHARACTER = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
const WHITE_SPACE = /\p{White_Space}/u;
const LONE_SURROGATE = /\p{Cs}/u;

function codePointBefore(text: string, index: number): string {
  const single = text.slice(index - 1, index);
  const double = text.slice(Math.max(0, index - 2), index);
  return /^\p{Cs}$/u.test(single) && [...double].length === 1 ? double : single;
}

function codePointAt(text: string, index: number): string {
  const code = text.codePointAt(index);
  return code === undefined ? "" : String.fromCodePoint(code);
}

/** Finds one set of patterns, the leftmost first and of these the longest. */
class Matcher {
  readonly #byPattern: ReadonlyMap<string, AddedToken>;
  readonly #expression: RegExp | null;

  constructor(byPattern: ReadonlyMap<string, AddedToken>) {
    this.#byPattern = byPattern;
    // An alternation takes the first alternative that fits: the longest comes first.
    const patterns = [...byPattern.keys()].sort((a, b) => b.length - a.length);
    const source = patterns.map((pattern) => pattern.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("|");
    this.#expression = patterns.length === 0 ? null : new RegExp(source, "gu");
  }

  split(text: string): TextOrId[] {
    if (this.#expression === null) return text === "" ? [] : [text];
    const parts: TextOrId[] = [];
    let done = 0;
    for (const match of text.matchAll(this.#expression)) {
      const token = this.#byPattern.get(match[0]);
      if (token === undefined) continue;
      let start = match.index;
      let end = start + match[0].length;
      const touchesWord =
        WORD_CHARACTER.test(codePointBefore(text, start)) || WORD_CHARACTER.test(codePointAt(text, end));
      if (token.singleWord && touchesWord) continue;
      if (token.lstrip) while (start > done && WHITE_SPACE.test(text.charAt(start - 1))) start--;
      if (token.rstrip) while (end < text.length && WHITE_SPACE.test(text.charAt(end))) end++;
      if (start > done) parts.push(text.slice(done, start));
      parts.push(token.id);
      done = end;
    }
    if (done < text.length) parts.push(text.slice(done));
    return parts;
  }
}

/**
 * The added tokens of a tokenizer: looks them up by content and id, and cuts text at them, first the raw text
 * at those that are not normalized, then the normalized rest at the others.
 */
export class AddedTokens {
  readonly list: readonly AddedToken[];
  readonly #normalizer: Normalizer | null;
  readonly #byContent: ReadonlyMap<string, AddedToken>;
  readonly #byId: ReadonlyMap<number, AddedToken>;
  readonly #raw: Matcher;
  readonly #normalized: Matcher;

  /**
   * @throws ArgumentError for two tokens of one content or id, an empty content, or an unpaired surrogate in
   * one.
   */
  constructor(tokens: readonly AddedToken[], normalizer: Normalizer | null) {
    this.list = [...tokens].sort((a, b) => a.id - b.id);
    this.#normalizer = normalizer;
    const byContent = new Map<string, AddedToken>();
    const byId = new Map<number, AddedToken>();
    const raw = new Map<string, AddedToken>();
    const normalized = new Map<string, AddedToken>();
    for (const token of this.list) {
      if (token.content === "") throw new ArgumentError(`added token ${token.id}: its content is empty`);
      if (LONE_SURROGATE.test(token.content)) {
        throw new ArgumentError(`added token ${token.id}: its content has an unpaired surrogate`);
      }
      if (byContent.has(token.content) || byId.has(token.id)) {
        throw new ArgumentError(
          `added token "${token.content}" (id ${token.id}): content or id is taken already`,
        );
      }
      byContent.set(token.content, token);
      byId.set(token.id, token);
      if (!token.normalized) raw.set(token.content, token);
      else {
        const pattern = normalizer === null ? token.content : normalizer.normalize(token.content);
        if (pattern !== "") normalized.set(pattern, token);
      }
    }
    this.#byContent = byContent;
    this.#byId = byId;
    this.#raw = new Matcher(raw);
    this.#normalized = new Matcher(normalized);
  }

  byContent(content: string): AddedToken | undefined {
    return this.#byContent.get(content);
  }

  byId(id: number): AddedToken | undefined {
    return this.#byId.get(id);
  }

  /** Normalized stretches of `text` and the ids of the added tokens between them. */
  split(text: string): TextOrId[] {
    return this.#raw.split(text).flatMap((part) => {
      if (typeof part === "number") return [part];
      return this.#normalized.split(this.#normalizer === null ? part : this.#normalizer.normalize(part));
    });
  }
}

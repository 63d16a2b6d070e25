import { FileFormatError } from "../graph/errors.ts";

/**
 * A JSON value. Objects have no prototype, so that a key such as `__proto__` or `constructor` is only a key.
 */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export type JsonObject = { readonly [key: string]: JsonValue };

/** Arrays and objects nested deeper than this are refused; real model files stay below 20. */
const maximumDepth = 128;

/**
 * Longer numbers are refused: a float64 needs at most 767 digits, and a regular expression has a stack to
 * overflow.
 */
const maximumNumberLength = 1000;

const numberAtStart = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/;
const loneSurrogate = /\p{Surrogate}/u;

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** `text` as a JSON string, shortened: safe to put into a message whatever a hostile file chose as a name. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
}

/** Whether `text` can be written as UTF-8 and read back: it holds no half of a surrogate pair. */
export function isWellFormed(text: string): boolean {
  return !loneSurrogate.test(text);
}

/**
 * Reads JSON (RFC 8259) from front to back, in linear time, driven by its caller: one who knows what must
 * come next asks for just that, and nothing else is ever built. Stricter than `JSON.parse`, as files of
 * strangers deserve: duplicate keys, lone surrogates, numbers beyond float64 and deep nesting are errors.
 *
 * Every method throws FileFormatError, naming `part` and the position.
 */
export class JsonReader {
  readonly #text: string;
  readonly #part: string;
  #position = 0;
  #depth = 0;

  /** `part` names what is read, for messages: "safetensors header", say. */
  constructor(text: string, part: string) {
    this.#text = text;
    this.#part = part;
  }

  /** Throws FileFormatError: `what` is wrong here. */
  fail(what: string): never {
    throw new FileFormatError(`${this.#part}: ${what} (at character ${this.#position})`);
  }

  /** Nothing but white space may follow. */
  readEnd(): void {
    this.#skipSpace();
    if (this.#position < this.#text.length) this.fail(`expected the end, found ${this.#found()}`);
  }

  /** An object; `readMember` must read the value of `key`. `what` names the object in messages. */
  readObject(what: string, readMember: (key: string) => void): void {
    const seen = new Set<string>();
    this.#readSequence(what, openBrace, closeBrace, () => {
      const key = this.readString(`a key of ${what}`);
      if (seen.has(key)) this.fail(`${what} has the key ${quoted(key)} twice`);
      seen.add(key);
      if (this.#peek() !== colon)
        this.fail(`expected ":" after the key ${quoted(key)}, found ${this.#found()}`);
      this.#position++;
      readMember(key);
    });
  }

  /** An array; `readItem` must read one item. `what` names the array in messages. */
  readArray(what: string, readItem: () => void): void {
    this.#readSequence(what, openBracket, closeBracket, readItem);
  }

  /** A string, unescaped. */
  readString(what: string): string {
    if (this.#peek() !== quote) this.fail(`expected ${what} as a string, found ${this.#found()}`);
    const start = this.#position;
    let hasEscape = false;
    let at = start + 1;
    for (; ; at++) {
      const code = this.#text.charCodeAt(at);
      if (code === quote) break;
      if (code === backslash) {
        hasEscape = true;
        at++;
      } else if (!(code >= 0x20)) {
        // A control character, or NaN: the end of the text.
        this.fail(`${what} is a string that does not end, or holds an unescaped control character`);
      }
    }
    const value = hasEscape ? this.#unescape(what, start, at + 1) : this.#text.slice(start + 1, at);
    if (!isWellFormed(value)) this.fail(`${what} holds half of a surrogate pair`);
    this.#position = at + 1;
    return value;
  }

  /** A number exactly as written, for a caller who must tell `1` from `1.0` and `-0`. */
  readNumberText(what: string): string {
    this.#skipSpace();
    const match = numberAtStart.exec(
      this.#text.slice(this.#position, this.#position + maximumNumberLength + 1),
    );
    if (match === null) this.fail(`expected ${what} as a number, found ${this.#found()}`);
    if (match[0].length > maximumNumberLength)
      this.fail(`${what} is a number of more than ${maximumNumberLength} characters`);
    this.#position += match[0].length;
    return match[0];
  }

  /** A non-negative integer of at most 2^53 - 1, written in digits alone. */
  readSize(what: string): number {
    const text = this.readNumberText(what);
    const value = Number(text);
    if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(value)) {
      this.fail(`${what} is ${text.slice(0, 40)}, expected an integer from 0 to ${Number.MAX_SAFE_INTEGER}`);
    }
    return value;
  }

  /** Any value. */
  readValue(what: string): JsonValue {
    const code = this.#peek();
    if (code === openBrace) return this.#readRecord(what);
    if (code === openBracket) {
      const items: JsonValue[] = [];
      this.readArray(what, () => items.push(this.readValue(what)));
      return items;
    }
    if (code === quote) return this.readString(what);
    if (this.#readWord("true")) return true;
    if (this.#readWord("false")) return false;
    if (this.#readWord("null")) return null;
    const value = Number(this.readNumberText(what));
    if (!Number.isFinite(value)) this.fail(`${what} holds a number beyond the range of float64`);
    return value;
  }

  #readRecord(what: string): JsonObject {
    const record: Record<string, JsonValue> = Object.create(null);
    this.readObject(what, (key) => {
      record[key] = this.readValue(what);
    });
    return record;
  }

  #readSequence(what: string, open: number, close: number, readItem: () => void): void {
    const [opener, closer] = [String.fromCharCode(open), String.fromCharCode(close)];
    if (this.#peek() !== open)
      this.fail(`expected ${what} to start with "${opener}", found ${this.#found()}`);
    if (++this.#depth > maximumDepth) this.fail(`values are nested deeper than ${maximumDepth} levels`);
    this.#position++;
    if (this.#peek() !== close) {
      readItem();
      while (this.#peek() === comma) {
        this.#position++;
        readItem();
      }
    }
    if (this.#peek() !== close) this.fail(`expected "," or "${closer}" in ${what}, found ${this.#found()}`);
    this.#position++;
    this.#depth--;
  }

  /**
   * The raw string with its quotes, at [start, end). Its extent is known, so JSON.parse only undoes the
   * escapes.
   */
  #unescape(what: string, start: number, end: number): string {
    try {
      return JSON.parse(this.#text.slice(start, end)) as string;
    } catch {
      return this.fail(`${what} holds an invalid escape`);
    }
  }

  #readWord(word: string): boolean {
    if (!this.#text.startsWith(word, this.#position)) return false;
    this.#position += word.length;
    return true;
  }

  /** The code of the next character that is not white space, NaN at the end. */
  #peek(): number {
    this.#skipSpace();
    return this.#text.charCodeAt(this.#position);
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#position);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#position++;
    }
  }

  #found(): string {
    return this.#position < this.#text.length ? quoted(this.#text[this.#position]) : "the end";
  }
}

/**
 * The JSON value that is the whole of `text`. `part` names the text in messages.
 * @throws FileFormatError for what is not JSON, and for what JsonReader refuses.
 */
export function parseStrictJson(text: string, part: string): JsonValue {
  const reader = new JsonReader(text, part);
  const value = reader.readValue("the value");
  reader.readEnd();
  return value;
}

/**
 * The JSON object that is the whole of `text`.
 * @throws FileFormatError as `parseStrictJson`, and for a value that is not an object.
 */
export function parseJsonObject(text: string, part: string): JsonObject {
  const value = parseStrictJson(text, part);
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new FileFormatError(`${part}: expected a JSON object ({...}), found ${describe(value)}`);
  }
  // Array.isArray does not narrow a readonly array away.
  return value as JsonObject;
}

function describe(value: JsonValue): string {
  return value === null ? "null" : Array.isArray(value) ? "an array" : `a ${typeof value}`;
}

import { ArgumentError, FileFormatError } from "../graph/errors.ts";
import type { AddedToken } from "./addedTokens.ts";
import type {
  Decoder,
  JsonObject,
  Normalizer,
  PostProcessor,
  PreTokenizer,
  TokenModel,
} from "./components.ts";
import { BertNormalizer } from "./normalize.ts";
import { BertPreTokenizer } from "./preTokenize.ts";
import { type TemplatePiece, TemplateProcessing, type TemplateToken } from "./template.ts";
import type { Truncation, TruncationStrategy } from "./truncation.ts";
import { WordPiece, WordPieceDecoder } from "./wordPiece.ts";

/** What a tokenizer is made of; null stands for a step that is left out. */
export interface TokenizerParts {
  readonly normalizer: Normalizer | null;
  readonly preTokenizer: PreTokenizer | null;
  readonly model: TokenModel;
  readonly postProcessor: PostProcessor | null;
  readonly decoder: Decoder | null;
  readonly addedTokens: readonly AddedToken[];
  /** Truncation that `encode` applies when its options name none. */
  readonly truncation: Truncation | null;
  /**
   * The `padding` section of the file this came from: kept for `toJSON`, used by nothing (`encode` never
   * pads).
   */
  readonly padding: JsonObject | null;
}

/** Runs `build` and reports what it finds wrong with its arguments as a fault of the file, at `field`. */
export function asFormatError<T>(field: string, build: () => T): T {
  try {
    return build();
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    throw new FileFormatError(`tokenizer.json: ${field}: ${error.message}`, { cause: error });
  }
}

function fail(field: string, wanted: string, value: unknown): never {
  const shown = value === undefined ? "nothing" : (JSON.stringify(value) ?? String(value));
  const short = shown.length > 60 ? `${shown.slice(0, 60)}...` : shown;
  throw new FileFormatError(`tokenizer.json: ${field} must be ${wanted}, got ${short}`);
}

/** Reads the fields of one object of the file and knows where in the file it is. */
class Section {
  readonly path: string;
  readonly #fields: JsonObject;

  constructor(value: unknown, path: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      fail(path || "the file", "an object", value);
    this.path = path;
    this.#fields = value as JsonObject; // An object that is neither null nor an array has string keys.
  }

  at(key: string): string {
    return this.path === "" ? key : `${this.path}.${key}`;
  }

  value(key: string): unknown {
    // Only what the file itself says: "constructor" is a piece like any other.
    return Object.hasOwn(this.#fields, key) ? this.#fields[key] : undefined;
  }

  entries(): [string, unknown][] {
    return Object.entries(this.#fields);
  }

  section(key: string): Section {
    return new Section(this.value(key), this.at(key));
  }

  sectionOrNull(key: string): Section | null {
    const value = this.value(key);
    return value === undefined || value === null ? null : this.section(key);
  }

  sections(key: string): Section[] {
    const value = this.value(key);
    if (!Array.isArray(value)) fail(this.at(key), "an array", value);
    return value.map((item, i) => new Section(item, `${this.at(key)}[${i}]`));
  }

  string(key: string): string {
    const value = this.value(key);
    return typeof value === "string" ? value : fail(this.at(key), "a string", value);
  }

  boolean(key: string): boolean {
    const value = this.value(key);
    return typeof value === "boolean" ? value : fail(this.at(key), "true or false", value);
  }

  /** A non-negative integer that fits 32 bits. */
  integer(key: string): number {
    return toInteger(this.value(key), this.at(key));
  }

  array<T>(key: string, read: (value: unknown, path: string) => T): T[] {
    const value = this.value(key);
    if (!Array.isArray(value)) fail(this.at(key), "an array", value);
    return value.map((item, i) => read(item, `${this.at(key)}[${i}]`));
  }

  unsupported(kind: string, supported: string): never {
    throw new FileFormatError(
      `tokenizer.json: ${this.at("type")}: the ${kind} "${this.string("type")}" is not supported ` +
        `(only ${supported})`,
    );
  }
}

function toInteger(value: unknown, path: string): number {
  const fits = typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 2 ** 31;
  return fits ? value : fail(path, "an integer from 0 to 2147483647", value);
}

function toText(value: unknown, path: string): string {
  return typeof value === "string" ? value : fail(path, "a string", value);
}

function readNormalizer(section: Section): Normalizer {
  switch (section.string("type")) {
    case "BertNormalizer": {
      const strips = section.value("strip_accents") ?? null;
      return new BertNormalizer({
        cleanText: section.boolean("clean_text"),
        handleChineseChars: section.boolean("handle_chinese_chars"),
        stripAccents: strips === null ? null : section.boolean("strip_accents"),
        lowercase: section.boolean("lowercase"),
      });
    }
    default:
      return section.unsupported("normalizer", "BertNormalizer");
  }
}

function readPreTokenizer(section: Section): PreTokenizer {
  switch (section.string("type")) {
    case "BertPreTokenizer":
      return new BertPreTokenizer();
    default:
      return section.unsupported("pre-tokenizer", "BertPreTokenizer");
  }
}

function readDecoder(section: Section): Decoder {
  switch (section.string("type")) {
    case "WordPiece":
      return new WordPieceDecoder({ prefix: section.string("prefix"), cleanup: section.boolean("cleanup") });
    default:
      return section.unsupported("decoder", "WordPiece");
  }
}

/** The pieces in the order of their ids, which must be 0 to n - 1. */
function readVocabulary(section: Section): string[] {
  const entries = section.entries();
  const pieces = new Array<string | undefined>(entries.length);
  for (const [piece, value] of entries) {
    const path = `${section.path}[${JSON.stringify(piece)}]`;
    const id = toInteger(value, path);
    if (id >= entries.length) fail(path, `an id below the vocabulary's size of ${entries.length}`, id);
    const other = pieces[id];
    if (other !== undefined) fail(path, `an id of its own (${JSON.stringify(other)} has it)`, id);
    pieces[id] = piece;
  }
  // As many ids as places, all different and below the size: none is left undefined.
  return pieces.map((piece) => piece ?? "");
}

function readModel(section: Section): TokenModel {
  // Files of the first versions do not name the type; a WordPiece model is known by its limit on the word.
  const unnamed =
    section.value("type") === undefined && section.value("max_input_chars_per_word") !== undefined;
  switch (unnamed ? "WordPiece" : section.string("type")) {
    case "WordPiece": {
      const vocabulary = readVocabulary(section.section("vocab"));
      const options = {
        unkToken: section.string("unk_token"),
        continuingSubwordPrefix: section.string("continuing_subword_prefix"),
        maxInputCharsPerWord: section.integer("max_input_chars_per_word"),
      };
      return asFormatError(section.path, () => new WordPiece(vocabulary, options));
    }
    default:
      return section.unsupported("model", "WordPiece");
  }
}

function readTemplatePiece(section: Section): TemplatePiece {
  const special = section.sectionOrNull("SpecialToken");
  if (special !== null)
    return { kind: "special", token: special.string("id"), typeId: special.integer("type_id") };
  const sequence = section.section("Sequence");
  const name = sequence.string("id");
  if (name !== "A" && name !== "B") fail(sequence.at("id"), '"A" or "B"', name);
  return { kind: "sequence", sequence: name, typeId: sequence.integer("type_id") };
}

function readTemplateToken(section: Section, tokenOf: (id: number) => string | undefined): TemplateToken {
  const ids = section.array("ids", toInteger);
  const tokens = section.array("tokens", toText);
  if (ids.length !== tokens.length) fail(section.at("tokens"), `as long as ids (${ids.length})`, tokens);
  for (const [i, id] of ids.entries()) {
    if (tokenOf(id) !== tokens[i]) {
      fail(`${section.at("ids")}[${i}]`, `the id of ${JSON.stringify(tokens[i])} in the vocabulary`, id);
    }
  }
  return { ids, tokens };
}

function readPostProcessor(section: Section, tokenOf: (id: number) => string | undefined): PostProcessor {
  switch (section.string("type")) {
    case "TemplateProcessing": {
      const single = section.sections("single").map(readTemplatePiece);
      const pair = section.sections("pair").map(readTemplatePiece);
      const tokens = new Map<string, TemplateToken>();
      const specials = section.section("special_tokens");
      for (const [name] of specials.entries()) {
        tokens.set(name, readTemplateToken(specials.section(name), tokenOf));
      }
      return asFormatError(section.path, () => new TemplateProcessing(single, pair, tokens));
    }
    default:
      return section.unsupported("post-processor", "TemplateProcessing");
  }
}

function readAddedToken(section: Section): AddedToken {
  return {
    id: section.integer("id"),
    content: section.string("content"),
    special: section.boolean("special"),
    normalized: section.boolean("normalized"),
    singleWord: section.boolean("single_word"),
    lstrip: section.boolean("lstrip"),
    rstrip: section.boolean("rstrip"),
  };
}

const STRATEGIES: ReadonlyMap<string, TruncationStrategy> = new Map([
  ["LongestFirst", "longestFirst"],
  ["OnlyFirst", "onlyFirst"],
  ["OnlySecond", "onlySecond"],
]);

function readTruncation(section: Section): Truncation {
  const direction = section.string("direction");
  if (direction !== "Right") fail(section.at("direction"), '"Right" (cutting at the end)', direction);
  const name = section.string("strategy");
  const strategy = STRATEGIES.get(name);
  if (strategy === undefined) fail(section.at("strategy"), [...STRATEGIES.keys()].join(", "), name);
  return { maxLength: section.integer("max_length"), strategy };
}

/**
 * The parts of a tokenizer from the parsed content of a `tokenizer.json`. Fields this version does not know
 * are passed over, as Hugging Face does; parts of a type it does not know are refused by name.
 *
 * @throws FileFormatError naming the field that is missing, malformed or of a type that is not supported.
 */
export function parseTokenizerJson(json: unknown): TokenizerParts {
  const file = new Section(json, "");
  const version = file.string("version");
  if (version !== "1.0") fail("version", '"1.0"', version);
  const normalizer = file.sectionOrNull("normalizer");
  const preTokenizer = file.sectionOrNull("pre_tokenizer");
  const postProcessor = file.sectionOrNull("post_processor");
  const decoder = file.sectionOrNull("decoder");
  const truncation = file.sectionOrNull("truncation");
  const padding = file.sectionOrNull("padding");
  const model = readModel(file.section("model"));
  const addedTokens = file.sections("added_tokens").map(readAddedToken);
  const added = new Map(addedTokens.map((token) => [token.id, token.content]));
  const tokenOf = (id: number): string | undefined => model.idToToken(id) ?? added.get(id);
  return {
    normalizer: normalizer === null ? null : readNormalizer(normalizer),
    preTokenizer: preTokenizer === null ? null : readPreTokenizer(preTokenizer),
    model,
    postProcessor: postProcessor === null ? null : readPostProcessor(postProcessor, tokenOf),
    decoder: decoder === null ? null : readDecoder(decoder),
    addedTokens,
    truncation: truncation === null ? null : readTruncation(truncation),
    padding: padding === null ? null : Object.fromEntries(padding.entries()),
  };
}

import type { AddedToken } from "./addedTokens.ts";
import {
  ByteLevelDecoder,
  type ByteLevelOptions,
  ByteLevelPostProcessor,
  ByteLevelPreTokenizer,
} from "./byteLevel.ts";
import type { Decoder, Normalizer, PostProcessor, PreTokenizer } from "./components.ts";
import { asFormatError, fail, Section, toInteger, toText } from "./jsonSection.ts";
import {
  MetaspaceDecoder,
  type MetaspaceOptions,
  MetaspacePreTokenizer,
  type PrependScheme,
} from "./metaspace.ts";
import { readModel } from "./modelJson.ts";
import { BertNormalizer } from "./normalize.ts";
import { Lowercase, NormalizerSequence, Replace, StripAccents, UnicodeNormalizer } from "./normalizers.ts";
import { BertPreTokenizer } from "./preTokenize.ts";
import { RobertaProcessing } from "./roberta.ts";
import { type TemplatePiece, TemplateProcessing, type TemplateToken } from "./template.ts";
import type { TokenizerParts } from "./tokenizerParts.ts";
import type { Truncation, TruncationStrategy } from "./truncation.ts";
import { WordPieceDecoder } from "./wordPiece.ts";

/** Normalizers may hold normalizers: no honest file nests them deeper. */
const DEEPEST_SEQUENCE = 16;

function readNormalizer(section: Section, depth = 0): Normalizer {
  const type = section.string("type");
  switch (type) {
    case "BertNormalizer": {
      const strips = section.value("strip_accents") ?? null;
      return new BertNormalizer({
        cleanText: section.boolean("clean_text"),
        handleChineseChars: section.boolean("handle_chinese_chars"),
        stripAccents: strips === null ? null : section.boolean("strip_accents"),
        lowercase: section.boolean("lowercase"),
      });
    }
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD":
      return new UnicodeNormalizer(type);
    case "Lowercase":
      return new Lowercase();
    case "StripAccents":
      return new StripAccents();
    case "Replace":
      return readReplace(section);
    case "Sequence":
      if (depth >= DEEPEST_SEQUENCE) fail(section.at("normalizers"), "nested less deeply", "deeper");
      return new NormalizerSequence(
        section.sections("normalizers").map((part) => readNormalizer(part, depth + 1)),
      );
    default:
      return section.unsupported(
        "normalizer",
        "BertNormalizer, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Replace, Sequence",
      );
  }
}

function readReplace(section: Section): Replace {
  const pattern = section.section("pattern");
  const content = section.string("content");
  const text = pattern.value("String");
  return asFormatError(section.path, () =>
    text === undefined
      ? new Replace({ kind: "regex", source: pattern.string("Regex") }, content)
      : new Replace({ kind: "string", text: pattern.string("String") }, content),
  );
}

function readByteLevel(section: Section): ByteLevelOptions {
  return {
    addPrefixSpace: section.booleanOr("add_prefix_space", true),
    trimOffsets: section.booleanOr("trim_offsets", true),
    useRegex: section.booleanOr("use_regex", true),
  };
}

function readPrependScheme(section: Section): PrependScheme {
  // Files of earlier versions have `add_prefix_space` instead.
  if (section.value("prepend_scheme") === undefined)
    return section.booleanOr("add_prefix_space", true) ? "always" : "never";
  const scheme = section.string("prepend_scheme");
  if (scheme === "always" || scheme === "first" || scheme === "never") return scheme;
  return fail(section.at("prepend_scheme"), '"always", "first" or "never"', scheme);
}

function readMetaspace(section: Section): MetaspaceOptions {
  return {
    replacement: section.string("replacement"),
    prependScheme: readPrependScheme(section),
    split: section.booleanOr("split", true),
  };
}

function readPreTokenizer(section: Section): PreTokenizer {
  switch (section.string("type")) {
    case "BertPreTokenizer":
      return new BertPreTokenizer();
    case "ByteLevel":
      return new ByteLevelPreTokenizer(readByteLevel(section));
    case "Metaspace": {
      const options = readMetaspace(section);
      return asFormatError(section.path, () => new MetaspacePreTokenizer(options));
    }
    default:
      return section.unsupported("pre-tokenizer", "BertPreTokenizer, ByteLevel, Metaspace");
  }
}

function readDecoder(section: Section): Decoder {
  switch (section.string("type")) {
    case "WordPiece":
      return new WordPieceDecoder({ prefix: section.string("prefix"), cleanup: section.boolean("cleanup") });
    case "ByteLevel":
      return new ByteLevelDecoder();
    case "Metaspace": {
      const options = readMetaspace(section);
      return asFormatError(section.path, () => new MetaspaceDecoder(options));
    }
    default:
      return section.unsupported("decoder", "WordPiece, ByteLevel, Metaspace");
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

function readTokenAndId(
  section: Section,
  key: string,
  tokenOf: (id: number) => string | undefined,
): readonly [string, number] {
  const pair = section.value(key);
  if (!Array.isArray(pair) || pair.length !== 2) fail(section.at(key), "a token and its id", pair);
  const token = toText(pair[0], `${section.at(key)}[0]`);
  const id = toInteger(pair[1], `${section.at(key)}[1]`);
  if (tokenOf(id) !== token)
    fail(`${section.at(key)}[1]`, `the id of ${JSON.stringify(token)} in the vocabulary`, id);
  return [token, id];
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
    case "RobertaProcessing":
      return new RobertaProcessing(
        readTokenAndId(section, "cls", tokenOf),
        readTokenAndId(section, "sep", tokenOf),
        {
          trimOffsets: section.booleanOr("trim_offsets", true),
          addPrefixSpace: section.booleanOr("add_prefix_space", true),
        },
      );
    case "ByteLevel":
      return new ByteLevelPostProcessor(section.booleanOr("trim_offsets", true));
    default:
      return section.unsupported("post-processor", "TemplateProcessing, RobertaProcessing, ByteLevel");
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

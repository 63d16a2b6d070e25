import { Bpe, type Merge } from "./bpe.ts";
import type { TokenModel } from "./components.ts";
import { asFormatError, fail, type Section, toInteger, toText } from "./jsonSection.ts";
import { type ScoredPiece, Unigram } from "./unigramModel.ts";
import { WordPiece } from "./wordPiece.ts";

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

/**
 * The model of a `tokenizer.json`.
 * @throws FileFormatError naming the field that is missing, malformed or not supported.
 */
export function readModel(section: Section): TokenModel {
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
    case "BPE":
      return readBpe(section);
    case "Unigram":
      return readUnigram(section);
    default:
      return section.unsupported("model", "WordPiece, BPE, Unigram");
  }
}

/**
 * Refuses a setting that changes what the model does, unless it has one of the values that change nothing.
 */
function refuseUnless(section: Section, key: string, neutral: readonly unknown[]): void {
  const value = section.value(key);
  if (value === undefined || neutral.includes(value)) return;
  const values = neutral.map((item) => JSON.stringify(item)).join(" or ");
  fail(section.at(key), `${values} (nothing else is supported)`, value);
}

/** A merge: two pieces, or, in files of earlier versions, both in a string with a space between. */
function readMerge(value: unknown, path: string): Merge {
  const parts: unknown = typeof value === "string" ? value.split(" ") : value;
  if (!Array.isArray(parts) || parts.length !== 2) return fail(path, "two pieces", value);
  return [toText(parts[0], `${path}[0]`), toText(parts[1], `${path}[1]`)];
}

function readBpe(section: Section): Bpe {
  refuseUnless(section, "dropout", [null, 0]);
  refuseUnless(section, "continuing_subword_prefix", [null, ""]);
  refuseUnless(section, "end_of_word_suffix", [null, ""]);
  refuseUnless(section, "byte_fallback", [false]);
  const unkToken = section.value("unk_token") ?? null;
  const options = {
    unkToken: unkToken === null ? null : section.string("unk_token"),
    fuseUnk: section.booleanOr("fuse_unk", false),
    ignoreMerges: section.booleanOr("ignore_merges", false),
  };
  const vocabulary = readVocabulary(section.section("vocab"));
  const merges = section.array("merges", readMerge);
  return asFormatError(section.path, () => new Bpe(vocabulary, merges, options));
}

function readScoredPiece(value: unknown, path: string): ScoredPiece {
  if (!Array.isArray(value) || value.length !== 2) return fail(path, "a piece and its score", value);
  const score: unknown = value[1];
  if (typeof score !== "number") return fail(`${path}[1]`, "a number", score);
  return [toText(value[0], `${path}[0]`), score];
}

function readUnigram(section: Section): Unigram {
  refuseUnless(section, "byte_fallback", [false]);
  const unkId = section.value("unk_id") ?? null;
  const vocabulary = section.array("vocab", readScoredPiece);
  const unknown = unkId === null ? null : section.integer("unk_id");
  return asFormatError(section.path, () => new Unigram(vocabulary, unknown));
}

import { describe, expect, it } from "vitest";
import { ArgumentError, FileFormatError } from "../../src/graph/errors.ts";
import { BERT_SPECIAL_TOKENS, Tokenizer, WordPiece } from "../../src/text/index.ts";

const tokenizer = Tokenizer.bert([...BERT_SPECIAL_TOKENS, "a", "##a", "__proto__", "constructor", "7"]);

/** The file with the value at `path` replaced, or removed where the value is undefined. */
function changed(path: readonly (string | number)[], value: unknown): unknown {
  const copy: unknown = JSON.parse(JSON.stringify(tokenizer));
  let at = copy as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
  const last = path[path.length - 1];
  if (value === undefined) delete at[last];
  else at[last] = value;
  return copy;
}

describe("tokenizer.json", () => {
  it("survives being written and read", () => {
    const again = Tokenizer.fromJSON(JSON.parse(JSON.stringify(tokenizer)));
    expect(JSON.stringify(again)).toBe(JSON.stringify(tokenizer));
    expect(again.encode("aa constructor [MASK]").ids).toEqual(tokenizer.encode("aa constructor [MASK]").ids);
    expect(again.tokenToId("__proto__")).toBe(7);
    expect(again.tokenToId("toString")).toBeUndefined();
  });

  it("accepts what Hugging Face leaves out or adds", () => {
    expect(Tokenizer.fromJSON(changed(["normalizer"], null)).encode("A").tokens).toEqual([
      "[CLS]",
      "[UNK]",
      "[SEP]",
    ]);
    expect(Tokenizer.fromJSON(changed(["post_processor"], null)).encode("a", "a").typeIds).toEqual([0, 1]);
    expect(Tokenizer.fromJSON(changed(["decoder"], null)).decode([5, 6])).toBe("a ##a");
    expect(Tokenizer.fromJSON(changed(["model", "type"], undefined)).vocabSize).toBe(10);
    expect(Tokenizer.fromJSON(changed(["model", "later"], 1)).vocabSize).toBe(10);
    expect(Tokenizer.fromJSON(changed(["padding"], { strategy: "BatchLongest" })).toJSON().padding).toEqual({
      strategy: "BatchLongest",
    });
    const truncation = { direction: "Right", max_length: 3, strategy: "LongestFirst", stride: 0 };
    const truncating = Tokenizer.fromJSON(changed(["truncation"], truncation));
    expect(truncating.encode("a a a").ids).toEqual([2, 5, 3]);
    expect(truncating.encode("a a a", null, { maxLength: Number.POSITIVE_INFINITY }).ids).toHaveLength(5);
    expect(truncating.toJSON().truncation).toEqual(truncation);
  });

  const malformed: readonly (readonly [readonly (string | number)[], unknown, RegExp])[] = [
    [["version"], "2.0", /version must be "1.0"/],
    [["version"], undefined, /version must be a string, got nothing/],
    [
      ["normalizer", "type"],
      "Precompiled",
      /normalizer\.type: the normalizer "Precompiled" is not supported/,
    ],
    [["normalizer", "type"], undefined, /normalizer\.type must be a string/],
    [["normalizer", "lowercase"], "yes", /normalizer\.lowercase must be true or false, got "yes"/],
    [["normalizer", "strip_accents"], 1, /normalizer\.strip_accents/],
    [["normalizer"], "BertNormalizer", /normalizer must be an object/],
    [["pre_tokenizer", "type"], "Digits", /"Digits" is not supported/],
    [["decoder", "type"], "BPEDecoder", /the decoder "BPEDecoder" is not supported/],
    [["decoder", "cleanup"], null, /decoder\.cleanup/],
    [["model"], undefined, /model must be an object/],
    [["model", "type"], "WordLevel", /model\.type: the model "WordLevel" is not supported/],
    [["model", "vocab"], ["a"], /model\.vocab must be an object/],
    [["model", "vocab", "a"], "5", /model\.vocab\["a"\] must be an integer/],
    [["model", "vocab", "a"], 2 ** 31, /model\.vocab\["a"\] must be an integer/],
    [["model", "vocab", "a"], 10, /an id below the vocabulary's size/],
    [["model", "vocab", "a"], 6, /an id of its own/],
    [["model", "unk_token"], "<unk>", /model: WordPiece: the unknown piece "<unk>" is not in the vocabulary/],
    [["model", "max_input_chars_per_word"], 0, /maxInputCharsPerWord/],
    [["model", "max_input_chars_per_word"], -1, /max_input_chars_per_word must be an integer/],
    [["added_tokens"], {}, /added_tokens must be an array/],
    [["added_tokens"], undefined, /added_tokens must be an array/],
    [["added_tokens", 1, "content"], 3, /added_tokens\[1\]\.content must be a string/],
    [["added_tokens", 1, "content"], "", /its content is empty/],
    [["added_tokens", 1, "content"], "\ud800", /unpaired surrogate/],
    [["added_tokens", 1, "content"], "[PAD]", /taken already/],
    [["added_tokens", 1, "id"], 9, /added token "\[UNK\]": id 9 does not fit/],
    [["added_tokens", 1, "special"], undefined, /added_tokens\[1\]\.special/],
    [["post_processor", "type"], "BertProcessing", /"BertProcessing" is not supported/],
    [["post_processor", "single"], [], /must hold A and not B/],
    [
      ["post_processor", "pair", 1],
      { Sequence: { id: "C", type_id: 0 } },
      /pair\[1\]\.Sequence\.id must be "A" or "B"/,
    ],
    [["post_processor", "pair", 1], {}, /pair\[1\]\.Sequence must be an object/],
    [["post_processor", "special_tokens", "[CLS]"], undefined, /special token "\[CLS\]" has no ids/],
    [["post_processor", "special_tokens", "[CLS]", "ids"], [3], /ids\[0\] must be the id of "\[CLS\]"/],
    [["post_processor", "special_tokens", "[CLS]", "tokens"], [], /tokens must be as long as ids/],
    [["truncation"], { direction: "Left", max_length: 3, strategy: "LongestFirst" }, /truncation\.direction/],
    [["truncation"], { direction: "Right", max_length: 3, strategy: "Other" }, /truncation\.strategy/],
  ];
  for (const [path, value, message] of malformed) {
    it(`refuses ${path.join(".")} = ${JSON.stringify(value)}`, () => {
      const read = (): Tokenizer => Tokenizer.fromJSON(changed(path, value));
      expect(read).toThrow(FileFormatError);
      expect(read).toThrow(message);
    });
  }

  it("refuses what is no object at all", () => {
    for (const value of [null, undefined, 3, "{}", [], true]) {
      expect(() => Tokenizer.fromJSON(value)).toThrow(FileFormatError);
    }
  });
});

describe("WordPiece", () => {
  it("takes the longest piece first and gives up a word as a whole", () => {
    const model = new WordPiece(["[UNK]", "un", "##aff", "##able", "##a", "u", "😀", "##😀"]);
    expect(model.tokenizeWord("unaffable")).toEqual([1, 2, 3]);
    expect(model.tokenizeWord("unaffx")).toEqual([0]);
    expect(model.tokenizeWord("una")).toEqual([1, 4]);
    expect(model.tokenizeWord("😀😀")).toEqual([6, 7]);
    expect(model.tokenizeWord("")).toEqual([]);
  });

  it("counts a long word in code points", () => {
    const model = new WordPiece(["[UNK]", "😀", "##😀"], { maxInputCharsPerWord: 3 });
    expect(model.tokenizeWord("😀😀😀")).toEqual([1, 2, 2]);
    expect(model.tokenizeWord("😀😀😀😀")).toEqual([0]);
  });

  it("refuses a piece that stands twice and a missing unknown piece", () => {
    expect(() => new WordPiece(["[UNK]", "a", "a"])).toThrow(ArgumentError);
    expect(() => new WordPiece(["a"])).toThrow(ArgumentError);
    expect(() => Tokenizer.bert(["[UNK]", "a"])).toThrow(ArgumentError);
  });
});

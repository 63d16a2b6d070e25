import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { describe, expect, it } from "vitest";
import { ArgumentError, IndexOutOfRangeError } from "../../src/graph/errors.ts";
import {
  BERT_SPECIAL_TOKENS,
  type BertNormalizerOptions,
  Tokenizer,
  trainWordPiece,
} from "../../src/text/index.ts";
import { mobyDickText, variedStrings } from "./samples.ts";

const text = mobyDickText(30);
const samples = [
  ...variedStrings(2_000, text),
  "a".repeat(100),
  "a".repeat(101),
  "😀".repeat(100),
  "😀".repeat(101),
  "Call me Ishmael. Some years ago--never mind how long [MASK] precisely",
];

function asIn(tokenizer: Tokenizer): HuggingFaceTokenizer {
  return new HuggingFaceTokenizer(tokenizer.toJSON(), { clean_up_tokenization_spaces: false });
}

describe("against @huggingface/tokenizers", () => {
  // Trained on half of the samples too, so that rare scripts have pieces and the other half meets the
  // unknown.
  const options: readonly BertNormalizerOptions[] = [
    {},
    { lowercase: false },
    { stripAccents: false, handleChineseChars: false },
  ];
  for (const normalization of options) {
    it(`encodes and decodes ${samples.length} strings alike with ${JSON.stringify(normalization)}`, () => {
      const vocabulary = trainWordPiece([text, ...samples.slice(0, 1_000)], { vocabSize: 8_000 });
      const tokenizer = Tokenizer.bert(vocabulary, normalization);
      const oracle = asIn(tokenizer);
      for (const [i, sample] of samples.entries()) {
        const ours = tokenizer.encode(sample);
        const theirs = oracle.encode(sample, { return_token_type_ids: true });
        expect(ours.ids, JSON.stringify(sample)).toEqual(theirs.ids);
        expect(ours.tokens).toEqual(theirs.tokens);
        expect(ours.typeIds).toEqual(theirs.token_type_ids);
        expect(tokenizer.encode(sample, null, { addSpecialTokens: false }).ids).toEqual(
          oracle.encode(sample, { add_special_tokens: false }).ids,
        );
        expect(tokenizer.decode(ours.ids)).toBe(oracle.decode(theirs.ids));
        expect(tokenizer.decode(ours.ids, { skipSpecialTokens: true })).toBe(
          oracle.decode(theirs.ids, { skip_special_tokens: true }),
        );
        const second = samples[(i * 31 + 5) % samples.length];
        // The JavaScript library takes an empty second text for none.
        if (second === "") continue;
        const pair = oracle.encode(sample, { text_pair: second, return_token_type_ids: true });
        const ourPair = tokenizer.encode(sample, second);
        expect(ourPair.ids).toEqual(pair.ids);
        expect(ourPair.typeIds).toEqual(pair.token_type_ids);
      }
    });
  }

  it("sides with the Rust library where the JavaScript one deviates from it", () => {
    const pieces = ["a", "##b", "σ", "##ς", "##σ", "ς", "\u{20000}", "do not", "[unk]"];
    const tokenizer = Tokenizer.bert([...BERT_SPECIAL_TOKENS, ...pieces]);
    const tokens = (sample: string): readonly string[] =>
      tokenizer.encode(sample, null, { addSpecialTokens: false }).tokens;
    const theirs = (sample: string): readonly string[] => asIn(tokenizer).tokenize(sample);
    // JavaScript lowercases a final sigma by its place in the word; Rust's BertNormalizer character by
    // character.
    expect(tokens("ΣΣ")).toEqual(["σ", "##σ"]);
    expect(theirs("ΣΣ")).toEqual(["σ", "##ς"]);
    // JavaScript looks for ideographs by UTF-16 unit and so misses those beyond the first plane.
    expect(tokens("a\u{20000}")).toEqual(["a", "\u{20000}"]);
    expect(theirs("a\u{20000}")).toEqual(["[UNK]"]);
    // JavaScript's cleanup lacks one of Rust's contractions.
    const ids = [5, 12];
    expect(tokenizer.decode(ids)).toBe("a don't");
    expect(asIn(tokenizer).decode(ids)).toBe("a do not");
    // JavaScript drops the template of a pair whose second text is empty.
    expect(tokenizer.encode("a", "").ids).toEqual([2, 5, 3, 3]);
    expect(asIn(tokenizer).encode("a", { text_pair: "" }).ids).toEqual([2, 5, 3]);
  });
});

describe("Tokenizer", () => {
  const pieces = ["a", "b", "##a", "##b", "foo", "'", ".", "n't", "s", "'s"];
  const tokenizer = Tokenizer.bert([...BERT_SPECIAL_TOKENS, ...pieces]);

  it("puts texts into the template", () => {
    expect(tokenizer.encode("ab [MASK] foo", "b [SEP]")).toEqual({
      ids: [2, 5, 8, 4, 9, 3, 6, 3, 3],
      tokens: ["[CLS]", "a", "##b", "[MASK]", "foo", "[SEP]", "b", "[SEP]", "[SEP]"],
      typeIds: [0, 0, 0, 0, 0, 0, 1, 1, 1],
      specialTokensMask: [1, 0, 0, 0, 0, 1, 0, 0, 1],
    });
    expect(tokenizer.encode("  ").ids).toEqual([2, 3]);
    expect(tokenizer.encode("a b", "b", { addSpecialTokens: false }).typeIds).toEqual([0, 0, 1]);
    expect(tokenizer.encode("[mask]").tokens).toEqual(["[CLS]", "[UNK]", "[UNK]", "[UNK]", "[SEP]"]);
  });

  it("decodes with cleanup, token by token", () => {
    expect(tokenizer.decode([2, 5, 7, 11, 10, 12, 13, 14, 3])).toBe("[CLS] aa. 'n't s's [SEP]");
    expect(tokenizer.decode(Int32Array.of(2, 5, 7, 3), { skipSpecialTokens: true })).toBe("aa");
    expect(tokenizer.decode([])).toBe("");
    expect(() => tokenizer.decode([5, 15])).toThrow(IndexOutOfRangeError);
    expect(() => tokenizer.decode([-100])).toThrow(IndexOutOfRangeError);
  });

  it("looks up tokens by content and id", () => {
    expect(tokenizer.vocabSize).toBe(15);
    expect(tokenizer.specialTokenIds).toEqual([0, 1, 2, 3, 4]);
    expect(tokenizer.tokenToId("foo")).toBe(9);
    expect(tokenizer.tokenToId("constructor")).toBeUndefined();
    expect(tokenizer.idToToken(4)).toBe("[MASK]");
    expect(tokenizer.idToToken(15)).toBeUndefined();
  });

  it("reads an unpaired surrogate as U+FFFD, whatever the normalizer", () => {
    const vocabulary = [...BERT_SPECIAL_TOKENS, "a", "\ufffd"];
    const raw = Tokenizer.bert(vocabulary, { cleanText: false });
    expect(raw.encode("a \ud83d a \ude00").ids).toEqual([2, 5, 6, 5, 6, 3]);
  });

  it("truncates as Hugging Face does", () => {
    const cut = (maxLength: number, pair: string | null): number[] =>
      tokenizer.encode("a b a b a", pair, { maxLength }).ids;
    expect(cut(4, null)).toEqual([2, 5, 6, 3]);
    expect(cut(2, null)).toEqual([2, 3]);
    expect(cut(3, "b b")).toEqual([2, 3, 3]);
    expect(cut(4, "b b")).toEqual([2, 5, 3, 3]);
    expect(cut(5, "b b")).toEqual([2, 5, 3, 6, 3]);
    expect(cut(6, "b b")).toEqual([2, 5, 6, 3, 6, 3]);
    expect(cut(8, "b b")).toEqual([2, 5, 6, 5, 3, 6, 6, 3]);
    expect(cut(100, "b b")).toHaveLength(10);
    const first = { maxLength: 7, truncation: "onlyFirst" } as const;
    expect(tokenizer.encode("a b a b a", "b b", first).ids).toEqual([2, 5, 6, 3, 6, 6, 3]);
    const second = { maxLength: 6, truncation: "onlySecond" } as const;
    expect(tokenizer.encode("a b", "b b", second).ids).toEqual([2, 5, 6, 3, 6, 3]);
    expect(() => tokenizer.encode("a b", "b b", { ...second, maxLength: 5 })).toThrow(/cannot cut 2 tokens/);
    expect(() => tokenizer.encode("a b a b a", null, second)).toThrow(ArgumentError);
    expect(() => tokenizer.encode("a", null, { maxLength: 1 })).toThrow(/no room for 2 special tokens/);
  });

  it("finds added tokens: longest first, single words, with the space around them, normalized", () => {
    const json = JSON.parse(JSON.stringify(tokenizer)) as { added_tokens: unknown[] };
    const token = (id: number, content: string, more: object): object => ({
      ...{ id, content, special: false, normalized: true, single_word: false, lstrip: false, rstrip: false },
      ...more,
    });
    json.added_tokens.push(
      token(15, "Foo Bar", {}),
      token(16, "<x>", { lstrip: true, rstrip: true }),
      token(17, "wd", { single_word: true }),
      token(18, "[MASK][MASK]", { normalized: false }),
    );
    const extended = Tokenizer.fromJSON(json);
    expect(extended.vocabSize).toBe(19);
    const ids = (sample: string): readonly number[] =>
      extended.encode(sample, null, { addSpecialTokens: false }).ids;
    expect(ids("foo bar FOO BAR")).toEqual([15, 15]);
    expect(ids("a  <X>  b")).toEqual([5, 16, 6]);
    expect(ids("awd wd wdb éwd wd😀")).toEqual([1, 17, 1, 1, 17, 1]);
    expect(ids("[MASK][MASK][MASK]")).toEqual([18, 4]);
    expect(Tokenizer.fromJSON(extended.toJSON()).toJSON()).toEqual(extended.toJSON());
  });
});

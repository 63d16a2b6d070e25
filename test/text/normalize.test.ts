import { describe, expect, it } from "vitest";
import { BertNormalizer, type BertNormalizerOptions, BertPreTokenizer } from "../../src/text/index.ts";

// What Hugging Face's tokenizers 0.23.2 (the Rust library) gives for the same options.
const cases: readonly (readonly [BertNormalizerOptions, readonly (readonly [string, string])[]])[] = [
  [
    {},
    [
      ["Héllo\u00a0Wörld", "hello world"],
      ["e\u0301te\u0302", "ete"],
      ["ΟΔΟΣ Σ", "οδοσ σ"],
      ["İSTANBUL ı", "istanbul ı"],
      ["a\u0000b\ufffdc\u200dd\u00ade", "abcde"],
      ["tab\tnew\nline\r\u2028x\u3000y", "tab new line  x y"],
      ["中a文", " 中 a 文 "],
      ["\u{20000}x\u{2b820}y\u{2b920}z", " \u{20000} x\u{2b820}y \u{2b920} z"],
      ["한국어", "\u1112\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165"],
      ["ＡＢＣ", "ａｂｃ"],
      ["ẞß ŒÆ", "ßß œæ"],
      ["ﬁn", "ﬁn"],
      ["👍🏽 ok", "👍🏽 ok"],
      ["\u0085a\u000bb", "ab"],
      ["\u212a Å \u2126", "k a ω"],
      ["नमस्ते", "नमसत"],
      ["\ue000x", "x"],
    ],
  ],
  [
    { lowercase: false },
    [
      ["Héllo\u00a0Wörld", "Héllo Wörld"],
      ["e\u0301te\u0302", "e\u0301te\u0302"],
      ["한국어", "한국어"],
    ],
  ],
  [
    { cleanText: false, handleChineseChars: false, stripAccents: true, lowercase: false },
    [
      ["Héllo\u00a0Wörld", "Hello\u00a0World"],
      ["中a文\u200d", "中a文\u200d"],
      ["K Å Ω", "K A Ω"],
    ],
  ],
  [
    { stripAccents: false },
    [
      ["Héllo", "héllo"],
      ["İSTANBUL ı", "i\u0307stanbul ı"],
      ["ΟΔΟΣ", "οδοσ"],
    ],
  ],
];

describe("BertNormalizer", () => {
  for (const [options, pairs] of cases) {
    it(`gives Hugging Face's text with ${JSON.stringify(options)}`, () => {
      const normalizer = new BertNormalizer(options);
      for (const [text, normal] of pairs) expect(normalizer.normalize(text)).toBe(normal);
    });
  }

  it("removes unpaired surrogates without joining their neighbours", () => {
    expect(new BertNormalizer().normalize("a\ud83db\ude00c")).toBe("abc");
    expect(new BertNormalizer().normalize("\ud83d\u0000\ude00")).toBe("");
  });
});

describe("BertPreTokenizer", () => {
  it("gives Hugging Face's words", () => {
    const preTokenizer = new BertPreTokenizer();
    const pairs: readonly (readonly [string, string])[] = [
      ["don't stop-me", "don ' t stop - me"],
      ["a$b+c^d`e|f~g", "a $ b + c ^ d ` e | f ~ g"],
      ["  x  ", "x"],
      ["«qué»…—ok", "« qué » … — ok"],
      ["a\u0085b\ufeffc", "a b\ufeffc"],
      ["¿§¶·€£", "¿ § ¶ · €£"],
      ["x\u3000。y", "x 。 y"],
      ["_a_b", "_ a _ b"],
      ["´¨", "´¨"],
      ["", ""],
    ];
    for (const [text, words] of pairs) expect(preTokenizer.preTokenize(text).join(" ")).toBe(words);
  });
});

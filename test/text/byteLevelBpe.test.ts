import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError, FileFormatError } from "../../src/graph/errors.ts";
import { BoundedCache } from "../../src/text/boundedCache.ts";
import {
  Bpe,
  BYTE_CHARACTERS,
  ByteLevelDecoder,
  ByteLevelPostProcessor,
  ByteLevelPreTokenizer,
  type Merge,
  ROBERTA_SPECIAL_TOKENS,
  Tokenizer,
  trainBpe,
} from "../../src/text/index.ts";
import { changedJson, mobyDickText, variedStrings } from "./samples.ts";

const text = mobyDickText(30);
const varied = variedStrings(2_000, text);
// JavaScript's white space is not Unicode's: these two characters are tested by themselves.
const samples = [
  ...varied.filter((sample) => !/[\u0085\ufeff]/.test(sample)),
  "a".repeat(3_000),
  "the ".repeat(200),
  "\n\n  \t x  \n",
  "we'll they've I'd it's isn't I'M",
  "Call me  <mask> Ishmael.</s><s> 12,345.67",
];
const trained = trainBpe([text, ...varied.slice(0, 1_000)], { vocabSize: 6_000 });

function asIn(tokenizer: Tokenizer): HuggingFaceTokenizer {
  return new HuggingFaceTokenizer(tokenizer.toJSON(), { clean_up_tokenization_spaces: false });
}

describe("byte-level BPE against @huggingface/tokenizers", () => {
  for (const addPrefixSpace of [false, true]) {
    it(`encodes and decodes ${samples.length} strings alike, addPrefixSpace ${addPrefixSpace}`, () => {
      expect(samples.length).toBeGreaterThan(1_000);
      const tokenizer = Tokenizer.roberta(trained, { addPrefixSpace });
      const oracle = asIn(tokenizer);
      for (const [i, sample] of samples.entries()) {
        const ours = tokenizer.encode(sample);
        const theirs = oracle.encode(sample);
        expect(ours.ids, JSON.stringify(sample)).toEqual(theirs.ids);
        expect(ours.tokens).toEqual(theirs.tokens);
        expect(tokenizer.decode(ours.ids)).toBe(oracle.decode(theirs.ids));
        expect(tokenizer.decode(ours.ids, { skipSpecialTokens: true })).toBe(
          oracle.decode(theirs.ids, { skip_special_tokens: true }),
        );
        // A sequence cut anywhere may end within a character.
        const cut = ours.ids.slice(0, 1 + (i % ours.ids.length));
        expect(tokenizer.decode(cut)).toBe(oracle.decode(cut));
        const second = samples[(i * 31 + 5) % samples.length];
        // The JavaScript library takes an empty second text for none.
        if (second === "") continue;
        expect(tokenizer.encode(sample, second).ids).toEqual(
          oracle.encode(sample, { text_pair: second }).ids,
        );
      }
    });
  }

  it("reads and writes the same file, with merges in either form", () => {
    const tokenizer = Tokenizer.roberta(trained);
    const json = JSON.parse(JSON.stringify(tokenizer)) as { model: { merges: string[][] } };
    const again = Tokenizer.fromJSON(json);
    expect(JSON.stringify(again)).toBe(JSON.stringify(tokenizer));
    json.model.merges = json.model.merges.map((merge) => merge.join(" ")) as never;
    const older = Tokenizer.fromJSON(json);
    expect(JSON.stringify(older)).toBe(JSON.stringify(tokenizer));
    for (const sample of samples.slice(0, 200)) {
      expect(older.encode(sample).ids).toEqual(tokenizer.encode(sample).ids);
    }
  });

  it("sides with the Rust library where the JavaScript one deviates from it", () => {
    const words = (sample: string): string[] =>
      new ByteLevelPreTokenizer({ addPrefixSpace: false }).preTokenize(sample);
    // U+0085 is white space, U+FEFF is not.
    expect(words("a\u0085\u0085b")).toEqual(["a", "Âħ", "Âħ", "b"]);
    expect(words("a \ufeff\ufeffb")).toEqual(["a", "Ġï»¿ï»¿", "b"]);
    // RoBERTa knows no segments.
    const tokenizer = Tokenizer.roberta(trained);
    const { ids, typeIds, specialTokensMask } = tokenizer.encode("!", "!");
    const id = tokenizer.tokenToId("!");
    expect(ids).toEqual([0, id, 2, 2, id, 2]);
    expect(typeIds).toEqual([0, 0, 0, 0, 0, 0]);
    expect(specialTokensMask).toEqual([1, 0, 1, 1, 0, 1]);
    expect(
      asIn(tokenizer).encode("!", { text_pair: "!", return_token_type_ids: true }).token_type_ids,
    ).toEqual([0, 0, 0, 1, 1, 1]);
    expect(tokenizer.encode("!", "!", { addSpecialTokens: false }).ids).toEqual([id, id]);
    expect(tokenizer.encode("!!!", "!!!", { maxLength: 6 }).ids).toHaveLength(6);
  });
});

describe("byte-level text", () => {
  it("has a character of its own for each byte", () => {
    expect(new Set(BYTE_CHARACTERS).size).toBe(256);
    expect([0x20, 0x0a, 0x00, 0x7f, 0xad, 0x41, 0xff].map((byte) => BYTE_CHARACTERS[byte]).join("")).toBe(
      "ĠĊĀġŃAÿ",
    );
  });

  it("never meets an unknown character, and comes back as it was", () => {
    const bytesOnly = Tokenizer.roberta(trainBpe([], { vocabSize: 261 }));
    for (const tokenizer of [bytesOnly, Tokenizer.roberta(trained)]) {
      fc.assert(
        fc.property(fc.string({ unit: "binary", maxLength: 40 }), (sample) => {
          const { ids, tokens } = tokenizer.encode(sample, null, { addSpecialTokens: false });
          expect(tokenizer.decode(ids)).toBe(sample);
          expect(tokens).not.toContain("<unk>");
        }),
      );
    }
    expect(bytesOnly.encode("é", null, { addSpecialTokens: false }).tokens).toEqual(["Ã", "©"]);
    expect(bytesOnly.encode("\ud83d").ids).toEqual(bytesOnly.encode("\ufffd").ids);
  });

  it("keeps the space before a word, and cuts as GPT-2 does", () => {
    const cut = (sample: string, options = {}): string =>
      new ByteLevelPreTokenizer({ addPrefixSpace: false, ...options }).preTokenize(sample).join("|");
    expect(cut("we'll go  home, 'tis 42x")).toBe("we|'ll|Ġgo|Ġ|Ġhome|,|Ġ'|tis|Ġ42|x");
    expect(cut("a\n\n b")).toBe("a|ĊĊ|Ġb");
    expect(cut("a", { addPrefixSpace: true })).toBe("Ġa");
    expect(cut(" a", { addPrefixSpace: true })).toBe("Ġa");
    expect(cut("a b", { useRegex: false })).toBe("aĠb");
    expect(cut("")).toBe("");
  });

  it("takes a token with a character that stands for no byte as text, and bad bytes as U+FFFD", () => {
    const decoder = new ByteLevelDecoder();
    expect(decoder.decode(["<a b>", "Ġc", "字", "Ã"])).toBe("<a b> c字\ufffd");
    expect(decoder.decode(["ï»¿x"])).toBe("\ufeffx");
    expect(decoder.decode([])).toBe("");
  });

  it("adds nothing around a text with the byte-level post-processor", () => {
    const processor = new ByteLevelPostProcessor();
    expect(processor.process([5, 6], [7])).toEqual({
      ids: [5, 6, 7],
      typeIds: [0, 0, 1],
      specialTokensMask: [0, 0, 0],
    });
    expect(processor.addedCount()).toBe(0);
  });
});

/**
 * The definition: join the neighbours whose merge stands first, the leftmost of these, until none is left.
 */
function cutSlowly(word: string, merges: readonly Merge[]): string[] {
  const pieces = [...word];
  for (;;) {
    let [best, place] = [merges.length, -1];
    for (let i = 1; i < pieces.length; i++) {
      const rank = merges.findIndex(([left, right]) => left === pieces[i - 1] && right === pieces[i]);
      if (rank !== -1 && rank < best) [best, place] = [rank, i];
    }
    if (place === -1) return pieces;
    pieces.splice(place - 1, 2, pieces[place - 1] + pieces[place]);
  }
}

/** Random merges, each of parts that exist by then. */
const mergeLists = fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 12 }).map((draws) => {
  const pieces = ["a", "b", "c"];
  const merges: Merge[] = [];
  for (const [i, j] of draws) {
    const [left, right] = [pieces[i % pieces.length], pieces[j % pieces.length]];
    if (merges.some((merge) => merge[0] === left && merge[1] === right)) continue;
    merges.push([left, right]);
    if (!pieces.includes(left + right)) pieces.push(left + right);
  }
  return { pieces, merges };
});

describe("Bpe", () => {
  it("is the definition, only faster", () => {
    const words = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 30 });
    fc.assert(
      fc.property(mergeLists, words, ({ pieces, merges }, word) => {
        const model = new Bpe(pieces, merges);
        const cut = model.tokenizeWord(word).map((id) => pieces[id]);
        expect(cut).toEqual(cutSlowly(word, merges));
        expect(model.tokenizeWord(word).map((id) => pieces[id])).toEqual(cut);
      }),
      { numRuns: 500 },
    );
  });

  it("cuts a long word in time", () => {
    const model = new Bpe(
      ["a", "aa", "aaaa"],
      [
        ["a", "a"],
        ["aa", "aa"],
      ],
    );
    const start = performance.now();
    expect(model.tokenizeWord("a".repeat(100_000))).toHaveLength(25_000);
    expect(performance.now() - start).toBeLessThan(4_000);
  });

  it("leaves out, names or fuses what is unknown", () => {
    const merges: Merge[] = [["a", "b"]];
    expect(new Bpe(["a", "b", "ab"], merges).tokenizeWord("a?b")).toEqual([2]);
    const unkToken = "?!";
    expect(new Bpe(["a", "b", "ab", "?!"], merges, { unkToken }).tokenizeWord("a😀xb")).toEqual([0, 3, 3, 1]);
    const fusing = new Bpe(["a", "b", "ab", "?!"], merges, { unkToken, fuseUnk: true });
    expect(fusing.tokenizeWord("a😀xb😀")).toEqual([0, 3, 1, 3]);
    expect(fusing.tokenizeWord("")).toEqual([]);
  });

  it("takes a word that is a piece as it is, where told to ignore merges", () => {
    const vocabulary = ["a", "b", "c", "abc"];
    expect(new Bpe(vocabulary, []).tokenizeWord("abc")).toEqual([0, 1, 2]);
    expect(new Bpe(vocabulary, [], { ignoreMerges: true }).tokenizeWord("abc")).toEqual([3]);
  });

  it("refuses what does not fit together", () => {
    expect(() => new Bpe(["a", "a"], [])).toThrow(/stands twice/);
    expect(() => new Bpe(["a"], [["a", "b"]])).toThrow(/merge 0: "b" is not in the vocabulary/);
    expect(() => new Bpe(["a", "b"], [["a", "b"]])).toThrow(/merge 0: "ab" is not/);
    const merges: Merge[] = [
      ["a", "b"],
      ["a", "b"],
    ];
    expect(() => new Bpe(["a", "b", "ab"], merges)).toThrow(/merged twice/);
    expect(() => new Bpe(["a"], [], { unkToken: "u" })).toThrow(ArgumentError);
    expect(() => Tokenizer.roberta({ vocabulary: ["<s>"], merges: [] })).toThrow(/"<\/s>" is not/);
  });
});

/** The trainer's definition, as slowly as it reads: all counts anew before every merge. */
function trainSlowly(counts: ReadonlyMap<string, number>, vocabSize: number, minFrequency: number) {
  const words = [...counts].map(([word, count]) => ({ pieces: [...word], count }));
  const vocabulary = [...new Set(words.flatMap(({ pieces }) => pieces))].sort((a, b) => {
    return (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0);
  });
  const merges: Merge[] = [];
  while (vocabulary.length < vocabSize) {
    const pairs = new Map<string, { left: string; right: string; count: number }>();
    for (const { pieces, count } of words) {
      for (let i = 1; i < pieces.length; i++) {
        const [left, right] = [pieces[i - 1], pieces[i]];
        const pair = pairs.get(`${left} ${right}`) ?? { left, right, count: 0 };
        pairs.set(`${left} ${right}`, { left, right, count: pair.count + count });
      }
    }
    const place = (piece: string): number => vocabulary.indexOf(piece);
    const [best] = [...pairs.values()]
      .filter(({ count }) => count >= minFrequency)
      .sort((a, b) => b.count - a.count || place(a.left) - place(b.left) || place(a.right) - place(b.right));
    if (best === undefined) break;
    const merged = best.left + best.right;
    merges.push([best.left, best.right]);
    if (!vocabulary.includes(merged)) vocabulary.push(merged);
    for (const word of words) {
      const next: string[] = [];
      for (let i = 0; i < word.pieces.length; i++) {
        if (word.pieces[i] === best.left && word.pieces[i + 1] === best.right) {
          next.push(merged);
          i++;
        } else next.push(word.pieces[i]);
      }
      word.pieces = next;
    }
  }
  return { vocabulary, merges };
}

describe("trainBpe", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "c", "é", "😀"), minLength: 1, maxLength: 9 });
  const corpora = fc.dictionary(letters, fc.integer({ min: 1, max: 9 }), { minKeys: 1, maxKeys: 12 });

  it("is the definition, only faster", () => {
    fc.assert(
      fc.property(corpora, fc.integer({ min: 1, max: 3 }), (corpus, minPairFrequency) => {
        const counts = new Map(Object.entries(corpus));
        for (const vocabSize of [12, 40]) {
          const options = { vocabSize, minPairFrequency, specialTokens: [], initialAlphabet: [] };
          expect(trainBpe(counts, options)).toEqual(trainSlowly(counts, vocabSize, minPairFrequency));
        }
      }),
      { numRuns: 150 },
    );
  });

  it("makes the pieces of a word by the merges, whatever the word", () => {
    const { vocabulary, merges } = trained;
    expect(vocabulary).toHaveLength(6_000);
    expect(new Set(vocabulary).size).toBe(6_000);
    expect(vocabulary.slice(0, 5)).toEqual(ROBERTA_SPECIAL_TOKENS);
    expect(vocabulary.slice(5, 261)).toEqual([...BYTE_CHARACTERS].sort());
    expect(vocabulary.slice(261)).toEqual([...new Set(merges.map(([left, right]) => left + right))]);
    expect(vocabulary).toContain("Ġwhale");
    const model = new Bpe(vocabulary, merges);
    const cut = (word: string) => model.tokenizeWord(word).map((id) => vocabulary[id]);
    expect(cut("Ġwhale")).toEqual(["Ġwhale"]);
    for (const word of ["Ġwhalebone", "Queequeg", "Ġâĩ"]) expect(cut(word)).toEqual(cutSlowly(word, merges));
  });

  it("depends on the counts, not on the order of the texts", () => {
    const lines = text.split("\n").slice(0, 400);
    const forward = trainBpe(lines, { vocabSize: 700 });
    expect(trainBpe([...lines].reverse(), { vocabSize: 700 })).toEqual(forward);
    expect(trainBpe(lines, { vocabSize: 500 }).vocabulary).toEqual(forward.vocabulary.slice(0, 500));
  });

  it("makes no piece that reads as a special token, and refuses settings that cannot be met", () => {
    const counts = new Map([["<s>", 9]]);
    const { vocabulary } = trainBpe(counts, { vocabSize: 99, specialTokens: ["<s>"], initialAlphabet: [] });
    expect(vocabulary).toEqual(["<s>", "<", ">", "s", "<s"]);
    expect(() => trainBpe(counts, { vocabSize: 260 })).toThrow(/5 special tokens and 256 characters/);
    for (const vocabSize of [0, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => trainBpe(counts, { vocabSize })).toThrow(ArgumentError);
    }
    expect(() => trainBpe(counts, { vocabSize: 999, minPairFrequency: 0 })).toThrow(ArgumentError);
    expect(() => trainBpe(counts, { vocabSize: 999, specialTokens: ["a", "a"] })).toThrow(/named twice/);
    expect(() => trainBpe(counts, { vocabSize: 999, specialTokens: ["a"] })).toThrow(/also a character/);
    expect(() => trainBpe(new Map([["a", 0]]), { vocabSize: 999 })).toThrow(ArgumentError);
  });
});

describe("a byte-level tokenizer.json", () => {
  const tokenizer = Tokenizer.roberta({
    vocabulary: [...ROBERTA_SPECIAL_TOKENS, "a", "b", "ab", "__proto__"],
    merges: [["a", "b"]],
  });
  const malformed: readonly (readonly [readonly (string | number)[], unknown, RegExp])[] = [
    [["model", "vocab"], undefined, /model\.vocab must be an object/],
    [["model", "vocab", "ab"], 5, /an id of its own/],
    [["model", "merges"], undefined, /model\.merges must be an array/],
    [["model", "merges", 0], "ab", /model\.merges\[0\] must be two pieces/],
    [["model", "merges", 0], ["a", "b", "a"], /model\.merges\[0\] must be two pieces/],
    [["model", "merges", 0], ["a", 3], /model\.merges\[0\]\[1\] must be a string/],
    [["model", "merges", 0], ["b", "a"], /model: Bpe: merge 0: "ba" is not in the vocabulary/],
    [["model", "merges", 1], ["a", "b"], /merged twice/],
    [["model", "unk_token"], 3, /model\.unk_token must be a string/],
    [["model", "unk_token"], "<none>", /the unknown piece "<none>"/],
    [["model", "dropout"], 0.1, /model\.dropout must be null or 0/],
    [["model", "byte_fallback"], true, /model\.byte_fallback must be false/],
    [["model", "continuing_subword_prefix"], "##", /continuing_subword_prefix must be null or ""/],
    [["model", "end_of_word_suffix"], "</w>", /end_of_word_suffix/],
    [["model", "fuse_unk"], "no", /fuse_unk must be true or false/],
    [["pre_tokenizer", "add_prefix_space"], 1, /pre_tokenizer\.add_prefix_space/],
    [["pre_tokenizer", "use_regex"], null, /pre_tokenizer\.use_regex/],
    [["post_processor", "cls"], undefined, /post_processor\.cls must be a token and its id/],
    [["post_processor", "sep"], ["</s>"], /post_processor\.sep must be a token and its id/],
    [["post_processor", "sep"], ["</s>", 3], /sep\[1\] must be the id of "<\/s>"/],
    [["post_processor", "sep"], [2, "</s>"], /sep\[0\] must be a string/],
    [["post_processor", "trim_offsets"], 0, /trim_offsets/],
  ];
  for (const [path, value, message] of malformed) {
    it(`refuses ${path.join(".")} = ${JSON.stringify(value)}`, () => {
      const read = (): Tokenizer => Tokenizer.fromJSON(changedJson(tokenizer, path, value));
      expect(read).toThrow(FileFormatError);
      expect(read).toThrow(message);
    });
  }

  it("accepts what Hugging Face leaves out or adds", () => {
    const ids = (path: readonly (string | number)[], value: unknown): readonly number[] =>
      Tokenizer.fromJSON(changedJson(tokenizer, path, value)).encode("ab").ids;
    expect(ids(["model", "continuing_subword_prefix"], "")).toEqual([0, 7, 2]);
    expect(ids(["model", "dropout"], undefined)).toEqual([0, 7, 2]);
    expect(ids(["pre_tokenizer", "use_regex"], undefined)).toEqual([0, 7, 2]);
    expect(ids(["post_processor"], { type: "ByteLevel", trim_offsets: false })).toEqual([7]);
  });
});

describe("BoundedCache", () => {
  it("forgets what was used longest ago", () => {
    const cache = new BoundedCache<string, number>(2);
    cache.set("a", 1);
    cache.set("b", 2);
    expect(cache.get("a")).toBe(1);
    cache.set("c", 3);
    expect([cache.get("a"), cache.get("b"), cache.get("c"), cache.size]).toEqual([1, undefined, 3, 2]);
  });
});

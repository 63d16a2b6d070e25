import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError, FileFormatError } from "../../src/graph/errors.ts";
import {
  ALBERT_SPECIAL_TOKENS,
  type AlbertTokenizerOptions,
  albertNormalizer,
  hashRandom,
  Lowercase,
  MetaspaceDecoder,
  MetaspacePreTokenizer,
  Replace,
  type ScoredPiece,
  Tokenizer,
  trainUnigram,
  trainWordPiece,
  Unigram,
} from "../../src/text/index.ts";
import { changedJson, mobyDickText, variedStrings } from "./samples.ts";

const text = mobyDickText(30);
const samples = [
  // An unpaired surrogate is U+FFFD here, and itself in the JavaScript library; and what it takes for white
  // space beside [MASK] is not Unicode's.
  ...variedStrings(2_000, text)
    .map((sample) => sample.replace(/\p{Cs}/gu, "\ufffd"))
    .filter((sample) => !/[\u0085\ufeff]/.test(sample)),
  "``Call me Ishmael.''  Some years ago -- never mind how long [MASK] precisely",
  "ＡＢＣ ﬁne  Ⅳ ½ ①",
  "zzzz 字字 zz",
];

function asIn(tokenizer: Tokenizer): HuggingFaceTokenizer {
  return new HuggingFaceTokenizer(tokenizer.toJSON(), { clean_up_tokenization_spaces: false });
}

describe("Unigram against @huggingface/tokenizers", () => {
  const options: readonly AlbertTokenizerOptions[] = [
    {},
    { lowercase: false },
    { lowercase: true, stripAccents: false },
  ];
  for (const normalization of options) {
    it(`encodes and decodes ${samples.length} strings alike with ${JSON.stringify(normalization)}`, () => {
      const normalizer = albertNormalizer(normalization);
      const vocabulary = trainUnigram([text, ...samples.slice(0, 1_000)], { vocabSize: 6_000, normalizer });
      const trained = Tokenizer.albert(vocabulary, normalization);
      const tokenizer = Tokenizer.fromJSON(JSON.parse(JSON.stringify(trained)));
      expect(JSON.stringify(tokenizer)).toBe(JSON.stringify(trained));
      expect(samples.length).toBeGreaterThan(1_000);
      const oracle = asIn(tokenizer);
      let unknown = 0;
      for (const [i, sample] of samples.entries()) {
        const ours = tokenizer.encode(sample);
        const theirs = oracle.encode(sample, { return_token_type_ids: true });
        expect(ours.ids, JSON.stringify(sample)).toEqual(theirs.ids);
        expect(ours.typeIds).toEqual(theirs.token_type_ids);
        // The JavaScript library shows what was unknown, where the Rust one shows its token too.
        expect(ours.tokens).toEqual(theirs.tokens.map((token, at) => (ours.ids[at] === 1 ? "<unk>" : token)));
        unknown += ours.ids.filter((id) => id === 1).length;
        expect(trained.encode(sample).ids).toEqual(ours.ids);
        expect(tokenizer.decode(ours.ids)).toBe(oracle.decode(theirs.ids));
        expect(tokenizer.decode(ours.ids, { skipSpecialTokens: true })).toBe(
          oracle.decode(theirs.ids, { skip_special_tokens: true }),
        );
        const second = samples[(i * 31 + 5) % samples.length];
        if (second === "") continue;
        expect(tokenizer.encode(sample, second).ids).toEqual(
          oracle.encode(sample, { text_pair: second }).ids,
        );
      }
      expect(unknown).toBeGreaterThan(100);
    });
  }

  it("sides with the Rust library where the JavaScript one deviates from it", () => {
    // Lowercase goes character by character.
    expect(new Lowercase().normalize("ΟΔΟΣ İ")).toBe("οδοσ i\u0307");
    // All spaces of the first token are dropped, not one of them; none where none is ever put in front.
    expect(new MetaspaceDecoder().decode(["▁▁a", "▁▁b"])).toBe("a  b");
    expect(new MetaspaceDecoder({ prependScheme: "never" }).decode(["▁a", "b"])).toBe(" ab");
    // "first" concerns what nothing stands before, not even an added token.
    const vocabulary: ScoredPiece[] = [...ALBERT_SPECIAL_TOKENS, "▁", "a"].map((piece, i) => [piece, -i]);
    const json = changedJson(Tokenizer.albert(vocabulary), ["pre_tokenizer", "prepend_scheme"], "first");
    const ids = (sample: string): readonly number[] =>
      Tokenizer.fromJSON(json).encode(sample, null, { addSpecialTokens: false }).ids;
    expect(ids("a[MASK]a")).toEqual([5, 6, 4, 6]);
    expect(ids("[MASK]a")).toEqual([4, 6]);
  });
});

/** Every way to cut `word` into pieces (as ids), with the sum of their scores. */
function allCuts(word: string, pieces: readonly ScoredPiece[]): { ids: number[]; score: number }[] {
  if (word === "") return [{ ids: [], score: 0 }];
  return pieces.flatMap(([piece, score], id) =>
    word.startsWith(piece)
      ? allCuts(word.slice(piece.length), pieces).map((rest) => ({
          ids: [id, ...rest.ids],
          score: score + rest.score,
        }))
      : [],
  );
}

const scoredPieces = fc
  .uniqueArray(
    fc.tuple(
      fc.string({ unit: fc.constantFrom("a", "b", "😀"), minLength: 2, maxLength: 4 }),
      fc.double({ min: -9, max: -1, noNaN: true }),
    ),
    { selector: ([piece]) => piece, maxLength: 8 },
  )
  .map((pieces): ScoredPiece[] => [["<unk>", 0], ["a", -3], ["b", -4.5], ["😀", -5.25], ...pieces]);
const shortWords = fc.string({ unit: fc.constantFrom("a", "b", "😀"), maxLength: 7 });

describe("Unigram", () => {
  it("finds the best of all cuts", () => {
    fc.assert(
      fc.property(scoredPieces, shortWords, (pieces, word) => {
        const ids = new Unigram(pieces).tokenizeWord(word);
        expect(ids.map((id) => pieces[id][0]).join("")).toBe(word);
        const score = ids.reduce((sum, id) => sum + pieces[id][1], 0);
        const best = Math.max(...allCuts(word, pieces).map((cut) => cut.score));
        expect(score).toBeCloseTo(best, 9);
      }),
      { numRuns: 300 },
    );
  });

  it("scores unknown characters 10 below the least piece, and fuses them", () => {
    const model = new Unigram([
      ["<unk>", 0],
      ["a", -1],
      ["aab", -40],
      ["b", -2],
    ]);
    expect(model.tokenizeWord("a字字b字")).toEqual([1, 0, 3, 0]);
    expect(model.tokenizeWord("aab")).toEqual([1, 1, 3]);
    expect(model.tokenizeWord("")).toEqual([]);
    expect(model.scoreOf(2)).toBe(-40);
    // "xab" is x unknown (-30) and "ab" (-1), or "xa" and "b" (-20): "xa" is worth it down to -11.
    const cut = (xa: number): readonly number[] =>
      new Unigram([
        ["<unk>", 0],
        ["ab", -1],
        ["b", -20],
        ["xa", xa],
      ]).tokenizeWord("xab");
    expect(cut(-10.9)).toEqual([3, 2]);
    expect(cut(-11.1)).toEqual([0, 1]);
    const strict = new Unigram([["a", -1]], null);
    expect(strict.tokenizeWord("aa")).toEqual([0, 0]);
    expect(() => strict.tokenizeWord("ab")).toThrow(/no unknown piece/);
  });

  it("refuses vocabularies that make no sense", () => {
    expect(() => new Unigram([])).toThrow(/empty/);
    expect(() => new Unigram([["", 0]])).toThrow(/piece 0 is empty/);
    expect(() => new Unigram([["a", Number.NaN]])).toThrow(/must be finite/);
    expect(() => new Unigram([["a", Number.NEGATIVE_INFINITY]])).toThrow(/must be finite/);
    expect(
      () =>
        new Unigram([
          ["a", 0],
          ["a", 1],
        ]),
    ).toThrow(/stands twice/);
    expect(() => new Unigram([["a", 0]], 1)).toThrow(/unkId 1/);
    expect(() => Tokenizer.albert([["a", 0]])).toThrow(/"<unk>" is not in the vocabulary/);
  });
});

describe("subword regularization", () => {
  const pieces: ScoredPiece[] = [
    ["<unk>", 0],
    ["a", Math.log(0.2)],
    ["b", Math.log(0.3)],
    ["ab", Math.log(0.25)],
    ["ba", Math.log(0.15)],
    ["aba", Math.log(0.1)],
  ];
  const model = new Unigram(pieces);

  it("draws each cut with probability proportional to P^alpha", () => {
    for (const alpha of [0, 0.3, 1, 2.5]) {
      const cuts = allCuts("abab", pieces).map(({ ids, score }) => ({
        key: ids.join(),
        weight: Math.exp(alpha * score),
      }));
      const total = cuts.reduce((sum, { weight }) => sum + weight, 0);
      const draws = 6_000;
      const seen = new Map<string, number>();
      for (let i = 0; i < draws; i++) {
        const key = model.sampleWord("abab", alpha, hashRandom(5, i)).join();
        seen.set(key, (seen.get(key) ?? 0) + 1);
      }
      expect([...seen.keys()].every((key) => cuts.some((cut) => cut.key === key))).toBe(true);
      for (const { key, weight } of cuts) {
        const share = weight / total;
        const deviation = Math.sqrt(draws * share * (1 - share));
        expect(Math.abs((seen.get(key) ?? 0) - draws * share)).toBeLessThan(5 * deviation);
      }
    }
  });

  it("tends to the best cut as alpha grows", () => {
    fc.assert(
      fc.property(scoredPieces, shortWords, fc.nat(), (candidates, word, key) => {
        const one = new Unigram(candidates);
        const sampled = one.sampleWord(word, 1e6, hashRandom(key));
        const score = (ids: readonly number[]): number => ids.reduce((sum, id) => sum + candidates[id][1], 0);
        expect(score(sampled)).toBeCloseTo(score(one.tokenizeWord(word)), 3);
      }),
    );
  });

  it("is a pure function of text, alpha and key, and loses nothing of the text", () => {
    const tokenizer = Tokenizer.albert(trainUnigram([mobyDickText(3)], { vocabSize: 1_000 }));
    const sample = "call me ishmael. some years ago--never mind how long precisely";
    const draw = (...key: number[]): readonly number[] =>
      tokenizer.encode(sample, sample, { sampling: { alpha: 0.2, key } }).ids;
    expect(draw(1, 2, 3)).toEqual(draw(1, 2, 3));
    const all = Array.from({ length: 20 }, (_, visit) => draw(1, 2, visit).join());
    expect(new Set(all).size).toBe(20);
    for (let visit = 0; visit < 20; visit++) {
      const { ids } = tokenizer.encode(sample, null, { sampling: { alpha: 0.2, key: [visit] } });
      expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(sample);
    }
    const plain = tokenizer.encode(sample).ids;
    expect(tokenizer.encode(sample).ids).toEqual(plain);
  });

  it("refuses an alpha below 0, a key of no integers, and models that have one cut only", () => {
    for (const alpha of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => model.sampleWord("ab", alpha, hashRandom(1))).toThrow(ArgumentError);
    }
    const bert = Tokenizer.bert(trainWordPiece(["a b"], { vocabSize: 10 }));
    expect(() => bert.encode("a", null, { sampling: { alpha: 1, key: [1] } })).toThrow(/cannot sample/);
    expect(() => bert.encode("a", null, { sampling: { alpha: 1, key: [0.5] } })).toThrow(ArgumentError);
  });
});

describe("Metaspace", () => {
  it("marks spaces and cuts before them", () => {
    const cut = (sample: string, options = {}): string[] =>
      new MetaspacePreTokenizer(options).preTokenize(sample);
    expect(cut("Hey my  friend")).toEqual(["▁Hey", "▁my", "▁", "▁friend"]);
    expect(cut(" a ")).toEqual(["▁a", "▁"]);
    expect(cut("a b", { prependScheme: "never" })).toEqual(["a", "▁b"]);
    expect(cut("a b", { split: false })).toEqual(["▁a▁b"]);
    expect(cut("a b", { replacement: "_" })).toEqual(["_a", "_b"]);
    expect(new MetaspacePreTokenizer({ prependScheme: "first" }).preTokenize("a", false)).toEqual(["a"]);
    expect(cut("")).toEqual([]);
    expect(() => new MetaspacePreTokenizer({ replacement: "__" })).toThrow(ArgumentError);
  });

  it("gives the text back", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: fc.constantFrom("a", "é", "😀"), minLength: 1 })), (words) => {
        const sample = words.join(" ");
        const cut = new MetaspacePreTokenizer().preTokenize(sample);
        expect(new MetaspaceDecoder().decode(cut)).toBe(sample);
      }),
    );
  });
});

describe("normalizers", () => {
  it("replaces texts and patterns by what stands there", () => {
    expect(new Replace({ kind: "string", text: "$" }, "$&$1").normalize("a$b$")).toBe("a$&$1b$&$1");
    expect(new Replace({ kind: "regex", source: " {2,}" }, "$&").normalize("a   b c")).toBe("a$&b c");
    expect(() => new Replace({ kind: "string", text: "" }, "")).toThrow(ArgumentError);
    expect(() => new Replace({ kind: "regex", source: "(" }, "")).toThrow(ArgumentError);
    expect(albertNormalizer().normalize("``Ｈéllo''\t\u00a0ÅΣ")).toBe('"hello" aσ');
    expect(albertNormalizer({ lowercase: false }).normalize("Ｈé")).toBe("Hé");
  });
});

describe("a unigram tokenizer.json", () => {
  const vocabulary: ScoredPiece[] = [...ALBERT_SPECIAL_TOKENS, "▁", "a"].map((piece, i) => [piece, -i]);
  const tokenizer = Tokenizer.albert(vocabulary);
  const nested = (depth: number): unknown =>
    depth === 0 ? { type: "NFC" } : { type: "Sequence", normalizers: [nested(depth - 1)] };
  const malformed: readonly (readonly [readonly (string | number)[], unknown, RegExp])[] = [
    [["model", "vocab"], undefined, /model\.vocab must be an array/],
    [["model", "vocab"], { a: 0 }, /model\.vocab must be an array/],
    [["model", "vocab"], [], /the vocabulary is empty/],
    [["model", "vocab", 6], "a", /model\.vocab\[6\] must be a piece and its score/],
    [["model", "vocab", 6], ["a", "-1"], /model\.vocab\[6\]\[1\] must be a number/],
    [["model", "vocab", 6], ["a", null], /model\.vocab\[6\]\[1\] must be a number/],
    [["model", "vocab", 6], ["a", Number.POSITIVE_INFINITY], /must be finite/],
    [["model", "vocab", 6], [7, -1], /model\.vocab\[6\]\[0\] must be a string/],
    [["model", "vocab", 6], ["▁", -1], /stands twice/],
    [["model", "vocab", 6], ["", -1], /piece 6 is empty/],
    [["model", "unk_id"], -1, /model\.unk_id must be an integer/],
    [["model", "unk_id"], 7, /model: Unigram: unkId 7/],
    [["model", "byte_fallback"], true, /model\.byte_fallback must be false/],
    [["pre_tokenizer", "replacement"], undefined, /pre_tokenizer\.replacement must be a string/],
    [["pre_tokenizer", "replacement"], "ab", /pre_tokenizer: Metaspace: replacement must be one character/],
    [["pre_tokenizer", "prepend_scheme"], "last", /prepend_scheme must be "always", "first" or "never"/],
    [["pre_tokenizer", "split"], "no", /pre_tokenizer\.split/],
    [["decoder", "replacement"], 3, /decoder\.replacement/],
    [["normalizer", "normalizers"], {}, /normalizer\.normalizers must be an array/],
    [["normalizer", "normalizers", 0], "NFC", /normalizer\.normalizers\[0\] must be an object/],
    [["normalizer", "normalizers", 2, "type"], "Nmt", /normalizers\[2\]\.type: the normalizer "Nmt"/],
    [["normalizer", "normalizers", 0, "pattern"], undefined, /normalizers\[0\]\.pattern must be an object/],
    [["normalizer", "normalizers", 0, "pattern"], {}, /pattern\.Regex must be a string/],
    [["normalizer", "normalizers", 0, "pattern", "String"], "", /there is no text to look for/],
    [["normalizer", "normalizers", 0, "content"], 1, /normalizers\[0\]\.content must be a string/],
    [["normalizer", "normalizers", 5, "pattern", "Regex"], "(", /is no regular expression/],
    [["normalizer"], nested(40), /nested less deeply/],
  ];
  for (const [path, value, message] of malformed) {
    it(`refuses ${path.join(".")} = ${JSON.stringify(value)?.slice(0, 60)}`, () => {
      const copy = changedJson(tokenizer, path, value);
      const read = (): Tokenizer => Tokenizer.fromJSON(copy);
      expect(read).toThrow(FileFormatError);
      expect(read).toThrow(message);
    });
  }

  it("accepts what earlier versions write", () => {
    const older = { type: "Metaspace", replacement: "▁", add_prefix_space: false };
    const ids = (path: readonly (string | number)[], value: unknown): readonly number[] =>
      Tokenizer.fromJSON(changedJson(tokenizer, path, value)).encode("a").ids;
    expect(ids(["pre_tokenizer"], older)).toEqual([2, 6, 3]);
    expect(ids(["pre_tokenizer"], { ...older, add_prefix_space: true })).toEqual([2, 5, 6, 3]);
    expect(ids(["model", "byte_fallback"], undefined)).toEqual([2, 5, 6, 3]);
    expect(ids(["normalizer"], nested(3))).toEqual([2, 5, 6, 3]);
    for (const type of ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"]) {
      const one = Tokenizer.fromJSON(changedJson(tokenizer, ["normalizer"], { type }));
      expect(one.toJSON().normalizer).toEqual({ type });
    }
  });
});

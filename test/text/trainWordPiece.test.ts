import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/graph/errors.ts";
import {
  BERT_SPECIAL_TOKENS,
  countWords,
  type MergeScore,
  Tokenizer,
  trainWordPiece,
  WordPiece,
} from "../../src/text/index.ts";
import { mobyDickText } from "./samples.ts";

/** The definition, as slowly as it reads: all counts anew before every merge. */
function trainSlowly(
  wordCounts: ReadonlyMap<string, number>,
  vocabSize: number,
  score: MergeScore,
  minPairFrequency: number,
): string[] {
  const words = [...wordCounts].map(([word, count]) => ({
    pieces: [...word].map((character, i) => (i === 0 ? character : `##${character}`)),
    count,
  }));
  const characters = new Set(words.flatMap(({ pieces }) => pieces));
  const order = (a: string, b: string): number =>
    Number(a.startsWith("##")) - Number(b.startsWith("##")) || (a < b ? -1 : 1);
  const vocabulary = [...BERT_SPECIAL_TOKENS, ...[...characters].sort(order)];
  while (vocabulary.length < vocabSize) {
    const single = new Map<string, number>();
    const pairs = new Map<string, { left: string; right: string; count: number }>();
    for (const { pieces, count } of words) {
      for (const [i, right] of pieces.entries()) {
        single.set(right, (single.get(right) ?? 0) + count);
        if (i === 0) continue;
        const left = pieces[i - 1];
        const pair = pairs.get(`${left} ${right}`) ?? { left, right, count: 0 };
        pairs.set(`${left} ${right}`, { left, right, count: pair.count + count });
      }
    }
    const rated = [...pairs.values()]
      .filter(({ count }) => count >= minPairFrequency)
      .map(({ left, right, count }) => {
        const both = (single.get(left) ?? 0) * (single.get(right) ?? 0);
        return { left, right, score: score === "frequency" ? count : count / both };
      })
      .sort((a, b) => {
        const byLeft = vocabulary.indexOf(a.left) - vocabulary.indexOf(b.left);
        return b.score - a.score || byLeft || vocabulary.indexOf(a.right) - vocabulary.indexOf(b.right);
      });
    if (rated.length === 0) break;
    const { left, right } = rated[0];
    const merged = left + right.slice(2);
    if (!vocabulary.includes(merged)) vocabulary.push(merged);
    for (const word of words) {
      const next: string[] = [];
      for (let i = 0; i < word.pieces.length; i++) {
        if (word.pieces[i] === left && word.pieces[i + 1] === right) {
          next.push(merged);
          i++;
        } else next.push(word.pieces[i]);
      }
      word.pieces = next;
    }
  }
  return vocabulary;
}

const letters = fc.string({ unit: fc.constantFrom("a", "b", "c", "é", "😀"), minLength: 1, maxLength: 9 });
const corpora = fc.dictionary(letters, fc.integer({ min: 1, max: 9 }), { minKeys: 1, maxKeys: 12 });

describe("trainWordPiece", () => {
  for (const score of ["frequency", "likelihood"] as const) {
    it(`is the definition, only faster (${score})`, () => {
      fc.assert(
        fc.property(corpora, fc.integer({ min: 1, max: 3 }), (corpus, minPairFrequency) => {
          const counts = new Map(Object.entries(corpus));
          for (const vocabSize of [20, 60]) {
            const fast = trainWordPiece(counts, { vocabSize, score, minPairFrequency });
            expect(fast).toEqual(trainSlowly(counts, vocabSize, score, minPairFrequency));
          }
        }),
        { numRuns: 150 },
      );
    });
  }

  it("depends on the counts, not on the order of the words", () => {
    const counts = countWords([mobyDickText(12)]);
    const forward = trainWordPiece(counts, { vocabSize: 1_500 });
    expect(trainWordPiece(new Map([...counts].reverse()), { vocabSize: 1_500 })).toEqual(forward);
    expect(trainWordPiece([mobyDickText(12)], { vocabSize: 1_500 })).toEqual(forward);
    expect(trainWordPiece(mobyDickText(12), { vocabSize: 1_500 })).toEqual(forward);
  });

  it("reaches the size asked for, and the same pieces come first in a smaller vocabulary", () => {
    const counts = countWords([mobyDickText()]);
    const start = performance.now();
    const vocabulary = trainWordPiece(counts, { vocabSize: 4_096 });
    expect(performance.now() - start).toBeLessThan(5_000);
    expect(vocabulary).toHaveLength(4_096);
    expect(new Set(vocabulary).size).toBe(4_096);
    expect(vocabulary.slice(0, 5)).toEqual(BERT_SPECIAL_TOKENS);
    expect(vocabulary).toContain("whale");
    expect(trainWordPiece(counts, { vocabSize: 1_000 })).toEqual(vocabulary.slice(0, 1_000));
    const model = new WordPiece(vocabulary);
    for (const word of counts.keys()) expect(model.tokenizeWord(word)).not.toContain(model.unkId);
  });

  it("cuts every training word without the unknown piece", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary", maxLength: 20 }), { minLength: 1 }), (texts) => {
        const vocabulary = trainWordPiece(texts, { vocabSize: 2_000, minPairFrequency: 1 });
        const tokenizer = Tokenizer.bert(vocabulary);
        for (const text of texts) expect(tokenizer.encode(text).tokens).not.toContain("[UNK]");
      }),
      { numRuns: 50 },
    );
  });

  it("keeps the most frequent characters, and of equals the first", () => {
    const counts = new Map([
      ["ba", 3],
      ["ca", 2],
      ["da", 2],
    ]);
    const vocabulary = trainWordPiece(counts, { vocabSize: 100, alphabetLimit: 3 });
    expect(vocabulary.slice(5)).toEqual(["b", "c", "##a", "ba", "ca"]);
    expect(new WordPiece(vocabulary).tokenizeWord("da")).toEqual([1]);
  });

  it("passes over words that the model makes unknown anyway", () => {
    const counts = new Map([
      ["zzzz", 9],
      ["ab", 2],
    ]);
    expect(trainWordPiece(counts, { vocabSize: 99, maxInputCharsPerWord: 3 }).slice(5)).toEqual([
      "a",
      "##b",
      "ab",
    ]);
  });

  it("makes no piece that reads as a special token", () => {
    const vocabulary = trainWordPiece(new Map([["<s>", 9]]), {
      vocabSize: 99,
      specialTokens: ["[UNK]", "<s>"],
    });
    expect(vocabulary).toEqual(["[UNK]", "<s>", "<", "##>", "##s", "<s"]);
    expect(new WordPiece(vocabulary).tokenizeWord("<s>")).toEqual([1]);
  });

  it("refuses settings that cannot be met", () => {
    const counts = new Map([["abc", 2]]);
    expect(() => trainWordPiece(counts, { vocabSize: 7 })).toThrow(/5 special tokens and 3 pieces/);
    for (const vocabSize of [0, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => trainWordPiece(counts, { vocabSize })).toThrow(ArgumentError);
    }
    expect(() => trainWordPiece(counts, { vocabSize: 99, minPairFrequency: 0 })).toThrow(ArgumentError);
    expect(() => trainWordPiece(counts, { vocabSize: 99, specialTokens: ["[UNK]", "[UNK]"] })).toThrow(
      ArgumentError,
    );
    expect(() => trainWordPiece(new Map([["a", 0]]), { vocabSize: 99 })).toThrow(ArgumentError);
  });
});

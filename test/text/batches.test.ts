import { describe, expect, it } from "vitest";
import { ArgumentError, IndexOutOfRangeError } from "../../src/graph/errors.ts";
import {
  countTokens,
  type Examples,
  MaskedBatches,
  type MaskingOptions,
  packExamples,
  splitHeldOut,
  splitLines,
  splitSentences,
  Tokenizer,
  trainWordPiece,
  unigramLoss,
} from "../../src/text/index.ts";
import { mobyDickText } from "./samples.ts";

const special = { clsTokenId: 2, sepTokenId: 3, padTokenId: 0 };
const masking: MaskingOptions = {
  ...{ vocabSize: 1_000, maskTokenId: 4, specialTokenIds: [0, 1, 2, 3, 4], seed: 11, maxPredictions: 3 },
};
/** `count` examples of which each is told by its tokens. */
function numbered(count: number): Examples {
  const stream = Array.from({ length: count * 8 }, (_, i) => 5 + Math.floor(i / 8));
  return packExamples([stream], { sequenceLength: 10, ...special });
}

describe("splitting text", () => {
  it("finds lines and sentences", () => {
    expect(splitLines(" one\r\n\n two \u2028three\n")).toEqual(["one", "two", "three"]);
    expect(splitSentences("He came. “Who?” she said (twice!). 3.5 m... yes\nNo end")).toEqual([
      "He came.",
      "“Who?”",
      "she said (twice!).",
      "3.5 m...",
      "yes",
      "No end",
    ]);
    expect(splitSentences("")).toEqual([]);
    expect(splitSentences(`${".".repeat(100_000)}x`)).toHaveLength(1);
  });

  it("loses nothing but white space", () => {
    const text = mobyDickText(5);
    expect(splitSentences(text).join("").replace(/\s/g, "")).toBe(text.replace(/\s/g, ""));
  });
});

describe("packExamples", () => {
  it("packs one contiguous stream, dropping or padding its end", () => {
    const stream = [[10, 11, 12], [], [13], Int32Array.of(14, 15, 16)];
    const dropped = packExamples(stream, { sequenceLength: 5, ...special });
    expect(dropped).toMatchObject({ count: 2, sequenceLength: 5 });
    expect([...dropped.ids]).toEqual([2, 10, 11, 12, 3, 2, 13, 14, 15, 3]);
    const padded = packExamples(stream, { sequenceLength: 5, remainder: "pad", ...special });
    expect([...padded.ids]).toEqual([...dropped.ids, 2, 16, 3, 0, 0]);
    expect([...padded.lengths]).toEqual([5, 5, 3]);
  });

  it("refuses what cannot make an example", () => {
    expect(() => packExamples([[1]], { sequenceLength: 5, ...special })).toThrow(ArgumentError);
    expect(() => packExamples([[1]], { sequenceLength: 2, ...special })).toThrow(ArgumentError);
    const unpadded = { sequenceLength: 5, clsTokenId: 2, sepTokenId: 3, remainder: "pad" } as const;
    expect(() => packExamples([[1]], unpadded)).toThrow(/padTokenId/);
  });
});

describe("splitHeldOut", () => {
  it("holds out the last share or every k-th", () => {
    expect([...splitHeldOut(40).heldOut]).toEqual([38, 39]);
    expect([...splitHeldOut(7, { kind: "every", interval: 3 }).heldOut]).toEqual([2, 5]);
    const { train, heldOut } = splitHeldOut(101, { kind: "last", share: 0.1 });
    expect([...train, ...heldOut]).toEqual(Array.from({ length: 101 }, (_, i) => i));
    expect(heldOut).toHaveLength(11);
    expect(() => splitHeldOut(1)).toThrow(ArgumentError);
    expect(() => splitHeldOut(10, { kind: "last", share: 1 })).toThrow(ArgumentError);
    expect(() => splitHeldOut(10, { kind: "every", interval: 1 })).toThrow(ArgumentError);
  });
});

describe("MaskedBatches", () => {
  const examples = numbered(23);
  /** Which examples a batch holds, by the token at column 1 as it was before masking. */
  const holds = (batches: MaskedBatches, step: number): number[] => {
    const { inputIds, denseLabels, batchSize } = batches.batchAt(step);
    return Array.from({ length: batchSize }, (_, row) => {
      const at = row * 10 + 1;
      return (denseLabels[at] === -100 ? inputIds[at] : denseLabels[at]) - 5;
    });
  };

  it("sees every example once an epoch, in a new order each", () => {
    const batches = new MaskedBatches(examples, { batchSize: 5, masking, dropLast: false });
    expect(batches.stepsPerEpoch).toBe(5);
    const epoch = (n: number): number[] => [0, 1, 2, 3, 4].flatMap((step) => holds(batches, 5 * n + step));
    for (const n of [0, 1, 7])
      expect(epoch(n).sort((a, b) => a - b)).toEqual(Array.from({ length: 23 }, (_, i) => i));
    expect(epoch(0)).not.toEqual(epoch(1));
    expect(batches.batchAt(4).batchSize).toBe(3);
    expect(new MaskedBatches(examples, { batchSize: 5, masking }).stepsPerEpoch).toBe(4);
  });

  it("resumes anywhere: batchAt is a pure function of the step", () => {
    const forward = new MaskedBatches(examples, { batchSize: 4, masking });
    const all = Array.from({ length: 17 }, (_, step) => forward.batchAt(step));
    for (const step of [16, 3, 11, 0]) {
      expect(new MaskedBatches(examples, { batchSize: 4, masking }).batchAt(step)).toEqual(all[step]);
      expect(forward.batchAt(step)).toEqual(all[step]);
    }
    const other = new MaskedBatches(examples, { batchSize: 4, masking: { ...masking, seed: 12 } });
    expect(holds(other, 0)).not.toEqual(holds(forward, 0));
  });

  it("masks an example anew each epoch, and alike for any batch size", () => {
    const small = new MaskedBatches(examples, { batchSize: 1, masking, shuffle: false });
    const large = new MaskedBatches(examples, { batchSize: 23, masking, shuffle: false });
    const inputs = large.batchAt(1).inputIds;
    for (const row of [0, 9, 22]) {
      expect(small.batchAt(23 + row).inputIds).toEqual(inputs.subarray(row * 10, (row + 1) * 10));
    }
    expect(large.batchAt(0).positions).not.toEqual(large.batchAt(1).positions);
  });

  it("keeps to the examples it is given, in their order without shuffling", () => {
    const indices = Int32Array.of(20, 3, 8);
    const batches = new MaskedBatches(examples, {
      batchSize: 2,
      masking,
      indices,
      shuffle: false,
      dropLast: false,
    });
    expect([holds(batches, 0), holds(batches, 1), holds(batches, 2)]).toEqual([[20, 3], [8], [20, 3]]);
  });

  it("refuses what makes no batch", () => {
    expect(() => new MaskedBatches(examples, { batchSize: 24, masking })).toThrow(ArgumentError);
    expect(() => new MaskedBatches(examples, { batchSize: 0, masking })).toThrow(ArgumentError);
    expect(() => new MaskedBatches(examples, { batchSize: 1, masking, indices: Int32Array.of(23) })).toThrow(
      ArgumentError,
    );
    const batches = new MaskedBatches(examples, { batchSize: 4, masking });
    for (const step of [-1, 0.5, Number.NaN]) expect(() => batches.batchAt(step)).toThrow(ArgumentError);
  });
});

describe("unigramLoss", () => {
  it("is the add-one-smoothed cross-entropy", () => {
    const counts = countTokens([0, 1, 1, 2, 2, 2], 4, [0]);
    expect([...counts]).toEqual([0, 2, 3, 0]);
    expect(unigramLoss(counts, [2, -100, 3])).toBeCloseTo(-(Math.log(4 / 9) + Math.log(1 / 9)) / 2, 12);
    expect(unigramLoss(new Float64Array(8), [3, 5])).toBeCloseTo(Math.log(8), 12);
    expect(() => unigramLoss(counts, [-100])).toThrow(ArgumentError);
    expect(() => unigramLoss(counts, [4])).toThrow(IndexOutOfRangeError);
    expect(() => countTokens([4], 4)).toThrow(IndexOutOfRangeError);
  });

  it("goes from text to a baseline for masked prediction", () => {
    const text = mobyDickText(20);
    const tokenizer = Tokenizer.bert(trainWordPiece(splitLines(text), { vocabSize: 2_000 }));
    const bodies = splitSentences(text).map(
      (line) => tokenizer.encode(line, null, { addSpecialTokens: false }).ids,
    );
    const examples = packExamples(bodies, { sequenceLength: 64, ...special });
    const { train, heldOut } = splitHeldOut(examples.count);
    const vocabSize = tokenizer.vocabSize;
    const options = { ...masking, vocabSize, specialTokenIds: tokenizer.specialTokenIds, maxPredictions: 10 };
    const held = new MaskedBatches(examples, {
      ...{ batchSize: heldOut.length, masking: options, indices: heldOut, shuffle: false },
    });
    const trainIds = examples.ids.subarray(0, train.length * 64);
    const loss = unigramLoss(
      countTokens(trainIds, vocabSize, tokenizer.specialTokenIds),
      held.batchAt(0).labels,
    );
    expect(loss).toBeGreaterThan(4);
    expect(loss).toBeLessThan(Math.log(vocabSize));
  });
});

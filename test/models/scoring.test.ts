import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/graph/errors.ts";
import {
  BertConfig,
  BertForMaskedLM,
  cosine,
  MaskedScorer,
  TtaConfig,
  TtaForLanguageAutoencoding,
  TtaScorer,
} from "../../src/models/index.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { onReferenceDevice } from "../nn/reference.ts";
import { i32, tinyConfig } from "./tiny.ts";

onReferenceDevice();

const sentences = [
  [1, 5, 7, 2],
  [1, 9, 2],
  [1, 3, 4, 8, 6, 2],
  [1, 2],
];
const maskToken = 10;

const rows = async (x: Tensor): Promise<number[][][]> => (await x.array()) as number[][][];

/** The mean of some rows. */
function mean(vectors: readonly (readonly number[])[]): number[] {
  return vectors[0].map((_, j) => vectors.reduce((sum, vector) => sum + vector[j], 0) / vectors.length);
}

function expectClose(found: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(found.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) expect(found[i]).toBeCloseTo(expected[i], 5);
}

describe("T-TA's scores", () => {
  const model = () =>
    new TtaForLanguageAutoencoding(TtaConfig.from({ ...tinyConfig("tta"), type_vocab_size: 0 }));

  it("are those of each sentence alone, whatever it is batched with", async () => {
    const tta = model().eval();
    const scorer = new TtaScorer(tta, { batchSize: 3 });
    const found = await scorer.tokenScores(sentences);
    for (const [i, sentence] of sentences.entries()) {
      expectClose(found[i], await tta.forward(i32([sentence])).tokenLogProbs.data());
    }
  });

  it("come with vectors: the mean of the tokens between the first and the last", async () => {
    const tta = model().eval();
    const found = await new TtaScorer(tta, { batchSize: 2 }).vectors(sentences);
    for (const [i, sentence] of sentences.entries()) {
      const [hidden] = await rows(tta.forward(i32([sentence])).lastHiddenState);
      expectClose(found[i], sentence.length === 2 ? [0, 0, 0, 0] : mean(hidden.slice(1, -1)));
    }
  });
});

describe("a masked language model's scores", () => {
  const model = () => new BertForMaskedLM(BertConfig.from(tinyConfig("bert"))).eval();

  it("are the probabilities of each token where it is masked", async () => {
    const bert = model();
    const found = await new MaskedScorer(bert, maskToken, { batchSize: 4 }).tokenScores(sentences);
    for (const [i, sentence] of sentences.entries()) {
      for (const at of sentence.keys()) {
        const masked = sentence.map((token, j) => (j === at ? maskToken : token));
        const [logits] = await rows(bert.forward(i32([masked])).logits.logSoftmax(-1));
        expect(found[i][at]).toBeCloseTo(logits[at][sentence[at]], 5);
      }
    }
  });

  it("come with vectors: the mean of what stands at each masked token", async () => {
    const bert = model();
    const [found] = await new MaskedScorer(bert, maskToken).vectors(sentences);
    const [sentence] = sentences;
    const vectors: number[][] = [];
    for (const at of [1, 2]) {
      const masked = sentence.map((token, j) => (j === at ? maskToken : token));
      vectors.push((await rows(bert.forward(i32([masked])).lastHiddenState))[0][at]);
    }
    expectClose(found, mean(vectors));
  });

  it("want a batch of at least one row", () => {
    expect(() => new MaskedScorer(model(), maskToken, { batchSize: 0 })).toThrow(ArgumentError);
  });
});

describe("cosine", () => {
  it("is 1 for one direction, 0 for a right angle and for zero", () => {
    expect(cosine([1, 2], [2, 4])).toBeCloseTo(1, 12);
    expect(cosine([1, 0], [0, 3])).toBe(0);
    expect(cosine([0, 0], [1, 1])).toBe(0);
  });
});

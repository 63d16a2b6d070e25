import { ArgumentError } from "../../graph/errors.ts";
import { crossEntropy } from "../../nn/functional/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { buildSentencePairs, type Document, IGNORED_LABEL, type SentencePairs } from "../../text/index.ts";
import { UsageError } from "../errors.ts";
import type { ExampleSets, MaskedInputs } from "./batches.ts";
import { heldOutSeed } from "./corpus.ts";
import { lossOf, tallyTokens } from "./objectives.ts";
import type { Setting, Tally } from "./recipe.ts";

/** How many times the documents are paired, each in another way: BERT's `dupe_factor`, for a small text. */
const copies = 5;

/** Examples `[CLS] A [SEP] B [SEP]`. @throws UsageError for a text without enough documents or sentences. */
export function pairExamples(
  { corpus, sequenceLength, seed }: Setting,
  objective: "nextSentence" | "sentenceOrder",
): ExampleSets {
  const { special } = corpus;
  const build = (documents: readonly Document[], seed: number, visit: number): SentencePairs =>
    buildSentencePairs(documents, {
      sequenceLength,
      clsTokenId: special.cls,
      sepTokenId: special.sep,
      padTokenId: special.pad,
      seed,
      visit,
      objective,
    });
  try {
    const visits = Array.from({ length: copies }, (_, visit) => build(corpus.training, seed, visit));
    return { training: joined(visits), heldOut: build(corpus.heldOut, heldOutSeed, 0) };
  } catch (cause) {
    if (!(cause instanceof ArgumentError)) throw cause;
    throw new UsageError(
      `the text makes no pairs of segments (${cause.message}); put blank lines between its documents, or give more text`,
      { cause },
    );
  }
}

function joined(sets: readonly SentencePairs[]): SentencePairs {
  const join = (arrays: readonly Int32Array[]): Int32Array =>
    Int32Array.from(arrays.flatMap((array) => [...array]));
  return {
    count: sets.reduce((total, { count }) => total + count, 0),
    sequenceLength: sets[0].sequenceLength,
    ids: join(sets.map(({ ids }) => ids)),
    typeIds: join(sets.map(({ typeIds }) => typeIds)),
    lengths: join(sets.map(({ lengths }) => lengths)),
    labels: join(sets.map(({ labels }) => labels)),
  };
}

/** What a model with both heads gives; see `PreTrainingModel`. */
interface PairOutput {
  readonly loss: Tensor | undefined;
  readonly predictionLogits: Tensor;
  /** [B, 2] */
  readonly pairLogits: Tensor;
}

/** A recipe's `loss` and `measure` for a model that predicts masked tokens and judges pairs. */
export function pairObjective(forward: (inputs: MaskedInputs) => PairOutput) {
  return {
    loss: (inputs: MaskedInputs): Tensor => lossOf(forward(inputs)),
    measure: (inputs: MaskedInputs): Record<"tokens" | "pairs", Tally> => {
      const { predictionLogits, pairLogits } = forward(inputs);
      const labels = inputs.pairLabels;
      if (labels === undefined) throw new TypeError("batches of pairs have labels of pairs");
      const pairs: Tally = {
        loss: crossEntropy(pairLogits, labels),
        count: labels.ne(IGNORED_LABEL).sum(),
        right: pairLogits.argmax(-1).eq(labels).sum(),
        positives: labels.eq(1).sum(),
      };
      return { tokens: tallyTokens(predictionLogits, inputs.labels), pairs };
    },
  };
}

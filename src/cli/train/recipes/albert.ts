import { AlbertConfig, AlbertForPreTraining } from "../../../models/index.ts";
import { predictionCount } from "../../../text/index.ts";
import { maskedBatches } from "../batches.ts";
import { continuesWord, fieldsOf } from "../objectives.ts";
import { pairExamples, pairObjective } from "../pairs.ts";
import type { Recipe } from "../recipe.ts";

/** Lan et al. (2019), section 3: n-grams of masked words, sentence order, shared layers, a narrow token table. */
export const albert: Recipe = {
  title: "ALBERT",
  tokenizer: "unigram",
  prepare: (setting) => {
    const { corpus, sequenceLength, sizes } = setting;
    const model = new AlbertForPreTraining(
      AlbertConfig.from({
        ...fieldsOf(setting),
        // E is small beside V, and no wider than the layers.
        embedding_size: Math.min(128, sizes.width),
        classifier_dropout_prob: sizes.dropout,
      }),
    );
    const isContinuation = continuesWord(corpus.tokenizer);
    return {
      model,
      ...maskedBatches(pairExamples(setting, "sentenceOrder"), {
        ...setting,
        masking: (base, length) => ({
          ...base,
          maxPredictions: predictionCount(length, length),
          selection: { kind: "ngrams", maxLength: 3 },
          isContinuation,
        }),
      }),
      ...pairObjective(({ inputIds, pairLabels, ...inputs }) => {
        const output = model.forward(inputIds, { ...inputs, sentenceOrderLabel: pairLabels });
        return { ...output, pairLogits: output.sopLogits };
      }),
      saved: { "": model },
      filler: {
        model,
        room: sequenceLength,
        logits: (inputIds, maskedPositions) => model.forward(inputIds, { maskedPositions }).predictionLogits,
      },
    };
  },
};

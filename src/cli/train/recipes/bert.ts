import { BertConfig, BertForMaskedLM, BertForPreTraining } from "../../../models/index.ts";
import { maskedBatches } from "../batches.ts";
import { fieldsOf, fillerOf, maskedObjective, packedExamples } from "../objectives.ts";
import { pairExamples, pairObjective } from "../pairs.ts";
import type { Recipe, Setting, Task } from "../recipe.ts";

/** Devlin et al. (2018), section 3.1: masked words, and with `--nsp` also whether the second segment follows the first. */
export const bert: Recipe = {
  title: "BERT",
  tokenizer: "wordpiece",
  prepare: (setting) => (setting.nextSentence ? withPairs(setting) : maskedOnly(setting)),
};

function maskedOnly(setting: Setting): Task {
  const model = new BertForMaskedLM(BertConfig.from(fieldsOf(setting)));
  return {
    model,
    ...maskedBatches(packedExamples(setting), setting),
    ...maskedObjective(model),
    saved: { "": model },
    filler: fillerOf(model, setting.sequenceLength),
  };
}

function withPairs(setting: Setting): Task {
  const model = new BertForPreTraining(BertConfig.from(fieldsOf(setting)));
  return {
    model,
    ...maskedBatches(pairExamples(setting, "nextSentence"), setting),
    ...pairObjective(({ inputIds, pairLabels, ...inputs }) => {
      const output = model.forward(inputIds, { ...inputs, nextSentenceLabel: pairLabels });
      return { ...output, pairLogits: output.seqRelationshipLogits };
    }),
    saved: { "": model },
    filler: {
      model,
      room: setting.sequenceLength,
      logits: (inputIds, maskedPositions) => model.forward(inputIds, { maskedPositions }).predictionLogits,
    },
  };
}

import { SynthesizerConfig, SynthesizerForMaskedLM } from "../../../models/index.ts";
import { maskedBatches } from "../batches.ts";
import { fieldsOf, fillerOf, maskedObjective, packedExamples } from "../objectives.ts";
import type { Recipe } from "../recipe.ts";

/** Tay et al. (2020): BERT's masked words, with scores that are random and dense, mixed, instead of products of tokens. */
export const synthesizer: Recipe = {
  title: "Synthesizer",
  tokenizer: "wordpiece",
  prepare: (setting) => {
    const model = new SynthesizerForMaskedLM(
      SynthesizerConfig.from({
        ...fieldsOf(setting),
        synthesizer_components: setting.scores,
        synthesizer_max_length: setting.sequenceLength,
      }),
    );
    return {
      model,
      ...maskedBatches(packedExamples(setting), setting),
      ...maskedObjective(model),
      saved: { "": model },
      filler: fillerOf(model, setting.sequenceLength),
    };
  },
};

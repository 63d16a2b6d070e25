import { TtaConfig, TtaForLanguageAutoencoding } from "../../../models/index.ts";
import { fieldsOf, lossOf, tallyTokens } from "../objectives.ts";
import type { Recipe } from "../recipe.ts";
import { type WholeInputs, wholeBatches } from "../wholeBatches.ts";

/** Shin et al. (2020), section 3: every token from all others, with nothing masked. */
export const tta: Recipe = {
  title: "T-TA",
  tokenizer: "wordpiece",
  prepare: (setting) => {
    const { corpus, sequenceLength } = setting;
    const model = new TtaForLanguageAutoencoding(
      TtaConfig.from({ ...fieldsOf(setting), type_vocab_size: 0, mask_token_id: corpus.special.mask }),
    );
    return {
      model,
      ...wholeBatches(setting),
      loss: ({ inputIds, labels }: WholeInputs) => lossOf(model.forward(inputIds, { labels })),
      measure: ({ inputIds, labels }: WholeInputs) => ({
        all: tallyTokens(model.forward(inputIds).logits, labels),
      }),
      saved: { "": model },
      filler: {
        model,
        room: sequenceLength,
        logits: (inputIds, positions) => {
          const { logits } = model.forward(inputIds);
          const at = positions.unsqueeze(2).expand([...positions.shape, logits.size(2)]);
          return logits.gather(1, at);
        },
      },
    };
  },
};

import { RobertaConfig, RobertaForMaskedLM } from "../../../models/index.ts";
import { type Document, packSentences } from "../../../text/index.ts";
import { type ExampleSets, maskedBatches } from "../batches.ts";
import { fieldsOf, fillerOf, maskedObjective } from "../objectives.ts";
import type { Recipe, Setting } from "../recipe.ts";

/**
 * Liu et al. (2019), section 4: masks drawn anew each time, full sentences across documents, no next-sentence prediction,
 * byte-level pieces.
 */
export const roberta: Recipe = {
  title: "RoBERTa",
  tokenizer: "bpe",
  prepare: (setting) => {
    const { corpus, sequenceLength } = setting;
    const model = new RobertaForMaskedLM(
      RobertaConfig.from({
        ...fieldsOf(setting),
        // Positions count from behind the padding token.
        max_position_embeddings: sequenceLength + corpus.special.pad + 1,
        type_vocab_size: 1,
        layer_norm_eps: 1e-5,
      }),
    );
    return {
      model,
      ...maskedBatches(fullSentences(setting), setting),
      ...maskedObjective(model),
      saved: { "": model },
      filler: fillerOf(model, sequenceLength),
    };
  },
};

/** FULL-SENTENCES, section 4.2. */
function fullSentences({ corpus, sequenceLength }: Setting): ExampleSets {
  const { cls, sep, pad } = corpus.special;
  const pack = (documents: readonly Document[]) =>
    packSentences(documents, {
      sequenceLength,
      clsTokenId: cls,
      sepTokenId: sep,
      padTokenId: pad,
      mode: "full",
    });
  return { training: pack(corpus.training), heldOut: pack(corpus.heldOut) };
}

import {
  type BertForMaskedLM,
  DistilBertConfig,
  DistilBertForMaskedLM,
  distillationLoss,
  studentOf,
} from "../../../models/index.ts";
import { noGrad } from "../../../tensor/grad.ts";
import { UsageError } from "../../errors.ts";
import { type MaskedInputs, maskedBatches } from "../batches.ts";
import { fillerOf, initializerRange, lossOf, maskedObjective, packedExamples } from "../objectives.ts";
import type { Recipe, Setting } from "../recipe.ts";

/** Sanh et al. (2019), section 3: masked words, and with `--teacher` the triple loss against a BERT. */
export const distilbert: Recipe = {
  title: "DistilBERT",
  tokenizer: "wordpiece",
  prepare: (setting) => {
    const { teacher, sequenceLength } = setting;
    const model = teacher ? studentFor(teacher, sequenceLength) : alone(setting);
    const objective = maskedObjective(model);
    return {
      model,
      ...maskedBatches(packedExamples(setting), { ...setting, attentionMask: teacher !== undefined }),
      ...objective,
      ...(teacher && { loss: distilled(model, teacher) }),
      saved: { "": model },
      filler: fillerOf(model, sequenceLength),
    };
  },
};

function studentFor(teacher: BertForMaskedLM, sequenceLength: number): DistilBertForMaskedLM {
  const room = teacher.config.max_position_embeddings;
  if (sequenceLength > room) {
    throw new UsageError(`--length ${sequenceLength}: the teacher has ${room} positions; lower --length`);
  }
  return studentOf(teacher);
}

function alone({ corpus, sizes, sequenceLength }: Setting): DistilBertForMaskedLM {
  return new DistilBertForMaskedLM(
    DistilBertConfig.from({
      vocab_size: corpus.tokenizer.vocabSize,
      max_position_embeddings: sequenceLength,
      n_layers: sizes.layers,
      n_heads: sizes.heads,
      dim: sizes.width,
      hidden_dim: sizes.intermediate,
      dropout: sizes.dropout,
      attention_dropout: sizes.dropout,
      initializer_range: initializerRange(sizes),
      pad_token_id: corpus.special.pad,
    }),
  );
}

function distilled(student: DistilBertForMaskedLM, teacher: BertForMaskedLM) {
  teacher.eval();
  return ({ inputIds, maskedPositions, labels, attentionMask }: MaskedInputs) => {
    const shared = { maskedPositions, attentionMask };
    const own = student.forward(inputIds, { ...shared, labels });
    const its = noGrad(() => teacher.forward(inputIds, shared));
    return distillationLoss({ ...own, loss: lossOf(own) }, its, { labels, attentionMask });
  };
}

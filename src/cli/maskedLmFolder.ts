import { join } from "node:path";
import { FileFormatError } from "../graph/errors.ts";
import { writeModelFolder } from "../io/node/index.ts";
import { MaskedLM } from "../models/headModels.ts";
import {
  BertForMaskedLM,
  type EncoderModel,
  modelClasses,
  type PretrainedModel,
  RobertaForMaskedLM,
  savePretrained,
} from "../models/index.ts";
import type { Tokenizer } from "../text/index.ts";
import { UsageError } from "./errors.ts";
import type { Filler } from "./fillMask.ts";
import { readModel } from "./modelFolder.ts";

/** A masked language model with the tokenizer that goes with it. */
export interface MaskedLmWithTokenizer {
  readonly model: MaskedLM<EncoderModel>;
  readonly tokenizer: Tokenizer;
}

/** Writes models with their tokenizer as Hugging Face lays them out; each in the folder of its name below `folder`. */
export async function writeModelFolders(
  folder: string,
  models: Readonly<Record<string, PretrainedModel>>,
  tokenizer: Tokenizer,
): Promise<void> {
  for (const [name, model] of Object.entries(models)) {
    const { config, tensors } = await savePretrained(model);
    await writeModelFolder(join(folder, name), { config, tensors, tokenizerJson: tokenizer.toJSON() });
  }
}

/**
 * Reads such a folder, written here or elsewhere, as a masked language model: of a model with several heads, that one.
 * @throws FileFormatError or StateDictError for a file that is missing, malformed, or does not fit the others.
 */
export async function readMaskedLm(folder: string): Promise<MaskedLmWithTokenizer> {
  const { model, tokenizer } = await readModel(folder, (modelType) => {
    const known = modelClasses.find(
      (entry) => entry.name.endsWith("ForMaskedLM") && entry.modelType === modelType,
    );
    if (known) return known.name;
    throw new FileFormatError(
      `${folder}: model_type is ${JSON.stringify(modelType)}; expected a masked language model, a BERT say`,
    );
  });
  if (!(model instanceof MaskedLM))
    throw new TypeError(`${model.constructor.name} is a masked language model`);
  return { model, tokenizer };
}

/** A BERT to distil from. @throws as `readMaskedLm`; UsageError for another family. */
export async function readTeacher(folder: string): Promise<{
  readonly model: BertForMaskedLM;
  readonly tokenizer: Tokenizer;
}> {
  const { model, tokenizer } = await readMaskedLm(folder);
  if (!(model instanceof BertForMaskedLM)) {
    throw new UsageError(
      `--teacher ${folder}: it holds a ${model.constructor.name}; give the folder of a BERT`,
    );
  }
  return { model, tokenizer };
}

/** How to fill in masked words with a model. */
export function fillerFor(model: MaskedLmWithTokenizer["model"]): Filler {
  const { max_position_embeddings: positions, pad_token_id: padding } = model.base.encoder;
  return {
    model,
    // RoBERTa's positions count from behind the padding token.
    room: model instanceof RobertaForMaskedLM ? positions - (padding ?? 0) - 1 : positions,
    logits: (inputIds, maskedPositions) => model.forward(inputIds, { maskedPositions }).logits,
  };
}

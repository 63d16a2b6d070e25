import { join } from "node:path";
import { ArgumentError, DTypeError, FileFormatError, StateDictError } from "../graph/errors.ts";
import { readModelFolder, writeModelFolder } from "../io/node/index.ts";
import { MaskedLM } from "../models/headModels.ts";
import {
  BertForMaskedLM,
  type EncoderModel,
  fromPretrained,
  modelClasses,
  type PretrainedModel,
  RobertaForMaskedLM,
  savePretrained,
} from "../models/index.ts";
import { Tokenizer } from "../text/index.ts";
import { UsageError } from "./errors.ts";
import type { Filler } from "./fillMask.ts";

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
  const { config, tensors, tokenizerJson } = await readModelFolder(folder);
  const known = modelClasses.find(
    ({ name, modelType }) => name.endsWith("ForMaskedLM") && modelType === config.model_type,
  );
  if (known === undefined) {
    throw new FileFormatError(
      `${folder}: model_type is ${JSON.stringify(config.model_type)}; expected a masked language model, a BERT say`,
    );
  }
  if (tokenizerJson === undefined)
    throw new FileFormatError(`${folder}: expected tokenizer.json beside the weights`);
  const tokenizer = within(folder, () => Tokenizer.fromJSON(tokenizerJson));
  const { model, missing } = within(folder, () =>
    fromPretrained({ config, tensors }, { architecture: known.name }),
  );
  if (!(model instanceof MaskedLM)) throw new TypeError(`${known.name} is a masked language model`);
  if (missing.length > 0) {
    throw new StateDictError(
      `${folder}: ${missing.length} parameters of ${known.name} are missing: ${missing.slice(0, 4).join(", ")}`,
    );
  }
  const { vocab_size: vocabSize } = model.base.encoder;
  if (tokenizer.vocabSize !== vocabSize) {
    throw new FileFormatError(
      `${folder}: tokenizer.json has ${tokenizer.vocabSize} tokens and the model ${vocabSize}; ` +
        "they do not belong together",
    );
  }
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

/** Runs `read`, and names the folder in what it finds wrong. */
function within<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ArgumentError || error instanceof DTypeError || error instanceof FileFormatError) {
      throw new FileFormatError(`${path}: ${error.message}`, { cause: error });
    }
    if (error instanceof StateDictError)
      throw new StateDictError(`${path}: ${error.message}`, { cause: error });
    throw error;
  }
}

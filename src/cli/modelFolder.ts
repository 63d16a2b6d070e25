import { ArgumentError, DTypeError, FileFormatError, StateDictError } from "../graph/errors.ts";
import { readModelFolder } from "../io/node/index.ts";
import { fromPretrained, type PretrainedModel } from "../models/index.ts";
import { Tokenizer } from "../text/index.ts";

/** A model with the tokenizer that goes with it. */
export interface ModelWithTokenizer {
  readonly model: PretrainedModel;
  readonly tokenizer: Tokenizer;
}

/**
 * Reads a folder as `train` writes it and Hugging Face lays it out, as the class that its configuration names, or as
 * `architecture` if that is given for its `model_type`.
 * @throws FileFormatError or StateDictError for a file that is missing, malformed, or does not fit the others.
 */
export async function readModel(
  folder: string,
  architecture?: (modelType: unknown) => string | undefined,
): Promise<ModelWithTokenizer> {
  const { config, tensors, tokenizerJson } = await readModelFolder(folder);
  if (tokenizerJson === undefined)
    throw new FileFormatError(`${folder}: expected tokenizer.json beside the weights`);
  const tokenizer = within(folder, () => Tokenizer.fromJSON(tokenizerJson));
  const { model, missing } = within(folder, () =>
    fromPretrained({ config, tensors }, { architecture: architecture?.(config.model_type) }),
  );
  if (missing.length > 0) {
    throw new StateDictError(
      `${folder}: ${missing.length} parameters of ${model.constructor.name} are missing: ${missing.slice(0, 4).join(", ")}`,
    );
  }
  const { vocab_size: vocabSize } = model.config as { readonly vocab_size?: unknown };
  if (tokenizer.vocabSize !== vocabSize) {
    throw new FileFormatError(
      `${folder}: tokenizer.json has ${tokenizer.vocabSize} tokens and the model ${vocabSize}; ` +
        "they do not belong together",
    );
  }
  return { model, tokenizer };
}

/** Runs `read`, and names the folder in what it finds wrong. */
export function within<T>(path: string, read: () => T): T {
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

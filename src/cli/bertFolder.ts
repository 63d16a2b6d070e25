import { ArgumentError, DTypeError, FileFormatError, StateDictError } from "../graph/errors.ts";
import { fromFloat32, type SafetensorsTensor, toFloat32 } from "../io/index.ts";
import { readModelFolder, writeModelFolder } from "../io/node/index.ts";
import { BertConfig, BertForMaskedLM, bertCheckpoint, loadCheckpoint } from "../models/index.ts";
import { Tokenizer } from "../text/index.ts";

/** A model with the tokenizer that goes with it. */
export interface BertWithTokenizer {
  readonly model: BertForMaskedLM;
  readonly tokenizer: Tokenizer;
}

/** Writes `config.json`, `model.safetensors` and `tokenizer.json`, as Hugging Face lays them out. */
export async function writeBertFolder(
  folder: string,
  { model, tokenizer }: BertWithTokenizer,
): Promise<void> {
  const tensors = new Map<string, SafetensorsTensor>();
  for (const [name, copy] of model.stateDict()) {
    tensors.set(name, fromFloat32(Float32Array.from(await copy.data()), copy.shape));
  }
  const config = {
    architectures: ["BertForMaskedLM"],
    model_type: "bert",
    ...model.bert.config,
    position_embedding_type: "absolute",
    torch_dtype: "float32",
  };
  await writeModelFolder(folder, { config, tensors, tokenizerJson: tokenizer.toJSON() });
}

/**
 * Reads such a folder, written here or elsewhere.
 * @throws FileFormatError or StateDictError for a file that is missing, malformed, or does not fit the others.
 */
export async function readBertFolder(folder: string): Promise<BertWithTokenizer> {
  const { config: json, tensors, tokenizerJson } = await readModelFolder(folder);
  if (json.model_type !== undefined && json.model_type !== "bert") {
    throw new FileFormatError(`${folder}: model_type is ${JSON.stringify(json.model_type)}; expected a BERT`);
  }
  if (tokenizerJson === undefined)
    throw new FileFormatError(`${folder}: expected tokenizer.json beside the weights`);
  const config = within(`${folder}/config.json`, () => BertConfig.from(json));
  const tokenizer = within(folder, () => Tokenizer.fromJSON(tokenizerJson));
  if (tokenizer.vocabSize !== config.vocab_size) {
    throw new FileFormatError(
      `${folder}: tokenizer.json has ${tokenizer.vocabSize} tokens and the model ${config.vocab_size}; ` +
        "they do not belong together",
    );
  }
  const model = new BertForMaskedLM(config);
  const state = within(`${folder}/model.safetensors`, () => {
    const floats = [...tensors].filter(([name]) => !name.endsWith("position_ids"));
    return new Map(floats.map(([name, entry]) => [name, { shape: entry.shape, data: toFloat32(entry) }]));
  });
  // What other heads of BERT bring along is not needed.
  const ignored = [...(bertCheckpoint.ignored ?? []), /^bert\.pooler\./, /^cls\.seq_relationship\./];
  within(folder, () => loadCheckpoint(model, state, { ...bertCheckpoint, ignored }));
  return { model, tokenizer };
}

/** Runs `read`, and names the file in what it finds wrong. */
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

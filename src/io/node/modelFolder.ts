import { join } from "node:path";
import { ArgumentError, FileFormatError } from "../../graph/errors.ts";
import {
  parseSafetensors,
  type SafetensorsEntry,
  type SafetensorsMetadata,
  type SafetensorsTensors,
  safetensorsChunks,
} from "../safetensors.ts";
import { type JsonObject, parseJsonObject, quoted } from "../strictJson.ts";
import { checkFolder, exists, readFileBytes, readTextFile } from "./files.ts";
import { diskOperations, type FileOperations, type NewFile, replaceFiles } from "./replaceFiles.ts";

const configName = "config.json";
const weightsName = "model.safetensors";
const indexName = "model.safetensors.index.json";
const tokenizerName = "tokenizer.json";

/** What files of a model folder are called. */
export const fileNames = {
  config: configName,
  weights: weightsName,
  index: indexName,
  tokenizer: tokenizerName,
} as const;

/** A model as Hugging Face's `save_pretrained` lays it out in a folder. */
export interface ModelFolder {
  /** The object in `config.json`. */
  readonly config: JsonObject;
  /** All tensors by name: of `model.safetensors`, or of all shards. */
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
  /** The object in `tokenizer.json`, if the folder has one. */
  readonly tokenizerJson?: JsonObject;
}

/**
 * Reads a model folder: `config.json`, the weights (`model.safetensors`, or else the shards that
 * `model.safetensors.index.json` lists) and `tokenizer.json` where present. Other files are not looked at.
 * JSON objects come without a prototype.
 *
 * @throws FileFormatError naming the path and what was expected: for a folder or file that is missing, empty
 * or unreadable; for contents that `parseSafetensors` or strict JSON refuse; for an index that names a file
 * outside the folder or does not agree with its shards.
 */
export async function readModelFolder(folder: string): Promise<ModelFolder> {
  await checkFolder(folder, `a folder with ${configName} and ${weightsName}`);
  const config = await readJsonObject(join(folder, configName), "the model's configuration, a JSON object");
  const tensors = await readWeights(folder);
  const tokenizerPath = join(folder, tokenizerName);
  if (!(await exists(tokenizerPath))) return { config, tensors };
  return {
    config,
    tensors,
    tokenizerJson: await readJsonObject(tokenizerPath, "a tokenizer, a JSON object"),
  };
}

async function readJsonObject(path: string, expected: string): Promise<JsonObject> {
  return parseJsonObject(await readTextFile(path, expected), path);
}

async function readWeights(folder: string): Promise<ReadonlyMap<string, SafetensorsEntry>> {
  const weightsPath = join(folder, weightsName);
  if (await exists(weightsPath)) return readTensors(weightsPath);
  const indexPath = join(folder, indexName);
  if (await exists(indexPath)) return readShards(folder, indexPath);
  const hint = (await exists(join(folder, "pytorch_model.bin")))
    ? "; pytorch_model.bin is a pickle, which fusegrad does not read: convert it to safetensors"
    : "";
  throw new FileFormatError(`${folder}: no weights; expected ${weightsName} or ${indexName}${hint}`);
}

async function readTensors(path: string): Promise<ReadonlyMap<string, SafetensorsEntry>> {
  const bytes = await readFileBytes(path, "weights in the safetensors format");
  try {
    return parseSafetensors(bytes).tensors;
  } catch (error) {
    if (!(error instanceof FileFormatError)) throw error;
    throw new FileFormatError(`${path}: ${error.message}`, { cause: error });
  }
}

/** The files that the folder's index of weights names. @throws FileFormatError for an index that is malformed. */
export async function shardsOf(folder: string): Promise<readonly string[]> {
  const path = join(folder, indexName);
  const index = await readJsonObject(path, "the list of the weights' shards, a JSON object");
  return [...new Set(readWeightMap(path, index).values())];
}

async function readShards(folder: string, indexPath: string): Promise<ReadonlyMap<string, SafetensorsEntry>> {
  const index = await readJsonObject(indexPath, "the list of the weights' shards, a JSON object");
  const shardOf = readWeightMap(indexPath, index);
  const tensors = new Map<string, SafetensorsEntry>();
  for (const shard of new Set(shardOf.values())) {
    const path = join(folder, shard);
    for (const [name, entry] of await readTensors(path)) {
      const listed = shardOf.get(name);
      if (listed !== shard) {
        const found = listed === undefined ? "does not list it" : `lists it in ${listed}`;
        throw new FileFormatError(`${path}: it holds the tensor ${quoted(name)}, but ${indexPath} ${found}`);
      }
      tensors.set(name, entry);
    }
  }
  for (const [name, shard] of shardOf) {
    if (!tensors.has(name)) {
      throw new FileFormatError(
        `${join(folder, shard)}: the tensor ${quoted(name)} is missing, which ${indexPath} lists there`,
      );
    }
  }
  return tensors;
}

/** A plain name in the folder itself: no separator of any system, no drive, no hidden file. */
const shardPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]*\.safetensors$/;

function readWeightMap(indexPath: string, index: JsonObject): Map<string, string> {
  const weightMap = index.weight_map;
  if (weightMap === null || typeof weightMap !== "object" || Array.isArray(weightMap)) {
    throw new FileFormatError(
      `${indexPath}: expected "weight_map", an object from tensor names to file names`,
    );
  }
  const shardOf = new Map<string, string>();
  for (const [name, shard] of Object.entries(weightMap)) {
    if (typeof shard !== "string" || !shardPattern.test(shard)) {
      const found = typeof shard === "string" ? quoted(shard) : "no string";
      throw new FileFormatError(
        `${indexPath}: weight_map of ${quoted(name)} is ${found}, expected a .safetensors file beside it`,
      );
    }
    shardOf.set(name, shard);
  }
  if (shardOf.size === 0) throw new FileFormatError(`${indexPath}: weight_map lists no tensor`);
  return shardOf;
}

/** What `writeModelFolder` writes. */
export interface ModelFolderContents {
  /** A JSON object; numbers must be finite. */
  readonly config: object;
  readonly tensors: SafetensorsTensors;
  /**
   * A tokenizer as a JSON object, or as JSON text that is written as it is. Without it, `tokenizer.json` is
   * left alone.
   */
  readonly tokenizerJson?: object | string;
  /** Texts for the weights' `__metadata__`; by default `{ format: "pt" }`, which transformers asks for. */
  readonly metadata?: SafetensorsMetadata;
}

/**
 * Writes a model folder that `readModelFolder` and Hugging Face's `from_pretrained` read; the folder is made
 * where missing, files of other names are left alone. The tensors' bytes must not change until the promise
 * settles.
 *
 * Everything is first written in full beside its target under a temporary name and synced; then the files are
 * replaced, one atomic rename each, in this order: `tokenizer.json`, `model.safetensors`, `config.json`. So a
 * new folder without `config.json` is one that was not finished, and a checkpoint of an unchanged
 * configuration is replaced by a single rename that matters. An error leaves the old files as they were; a
 * crash leaves each file whole, old or new.
 *
 * @throws ArgumentError or ShapeError for contents that cannot be written, before anything is touched;
 * FileWriteError naming the path and the reason when the disk refuses.
 */
export async function writeModelFolder(
  folder: string,
  contents: ModelFolderContents,
  disk: FileOperations = diskOperations,
): Promise<void> {
  const { config, tensors, tokenizerJson, metadata = { format: "pt" } } = contents;
  const files: NewFile[] = [
    { name: weightsName, chunks: safetensorsChunks(tensors, metadata) },
    { name: configName, chunks: [encodeJson("config", config)] },
  ];
  if (tokenizerJson !== undefined) {
    files.unshift({ name: tokenizerName, chunks: [encodeJson("tokenizerJson", tokenizerJson)] });
  }
  await replaceFiles(folder, files, disk);
}

function encodeJson(what: string, value: object | string): Uint8Array {
  const text = typeof value === "string" ? value : stringify(what, value);
  try {
    parseJsonObject(text, what);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ArgumentError(`writeModelFolder: ${reason}; give what can be read back`, { cause });
  }
  return new TextEncoder().encode(text);
}

function stringify(what: string, value: object): string {
  const refuseNonFinite = (key: string, item: unknown): unknown => {
    if (typeof item === "number" && !Number.isFinite(item)) {
      throw new ArgumentError(
        `writeModelFolder: ${what} has ${item} at ${quoted(key)}, which JSON cannot hold`,
      );
    }
    return item;
  };
  try {
    return `${JSON.stringify(value, refuseNonFinite, 2)}\n`;
  } catch (cause) {
    if (cause instanceof ArgumentError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ArgumentError(`writeModelFolder: ${what} cannot be written as JSON (${reason})`, { cause });
  }
}

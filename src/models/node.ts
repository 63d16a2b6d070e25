/** Models from folders on disk and from the Hugging Face hub, in Node. */
import {
  type DownloadOptions,
  downloadModel,
  isFolder,
  isHubName,
  readModelFolder,
} from "../io/node/index.ts";
import { Tokenizer } from "../text/index.ts";
import { type FromPretrainedOptions, fromPretrained as fromContents, type Pretrained } from "./pretrained.ts";

export type { DownloadOptions, DownloadProgress } from "../io/node/index.ts";

export interface PretrainedFolder extends Pretrained {
  /** Of `tokenizer.json`, where there is one. */
  readonly tokenizer: Tokenizer | undefined;
  /** Where the files lie. */
  readonly folder: string;
}

/**
 * A model with its tokenizer from a folder as Hugging Face's `save_pretrained` lays it out, or by its name on the hub
 * ("bert-base-uncased"), from where it is fetched into a cache. A folder of that name comes first.
 *
 * ```ts
 * const { model, tokenizer } = await fromPretrained("google/electra-small-discriminator", { onProgress });
 * ```
 *
 * @throws as `downloadModel`, `readModelFolder`, `fromPretrained` of `fusegrad/models` and `Tokenizer.fromJSON` do.
 */
export async function fromPretrained(
  folderOrName: string,
  options: FromPretrainedOptions & DownloadOptions = {},
): Promise<PretrainedFolder> {
  const remote = isHubName(folderOrName) && !(await isFolder(folderOrName));
  const folder = remote ? await downloadModel(folderOrName, options) : folderOrName;
  const { config, tensors, tokenizerJson } = await readModelFolder(folder);
  const { architecture, strict, dtype, device } = options;
  return {
    ...fromContents({ config, tensors }, { architecture, strict, dtype, device }),
    tokenizer: tokenizerJson && Tokenizer.fromJSON(tokenizerJson),
    folder,
  };
}

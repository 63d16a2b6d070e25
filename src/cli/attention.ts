import { writeFile } from "node:fs/promises";
import type { Command } from "commander";
import { FileFormatError } from "../graph/errors.ts";
import { FileWriteError, reasonOf } from "../io/node/files.ts";
import { attentionMaps, heatmapPage, heatmapText, meanMatrix } from "../models/inspect/index.ts";
import { tensor } from "../tensor/create.ts";
import { noGrad } from "../tensor/grad.ts";
import { Tensor } from "../tensor/tensor.ts";
import { integer, path } from "./arguments.ts";
import { onDevice } from "./devices.ts";
import { UsageError } from "./errors.ts";
import { readModel } from "./modelFolder.ts";
import { addRunOptions, type RunOptions } from "./options.ts";
import { print, printJson, type Terminal } from "./terminal.ts";

interface AttentionOptions extends RunOptions {
  readonly html?: string;
  readonly layer?: number;
  readonly head?: number;
}

export function addAttentionCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("attention")
    .description("show what the tokens of a text attend to, as pictures")
    .argument("<folder>", "folder with config.json, model.safetensors and tokenizer.json")
    .argument("<text>", "the text")
    .option("--layer <n>", "this layer only, from 0", integer(0, 1000))
    .option("--head <n>", "this head only, from 0; without it the mean of all", integer(0, 65_536))
    .option("--html <file>", "write a page with every layer and head instead", path);
  addRunOptions(command, "print a JSON object for each picture").action(
    async (folder: string, text: string, options: AttentionOptions) => {
      const sections = await onDevice(options.device, 0, () => sectionsOf(folder, text));
      if (options.html !== undefined) {
        await writePage(options.html, heatmapPage(`Attention: ${text}`, sections));
        print(terminal, `The page is in ${options.html}`);
        return;
      }
      const layers = options.layer === undefined ? sections : [chosen("--layer", sections, options.layer)];
      const pictures = layers.map(({ title, matrices }) =>
        options.head === undefined
          ? meanMatrix(`${title}, mean of ${matrices.length} heads`, matrices)
          : chosen("--head", matrices, options.head),
      );
      for (const [i, picture] of pictures.entries()) {
        if (options.json) printJson(terminal, picture);
        else print(terminal, `${i === 0 ? "" : "\n"}${heatmapText(picture)}`);
      }
    },
  );
}

async function sectionsOf(folder: string, text: string) {
  const { model, tokenizer } = await readModel(folder);
  const { ids } = tokenizer.encode(text);
  const inputIds = tensor(Int32Array.from(ids), { shape: [1, ids.length] });
  model.eval();
  const output = noGrad(() => model.forward(inputIds, { outputAttentions: true }));
  const layers: unknown = Reflect.get(output, "attentions");
  if (!Array.isArray(layers) || !layers.every((layer) => layer instanceof Tensor)) {
    throw new FileFormatError(`${folder}: a ${model.constructor.name} gives no attention patterns`);
  }
  return attentionMaps(layers, { queries: ids.map((id) => tokenizer.idToToken(id) ?? `#${id}`) });
}

function chosen<T>(option: string, items: readonly T[], index: number): T {
  if (index < items.length) return items[index];
  throw new UsageError(`${option} ${index}: the model has ${items.length}, counted from 0`);
}

async function writePage(file: string, page: string): Promise<void> {
  try {
    await writeFile(file, page);
  } catch (cause) {
    throw new FileWriteError(`${file}: cannot be written (${reasonOf(cause)})`, { cause });
  }
}

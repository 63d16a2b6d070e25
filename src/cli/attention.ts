import type { Command } from "commander";
import { ArgumentError, FileFormatError, IndexOutOfRangeError } from "../graph/errors.ts";
import {
  type AttentionSection,
  attentionSections,
  heatmapPage,
  heatmapText,
  type LabelledMatrix,
  meanMatrix,
} from "../models/inspect/index.ts";
import { integer, path } from "./arguments.ts";
import { onDevice } from "./devices.ts";
import { UsageError } from "./errors.ts";
import { type ModelWithTokenizer, readModel } from "./modelFolder.ts";
import { addRunOptions, type RunOptions } from "./options.ts";
import { writePage } from "./output.ts";
import { print, printJson, type Terminal } from "./terminal.ts";

interface AttentionOptions extends RunOptions {
  readonly html?: string;
  readonly layer?: number;
  readonly head?: number;
  readonly seed: number;
}

export function addAttentionCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("attention")
    .description("show what the tokens of a text attend to, as pictures")
    .argument("<folder>", "folder with config.json, model.safetensors and tokenizer.json")
    .argument("<text>", "the text")
    .option("--layer <n>", "this layer only, from 0", integer(0, 1000))
    .option("--head <n>", "this head only, from 0; without it the mean of all", integer(0, 65_536))
    .option("--seed <n>", "xlnet: start of the order of prediction", integer(0, Number.MAX_SAFE_INTEGER), 0)
    .option("--html <file>", "write a page with every layer and head instead", path);
  addRunOptions(command, "print a JSON object for each picture").action(
    async (folder: string, text: string, options: AttentionOptions) => {
      const sections = await onDevice(options.device, 0, async () =>
        sectionsOf(await readModel(folder), text, options.seed),
      ).catch((error: unknown) => {
        // More tokens than the model has positions.
        if (error instanceof IndexOutOfRangeError) throw new UsageError(error.message, { cause: error });
        if (!(error instanceof ArgumentError)) throw error;
        throw new FileFormatError(`${folder}: ${error.message}`, { cause: error });
      });
      if (options.html !== undefined) {
        await writePage(options.html, heatmapPage(`Attention: ${text}`, sections));
        print(terminal, `The page is in ${options.html}`);
        return;
      }
      for (const [i, picture] of picturesOf(sections, options).entries()) {
        if (options.json) printJson(terminal, picture);
        else print(terminal, `${i === 0 ? "" : "\n"}${heatmapText(picture)}`);
      }
    },
  );
}

/** Everything that a model attends to in a text. @throws ArgumentError for a model that gives no probabilities. */
export function sectionsOf(
  { model, tokenizer }: ModelWithTokenizer,
  text: string,
  seed: number,
): Promise<readonly AttentionSection[]> {
  const { ids } = tokenizer.encode(text);
  const labels = Array.from(ids, (id) => tokenizer.idToToken(id) ?? `#${id}`);
  return attentionSections(model, { ids, labels, specialIds: tokenizer.specialTokenIds, seed });
}

/** For the terminal: the masks, and of each section of a layer one picture. */
function picturesOf(
  sections: readonly AttentionSection[],
  { layer, head }: AttentionOptions,
): readonly LabelledMatrix[] {
  const shown = layer === undefined ? sections : sections.filter((section) => section.layer === layer);
  if (shown.length === 0) {
    const count = Math.max(0, ...sections.map((section) => (section.layer ?? -1) + 1));
    throw new UsageError(`--layer ${layer}: the model has ${count}, counted from 0`);
  }
  return shown.flatMap(({ title, layer, matrices }) => {
    if (layer === undefined) return matrices;
    if (head === undefined) return [meanMatrix(`${title}, mean of ${matrices.length} heads`, matrices)];
    if (head < matrices.length) return [matrices[head]];
    throw new UsageError(`--head ${head}: the model has ${matrices.length}, counted from 0`);
  });
}

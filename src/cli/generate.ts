import type { Command } from "commander";
import { FileFormatError } from "../graph/errors.ts";
import { tensor } from "../tensor/create.ts";
import { integer } from "./arguments.ts";
import { onDevice } from "./devices.ts";
import { readModel } from "./modelFolder.ts";
import { addRunOptions, type RunOptions } from "./options.ts";
import { print, printJson, type Terminal } from "./terminal.ts";
import { specialIds } from "./tokenizers.ts";

interface GenerateOptions extends RunOptions {
  readonly beams: number;
  readonly maxLength: number;
}

export function addGenerateCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("generate")
    .description("give what a trained encoder-decoder makes of a text: its continuation, or its translation")
    .argument("<folder>", "folder with config.json, model.safetensors and tokenizer.json")
    .argument("<text>", "the text")
    .option("--beams <n>", "outputs that the search follows at once", integer(1, 1000), 4)
    .option("--max-length <n>", "most tokens of the output", integer(2, 65_536), 32);
  addRunOptions(command, "print a JSON object").action(
    async (folder: string, text: string, { device, json, beams, maxLength }: GenerateOptions) => {
      const output = await onDevice(device, 0, async () => {
        const { model, tokenizer } = await readModel(folder);
        if (model.generate === undefined) {
          throw new FileFormatError(`${folder}: a ${model.constructor.name} gives no output token by token`);
        }
        const { ids } = tokenizer.encode(text);
        const { sep } = specialIds(tokenizer);
        const source = tensor(Int32Array.from(ids), { shape: [1, ids.length] });
        const [tokens] = await model.generate(source, {}, { maxLength, beams, endToken: sep });
        return tokenizer.decode(tokens, { skipSpecialTokens: true });
      });
      if (json) printJson(terminal, { output });
      else print(terminal, output);
    },
  );
}

import type { Command } from "commander";
import { integer } from "./arguments.ts";
import { onDevice } from "./devices.ts";
import { type FilledMask, fillMask } from "./fillMask.ts";
import { fillerFor, readMaskedLm } from "./maskedLmFolder.ts";
import { addRunOptions, type RunOptions } from "./options.ts";
import { colorsOf, print, printJson, type Terminal } from "./terminal.ts";

interface FillOptions extends RunOptions {
  readonly top: number;
}

export function addFillCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("fill")
    .description("fill in the masked words of a text with a trained model")
    .argument("<folder>", "folder with config.json, model.safetensors and tokenizer.json")
    .argument("<text>", "text with [MASK] in the place of each word to fill in")
    .option("--top <k>", "candidates for each mask", integer(1, 1_000_000), 5);
  addRunOptions(command, "print one JSON object a line: each mask with its candidates").action(
    async (folder: string, text: string, options: FillOptions) => {
      const masks = await onDevice(options.device, 0, async () => {
        const { model, tokenizer } = await readMaskedLm(folder);
        return fillMask(fillerFor(model), tokenizer, text, options.top);
      });
      if (options.json) for (const mask of masks) printJson(terminal, mask);
      else show(terminal, masks);
    },
  );
}

function show(terminal: Terminal, masks: readonly FilledMask[]): void {
  const colors = colorsOf(terminal);
  for (const [i, { candidates }] of masks.entries()) {
    if (masks.length > 1) print(terminal, `${i === 0 ? "" : "\n"}[MASK] ${i + 1}`);
    const width = Math.max(...candidates.map(({ token }) => token.length));
    for (const { token, probability } of candidates) {
      print(terminal, `${colors.bold(token.padEnd(width))}  ${(100 * probability).toFixed(2).padStart(6)} %`);
    }
  }
}

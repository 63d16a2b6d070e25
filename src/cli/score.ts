import type { Command } from "commander";
import { readTextFile } from "../io/node/index.ts";
import { MaskedLM } from "../models/headModels.ts";
import { cosine, MaskedScorer, TtaForLanguageAutoencoding, TtaScorer } from "../models/index.ts";
import { splitLines, type Tokenizer } from "../text/index.ts";
import { integer } from "./arguments.ts";
import { onDevice } from "./devices.ts";
import { UsageError } from "./errors.ts";
import { fillerFor, readMaskedLm } from "./maskedLmFolder.ts";
import { readModel } from "./modelFolder.ts";
import { addRunOptions, type RunOptions } from "./options.ts";
import { colorsOf, print, printJson, type Terminal } from "./terminal.ts";
import { specialIds } from "./tokenizers.ts";

interface ScoreOptions extends RunOptions {
  readonly batch: number;
}

const folderHelp = "folder with config.json, model.safetensors and tokenizer.json";

export function addScoreCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("score")
    .description(
      "tell how likely each line of a file is: T-TA in one pass, others by masking token after token",
    )
    .argument("<folder>", folderHelp)
    .argument("<file>", "text, one sentence a line");
  addBatchOption(command).action(async (folder: string, file: string, options: ScoreOptions) => {
    const lines = splitLines(await readTextFile(file));
    await onDevice(options.device, 0, async () => {
      const { scorer, tokenizer, room } = await readScorer(folder, options.batch);
      const scores = await scorer.tokenScores(lines.map((line) => encode(line, tokenizer, room)));
      lines.forEach((text, i) => {
        // [CLS] and [SEP], which stand around each line, say nothing of it.
        const own = scores[i].slice(1, -1);
        const logLikelihood = own.reduce((sum, score) => sum + score, 0);
        if (options.json) printJson(terminal, { text, logLikelihood, tokens: own.length });
        else print(terminal, `${logLikelihood.toFixed(3).padStart(10)}  ${text}`);
      });
    });
  });
}

export function addSimilarCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("similar")
    .description("tell how alike two texts are: the cosine of their vectors")
    .argument("<folder>", folderHelp)
    .argument("<first>", "a text")
    .argument("<second>", "another");
  addBatchOption(command).action(
    async (folder: string, first: string, second: string, options: ScoreOptions) => {
      const similarity = await onDevice(options.device, 0, async () => {
        const { scorer, tokenizer, room } = await readScorer(folder, options.batch);
        const [a, b] = await scorer.vectors([first, second].map((text) => encode(text, tokenizer, room)));
        return cosine(a, b);
      });
      if (options.json) printJson(terminal, { similarity });
      else print(terminal, colorsOf(terminal).bold(similarity.toFixed(4)));
    },
  );
}

function addBatchOption(command: Command): Command {
  return addRunOptions(command, "print JSON objects, one a line").option(
    "--batch <n>",
    "rows that the model takes at once",
    integer(1, 65_536),
    32,
  );
}

interface Scorer {
  readonly scorer: Pick<TtaScorer, "tokenScores" | "vectors">;
  readonly tokenizer: Tokenizer;
  /** Most tokens of a text, special ones included. */
  readonly room: number;
}

/** @throws FileFormatError or StateDictError for a folder of another kind, or a damaged one. */
async function readScorer(folder: string, batchSize: number): Promise<Scorer> {
  const { model, tokenizer } = await readModel(folder);
  if (model instanceof TtaForLanguageAutoencoding) {
    const { max_position_embeddings: room } = model.config;
    return { scorer: new TtaScorer(model, { batchSize }), tokenizer, room };
  }
  const masked = model instanceof MaskedLM ? model : (await readMaskedLm(folder)).model;
  masked.eval();
  const { mask } = specialIds(tokenizer);
  return { scorer: new MaskedScorer(masked, mask, { batchSize }), tokenizer, room: fillerFor(masked).room };
}

function encode(text: string, tokenizer: Tokenizer, room: number): readonly number[] {
  const { ids } = tokenizer.encode(text);
  if (ids.length > room) {
    throw new UsageError(
      `a text has ${ids.length} tokens, the model takes at most ${room}: ${text.slice(0, 60)}`,
    );
  }
  return ids;
}

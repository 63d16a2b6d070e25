import type { Command } from "commander";
import { FileFormatError, FusegradError } from "../../graph/errors.ts";
import { parseJsonObject } from "../../io/index.ts";
import { readTextFile } from "../../io/node/index.ts";
import type { BertForMaskedLM } from "../../models/index.ts";
import { Tokenizer } from "../../text/index.ts";
import { path } from "../arguments.ts";
import { onDevice } from "../devices.ts";
import { readTeacher, writeModelFolders } from "../maskedLmFolder.ts";
import { readMobyDick } from "../mobyDick.ts";
import { sizesOf } from "../options.ts";
import { print, printJson, type Terminal } from "../terminal.ts";
import { type CorpusOptions, prepareCorpus } from "./corpus.ts";
import { evaluate } from "./evaluate.ts";
import { addTrainOptions, checkTrainOptions, scoresOf, type TrainOptions } from "./options.ts";
import { showProgress } from "./progress.ts";
import type { Recipe, Setting } from "./recipe.ts";
import { recipes } from "./recipes.ts";
import { RunFolder, type RunSource } from "./runFolder.ts";
import { conclude, concludeJson, introduce, showFills } from "./show.ts";
import { type Progress, Trainer, takeSteps } from "./trainer.ts";

export function addTrainCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("train")
    .description("train a model on a text")
    .option("--text <file>", "text to train on, in UTF-8 (default: Moby-Dick)", path);
  addTrainOptions(command).action(async (options: TrainOptions & { readonly text?: string }) => {
    const { text } = options;
    const read = async () => (text === undefined ? readMobyDick() : await readTextFile(text));
    await train({ name: text ?? "Moby-Dick", read }, options, command, terminal);
  });
}

/** A text to train on; `name` is for messages. */
export interface TrainingText {
  readonly name: string;
  readonly read: () => Promise<string>;
}

/**
 * Trains on a text, shows how good the model became, and writes it if asked to; or goes on with a training that was
 * stopped. `command` is the one that parsed the options.
 */
export async function train(
  source: TrainingText,
  given: TrainOptions,
  command: Command,
  terminal: Terminal,
): Promise<void> {
  checkTrainOptions(given);
  sizesOf(given);
  const text = await source.read();
  const folder = given.out === undefined ? undefined : new RunFolder(given.out, given);
  await folder?.prepare(given.resume ?? false);
  const earlier = given.resume ? await folder?.earlier(text, given, command) : undefined;
  const options = earlier?.options ?? given;
  await onDevice(options.device, options.seed, async () => {
    const teacher = options.teacher === undefined ? undefined : await readTeacher(options.teacher);
    const recipe: Recipe = recipes[options.model];
    const corpus = prepareCorpus(text, source.name, {
      batchSize: options.batch,
      sequenceLength: options.length,
      tokenizer: earlier?.tokenizer ?? teacher?.tokenizer ?? (await tokenizerFor(options, recipe)),
    });
    const task = recipe.prepare(settingOf(options, corpus, teacher?.model));
    const trainer = new Trainer(task, { steps: options.steps, learningRate: options.lr });
    if (!options.json) introduce(terminal, source.name, corpus, task, options);
    if (earlier) {
      trainer.restore(earlier.checkpoint);
      if (!options.json) print(terminal, `Going on after step ${trainer.step}`);
    }
    const run: RunSource = { text, tokenizer: corpus.tokenizer };
    const progress: Progress = options.json
      ? { update: (result) => printJson(terminal, result), stop: () => undefined }
      : showProgress(terminal, options.steps);
    await takeSteps(
      trainer,
      progress,
      terminal.signal,
      folder && ((when) => folder.save(trainer, options, run, when)),
    );
    const scores = await evaluate(task, corpus.tokenCounts, terminal.signal);
    if (options.out !== undefined) await writeModelFolders(options.out, task.saved, corpus.tokenizer);
    if (options.json) {
      concludeJson(terminal, scores);
      return;
    }
    conclude(terminal, scores);
    await showFills(terminal, task, corpus);
    if (options.out !== undefined) print(terminal, `\nThe model is in ${options.out}`);
  });
}

async function tokenizerFor(
  { tokenizer: file, vocab }: TrainOptions,
  { tokenizer: kind }: Recipe,
): Promise<CorpusOptions["tokenizer"]> {
  if (file === undefined) return { kind, vocabSize: vocab };
  const json = parseJsonObject(await readTextFile(file, "a tokenizer, a JSON object"), file);
  try {
    return Tokenizer.fromJSON(json);
  } catch (cause) {
    if (!(cause instanceof FusegradError)) throw cause;
    throw new FileFormatError(`${file}: ${cause.message}`, { cause });
  }
}

function settingOf(
  options: TrainOptions,
  corpus: Setting["corpus"],
  teacher: BertForMaskedLM | undefined,
): Setting {
  return {
    corpus,
    sizes: sizesOf(options),
    batchSize: options.batch,
    sequenceLength: options.length,
    seed: options.seed,
    nextSentence: options.nsp ?? false,
    teacher,
    scores: scoresOf(options),
  };
}

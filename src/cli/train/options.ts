import { type Command, InvalidArgumentError, Option } from "commander";
import { type SynthesizerComponent, synthesizerComponents } from "../../models/index.ts";
import { integer, path, positive } from "../arguments.ts";
import { UsageError } from "../errors.ts";
import { addRunOptions, addSizeOptions, type RunOptions, type SizeOptions } from "../options.ts";
import { type RecipeName, recipeNames, recipes } from "./recipes.ts";

/** What decides every number of a training, together with the text. */
export interface TrainSettings extends SizeOptions {
  readonly model: RecipeName;
  readonly steps: number;
  readonly lr: number;
  readonly seed: number;
  readonly nsp?: true;
  readonly teacher?: string;
  readonly tokenizer?: string;
  readonly scores?: string;
}

/** Options of `train` besides its text. */
export interface TrainOptions extends TrainSettings, RunOptions {
  readonly out?: string;
  readonly resume?: true;
  readonly checkpointEvery: number;
  readonly keep: number;
}

/** Names of the settings: what a checkpoint remembers, and what may not change when a training goes on. */
export const settingNames = [
  "model",
  "batch",
  "length",
  "layers",
  "width",
  "heads",
  "intermediate",
  "vocab",
  "dropout",
  "steps",
  "lr",
  "seed",
  "nsp",
  "teacher",
  "tokenizer",
  "scores",
] as const satisfies readonly (keyof TrainSettings)[];

/** What a Synthesizer's scores are made of by default: neither is a product of tokens. */
const defaultScores = "random,dense";

/** The kinds of scores in a list such as "random,dense"; undefined unless each is one, and none comes twice. */
function scoresIn(list: string): readonly SynthesizerComponent[] | undefined {
  const names = list.split(",");
  const kinds = names.flatMap((name) => synthesizerComponents.find((kind) => kind === name) ?? []);
  return kinds.length === names.length && new Set(kinds).size === kinds.length ? kinds : undefined;
}

function scoresList(list: string): string {
  if (scoresIn(list)) return list;
  throw new InvalidArgumentError(
    `Expected a list of ${synthesizerComponents.join(", ")}, each at most once.`,
  );
}

/** What a Synthesizer's scores are made of. */
export function scoresOf({ scores = defaultScores }: TrainSettings): readonly SynthesizerComponent[] {
  return scoresIn(scores) ?? [];
}

/** Steps that a training takes by default. */
const defaultSteps = 1000;

/** Adds the options of a training, for commands that bring their own text. */
export function addTrainOptions(command: Command): Command {
  addSizeOptions(command)
    .addOption(
      new Option("--model <name>", "which model, with its own objective and tokenizer")
        .choices(recipeNames)
        .default(recipeNames[0]),
    )
    .option("--nsp", "bert: learn which sentences follow each other, too")
    .option("--teacher <folder>", "distilbert: distil from the BERT in this folder, with its tokenizer", path)
    .option(
      "--scores <list>",
      `synthesizer: what its scores are made of, of ${synthesizerComponents.join(", ")} (default: ${defaultScores})`,
      scoresList,
    )
    .option("--tokenizer <file>", "use this tokenizer.json instead of training one", path)
    .option("--steps <n>", "training steps", integer(1, 1_000_000_000), defaultSteps)
    .option(
      "--lr <x>",
      "highest learning rate, after a tenth of the steps; then it falls to 0",
      positive,
      1e-3,
    )
    .option("--seed <n>", "start of all random numbers", integer(0, Number.MAX_SAFE_INTEGER), 0)
    .option("--out <folder>", "write model and tokenizer here, and checkpoints in checkpoints/", path)
    .option("--checkpoint-every <n>", "steps between checkpoints", integer(1, 1_000_000_000), 500)
    .option("--keep <k>", "checkpoints to keep: the last ones", integer(1, 1_000_000), 2)
    .option("--resume", "go on from the last checkpoint in --out, if there is one");
  return addRunOptions(command, "print one JSON object a line: each step, then the result");
}

/** @throws UsageError for options that do not go together. */
export function checkTrainOptions(options: TrainOptions): void {
  const { model, nsp, teacher, tokenizer, scores, resume, out } = options;
  const only = (option: string, name: RecipeName): never => {
    throw new UsageError(`${option} is for --model ${name}, not for ${model}`);
  };
  if (nsp && recipes[model] !== recipes.bert) only("--nsp", "bert");
  if (teacher !== undefined && recipes[model] !== recipes.distilbert) only("--teacher", "distilbert");
  if (scores !== undefined && recipes[model] !== recipes.synthesizer) only("--scores", "synthesizer");
  if (teacher !== undefined && tokenizer !== undefined) {
    throw new UsageError("--tokenizer cannot be given with --teacher, whose own tokenizer is used");
  }
  if (resume && out === undefined)
    throw new UsageError("--resume needs --out: the folder whose checkpoints to go on from");
}

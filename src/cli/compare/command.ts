import { join } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { readTextFile } from "../../io/node/index.ts";
import { integer, path, positive } from "../arguments.ts";
import { writeModelFolders } from "../maskedLmFolder.ts";
import { readMobyDick } from "../mobyDick.ts";
import { addRunOptions, addSizeOptions, type RunOptions, type SizeOptions, sizesOf } from "../options.ts";
import { makeFolder, writePage } from "../output.ts";
import { print, printJson, type Terminal } from "../terminal.ts";
import { type Corpus, prepareCorpus } from "../train/corpus.ts";
import { showProgress } from "../train/progress.ts";
import type { Task } from "../train/recipe.ts";
import { type RecipeName, recipeNames, recipes } from "../train/recipes.ts";
import { kindOf } from "../train/show.ts";
import type { Progress } from "../train/trainer.ts";
import { type Contender, sentenceToShow, type Terms, trainContender } from "./contender.ts";
import { comparisonPage } from "./page.ts";
import { comparisonTable } from "./table.ts";

interface CompareOptions extends SizeOptions, RunOptions {
  readonly text?: string;
  readonly models: readonly RecipeName[];
  readonly steps: number;
  readonly lr: number;
  readonly seed: number;
  readonly out?: string;
}

/** What is compared by default: each learns from the text in its own way. */
const usualModels: readonly RecipeName[] = ["bert", "xlnet", "synthesizer", "tta"];

/** Short sequences of few kinds of tokens, whose neighbours soon teach something: small enough for minutes. */
const smallSizes = { layers: 2, width: 64, batch: 32, length: 16, vocab: 512, dropout: 0 };

export function addCompareCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("compare")
    .description("train models of one size on a text, each with its own objective, and compare them")
    .option("--text <file>", "text to train on, in UTF-8 (default: Moby-Dick)", path)
    .option("--models <list>", `which, of ${recipeNames.join(", ")}`, modelList, usualModels);
  addSizeOptions(command, smallSizes)
    .option("--steps <n>", "training steps of each", integer(1, 1_000_000_000), 2000)
    .option(
      "--lr <x>",
      "highest learning rate, after a tenth of the steps; then it falls to 0",
      positive,
      5e-3,
    )
    .option("--seed <n>", "start of all random numbers", integer(0, Number.MAX_SAFE_INTEGER), 0)
    .option("--out <folder>", "write a page with curves and attention, and the models, here", path);
  addRunOptions(command, "print one JSON object a line: each step, then the result").action(
    (options: CompareOptions) => compare(options, terminal),
  );
}

function modelList(list: string): readonly RecipeName[] {
  const names = list.split(",");
  const known = names.flatMap((name) => recipeNames.find((recipe) => recipe === name) ?? []);
  if (known.length === names.length && new Set(known).size === known.length) return known;
  throw new InvalidArgumentError(`Expected a list of ${recipeNames.join(", ")}, each at most once.`);
}

/** Trains one model after the other on the same text, with the same tokenizer, and tells what each came to. */
async function compare(options: CompareOptions, terminal: Terminal): Promise<void> {
  const { json, out, models, text } = options;
  sizesOf(options);
  const name = text ?? "Moby-Dick";
  const content = text === undefined ? readMobyDick() : await readTextFile(text);
  if (out !== undefined) await makeFolder(out);
  const corpus = prepareCorpus(content, name, {
    batchSize: options.batch,
    sequenceLength: options.length,
    tokenizer: { kind: "wordpiece", vocabSize: options.vocab },
  });
  const terms = termsOf(options, corpus, terminal.signal);
  if (!json) print(terminal, introduction(name, corpus, options));
  const contenders: Contender[] = [];
  for (const model of models) {
    if (!json) print(terminal, `\n${recipes[model].title}`);
    const keep = async ({ saved }: Task): Promise<void> => {
      if (out !== undefined) await writeModelFolders(join(out, model), saved, corpus.tokenizer);
    };
    contenders.push(await trainContender(model, terms, progressOf(model, options, terminal), keep));
  }
  if (out !== undefined) {
    await writePage(
      join(out, "compare.html"),
      comparisonPage(name, introduction(name, corpus, options), contenders, terms.sentence),
    );
  }
  if (json) {
    printJson(terminal, { final: true, models: contenders.map(resultOf) });
    return;
  }
  print(terminal, `\n${comparisonTable(contenders, terminal)}`);
  print(terminal, legend(contenders));
  if (out !== undefined)
    print(terminal, `\nThe models are in ${out}, curves and attention in ${join(out, "compare.html")}`);
}

function termsOf(options: CompareOptions, corpus: Corpus, signal: AbortSignal): Terms {
  const { batch, length, seed, steps, lr, device } = options;
  const setting = {
    corpus,
    sizes: sizesOf(options),
    batchSize: batch,
    sequenceLength: length,
    seed,
    nextSentence: false,
    teacher: undefined,
    scores: ["random", "dense"] as const,
  };
  const sentence = sentenceToShow(corpus, { longest: length });
  return { setting, schedule: { steps, learningRate: lr }, device, signal, sentence };
}

function progressOf(model: RecipeName, { json, steps }: CompareOptions, terminal: Terminal): Progress {
  if (!json) return showProgress(terminal, steps);
  return { update: (result) => printJson(terminal, { model, ...result }), stop: () => undefined };
}

const count = (value: number): string => value.toLocaleString("en");

function introduction(name: string, corpus: Corpus, options: CompareOptions): string {
  const { layers, width, steps, batch, length } = options;
  return (
    `${name}: ${count(corpus.tokenizer.vocabSize)} kinds of tokens, ${count(corpus.trainingTokens)} tokens to train on, ` +
    `${count(corpus.heldOutTokens)} held out; ${layers} layers of width ${width}, ${count(steps)} steps of ${batch} sequences ` +
    `of ${length} tokens`
  );
}

/** What each kind of loss in the table is. */
function legend(contenders: readonly Contender[]): string {
  return [...new Set(contenders.map(({ objective }) => objective))]
    .map((objective) => {
      const titles = contenders
        .filter((each) => each.objective === objective)
        .map(({ name }) => recipes[name].title);
      return `${titles.join(", ")}: ${kindOf(objective).what.toLowerCase()}`;
    })
    .join("\n");
}

function resultOf({ losses: _, sections: __, score, ...rest }: Contender): object {
  const { loss, baseline, accuracy } = score;
  return { ...rest, heldOutLoss: loss, unigramLoss: baseline, difference: loss - baseline, accuracy };
}

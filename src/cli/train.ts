import { access, constants, mkdir } from "node:fs/promises";
import { type Command, Option } from "commander";
import { codeOf, reasonOf } from "../io/node/files.ts";
import { readTextFile } from "../io/node/index.ts";
import type { BertForMaskedLM } from "../models/index.ts";
import { unigramLoss } from "../text/index.ts";
import { path } from "./arguments.ts";
import { writeBertFolder } from "./bertFolder.ts";
import { type Corpus, chooseClozes, prepareCorpus } from "./corpus.ts";
import { onDevice } from "./devices.ts";
import { UsageError } from "./errors.ts";
import { fillMask } from "./fillMask.ts";
import { addRunOptions, addTrainOptions, sizesOf, type TrainOptions } from "./options.ts";
import { type Progress, showProgress } from "./progress.ts";
import { colorsOf, print, printJson, type Terminal } from "./terminal.ts";
import { evaluateBert, evaluationSet, makeBert, type StepResult, trainBert } from "./trainBert.ts";

const shownSentences = 3;
const shownCandidates = 5;

export function addTrainCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("train")
    .description("train a model on a text")
    .addOption(new Option("--model <name>", "which model").choices(["bert"]).default("bert"))
    .requiredOption("--text <file>", "text to train on, in UTF-8", path);
  addTraining(command).action(async (options: TrainOptions & { readonly text: string }) => {
    sizesOf(options);
    await train(await readTextFile(options.text), options.text, options, terminal);
  });
}

/** Adds the options of a training, for commands that bring their own text. */
export function addTraining(command: Command): Command {
  return addRunOptions(addTrainOptions(command), "print one JSON object a line: each step, then the result");
}

/** Trains on a text, shows how good the model became, and writes it if asked to. `name` is the text's, for messages. */
export async function train(
  text: string,
  name: string,
  options: TrainOptions,
  terminal: Terminal,
): Promise<void> {
  const sizes = sizesOf(options);
  if (options.out !== undefined) await makeFolder(options.out);
  await onDevice(options.device, options.seed, async () => {
    const corpus = prepareCorpus(text, name, {
      seed: options.seed,
      batchSize: options.batch,
      sequenceLength: options.length,
      vocabSize: options.vocab,
    });
    const model = makeBert(corpus.tokenizer.vocabSize, options.length, sizes);
    if (!options.json) introduce(terminal, name, corpus, model, options);
    await runSteps(model, corpus, options, terminal);
    const result = await judge(model, corpus, terminal);
    if (options.out !== undefined) await writeBertFolder(options.out, { model, tokenizer: corpus.tokenizer });
    if (options.json) {
      printJson(terminal, { final: true, ...result });
      return;
    }
    conclude(terminal, result);
    await showFills(terminal, model, corpus);
    if (options.out !== undefined) print(terminal, `\nThe model is in ${options.out}`);
  });
}

/** Found out before the work, not after it. */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
  } catch (cause) {
    const reason = codeOf(cause) === "EEXIST" ? "it is a file" : reasonOf(cause);
    throw new UsageError(`${folder}: cannot be written to (${reason}); give --out another folder`, {
      cause,
    });
  }
}

async function runSteps(
  model: BertForMaskedLM,
  corpus: Corpus,
  options: TrainOptions,
  terminal: Terminal,
): Promise<void> {
  const { steps, lr: learningRate } = options;
  const progress: Progress = options.json
    ? { update: (result: StepResult) => printJson(terminal, result), stop: () => undefined }
    : showProgress(terminal, steps);
  try {
    const { signal } = terminal;
    for await (const result of trainBert(model, corpus.training, { steps, learningRate, signal })) {
      progress.update(result);
    }
  } finally {
    progress.stop();
  }
}

/** What a training came to, on text that was held out. */
interface Result {
  /** In nats, as the unigram's. */
  readonly heldOutLoss: number;
  /** Loss of predicting every token by how frequent it is. */
  readonly unigramLoss: number;
  readonly accuracy: number;
}

async function judge(model: BertForMaskedLM, corpus: Corpus, terminal: Terminal): Promise<Result> {
  const batches = evaluationSet(corpus.heldOut);
  const { loss, accuracy } = await evaluateBert(model, batches, terminal.signal);
  const labels = batches.flatMap((batch) => [...batch.labels]);
  return { heldOutLoss: loss, unigramLoss: unigramLoss(corpus.tokenCounts, labels), accuracy };
}

function introduce(
  terminal: Terminal,
  name: string,
  corpus: Corpus,
  model: BertForMaskedLM,
  options: TrainOptions,
): void {
  const { tokenizer, trainingCount, heldOutCount } = corpus;
  const parameters = model.parameters().reduce((total, { numel }) => total + numel, 0);
  const count = (value: number) => value.toLocaleString("en");
  print(
    terminal,
    `${name}: ${count(tokenizer.vocabSize)} WordPiece tokens, ${count(trainingCount)} sequences of ${options.length} ` +
      `to train on, ${count(heldOutCount)} held out`,
  );
  print(
    terminal,
    `BERT: ${options.layers} layers, width ${options.width}, ${options.heads} heads, ${count(parameters)} parameters; ` +
      `${count(options.steps)} steps of ${options.batch} sequences`,
  );
  print(terminal);
}

function conclude(terminal: Terminal, { heldOutLoss, unigramLoss, accuracy }: Result): void {
  const colors = colorsOf(terminal);
  print(terminal);
  print(
    terminal,
    `Held-out masked loss ${colors.bold(heldOutLoss.toFixed(3))}, by word frequency alone ${unigramLoss.toFixed(3)}; ` +
      `${colors.bold(`${(100 * accuracy).toFixed(1)} %`)} of the masked tokens are predicted right`,
  );
}

async function showFills(terminal: Terminal, model: BertForMaskedLM, corpus: Corpus): Promise<void> {
  const { heldOutSentences, tokenizer } = corpus;
  const room = model.bert.config.max_position_embeddings;
  const clozes = chooseClozes(heldOutSentences, tokenizer, shownSentences, room);
  const colors = colorsOf(terminal);
  for (const { text, word } of clozes) {
    const [{ candidates }] = await fillMask(model, tokenizer, text, shownCandidates);
    const shown = candidates.map(({ token, probability }) => `${token} ${(100 * probability).toFixed(1)} %`);
    print(terminal);
    print(terminal, text.replace("[MASK]", colors.cyan("[MASK]")));
    print(terminal, `  ${shown.join(", ")}   ${colors.dim(`(it was: ${word})`)}`);
  }
}

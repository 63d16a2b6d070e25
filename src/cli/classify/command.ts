import { type Command, Option } from "commander";
import { FileFormatError } from "../../graph/errors.ts";
import { readModelFolder, readTextFile } from "../../io/node/index.ts";
import { BertConfig, fromPretrained, modelClasses, modelFor } from "../../models/index.ts";
import { splitLines, Tokenizer } from "../../text/index.ts";
import { integer, path, positive, probability } from "../arguments.ts";
import { onDevice } from "../devices.ts";
import { UsageError } from "../errors.ts";
import { writeModelFolders } from "../maskedLmFolder.ts";
import { readModel, within } from "../modelFolder.ts";
import { addRunOptions, addSizeOptions, type RunOptions, type SizeOptions, sizesOf } from "../options.ts";
import { colorsOf, print, printJson, type Terminal } from "../terminal.ts";
import { specialIds, trainTokenizer } from "../tokenizers.ts";
import { encoderFields } from "../train/objectives.ts";
import { showProgress } from "../train/progress.ts";
import { breathe, Trainer } from "../train/trainer.ts";
import { type Classifier, classifierTask, classify } from "./classifier.ts";
import { classesOf, type LabelledText, readLabelled, type Split, splitTexts } from "./labelled.ts";
import { readSpam } from "./spam.ts";

interface FineTuneOptions extends SizeOptions, RunOptions {
  readonly file?: string;
  readonly example?: "spam";
  readonly textColumn: string;
  readonly labelColumn: string;
  readonly model?: string;
  readonly epochs: number;
  readonly lr: number;
  readonly heldOut: number;
  readonly seed: number;
  readonly out?: string;
}

export function addClassifyCommand(program: Command, terminal: Terminal): void {
  const group = program.command("classify").description("sort texts into classes").helpCommand(false);
  const train = group
    .command("train")
    .description("train a classifier on texts with labels, and test it on some that were held out")
    .option("--file <file>", "texts with labels: .csv, .tsv or .jsonl", path)
    .addOption(
      new Option("--example <name>", "instead of a file: mail of SpamAssassin's corpus").choices(["spam"]),
    )
    .option("--text-column <name>", "where the texts are", "text")
    .option("--label-column <name>", "where the labels are", "label")
    .option("--model <folder>", "fine-tune the model in this folder; without it, a new BERT learns", path)
    .option("--epochs <n>", "how often each text is seen", integer(1, 10_000), 3)
    .option(
      "--lr <x>",
      "highest learning rate, after a tenth of the steps; then it falls to 0",
      positive,
      5e-4,
    )
    .option("--held-out <share>", "share of the texts to test with", probability, 0.2)
    .option("--seed <n>", "start of all random numbers", integer(0, Number.MAX_SAFE_INTEGER), 0)
    .option("--out <folder>", "write the classifier here", path);
  addRunOptions(addSizeOptions(train), "print one JSON object: how good it is").action(
    (options: FineTuneOptions) => fineTune(options, terminal),
  );
  const apply = group
    .command("apply")
    .description("tell the class of each line of a file")
    .argument("<folder>", "a classifier that train wrote, or Hugging Face's")
    .argument("<file>", "a text a line")
    .option("--batch <n>", "texts that the model takes at once", integer(1, 65_536), 32);
  addRunOptions(apply, "print a JSON object a line").action(
    async (folder: string, file: string, { device, json, batch }: RunOptions & { batch: number }) => {
      const lines = splitLines(await readTextFile(file));
      const found = await onDevice(device, 0, async () =>
        classify(lines, await readClassifier(folder), batch),
      );
      found.forEach(({ label, probability: certainty }, i) => {
        if (json) printJson(terminal, { text: lines[i], label, probability: certainty });
        else print(terminal, `${label}  ${(100 * certainty).toFixed(1).padStart(5)} %  ${lines[i]}`);
      });
    },
  );
}

async function fineTune(options: FineTuneOptions, terminal: Terminal): Promise<void> {
  const split = splitTexts(await readTexts(options), options.heldOut, options.seed);
  const classes = classesOf([...split.training, ...split.heldOut]);
  if (classes.length < 2 || split.training.length === 0 || split.heldOut.length === 0) {
    throw new UsageError(
      `${classes.length} classes, ${split.training.length} texts to train on and ${split.heldOut.length} held out: ` +
        "wanted two classes or more, and texts in both parts",
    );
  }
  await onDevice(options.device, options.seed, async () => {
    const classifier = await makeClassifier(options, classes, split.training);
    await learn(classifier, split, options, terminal);
    const found = await classify(
      split.heldOut.map(({ text }) => text),
      classifier,
      options.batch,
    );
    report(judge(split, found), options, terminal);
    if (options.out !== undefined) {
      await writeModelFolders(options.out, { "": classifier.model }, classifier.tokenizer);
    }
  });
}

async function readTexts(options: FineTuneOptions): Promise<readonly LabelledText[]> {
  const { file, example, textColumn, labelColumn } = options;
  if ((file === undefined) === (example === undefined)) {
    throw new UsageError("give either --file, with texts and labels, or --example spam");
  }
  return file === undefined ? readSpam() : readLabelled(file, { text: textColumn, label: labelColumn });
}

/** A new BERT with a tokenizer of the texts, or the model of a folder with a new head. */
async function makeClassifier(
  options: FineTuneOptions,
  classes: readonly string[],
  training: readonly LabelledText[],
): Promise<Classifier> {
  const { length, vocab: vocabSize, model: folder } = options;
  const id2label = Object.fromEntries(classes.map((name, i) => [String(i), name]));
  if (folder !== undefined) return { ...(await withNewHead(folder, id2label)), classes, length };
  const name = options.file ?? "the mails";
  const lines = training.flatMap(({ text }) => splitLines(text));
  const tokenizer = trainTokenizer("wordpiece", lines, { name, vocabSize, option: "--vocab" });
  const fields = encoderFields(
    { vocabSize: tokenizer.vocabSize, positions: length, padding: specialIds(tokenizer).pad },
    sizesOf(options),
  );
  const model = modelFor("BertForSequenceClassification").create(BertConfig.from({ ...fields, id2label }));
  return { model, tokenizer, classes, length };
}

async function withNewHead(folder: string, id2label: Readonly<Record<string, string>>) {
  const { config, tensors, tokenizerJson } = await readModelFolder(folder);
  const known = modelClasses.find(
    ({ name, modelType }) => name.endsWith("ForSequenceClassification") && modelType === config.model_type,
  );
  if (known === undefined || tokenizerJson === undefined) {
    throw new FileFormatError(
      `${folder}: wanted a model with a sequence classifier (it says ${JSON.stringify(config.model_type)}) and tokenizer.json`,
    );
  }
  return within(folder, () => ({
    tokenizer: Tokenizer.fromJSON(tokenizerJson),
    model: fromPretrained(
      { config: { ...config, id2label, num_labels: undefined }, tensors },
      { architecture: known.name },
    ).model,
  }));
}

async function learn(
  classifier: Classifier,
  split: Split,
  { batch: batchSize, seed, epochs, lr: learningRate, json }: FineTuneOptions,
  terminal: Terminal,
): Promise<void> {
  const task = classifierTask(classifier, split, { batchSize, seed });
  const steps = epochs * task.training.stepsPerEpoch;
  const trainer = new Trainer(task, { steps, learningRate });
  const progress = json ? undefined : showProgress(terminal, steps);
  try {
    while (!trainer.isDone) {
      await breathe(terminal.signal);
      const result = await trainer.advance();
      progress?.update(result);
    }
  } finally {
    progress?.stop();
  }
}

/** How good a classifier is on texts that it has not seen. */
interface Judgement {
  readonly accuracy: number;
  /** Of one that always says the most frequent class. */
  readonly majorityAccuracy: number;
  readonly texts: number;
  readonly trainedOn: number;
  readonly copiesLeftOut: number;
  /** Of each class, the share that was recognised. */
  readonly recall: Readonly<Record<string, number>>;
}

function judge(
  { training, heldOut, copies }: Split,
  found: readonly { readonly label: string }[],
): Judgement {
  const total: Record<string, number> = {};
  const right: Record<string, number> = {};
  heldOut.forEach(({ label }, i) => {
    total[label] = (total[label] ?? 0) + 1;
    right[label] = (right[label] ?? 0) + (found[i].label === label ? 1 : 0);
  });
  const sum = (counts: Readonly<Record<string, number>>): number =>
    Object.values(counts).reduce((all, count) => all + count, 0);
  return {
    accuracy: sum(right) / heldOut.length,
    majorityAccuracy: Math.max(...Object.values(total)) / heldOut.length,
    texts: heldOut.length,
    trainedOn: training.length,
    copiesLeftOut: copies,
    recall: Object.fromEntries(Object.keys(total).map((label) => [label, right[label] / total[label]])),
  };
}

function report(judgement: Judgement, { json, out }: FineTuneOptions, terminal: Terminal): void {
  if (json) {
    printJson(terminal, { final: true, ...judgement });
    return;
  }
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const { accuracy, majorityAccuracy, texts, copiesLeftOut, recall } = judgement;
  const recalls = Object.entries(recall).map(([label, share]) => `${percent(share)} of ${label}`);
  print(
    terminal,
    `\n${colorsOf(terminal).bold(percent(accuracy))} of ${texts} held-out texts are classified right (${recalls.join(", ")}); ` +
      `the most frequent class alone ${percent(majorityAccuracy)}. ${copiesLeftOut} copies were left out`,
  );
  if (out !== undefined) print(terminal, `The classifier is in ${out}`);
}

async function readClassifier(folder: string): Promise<Classifier> {
  const { model, tokenizer } = await readModel(folder);
  const { id2label, max_position_embeddings: length } = model.config as {
    readonly id2label?: Readonly<Record<string, string>>;
    readonly max_position_embeddings?: number;
  };
  const known = modelClasses.find(({ isClassOf }) => isClassOf(model));
  if (!known?.name.endsWith("ForSequenceClassification") || !id2label || !length) {
    throw new FileFormatError(`${folder}: a ${model.constructor.name} is no classifier of sequences`);
  }
  const classes = Object.keys(id2label)
    .sort((a, b) => Number(a) - Number(b))
    .map((id) => id2label[id]);
  return { model, tokenizer, classes, length };
}

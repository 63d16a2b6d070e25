import { onDevice } from "../src/cli/devices.ts";
import { readMobyDick } from "../src/cli/mobyDick.ts";
import { type Corpus, prepareCorpus } from "../src/cli/train/corpus.ts";
import type { ModelSizes, Recipe, Setting, Task } from "../src/cli/train/recipe.ts";
import { bert } from "../src/cli/train/recipes/bert.ts";
import { electra } from "../src/cli/train/recipes/electra.ts";
import { stepToExplain, Trainer } from "../src/cli/train/trainer.ts";
import {
  BertForMaskedLM,
  BertForTokenClassification,
  ElectraForTokenClassification,
  ElectraTraining,
} from "../src/models/index.ts";
import { AdamW, linearWarmupDecay } from "../src/nn/optim/index.ts";
import { compile } from "../src/tensor/compile.ts";
import { tensor } from "../src/tensor/create.ts";
import { explain } from "../src/tensor/explain.ts";
import { noGrad } from "../src/tensor/grad.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { type Document, hashRandom, IGNORED_LABEL, packExamples } from "../src/text/index.ts";
import { writeResults } from "./results.ts";

// `npm run compare:electra [-- SEEDS]`: does finding replaced tokens teach an encoder more than filling masked ones, for the
// same number of floating-point operations? Both are trained on Moby-Dick, then fine-tuned on a task that resembles
// neither: to say after each word of a text without punctuation which punctuation stood there.

const sizes: ModelSizes = { layers: 2, width: 64, heads: 4, intermediate: 256, dropout: 0.1 };
const [batchSize, sequenceLength, vocabSize] = [16, 32, 1024];
const learningRate = 2e-3;
/** Steps of the masked language model; the others take as many operations. */
const budgets = [400, 800, 1600];
const fineTuning = { steps: 200, learningRate: 1e-3 };

/** Classes of what follows a word; 0 is nothing. */
const marks: readonly string[] = [",", ".!?", ";:-—'\"“”’()"];

interface Example {
  readonly ids: Tensor;
  readonly labels: Tensor;
}

/** Words without punctuation, with the class of what followed them; batches in an order of their own. */
function punctuationBatches(
  documents: readonly Document[],
  { tokenizer, special }: Corpus,
  seed: number,
): Example[] {
  const classes = new Map<number, number>();
  for (const [i, characters] of marks.entries()) {
    for (const character of characters) {
      const id = tokenizer.tokenToId(character);
      if (id !== undefined) classes.set(id, i + 1);
    }
  }
  const stream = documents.flatMap((document) => document.flatMap((sentence) => Array.from(sentence)));
  const words = stream.flatMap((id, at) =>
    classes.has(id) ? [] : [{ id, label: classes.get(stream[at + 1]) ?? 0 }],
  );
  const pack = (values: readonly number[], ends: number) =>
    packExamples([values], { sequenceLength, clsTokenId: ends, sepTokenId: ends });
  const ids = packExamples([words.map(({ id }) => id)], {
    sequenceLength,
    clsTokenId: special.cls,
    sepTokenId: special.sep,
  });
  const labels = pack(
    words.map(({ label }) => label),
    IGNORED_LABEL,
  );
  const random = hashRandom(seed);
  const count = Math.floor(ids.count / batchSize);
  const size = batchSize * sequenceLength;
  const batches = Array.from({ length: count }, (_, i): Example => {
    const part = (all: Int32Array) =>
      tensor(all.slice(i * size, (i + 1) * size), { shape: [batchSize, sequenceLength] });
    return { ids: part(ids.ids), labels: part(labels.ids) };
  });
  return batches
    .map((batch) => ({ batch, key: random.uniform() }))
    .sort((a, b) => a.key - b.key)
    .map(({ batch }) => batch);
}

type Classifier = BertForTokenClassification | ElectraForTokenClassification;

/** A classifier on the encoder that was trained, which it copies. */
function classifierOn({ model }: Task): Classifier {
  const id2label = Object.fromEntries(["none", ...marks].map((_, i) => [String(i), String(i)]));
  if (model instanceof BertForMaskedLM) {
    const classifier = new BertForTokenClassification({ ...model.config, id2label });
    classifier.loadStateDict(model.stateDict(), { strict: false });
    return classifier;
  }
  if (!(model instanceof ElectraTraining)) throw new TypeError("this compares BERT and ELECTRA");
  const { discriminator } = model;
  const classifier = new ElectraForTokenClassification({ ...discriminator.config, id2label });
  classifier.loadStateDict(discriminator.stateDict(), { strict: false });
  return classifier;
}

/** Held-out cross-entropy, in nats a word, after fine-tuning. */
async function fineTuned(classifier: Classifier, corpus: Corpus, seed: number): Promise<number> {
  const parameters = classifier.parameters();
  const { steps, learningRate: peak } = fineTuning;
  const schedule = linearWarmupDecay({ peak, warmup: steps / 10, total: steps + 1 });
  const adamw = new AdamW(parameters, { lr: (step) => schedule(step + 1) });
  const lossOf = ({ ids, labels }: Example): Tensor => {
    const { loss } = classifier.forward(ids, { labels });
    if (loss === undefined) throw new TypeError("a model that is given labels gives a loss");
    return loss;
  };
  classifier.train();
  const step = compile((example: Example) => {
    adamw.zeroGrad();
    const loss = lossOf(example);
    loss.backward();
    adamw.step();
    return loss;
  });
  const training = punctuationBatches(corpus.training, corpus, seed);
  for (let i = 0; i < steps; i++) await step({ ...training[i % training.length] }).item();
  classifier.eval();
  const measure = compile((example: Example) => noGrad(() => lossOf(example)));
  const heldOut = punctuationBatches(corpus.heldOut, corpus, 0);
  let total = 0;
  for (const example of heldOut) total += await measure({ ...example }).item();
  return total / heldOut.length;
}

/** The task's loss by how frequent each class is. */
async function frequencyLoss(corpus: Corpus): Promise<number> {
  const counts = new Float64Array(marks.length + 1);
  const read = async (documents: readonly Document[], visit: (label: number) => void) => {
    for (const { labels } of punctuationBatches(documents, corpus, 0)) {
      for (const label of await labels.data()) if (label !== IGNORED_LABEL) visit(label);
    }
  };
  await read(corpus.training, (label) => {
    counts[label]++;
  });
  const all = counts.reduce((sum, count) => sum + count);
  let [sum, seen] = [0, 0];
  await read(corpus.heldOut, (label) => {
    sum -= Math.log(counts[label] / all);
    seen++;
  });
  return sum / seen;
}

const recipes: Readonly<Record<string, Recipe>> = { BERT: bert, ELECTRA: electra };

function settingOf(corpus: Corpus, seed: number): Setting {
  return {
    corpus,
    sizes,
    batchSize,
    sequenceLength,
    seed,
    nextSentence: false,
    teacher: undefined,
    scores: [],
  };
}

/** Operations of a training step. */
function flopsOf(recipe: Recipe, corpus: Corpus): number {
  const task = recipe.prepare(settingOf(corpus, 0));
  return explain(stepToExplain(task), task.training.batchFrom(0).inputs).flops;
}

async function lossAfter(recipe: Recipe, corpus: Corpus, steps: number, seed: number): Promise<number> {
  return onDevice("wasm", seed, async () => {
    const task = recipe.prepare(settingOf(corpus, seed));
    const trainer = new Trainer(task, { steps: Math.max(1, steps), learningRate });
    while (trainer.step < steps) await trainer.advance();
    return fineTuned(classifierOn(task), corpus, seed);
  });
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value) / values.length;

async function main(seeds: number): Promise<void> {
  const corpus = prepareCorpus(readMobyDick(), "Moby-Dick", {
    batchSize,
    sequenceLength,
    tokenizer: { kind: "wordpiece", vocabSize },
  });
  const flops = await onDevice("wasm", 0, async () =>
    Object.fromEntries(Object.entries(recipes).map(([name, recipe]) => [name, flopsOf(recipe, corpus)])),
  );
  const baseline = await onDevice("reference", 0, () => frequencyLoss(corpus));
  const rows: string[] = [];
  for (const budget of [0, ...budgets]) {
    const cells = [(budget * flops.BERT) / 1e9].map((giga) => giga.toFixed(0));
    for (const [name, recipe] of Object.entries(recipes)) {
      const steps = Math.round((budget * flops.BERT) / flops[name]);
      const losses: number[] = [];
      for (let seed = 1; seed <= seeds; seed++) losses.push(await lossAfter(recipe, corpus, steps, seed));
      const spread = Math.max(...losses) - Math.min(...losses);
      cells.push(String(steps), `${mean(losses).toFixed(4)} (${spread.toFixed(4)})`);
      console.error(`${name}, ${steps} steps: ${losses.map((loss) => loss.toFixed(4)).join(" ")}`);
    }
    rows.push(`| ${cells.join(" | ")} |`);
    // After each row: the whole takes hours.
    await writeResults(heading, linesOf(rows, flops, baseline, seeds));
  }
}

function linesOf(
  rows: readonly string[],
  flops: Readonly<Record<string, number>>,
  baseline: number,
  seeds: number,
): string[] {
  const millions = Object.values(flops).map((count) => (count / 1e6).toFixed(0));
  return [
    `Moby-Dick, ${vocabSize} WordPieces, ${sizes.layers} layers of width ${sizes.width}, ${batchSize} sequences of ` +
      `${sequenceLength}; ${millions.join(" and ")} million operations a step. Each is then fine-tuned for ` +
      `${fineTuning.steps} steps on restoring punctuation. Held-out loss in nats a word, mean of ${seeds} seeds (and the ` +
      `largest difference between them); by frequency alone ${baseline.toFixed(4)}. \`npm run compare:electra\` measures anew.`,
    "",
    "| 10^9 operations | BERT's steps | BERT | ELECTRA's steps | ELECTRA |",
    "|--:|--:|--:|--:|--:|",
    ...rows,
  ];
}

const heading = "## ELECTRA and masked words at equal compute";

await main(Number(process.argv[2] ?? 3));

import { describe, expect, it } from "vitest";
import { onDevice } from "../../../src/cli/devices.ts";
import { type Corpus, prepareCorpus } from "../../../src/cli/train/corpus.ts";
import { evaluate } from "../../../src/cli/train/evaluate.ts";
import type { Setting, Task } from "../../../src/cli/train/recipe.ts";
import { type RecipeName, recipeNames, recipes } from "../../../src/cli/train/recipes.ts";
import { Trainer } from "../../../src/cli/train/trainer.ts";
import { BertConfig, BertForMaskedLM } from "../../../src/models/index.ts";
import { documents } from "../samples.ts";

const [batchSize, sequenceLength] = [4, 24];
const text = documents(25, 5);
const signal = new AbortController().signal;

function corpusFor(name: RecipeName): Corpus {
  const tokenizer = { kind: recipes[name].tokenizer, vocabSize: 320 };
  return prepareCorpus(text, "sample", { batchSize, sequenceLength, tokenizer });
}

const settingOf = (corpus: Corpus, more: Partial<Setting> = {}): Setting => ({
  corpus,
  sizes: { layers: 1, width: 16, heads: 2, intermediate: 32, dropout: 0 },
  batchSize,
  sequenceLength,
  seed: 5,
  nextSentence: false,
  teacher: undefined,
  scores: ["random", "dense"],
  ...more,
});

/** Each recipe, and those that an option changes. */
const cases: readonly (readonly [string, RecipeName, (corpus: Corpus) => Setting])[] = [
  ...recipeNames.map((name) => [name, name, (corpus: Corpus) => settingOf(corpus)] as const),
  ["bert --nsp", "bert", (corpus) => settingOf(corpus, { nextSentence: true })],
  ["distilbert --teacher", "distilbert", (corpus) => settingOf(corpus, { teacher: teacherFor(corpus) })],
];

function teacherFor({ tokenizer }: Corpus): BertForMaskedLM {
  return new BertForMaskedLM(
    BertConfig.from({
      vocab_size: tokenizer.vocabSize,
      hidden_size: 16,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      intermediate_size: 32,
      max_position_embeddings: 32,
      hidden_dropout_prob: 0,
      attention_probs_dropout_prob: 0,
      initializer_range: 0.1,
    }),
  );
}

const shapesOf = (inputs: object): string =>
  Object.values(inputs)
    .map((tensor) => tensor?.shape.join("x") ?? "-")
    .join(" ");

describe.each(cases)("%s", (_, name, setting) => {
  const prepared = <T>(use: (task: Task, corpus: Corpus) => Promise<T>): Promise<T> =>
    onDevice("reference", 1, async () => {
      const corpus = corpusFor(name);
      return use(recipes[name].prepare(setting(corpus)), corpus);
    });

  it("has batches of few shapes, that see all of an epoch", () =>
    prepared(async ({ training }) => {
      const shapes = new Set<string>();
      let position = 0;
      for (let epoch = 1; epoch <= 2; epoch++) {
        for (let step = 0; step < training.stepsPerEpoch; step++) {
          const { inputs, nextPosition, tokens } = training.batchFrom(position);
          shapes.add(shapesOf(inputs));
          expect(tokens).toBeGreaterThan(0);
          expect(tokens).toBeLessThanOrEqual(batchSize * sequenceLength);
          position = nextPosition;
        }
        expect(position).toBe(epoch * training.examplesPerEpoch);
      }
      expect(shapes.size).toBeLessThanOrEqual(3);
    }));

  it("has batches that are functions of their position", () =>
    prepared(async ({ training, heldOut }) => {
      for (const batches of [training, heldOut]) {
        const { nextPosition } = batches.batchFrom(0);
        const data = async (position: number) =>
          Promise.all(Object.values(batches.batchFrom(position).inputs).map((tensor) => tensor?.data()));
        const later = await data(nextPosition);
        await data(0);
        expect(await data(nextPosition)).toEqual(later);
      }
    }));

  it(
    "learns, and is compiled once a shape",
    () =>
      prepared(async (task, corpus) => {
        const before = await evaluate(task, corpus.tokenCounts, signal);
        const trainer = new Trainer(task, { steps: 40, learningRate: 1e-2 });
        const shapes = new Set<string>();
        let position = 0;
        while (!trainer.isDone) {
          const { inputs, nextPosition } = task.training.batchFrom(position);
          position = nextPosition;
          shapes.add(shapesOf(inputs));
          await trainer.advance();
        }
        expect(trainer.traces).toBe(shapes.size);
        const after = await evaluate(task, corpus.tokenCounts, signal);
        expect(Object.keys(after)).toEqual(Object.keys(before));
        const [main] = Object.keys(after);
        expect(after[main].loss).toBeLessThan(before[main].loss - 0.5);
        expect(after[main].baseline).toBe(before[main].baseline);
        expect(after[main].accuracy).toBeGreaterThan(before[main].accuracy);
      }),
    60_000,
  );
});

describe("an empty row of a batch that is not full", () => {
  it("changes no loss: a small batch has that of its rows alone", () =>
    onDevice("reference", 1, async () => {
      const corpus = corpusFor("bert");
      const { training, loss } = recipes.bert.prepare(settingOf(corpus, { batchSize: 7 }));
      // One of the epoch has fewer rows than the others.
      let [position, part] = [0, training.batchFrom(0)];
      while (part.nextPosition - position === 7) {
        position = part.nextPosition;
        part = training.batchFrom(position);
      }
      const rows = part.nextPosition - position;
      expect(part.inputs.inputIds?.shape[0]).toBe(7);
      const only = Object.fromEntries(
        Object.entries(part.inputs).map(([name, tensor]) => [name, tensor?.narrow(0, 0, rows)]),
      );
      expect(await loss(part.inputs).item()).toBeCloseTo(await loss(only).item(), 5);
    }));
});

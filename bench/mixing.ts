import { onDevice } from "../src/cli/devices.ts";
import { readMobyDick } from "../src/cli/mobyDick.ts";
import { type MaskingBase, maskedBatches } from "../src/cli/train/batches.ts";
import { type Corpus, prepareCorpus } from "../src/cli/train/corpus.ts";
import { evaluate, type Score } from "../src/cli/train/evaluate.ts";
import {
  fieldsOf,
  type MaskedPredictor,
  maskedObjective,
  packedExamples,
} from "../src/cli/train/objectives.ts";
import type { ModelSizes, Setting, Task } from "../src/cli/train/recipe.ts";
import { Trainer } from "../src/cli/train/trainer.ts";
import {
  BertConfig,
  BertForMaskedLM,
  DynamicConvolutionConfig,
  DynamicConvolutionForMaskedLM,
  type PretrainedModel,
  SynthesizerConfig,
  SynthesizerForMaskedLM,
} from "../src/models/index.ts";
import { writeResults } from "./results.ts";

// `npm run compare:mixing [-- STEPS]`: three ways to mix a sentence's tokens, in the same encoder, of the same width, for as
// many steps: scores that are products of tokens, scores that are the same for every input (a Synthesizer's), and kernels
// that each token predicts (dynamic convolutions).

const sizes: ModelSizes = { layers: 2, width: 64, heads: 4, intermediate: 256, dropout: 0 };
const [batchSize, sequenceLength, vocabSize] = [32, 16, 512];
const learningRate = 5e-3;
const kernelSize = 7;

const mixers: Readonly<Record<string, (setting: Setting) => MaskedPredictor & PretrainedModel>> = {
  "dot products": (setting) =>
    new BertForMaskedLM(BertConfig.from({ ...fieldsOf(setting), type_vocab_size: 0 })),
  "random scores": (setting) =>
    new SynthesizerForMaskedLM(
      SynthesizerConfig.from({
        ...fieldsOf(setting),
        type_vocab_size: 0,
        synthesizer_components: ["random"],
        synthesizer_max_length: sequenceLength,
      }),
    ),
  [`dynamic convolutions of ${kernelSize}`]: (setting) =>
    new DynamicConvolutionForMaskedLM(
      DynamicConvolutionConfig.from({ ...fieldsOf(setting), type_vocab_size: 0, kernel_size: kernelSize }),
    ),
};

/** Nothing that is to be predicted is left to be seen, so that all that is learned comes from other tokens. */
const masking = (base: MaskingBase, length: number) => ({
  ...base,
  selectedShare: 0.25,
  maskedShare: 1,
  keptShare: 0,
  maxPredictions: length / 4,
});

interface Outcome {
  readonly parameters: number;
  /** Median. */
  readonly secondsPerStep: number;
  readonly score: Score;
}

async function outcomeOf(
  make: (typeof mixers)[string],
  corpus: Corpus,
  steps: number,
  seed: number,
): Promise<Outcome> {
  return onDevice("wasm", seed, async () => {
    const setting: Setting = {
      ...{ corpus, sizes, batchSize, sequenceLength, seed },
      ...{ nextSentence: false, teacher: undefined, scores: [] },
    };
    const model = make(setting);
    const batches = maskedBatches(packedExamples(setting), { ...setting, masking });
    const task: Task = { model, ...batches, ...maskedObjective(model), saved: { "": model } };
    const trainer = new Trainer(task, { steps, learningRate });
    const seconds: number[] = [];
    while (!trainer.isDone) {
      const started = performance.now();
      await trainer.advance();
      seconds.push((performance.now() - started) / 1000);
    }
    const scores = await evaluate(task, corpus.tokenCounts, new AbortController().signal);
    return {
      parameters: model.parameters().reduce((total, { numel }) => total + numel, 0),
      secondsPerStep: seconds.sort((a, b) => a - b)[Math.floor(steps / 2)],
      score: scores.tokens,
    };
  });
}

async function main(steps: number): Promise<void> {
  const corpus = prepareCorpus(readMobyDick(), "Moby-Dick", {
    batchSize,
    sequenceLength,
    tokenizer: { kind: "wordpiece", vocabSize },
  });
  const outcomes: [string, Outcome][] = [];
  for (const [name, make] of Object.entries(mixers)) {
    outcomes.push([name, await outcomeOf(make, corpus, steps, 1)]);
    console.error(name, JSON.stringify(outcomes.at(-1)?.[1]));
  }
  const [[, { secondsPerStep: first, score }]] = outcomes;
  const rows = outcomes.map(
    ([
      name,
      {
        parameters,
        secondsPerStep,
        score: { loss },
      },
    ]) =>
      [name, parameters.toLocaleString("en"), (secondsPerStep / first).toFixed(2), loss.toFixed(3)].join(
        " | ",
      ),
  );
  await writeResults("## Dot products, random scores and dynamic convolutions", [
    `Moby-Dick, ${vocabSize} WordPieces, ${sizes.layers} layers of width ${sizes.width} and ${sizes.heads} heads, ` +
      `${batchSize} sequences of ${sequenceLength}, ${steps} steps on masked tokens, a quarter of all, none of which is left ` +
      `to be seen. Time is that of a training step beside dot products', in one run on one core; held-out loss in nats, by ` +
      `frequency alone ${score.baseline.toFixed(3)}. \`npm run compare:mixing\` measures anew.`,
    "",
    "| mixing by | parameters | time of a step | held-out loss |",
    "|---|--:|--:|--:|",
    ...rows.map((row) => `| ${row} |`),
  ]);
}

await main(Number(process.argv[2] ?? 1500));

import { type AttentionSection, attentionSections } from "../../models/inspect/index.ts";
import { type DeviceName, onDevice } from "../devices.ts";
import type { Corpus } from "../train/corpus.ts";
import { evaluate, type Score } from "../train/evaluate.ts";
import type { Setting, Task } from "../train/recipe.ts";
import { type RecipeName, recipes } from "../train/recipes.ts";
import { type Progress, type Schedule, Trainer, takeSteps } from "../train/trainer.ts";

/** What all models of a comparison have in common. */
export interface Terms {
  readonly setting: Setting;
  readonly schedule: Schedule;
  readonly device: DeviceName;
  readonly signal: AbortSignal;
  /** A held-out sentence to look at their attention in. */
  readonly sentence: string | undefined;
}

/** What a training from the same start, on the same text, came to. */
export interface Contender {
  readonly name: RecipeName;
  /** How it was measured: the name of the main kind of its predictions. */
  readonly objective: string;
  readonly score: Score;
  /** The training loss of each step, in nats. */
  readonly losses: readonly number[];
  readonly parameters: number;
  /** The median over all steps. */
  readonly tokensPerSecond: number;
  /** Kernels of a training step. */
  readonly kernels: number;
  /** Of the training alone. */
  readonly seconds: number;
  readonly sections: readonly AttentionSection[];
}

/**
 * Trains a model of that name as `train` does with the same seed, measures it, and hands it to `keep` while its device is
 * there.
 * @throws InterruptedError at Ctrl-C; UsageError when the training diverges.
 */
export function trainContender(
  name: RecipeName,
  { setting, schedule, device, signal, sentence }: Terms,
  progress: Progress,
  keep: (task: Task) => Promise<void>,
): Promise<Contender> {
  return onDevice(device, setting.seed, async () => {
    const task = recipes[name].prepare(setting);
    const trainer = new Trainer(task, schedule);
    const losses: number[] = [];
    const speeds: number[] = [];
    const started = performance.now();
    await takeSteps(
      trainer,
      {
        update: (result) => {
          losses.push(result.loss);
          speeds.push(result.tokensPerSecond);
          progress.update(result);
        },
        stop: () => progress.stop(),
      },
      signal,
    );
    const seconds = (performance.now() - started) / 1000;
    const [[objective, score]] = Object.entries(await evaluate(task, setting.corpus.tokenCounts, signal));
    await keep(task);
    return {
      name,
      objective,
      score,
      losses,
      parameters: task.model.parameters().reduce((total, { numel }) => total + numel, 0),
      tokensPerSecond: medianOf(speeds),
      kernels: trainer.kernels,
      seconds,
      sections: await sectionsIn(sentence, task, setting.corpus),
    };
  });
}

function medianOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** What the model attends to in a sentence; nothing without one, and for what is more than one model. */
async function sectionsIn(
  sentence: string | undefined,
  { saved: { "": model } }: Task,
  { tokenizer }: Corpus,
): Promise<readonly AttentionSection[]> {
  if (sentence === undefined || model === undefined) return [];
  const { ids } = tokenizer.encode(sentence);
  const labels = Array.from(ids, (id) => tokenizer.idToToken(id) ?? `#${id}`);
  return attentionSections(model, { ids, labels, specialIds: tokenizer.specialTokenIds });
}

/** The first held-out sentence that makes a picture which is neither trivial nor too large to read. */
export function sentenceToShow(
  { heldOutSentences, tokenizer }: Corpus,
  { longest }: { readonly longest: number },
): string | undefined {
  return heldOutSentences.find((sentence) => {
    const { length } = tokenizer.encode(sentence).ids;
    return length >= 6 && length <= Math.min(20, longest);
  });
}

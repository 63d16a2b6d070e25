import { compile } from "../../tensor/compile.ts";
import { noGrad } from "../../tensor/grad.ts";
import { unigramLoss } from "../../text/index.ts";
import type { Inputs, Task } from "./recipe.ts";
import { breathe } from "./trainer.ts";

/** How good a kind of prediction is on text that was held out. */
export interface Score {
  /** Mean cross-entropy in nats. */
  readonly loss: number;
  /** The loss of one that knows only how frequent each answer is. */
  readonly baseline: number;
  /** Share of predictions that are right. */
  readonly accuracy: number;
}

/** More batches would make the measure little sharper. */
const evaluationBatches = 32;

interface Sums {
  loss: number;
  count: number;
  right: number;
  /** Undefined where the unigram is the baseline. */
  positives: number | undefined;
}

/**
 * Scores of each kind of prediction, the main one first, on the first held-out batches, without dropout. Leaves the model
 * in evaluation mode.
 */
export async function evaluate(
  { model, heldOut, measure }: Task,
  tokenCounts: Float64Array,
  signal: AbortSignal,
): Promise<Readonly<Record<string, Score>>> {
  model.eval();
  const tally = compile((inputs: Inputs) => noGrad(() => measure(inputs)));
  const totals = new Map<string, Sums>();
  const labels: Int32Array[] = [];
  for (let step = 0, position = 0; step < Math.min(evaluationBatches, heldOut.stepsPerEpoch); step++) {
    await breathe(signal);
    const batch = heldOut.batchFrom(position);
    position = batch.nextPosition;
    labels.push(batch.labels);
    for (const [name, { loss, count, right, positives }] of Object.entries(tally(batch.inputs))) {
      const counted = await count.item();
      if (counted === 0) continue;
      const sums = totals.get(name) ?? { loss: 0, count: 0, right: 0, positives: undefined };
      totals.set(name, sums);
      sums.loss += (await loss.item()) * counted;
      sums.count += counted;
      sums.right += await right.item();
      if (positives) sums.positives = (sums.positives ?? 0) + (await positives.item());
    }
  }
  const unigram = unigramLoss(
    tokenCounts,
    labels.flatMap((part) => [...part]),
  );
  return Object.fromEntries(
    [...totals].map(([name, { loss, count, right, positives }]) => [
      name,
      {
        loss: loss / count,
        baseline: positives === undefined ? unigram : entropyOf(positives / count),
        accuracy: right / count,
      },
    ]),
  );
}

/** The cross-entropy, in nats, of saying of every one of two answers how frequent it is. */
function entropyOf(share: number): number {
  return [share, 1 - share].reduce((sum, p) => (p > 0 ? sum - p * Math.log(p) : sum), 0);
}

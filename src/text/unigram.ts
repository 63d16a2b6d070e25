import { ArgumentError, IndexOutOfRangeError } from "../graph/errors.ts";
import { IGNORED_LABEL } from "./masking.ts";

/**
 * How often each id of a vocabulary occurs in `ids`, without those in `excluded` (special tokens are never
 * predicted, so that they belong in no baseline).
 *
 * @returns [vocabSize] counts. @throws IndexOutOfRangeError for an id outside the vocabulary.
 */
export function countTokens(
  ids: ArrayLike<number>,
  vocabSize: number,
  excluded: readonly number[] = [],
): Float64Array {
  const counts = new Float64Array(vocabSize);
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i];
    if (!(Number.isInteger(id) && id >= 0 && id < vocabSize)) {
      throw new IndexOutOfRangeError(`countTokens: id ${id} is not in the vocabulary of ${vocabSize}`);
    }
    counts[id]++;
  }
  for (const id of excluded) counts[id] = 0;
  return counts;
}

/**
 * Cross-entropy, in nats, of predicting held-out tokens from the frequency of tokens in training, with one
 * added to every count: mean of -ln((count + 1) / (total + V)). What a masked language model must beat to
 * have learnt context.
 *
 * @param trainCounts [V] counts. @param heldOutLabels ids of the tokens to predict; -100 is passed over.
 * @throws ArgumentError when no label counts; IndexOutOfRangeError for a label outside the vocabulary.
 */
export function unigramLoss(trainCounts: ArrayLike<number>, heldOutLabels: ArrayLike<number>): number {
  let total = trainCounts.length;
  for (let id = 0; id < trainCounts.length; id++) total += trainCounts[id];
  let sum = 0;
  let counted = 0;
  for (let i = 0; i < heldOutLabels.length; i++) {
    const label = heldOutLabels[i];
    if (label === IGNORED_LABEL) continue;
    if (!(Number.isInteger(label) && label >= 0 && label < trainCounts.length)) {
      throw new IndexOutOfRangeError(
        `unigramLoss: label ${label} is not in the vocabulary of ${trainCounts.length}`,
      );
    }
    sum -= Math.log((trainCounts[label] + 1) / total);
    counted++;
  }
  if (counted === 0) throw new ArgumentError("unigramLoss: no label counts; every one is -100");
  return sum / counted;
}

import { ArgumentError, IndexOutOfRangeError, ShapeError } from "../graph/errors.ts";
import { hashRandom } from "./hashRandom.ts";
import { IGNORED_LABEL, type MaskedBatch, type MaskingOptions } from "./masking.ts";

/**
 * Masking for ELECTRA's generator: 85 % of the selected tokens become the mask token, the rest stay, none
 * becomes a random one; P = floor((share + 0.005) · T) prediction slots. Positions are drawn without
 * replacement (the released code draws with, and then blends the samples of a position into another token).
 *
 * Source: Clark et al., ELECTRA (2003.10555), `pretrain_helpers.py`.
 */
export function electraMasking(
  base: Pick<MaskingOptions, "vocabSize" | "maskTokenId" | "specialTokenIds" | "seed">,
  sequenceLength: number,
  selectedShare = 0.15,
): MaskingOptions {
  const maxPredictions = Math.max(1, Math.floor((selectedShare + 0.005) * sequenceLength));
  return { ...base, maxPredictions, selectedShare, maskedShare: 0.85, keptShare: 0.15 };
}

/** Where the draws of {@link sampleReplacements} come from. */
export interface ReplacementKeys {
  readonly seed: number;
  /** [B] number of each row's example, as given to `maskBatch`. */
  readonly examples: ArrayLike<number>;
  /** [B] how often each was seen before. */
  readonly visits: ArrayLike<number>;
  /** Divides the logits. Default 1. */
  readonly temperature?: number;
}

/** Sets these draws apart from those of masks, which have the same keys. */
const REPLACEMENT_KEY = 0x7265706c;

/**
 * Draws a token for each prediction slot from the generator's distribution, softmax(logits / temperature), as
 * the maximum of logits with Gumbel noise. Row b depends on (seed, examples[b], visits[b]) and its logits
 * alone.
 *
 * @param logits [B, P, V]. @returns [B, P] token ids; -100 in unused slots.
 * @throws ShapeError when the sizes do not fit together; ArgumentError for a temperature that is not
 * positive, or logits of a used slot that are NaN or all minus infinity.
 */
export function sampleReplacements(
  logits: ArrayLike<number>,
  batch: MaskedBatch,
  keys: ReplacementKeys,
): Int32Array {
  const { batchSize, maxPredictions, labels } = batch;
  const { temperature = 1 } = keys;
  const slots = batchSize * maxPredictions;
  const vocabSize = logits.length / slots;
  const fits = keys.examples.length === batchSize && keys.visits.length === batchSize;
  if (!(Number.isInteger(vocabSize) && vocabSize >= 1 && fits)) {
    throw new ShapeError(
      `sampleReplacements: ${logits.length} logits, ${keys.examples.length} examples and ` +
        `${keys.visits.length} visits do not fit a batch of [${batchSize}, ${maxPredictions}] slots`,
    );
  }
  if (!(temperature > 0 && temperature < Number.POSITIVE_INFINITY)) {
    throw new ArgumentError(`sampleReplacements: temperature must be positive, got ${temperature}`);
  }
  const sampled = new Int32Array(slots).fill(IGNORED_LABEL);
  for (let row = 0; row < batchSize; row++) {
    const random = hashRandom(REPLACEMENT_KEY, keys.seed, keys.examples[row], keys.visits[row]);
    for (let slot = row * maxPredictions; slot < (row + 1) * maxPredictions; slot++) {
      if (labels[slot] === IGNORED_LABEL) continue;
      let best = Number.NEGATIVE_INFINITY;
      for (let id = 0; id < vocabSize; id++) {
        const logit = logits[slot * vocabSize + id];
        // Never 0 or 1, so that the noise is finite.
        const uniform = (random.uint32() + 0.5) / 2 ** 32;
        const noisy = logit / temperature - Math.log(-Math.log(uniform));
        if (Number.isNaN(logit))
          throw new ArgumentError(`sampleReplacements: logit ${id} of slot ${slot} is NaN`);
        if (noisy <= best) continue;
        best = noisy;
        sampled[slot] = id;
      }
      if (sampled[slot] === IGNORED_LABEL) {
        throw new ArgumentError(`sampleReplacements: every logit of slot ${slot} is minus infinity`);
      }
    }
  }
  return sampled;
}

/** A batch for replaced token detection; B rows, T columns. */
export interface ReplacedBatch {
  readonly batchSize: number;
  readonly sequenceLength: number;
  /** [B, T] the original ids, with the sampled ones at the selected positions. */
  readonly inputIds: Int32Array;
  /** [B, T] 1 for a token, 0 for padding. */
  readonly attentionMask: Int32Array;
  /** [B, T] 1 where the id is not the original one, 0 where it is (drawn or not), -100 for padding. */
  readonly labels: Int32Array;
}

/**
 * What ELECTRA's discriminator sees of a masked batch: the original tokens, but sampled ones at the selected
 * positions. A sample that equals the original token counts as original. Special tokens take part in the
 * labels, padding does not.
 *
 * @param sampled [B, P] an id for each used slot of `batch` (see {@link sampleReplacements}).
 * @throws ShapeError when `sampled` is not [B, P]; IndexOutOfRangeError for an id below 0 in a used slot.
 */
export function replaceTokens(batch: MaskedBatch, sampled: ArrayLike<number>): ReplacedBatch {
  const { batchSize, sequenceLength, maxPredictions, attentionMask } = batch;
  if (sampled.length !== batchSize * maxPredictions) {
    throw new ShapeError(
      `replaceTokens: ${sampled.length} sampled ids do not fit a batch of ` +
        `[${batchSize}, ${maxPredictions}] slots`,
    );
  }
  const inputIds = batch.inputIds.map((id, i) =>
    batch.denseLabels[i] === IGNORED_LABEL ? id : batch.denseLabels[i],
  );
  const labels = Int32Array.from(attentionMask, (isToken) => (isToken === 1 ? 0 : IGNORED_LABEL));
  for (let slot = 0; slot < sampled.length; slot++) {
    const original = batch.labels[slot];
    if (original === IGNORED_LABEL) continue;
    const id = sampled[slot];
    if (!(Number.isInteger(id) && id >= 0)) {
      throw new IndexOutOfRangeError(`replaceTokens: slot ${slot} is used, but its sampled id is ${id}`);
    }
    const at = Math.floor(slot / maxPredictions) * sequenceLength + batch.positions[slot];
    inputIds[at] = id;
    if (id !== original) labels[at] = 1;
  }
  return { batchSize, sequenceLength, inputIds, attentionMask, labels };
}

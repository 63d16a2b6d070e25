import { ArgumentError, ShapeError } from "../graph/errors.ts";
import { hashRandom } from "./hashRandom.ts";
import { type MaskSelection, runLengthWeights, selectGroups } from "./maskSelection.ts";

/** The label of a position that counts for nothing in a loss, as PyTorch's cross-entropy reads it. */
export const IGNORED_LABEL = -100;

/** Settings of the masked language modelling objective. */
export interface MaskingOptions {
  readonly vocabSize: number;
  readonly maskTokenId: number;
  /** Never selected ([CLS], [SEP], [PAD], ...): see `Tokenizer.specialTokenIds`. */
  readonly specialTokenIds: readonly number[];
  readonly seed: number;
  /** P, the most predictions of one example and the width of the gathered form. */
  readonly maxPredictions: number;
  /** Share of an example's tokens that are selected. Default 0.15. */
  readonly selectedShare?: number;
  /** Share of the selected that become the mask token. Default 0.8. */
  readonly maskedShare?: number;
  /** Share of the selected that stay as they are; the rest become random tokens. Default 0.1. */
  readonly keptShare?: number;
  /**
   * Select whole words: says of an id whether it continues the word of the token before (`##` pieces). A word
   * that would exceed the quota is passed over. Left out: every token is selected for itself.
   */
  readonly isContinuation?: (id: number) => boolean;
  /** What is selected together: units (the default), n-grams or spans of units. */
  readonly selection?: MaskSelection;
  /** Static masking: only so many different masks of each example, visit v using mask v mod `staticMasks`. */
  readonly staticMasks?: number;
}

/** The masks of one example. */
export interface MaskedExample {
  /** The ids with the selected ones corrupted. */
  readonly inputIds: Int32Array;
  /** Selected positions, ascending. */
  readonly positions: number[];
  /** The ids that stood at `positions`. */
  readonly labels: number[];
}

/** Examples of one length, as rows. */
export interface ExampleRows {
  /** [B, T], row-major. */
  readonly ids: Int32Array;
  readonly sequenceLength: number;
  /** Number of tokens of each row before its padding; left out: T. */
  readonly lengths?: ArrayLike<number>;
}

/** A batch for masked language modelling; B rows, T columns, P prediction slots. */
export interface MaskedBatch {
  readonly batchSize: number;
  readonly sequenceLength: number;
  readonly maxPredictions: number;
  /** [B, T] corrupted ids. */
  readonly inputIds: Int32Array;
  /** [B, T] 1 for a token, 0 for padding. */
  readonly attentionMask: Int32Array;
  /** [B, P] selected positions, ascending in each row; 0 in unused slots. */
  readonly positions: Int32Array;
  /** [B, P] original ids at `positions`; -100 in unused slots. */
  readonly labels: Int32Array;
  /** [B, T] original ids at the selected positions, -100 elsewhere. */
  readonly denseLabels: Int32Array;
}

function checkOptions(options: MaskingOptions): void {
  const { vocabSize, maskTokenId, maxPredictions, staticMasks } = options;
  if (!Number.isInteger(vocabSize) || vocabSize < 1) {
    throw new ArgumentError(`masking: vocabSize must be a positive integer, got ${vocabSize}`);
  }
  if (!Number.isInteger(maskTokenId) || maskTokenId < 0 || maskTokenId >= vocabSize) {
    throw new ArgumentError(`masking: maskTokenId ${maskTokenId} is not in the vocabulary of ${vocabSize}`);
  }
  if (!Number.isInteger(maxPredictions) || maxPredictions < 1) {
    throw new ArgumentError(`masking: maxPredictions must be a positive integer, got ${maxPredictions}`);
  }
  if (staticMasks !== undefined && (!Number.isInteger(staticMasks) || staticMasks < 1)) {
    throw new ArgumentError(`masking: staticMasks must be a positive integer, got ${staticMasks}`);
  }
  const [selected, masked, kept] = sharesOf(options);
  for (const [name, share] of [
    ["selectedShare", selected],
    ["maskedShare", masked],
    ["keptShare", kept],
  ] as const) {
    if (!(share >= 0 && share <= 1))
      throw new ArgumentError(`masking: ${name} must lie in 0..1, got ${share}`);
  }
  if (options.selection !== undefined && options.selection.kind !== "units")
    runLengthWeights(options.selection);
  if (masked + kept > 1 + 1e-9) {
    throw new ArgumentError(`masking: maskedShare ${masked} and keptShare ${kept} exceed 1 together`);
  }
}

function sharesOf(options: MaskingOptions): readonly [selected: number, masked: number, kept: number] {
  return [options.selectedShare ?? 0.15, options.maskedShare ?? 0.8, options.keptShare ?? 0.1];
}

/** Positions that are selected or left together: single tokens, or whole words. */
function selectableUnits(ids: ArrayLike<number>, options: MaskingOptions): number[][] {
  const special = new Set(options.specialTokenIds);
  const units: number[][] = [];
  for (let i = 0; i < ids.length; i++) {
    if (special.has(ids[i])) continue;
    const last = units.at(-1);
    // A piece whose word began before the example, or before a special token, is a unit of its own.
    if (options.isContinuation?.(ids[i]) && last?.at(-1) === i - 1) last.push(i);
    else units.push([i]);
  }
  return units;
}

/**
 * How many tokens of `length` are selected when there are enough candidates: min(P, max(1, round(length ·
 * share))), where `length` counts special tokens but no padding, and halves round up.
 */
export function predictionCount(length: number, maxPredictions: number, selectedShare = 0.15): number {
  return Math.min(maxPredictions, Math.max(1, Math.round(length * selectedShare)));
}

/**
 * Selects tokens of one example (without padding) and corrupts them: 80 % become the mask token, 10 % stay,
 * 10 % become a token drawn from the whole vocabulary, special tokens and the original included, as in BERT's
 * own code.
 *
 * A pure function of its arguments: the masks depend on (seed, example, visit) and the ids alone.
 *
 * Source: Devlin et al., BERT (1810.04805), `create_pretraining_data.py`; dynamic masking: Liu et al.
 * (1907.11692).
 * @throws ArgumentError for malformed options or keys.
 */
export function maskExample(
  ids: ArrayLike<number>,
  key: { readonly example: number; readonly visit: number },
  options: MaskingOptions,
): MaskedExample {
  checkOptions(options);
  const [selectedShare, maskedShare, keptShare] = sharesOf(options);
  const visit = options.staticMasks === undefined ? key.visit : key.visit % options.staticMasks;
  const random = hashRandom(options.seed, key.example, visit);
  const quota = predictionCount(ids.length, options.maxPredictions, selectedShare);
  const selection = options.selection ?? { kind: "units" };
  const groups = selectGroups(selectableUnits(ids, options), quota, selection, random);
  groups.sort((a, b) => a[0] - b[0]);
  const positions = groups.flat();
  const inputIds = Int32Array.from(ids);
  const labels = positions.map((position) => ids[position]);
  for (const group of groups) {
    let shared: number | undefined;
    for (const position of group) {
      // Two draws each, used or not: one position's fate does not move the draws of the next.
      const [own, replacement] = [random.uniform(), random.below(options.vocabSize)];
      shared ??= own;
      const fate = selection.kind === "spans" ? shared : own;
      if (fate < maskedShare) inputIds[position] = options.maskTokenId;
      else if (fate >= maskedShare + keptShare) inputIds[position] = replacement;
    }
  }
  return { inputIds, positions, labels };
}

/**
 * Masks a batch. Row b is example `examples[b]`, seen for the `visits[b]`-th time; the batch it happens to be
 * in plays no part in its masks. Padding is passed through and never selected.
 *
 * @param rows ids [B, T] and, where rows are padded, their lengths [B].
 * @throws ShapeError when the sizes of the arguments do not fit together; ArgumentError for malformed
 * options.
 */
export function maskBatch(
  rows: ExampleRows,
  examples: ArrayLike<number>,
  visits: ArrayLike<number>,
  options: MaskingOptions,
): MaskedBatch {
  const { ids, sequenceLength, lengths } = rows;
  const batchSize = examples.length;
  if (ids.length !== batchSize * sequenceLength || visits.length !== batchSize) {
    throw new ShapeError(
      `maskBatch: ${ids.length} ids, ${batchSize} examples of length ${sequenceLength} and ` +
        `${visits.length} visits do not fit; ids must be [examples, sequenceLength] and visits [examples]`,
    );
  }
  const maxPredictions = options.maxPredictions;
  const inputIds = Int32Array.from(ids);
  const attentionMask = new Int32Array(ids.length);
  const positions = new Int32Array(batchSize * maxPredictions);
  const labels = new Int32Array(batchSize * maxPredictions).fill(IGNORED_LABEL);
  const denseLabels = new Int32Array(ids.length).fill(IGNORED_LABEL);
  for (let row = 0; row < batchSize; row++) {
    const start = row * sequenceLength;
    const length = lengths === undefined ? sequenceLength : lengths[row];
    if (!(Number.isInteger(length) && length >= 0 && length <= sequenceLength)) {
      throw new ShapeError(`maskBatch: row ${row} has the length ${length}, of ${sequenceLength} columns`);
    }
    attentionMask.fill(1, start, start + length);
    const key = { example: examples[row], visit: visits[row] };
    const masked = maskExample(ids.subarray(start, start + length), key, options);
    inputIds.set(masked.inputIds, start);
    positions.set(masked.positions, row * maxPredictions);
    labels.set(masked.labels, row * maxPredictions);
    for (const [i, position] of masked.positions.entries()) denseLabels[start + position] = masked.labels[i];
  }
  return {
    batchSize,
    sequenceLength,
    maxPredictions,
    inputIds,
    attentionMask,
    positions,
    labels,
    denseLabels,
  };
}

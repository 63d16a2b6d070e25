import { tensor } from "../../tensor/create.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import {
  type Examples,
  IGNORED_LABEL,
  LengthBuckets,
  type MaskingOptions,
  maskBatch,
  predictionCount,
} from "../../text/index.ts";
import { type Corpus, heldOutSeed } from "./corpus.ts";
import type { Batch, Batches } from "./recipe.ts";

/** The tensors of a batch for a masked language model: B rows, T columns, P predictions. */
export type MaskedInputs = {
  /** [B, T] */
  readonly inputIds: Tensor;
  /** [B, P] */
  readonly maskedPositions: Tensor;
  /** [B, P], -100 in unused slots. */
  readonly labels: Tensor;
  /** [B, T] 0 at padding; undefined where no example has any. */
  readonly attentionMask: Tensor | undefined;
  /** [B, T] segments; undefined where there is one. */
  readonly tokenTypeIds: Tensor | undefined;
  /** [B] for pairs: 0 for one that stands so in the text, 1 for one that was made up. */
  readonly pairLabels: Tensor | undefined;
};

export interface MaskedBatchesOptions {
  readonly corpus: Corpus;
  readonly batchSize: number;
  readonly seed: number;
  /** Masking of sequences of a length; by default BERT's. */
  readonly masking?: (base: MaskingBase, length: number) => MaskingOptions;
  /** Always give an attention mask, for losses that look at every token. */
  readonly attentionMask?: boolean;
}

/** Masking without what depends on the length. */
export type MaskingBase = Omit<MaskingOptions, "maxPredictions">;

const bertMasking = (base: MaskingBase, length: number): MaskingOptions => ({
  ...base,
  maxPredictions: predictionCount(length, length),
});

/** Examples to train on, and others that are held out. */
export interface ExampleSets {
  readonly training: Examples & { readonly labels?: Int32Array };
  readonly heldOut: Examples & { readonly labels?: Int32Array };
}

/** Batches for training, masked anew each epoch, and held-out ones with masks that are the same in every run. */
export function maskedBatches(
  { training, heldOut }: ExampleSets,
  options: MaskedBatchesOptions,
): { readonly training: Batches<MaskedInputs>; readonly heldOut: Batches<MaskedInputs> } {
  // Both have a mask or neither: a padded example in one of them decides.
  const padded = [training, heldOut].some((set) => set.lengths.some((length) => length < set.sequenceLength));
  const shared = { ...options, attentionMask: options.attentionMask ?? padded };
  return {
    training: new MaskedTextBatches(training, shared, true),
    heldOut: new MaskedTextBatches(heldOut, { ...shared, seed: heldOutSeed }, false),
  };
}

/**
 * Examples of similar length together. Every batch of a length has the same number of rows, the last of an epoch filled
 * up with empty ones which nothing counts: so there are as many shapes as lengths, each compiled once.
 */
class MaskedTextBatches implements Batches<MaskedInputs> {
  readonly #buckets: LengthBuckets;
  readonly #examples: Examples & { readonly labels?: Int32Array };
  readonly #options: MaskedBatchesOptions;
  readonly #tokens: number;

  constructor(
    examples: Examples & { readonly labels?: Int32Array },
    options: MaskedBatchesOptions,
    shuffle: boolean,
  ) {
    const { sequenceLength } = examples;
    this.#examples = examples;
    this.#options = options;
    this.#tokens = options.batchSize * sequenceLength;
    this.#buckets = new LengthBuckets(examples, {
      lengths: bucketLengths(sequenceLength),
      size: { kind: "tokens", tokens: this.#tokens },
      seed: options.seed,
      shuffle,
    });
  }

  get examplesPerEpoch(): number {
    return this.#buckets.examplesPerEpoch;
  }

  get stepsPerEpoch(): number {
    return this.#buckets.stepsPerEpoch;
  }

  batchFrom(position: number): Batch<MaskedInputs> {
    const { corpus, seed, masking = bertMasking, attentionMask } = this.#options;
    const { tokenizer, special } = corpus;
    const { batch, nextPosition } = this.#buckets.batchFrom(position);
    const { sequenceLength: length } = batch;
    const base: MaskingBase = {
      vocabSize: tokenizer.vocabSize,
      maskTokenId: special.mask,
      specialTokenIds: tokenizer.specialTokenIds,
      seed,
    };
    const masked = maskBatch(batch, batch.indices, batch.visits, masking(base, length));
    const rows = Math.max(1, Math.floor(this.#tokens / length));
    const filled = (values: Int32Array, fill: number): Int32Array => {
      const all = new Int32Array(rows * (values.length / batch.batchSize)).fill(fill);
      all.set(values);
      return all;
    };
    const matrix = (values: Int32Array, fill: number): Tensor =>
      tensor(filled(values, fill), { shape: [rows, values.length / batch.batchSize] });
    const { typeIds, labels: pairLabels } = this.#examples;
    const pairs = pairLabels && batch.indices.map((index) => pairLabels[index]);
    return {
      inputs: {
        inputIds: matrix(masked.inputIds, special.pad),
        maskedPositions: matrix(masked.positions, 0),
        labels: matrix(masked.labels, IGNORED_LABEL),
        attentionMask: attentionMask ? matrix(masked.attentionMask, 0) : undefined,
        tokenTypeIds: typeIds && matrix(batch.typeIds, 0),
        pairLabels: pairs && tensor(filled(pairs, IGNORED_LABEL)),
      },
      tokens: batch.lengths.reduce((total, tokens) => total + tokens, 0),
      labels: masked.labels,
      nextPosition,
    };
  }
}

/** A half, three quarters and the whole: shorter examples are few, and every length costs a compilation. */
function bucketLengths(longest: number): number[] {
  const lengths = [0.5, 0.75, 1].map((share) => Math.ceil(longest * share));
  return [...new Set(lengths)];
}

import { tensor } from "../../tensor/create.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type Examples, IGNORED_LABEL, LengthBuckets } from "../../text/index.ts";
import { type Corpus, heldOutSeed } from "./corpus.ts";
import { packedExamples } from "./objectives.ts";
import type { Batch, Batches, Setting } from "./recipe.ts";

/** The tensors of a batch in which nothing is hidden: [B, T] both. */
export type WholeInputs = {
  readonly inputIds: Tensor;
  /** The ids themselves, -100 where nothing is to be predicted. */
  readonly labels: Tensor;
};

export interface WholeBatchesOptions {
  /** The first column that is to be predicted; all by default. */
  readonly from?: number;
}

/** Batches of whole examples to train on, in a new order each epoch, and held-out ones in their own. */
export function wholeBatches(
  setting: Setting,
  options: WholeBatchesOptions = {},
): { readonly training: Batches<WholeInputs>; readonly heldOut: Batches<WholeInputs> } {
  const { training, heldOut } = packedExamples(setting);
  const { corpus, batchSize, seed } = setting;
  return {
    training: new WholeTextBatches(training, corpus, { ...options, batchSize, seed, special: true }),
    // Where an example begins and ends says nothing of the text: it is trained on, but not counted.
    heldOut: new WholeTextBatches(heldOut, corpus, {
      ...options,
      batchSize,
      seed: heldOutSeed,
      special: false,
    }),
  };
}

interface Options extends WholeBatchesOptions {
  readonly batchSize: number;
  readonly seed: number;
  /** Whether special tokens are predicted too, and the order is new in each epoch: for training. */
  readonly special: boolean;
}

class WholeTextBatches implements Batches<WholeInputs> {
  readonly #buckets: LengthBuckets;
  readonly #corpus: Corpus;
  readonly #options: Options;
  readonly #length: number;

  constructor(examples: Examples, corpus: Corpus, options: Options) {
    this.#corpus = corpus;
    this.#options = options;
    this.#length = examples.sequenceLength;
    this.#buckets = new LengthBuckets(examples, {
      lengths: [examples.sequenceLength],
      size: { kind: "rows", rows: options.batchSize },
      seed: options.seed,
      shuffle: options.special,
    });
  }

  get examplesPerEpoch(): number {
    return this.#buckets.examplesPerEpoch;
  }

  get stepsPerEpoch(): number {
    return this.#buckets.stepsPerEpoch;
  }

  /** An epoch's last batch is filled up with empty rows, so that there is one shape. */
  batchFrom(position: number): Batch<WholeInputs> {
    const { batch, nextPosition } = this.#buckets.batchFrom(position);
    const { batchSize, from = 0, special } = this.#options;
    const { pad } = this.#corpus.special;
    const hidden = new Set([pad, ...(special ? [] : this.#corpus.tokenizer.specialTokenIds)]);
    const shape = [batchSize, this.#length];
    const ids = new Int32Array(batchSize * this.#length).fill(pad);
    ids.set(batch.ids);
    const labels = ids.map((id, i) => (hidden.has(id) || i % this.#length < from ? IGNORED_LABEL : id));
    return {
      inputs: { inputIds: tensor(ids, { shape }), labels: tensor(labels, { shape }) },
      tokens: batch.lengths.reduce((total, tokens) => total + tokens, 0),
      labels,
      nextPosition,
    };
  }
}

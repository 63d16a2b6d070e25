import type { BertForMaskedLM, PretrainedModel, SynthesizerComponent } from "../../models/index.ts";
import type { Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Filler } from "../fillMask.ts";
import type { TokenizerKind } from "../tokenizers.ts";
import type { Corpus } from "./corpus.ts";

/** The sizes of a model, without its vocabulary. */
export interface ModelSizes {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  /** F, the width between the two layers of a feed-forward network. */
  readonly intermediate: number;
  readonly dropout: number;
}

/** What a recipe is given. */
export interface Setting {
  readonly corpus: Corpus;
  readonly sizes: ModelSizes;
  readonly batchSize: number;
  /** T, special tokens included. */
  readonly sequenceLength: number;
  /** Seeds masks, pairs and the order of examples. */
  readonly seed: number;
  /** Whether BERT also learns which sentences follow each other. */
  readonly nextSentence: boolean;
  /** What DistilBERT is distilled from. */
  readonly teacher: BertForMaskedLM | undefined;
  /** What a Synthesizer's scores are made of. */
  readonly scores: readonly SynthesizerComponent[];
}

/** The tensors of a batch by name; what is undefined in one is so in all. */
export type Inputs = { readonly [name: string]: Tensor | undefined };

export interface Batch<In extends object = Inputs> {
  readonly inputs: In;
  /** Tokens read, without padding. */
  readonly tokens: number;
  /** The ids that are to be predicted, for the unigram; -100 counts for nothing. */
  readonly labels: Int32Array;
  /** The position to go on from. */
  readonly nextPosition: number;
}

/** Batches without end. A position counts the examples since the start: a batch is a function of it alone. */
export interface Batches<In extends object = Inputs> {
  readonly examplesPerEpoch: number;
  readonly stepsPerEpoch: number;
  batchFrom(position: number): Batch<In>;
}

/** How well one kind of prediction went on a batch; scalars. */
export interface Tally {
  /** Mean cross-entropy in nats. */
  readonly loss: Tensor;
  /** Predictions that count. */
  readonly count: Tensor;
  /** Predictions that are right. */
  readonly right: Tensor;
  /** For two classes: how many truly are of class 1. Left out where the unigram of the batch's labels is the measure. */
  readonly positives?: Tensor;
}

/** A model with its objective, on a text. */
export interface Task<In extends object = Inputs> {
  /** Everything that is trained, and the buffers that go with it: what checkpoints hold. */
  readonly model: Module;
  readonly training: Batches<In>;
  readonly heldOut: Batches<In>;
  // Methods, so that tasks with inputs of their own fit the table: each is given its own batches only.
  /** The loss to descend; traced. */
  loss(inputs: In): Tensor;
  /** Traced, without dropout and gradients. The first is the main one. */
  measure(inputs: In): Readonly<Record<string, Tally>>;
  /** What the folder of the result receives, by the name of a folder in it ("" for itself). */
  readonly saved: Readonly<Record<string, PretrainedModel>>;
  /** How to fill in masked words, where the model does that. */
  readonly filler?: Filler;
}

/** How a family of models is trained from text. */
export interface Recipe {
  /** The name in messages: "BERT". */
  readonly title: string;
  readonly tokenizer: TokenizerKind;
  /** @throws UsageError for a setting that the text or the options do not allow. */
  readonly prepare: (setting: Setting) => Task;
}

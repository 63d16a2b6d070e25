import { Module } from "../../nn/module.ts";
import { zeros } from "../../tensor/create.ts";
import { Buffer } from "../../tensor/parameter.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type Document, type TokenStreams, tokenStreams } from "../../text/index.ts";
import { UsageError } from "../errors.ts";
import type { Batch, Batches, Inputs, Tally, Task } from "./recipe.ts";

// What recipes of models do alike that remember the last segment: each row of a batch goes on where the last batch's ended.

/** [1] f32: 0 where the streams begin, so that there is nothing to remember; else 1. */
export type StreamInputs = Inputs & { readonly goesOn: Tensor };

/** A model and its memory, as buffers, so that a checkpoint holds both. */
class Remembering<Model extends Module> extends Module {
  readonly model: Model;
  readonly memory: readonly Buffer[];

  constructor(model: Model, memory: readonly Buffer[]) {
    super();
    this.model = model;
    this.memory = memory;
  }
}

/** The shape of a memory: for each layer [positions, B, width]. */
export interface MemorySizes {
  readonly layers: number;
  readonly positions: number;
  readonly width: number;
}

/** What a model says of a batch, given what it remembers. */
export interface StreamOutput {
  readonly loss: Tensor;
  readonly mems: readonly Tensor[];
  readonly tallies: Readonly<Record<string, Tally>>;
}

/** Batches in the order of the text, whose number is their position. */
export interface StreamSource<In extends StreamInputs> {
  readonly batchSize: number;
  readonly stepsPerEpoch: number;
  batchAt(step: number): Omit<Batch<In>, "nextPosition">;
}

class StreamBatches<In extends StreamInputs> implements Batches<In> {
  readonly #source: StreamSource<In>;

  constructor(source: StreamSource<In>) {
    this.#source = source;
  }

  get stepsPerEpoch(): number {
    return this.#source.stepsPerEpoch;
  }

  get examplesPerEpoch(): number {
    return this.#source.stepsPerEpoch * this.#source.batchSize;
  }

  batchFrom(position: number): Batch<In> {
    const { batchSize } = this.#source;
    const step = Math.floor(position / batchSize);
    return { ...this.#source.batchAt(step), nextPosition: (step + 1) * batchSize };
  }
}

/** A task whose model is called with its memory, which it gives anew; training and measuring remember each for itself. */
export function streamTask<Model extends Module, In extends StreamInputs>(
  model: Model,
  sizes: MemorySizes,
  sources: { readonly training: StreamSource<In>; readonly heldOut: StreamSource<In> },
  run: (inputs: In, mems: readonly Tensor[]) => StreamOutput,
): Pick<Task<In>, "model" | "training" | "heldOut" | "loss" | "measure"> {
  const memoryFor = ({ batchSize }: StreamSource<In>): Buffer[] =>
    Array.from({ length: sizes.layers }, () => new Buffer(zeros([sizes.positions, batchSize, sizes.width])));
  const remembering = new Remembering(model, memoryFor(sources.training));
  const measured = memoryFor(sources.heldOut);
  const step = (inputs: In, memory: readonly Buffer[]): StreamOutput => {
    const output = run(
      inputs,
      memory.map((states) => states.mul(inputs.goesOn)),
    );
    for (const [i, states] of memory.entries()) states.assign(output.mems[i]);
    return output;
  };
  return {
    model: remembering,
    training: new StreamBatches(sources.training),
    heldOut: new StreamBatches(sources.heldOut),
    loss: (inputs) => step(inputs, remembering.memory).loss,
    measure: (inputs) => step(inputs, measured).tallies,
  };
}

/**
 * A text as `rows` streams of at least `length` tokens.
 * @throws UsageError for a text that is too short.
 */
export function streamsOf(documents: readonly Document[], rows: number, length: number): TokenStreams {
  const sentences = documents.flat();
  const tokens = sentences.reduce((total, sentence) => total + sentence.length, 0);
  if (tokens < rows * length) {
    throw new UsageError(
      `the text is too short: ${rows} rows of ${length} tokens take ${rows * length}, it has ${tokens} to train on; give more ` +
        "text, or lower --batch or --length",
    );
  }
  return tokenStreams(sentences, { batchSize: rows });
}

/** The same of what is held out: with fewer rows, where it is short. */
export function heldOutStreams(documents: readonly Document[], rows: number, length: number): TokenStreams {
  const tokens = documents.flat().reduce((total, sentence) => total + sentence.length, 0);
  return streamsOf(documents, Math.max(1, Math.min(rows, Math.floor(tokens / length))), length);
}

import { setImmediate } from "node:timers/promises";
import { BertConfig, BertForMaskedLM } from "../models/index.ts";
import { AdamW, clipGradNorm, linearWarmupDecay, type ParameterGroup } from "../nn/optim/index.ts";
import { compile } from "../tensor/compile.ts";
import { tensor } from "../tensor/create.ts";
import { noGrad } from "../tensor/grad.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { IGNORED_LABEL, type MaskedBatch, type MaskedBatches } from "../text/index.ts";
import { InterruptedError, UsageError } from "./errors.ts";

/** The sizes of a model, without its vocabulary. */
export interface BertSizes {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  /** F, the width between the two layers of a feed-forward network. */
  readonly intermediate: number;
  readonly dropout: number;
}

export interface TrainingOptions {
  readonly steps: number;
  /** The highest learning rate: reached after a tenth of the steps, then falling to 0 in a line. */
  readonly learningRate: number;
  /** Asked before each step. */
  readonly signal?: AbortSignal;
}

/** What is known after a step. */
export interface StepResult {
  /** From 1. */
  readonly step: number;
  readonly loss: number;
  readonly tokensPerSecond: number;
}

/** How good the predictions of masked tokens are. */
export interface Evaluation {
  /** Mean cross-entropy in nats. */
  readonly loss: number;
  /** Share of the tokens that were predicted right. */
  readonly accuracy: number;
}

const maximumNorm = 1;
const weightDecay = 0.01;
const warmupShare = 0.1;
/** More batches would make the measure little sharper. */
const evaluationBatches = 32;

/** A BERT for a corpus, whose positions are the length of its examples. Its parameters are drawn when first used. */
export function makeBert(vocabSize: number, sequenceLength: number, sizes: BertSizes): BertForMaskedLM {
  return new BertForMaskedLM(
    BertConfig.from({
      vocab_size: vocabSize,
      hidden_size: sizes.width,
      num_hidden_layers: sizes.layers,
      num_attention_heads: sizes.heads,
      intermediate_size: sizes.intermediate,
      hidden_dropout_prob: sizes.dropout,
      attention_probs_dropout_prob: sizes.dropout,
      max_position_embeddings: sequenceLength,
      // BERT-base's 0.02 at its width: with it, narrower models pass on less, and take long to use their attention.
      initializer_range: 0.02 * Math.sqrt(768 / sizes.width),
    }),
  );
}

/** The tensors of a batch: ids [B, T], positions [B, P] and labels [B, P]. */
export type BatchTensors = readonly [inputIds: Tensor, positions: Tensor, labels: Tensor];

export function batchTensors(batch: MaskedBatch): BatchTensors {
  const { batchSize, sequenceLength, maxPredictions } = batch;
  return [
    tensor(batch.inputIds, { shape: [batchSize, sequenceLength] }),
    tensor(batch.positions, { shape: [batchSize, maxPredictions] }),
    tensor(batch.labels, { shape: [batchSize, maxPredictions] }),
  ];
}

/** All matrices decay; biases and norms do not, as in BERT's code. */
function parameterGroups(model: BertForMaskedLM): ParameterGroup[] {
  const parameters = model.parameters();
  return [
    { params: parameters.filter(({ ndim }) => ndim > 1), weightDecay },
    { params: parameters.filter(({ ndim }) => ndim <= 1), weightDecay: 0 },
  ];
}

/**
 * One step of training, not compiled: forward, backward, clipping and update. Full sequences need no attention mask, and
 * the head works at the masked positions alone.
 */
export function trainingStep(
  model: BertForMaskedLM,
  options: TrainingOptions,
): (...batch: BatchTensors) => Tensor {
  const { steps, learningRate } = options;
  const warmup = Math.ceil(steps * warmupShare);
  const schedule = linearWarmupDecay({ peak: learningRate, warmup, total: steps + 1 });
  // Counted from 1, so that neither the first nor the last step is lost to a rate of 0.
  const adamw = new AdamW(parameterGroups(model), { lr: (step) => schedule(step + 1) });
  const parameters = model.parameters();
  model.train();
  return (inputIds, positions, labels) => {
    adamw.zeroGrad();
    const { loss } = model.forward(inputIds, { maskedPositions: positions, labels });
    if (loss === undefined) throw new TypeError("a model that is given labels gives a loss");
    loss.backward();
    clipGradNorm(parameters, maximumNorm);
    adamw.step();
    return loss;
  };
}

/**
 * Trains a model on masked batches and gives the result of every step. All batches are of one shape, so that the step is
 * traced once.
 * @throws UsageError when the loss is no longer a number; InterruptedError when the signal was given.
 */
export async function* trainBert(
  model: BertForMaskedLM,
  batches: MaskedBatches,
  options: TrainingOptions,
): AsyncGenerator<StepResult, void, void> {
  const step = compile(trainingStep(model, options));
  for (let done = 0; done < options.steps; done++) {
    await breathe(options.signal);
    const batch = batches.batchAt(done);
    const started = performance.now();
    const loss = await step(...batchTensors(batch)).item();
    const seconds = (performance.now() - started) / 1000;
    if (!Number.isFinite(loss)) {
      throw new UsageError(`the loss of step ${done + 1} is ${loss}: the training diverged; lower --lr`);
    }
    const tokensPerSecond = (batch.batchSize * batch.sequenceLength) / seconds;
    yield { step: done + 1, loss, tokensPerSecond: Math.round(tokensPerSecond * 10) / 10 };
  }
}

/** Lets timers and signals through: awaiting results that are ready does not. */
async function breathe(signal: AbortSignal | undefined): Promise<void> {
  await setImmediate();
  if (signal?.aborted) throw new InterruptedError("interrupted");
}

/** The batches that an evaluation looks at: the first ones of the first epoch, the same in every run. */
export function evaluationSet(batches: MaskedBatches): MaskedBatch[] {
  const count = Math.min(evaluationBatches, batches.stepsPerEpoch);
  return Array.from({ length: count }, (_, i) => batches.batchAt(i));
}

/** Loss and accuracy of a model on masked batches, without dropout. Leaves the model in evaluation mode. */
export async function evaluateBert(
  model: BertForMaskedLM,
  batches: readonly MaskedBatch[],
  signal?: AbortSignal,
): Promise<Evaluation> {
  model.eval();
  const measure = compile((...[inputIds, positions, labels]: BatchTensors) =>
    noGrad(() => {
      const { loss, logits } = model.forward(inputIds, { maskedPositions: positions, labels });
      return { loss, right: logits.argmax(-1).eq(labels).sum() };
    }),
  );
  let [counted, lossSum, rightSum] = [0, 0, 0];
  for (const batch of batches) {
    await breathe(signal);
    const count = batch.labels.reduce((total, label) => total + (label === IGNORED_LABEL ? 0 : 1), 0);
    if (count === 0) continue;
    const { loss, right } = measure(...batchTensors(batch));
    counted += count;
    lossSum += ((await loss?.item()) ?? 0) * count;
    rightSum += await right.item();
  }
  return { loss: lossSum / counted, accuracy: rightSum / counted };
}

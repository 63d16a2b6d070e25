import { setImmediate } from "node:timers/promises";
import { currentEngine } from "../../engine/current.ts";
import { FileFormatError } from "../../graph/errors.ts";
import { captureTraining, restoreTraining, type TrainingCheckpoint } from "../../io/index.ts";
import type { Module } from "../../nn/module.ts";
import { AdamW, clipGradNorm, linearWarmupDecay, type Optimizer } from "../../nn/optim/index.ts";
import { type Compiled, compile } from "../../tensor/compile.ts";
import { explain } from "../../tensor/explain.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { InterruptedError, UsageError } from "../errors.ts";
import type { Inputs, Task } from "./recipe.ts";

export interface Schedule {
  /** Steps of the whole training. */
  readonly steps: number;
  /** The highest learning rate: reached after a tenth of the steps, then falling to 0 in a line. */
  readonly learningRate: number;
}

/** What is known after a step. */
export interface StepResult {
  /** From 1. */
  readonly step: number;
  readonly loss: number;
  readonly tokensPerSecond: number;
}

const maximumNorm = 1;
const weightDecay = 0.01;
const warmupShare = 0.1;

/** All matrices decay; biases and norms do not, as in BERT's code. */
function makeOptimizer(model: Module, { steps, learningRate }: Schedule): Optimizer {
  const parameters = model.parameters();
  const groups = [
    { params: parameters.filter(({ ndim }) => ndim > 1), weightDecay },
    { params: parameters.filter(({ ndim }) => ndim <= 1), weightDecay: 0 },
  ];
  const warmup = Math.ceil(steps * warmupShare);
  const schedule = linearWarmupDecay({ peak: learningRate, warmup, total: steps + 1 });
  // Counted from 1, so that neither the first nor the last step is lost to a rate of 0.
  return new AdamW(groups, { lr: (step) => schedule(step + 1) });
}

/** One step of training, not compiled: forward, backward, clipping and update; gives the loss. */
export function trainingStep<In extends object>(
  { model, loss }: Pick<Task<In>, "model" | "loss">,
  optimizer: Optimizer,
): (inputs: In) => Tensor {
  const parameters = model.parameters();
  model.train();
  return (inputs) => {
    optimizer.zeroGrad();
    const value = loss(inputs);
    value.backward();
    clipGradNorm(parameters, maximumNorm);
    optimizer.step();
    return value;
  };
}

/** A training step for a model and its objective, with an optimizer of its own, to look at. */
export function stepToExplain<In extends object>(
  task: Pick<Task<In>, "model" | "loss">,
): (inputs: In) => Tensor {
  return trainingStep(task, makeOptimizer(task.model, { steps: 1, learningRate: 1e-3 }));
}

/** A training that can be stopped after any step, and go on from what `checkpoint` gave. */
export class Trainer {
  readonly #task: Task;
  readonly #schedule: Schedule;
  readonly #optimizer: Optimizer;
  readonly #run: Compiled<[Inputs], Tensor>;
  #step = 0;
  /** Examples since the start. */
  #position = 0;

  constructor(task: Task, schedule: Schedule) {
    this.#task = task;
    this.#schedule = schedule;
    this.#optimizer = makeOptimizer(task.model, schedule);
    this.#run = compile(trainingStep(task, this.#optimizer));
  }

  /** Steps taken. */
  get step(): number {
    return this.#step;
  }

  get isDone(): boolean {
    return this.#step >= this.#schedule.steps;
  }

  /** Shapes of batches that were compiled so far. */
  get traces(): number {
    return this.#run.traces;
  }

  /** Kernels that the last step was made of. @throws TraceError before the first. */
  get kernels(): number {
    return explain(this.#run).kernels.length;
  }

  /** Takes a step. @throws UsageError when the loss is no longer a number. */
  async advance(): Promise<StepResult> {
    const { inputs, tokens, nextPosition } = this.#task.training.batchFrom(this.#position);
    const started = performance.now();
    const loss = await this.#run(inputs).item();
    const seconds = (performance.now() - started) / 1000;
    const step = this.#step + 1;
    if (!Number.isFinite(loss)) {
      throw new UsageError(`the loss of step ${step} is ${loss}: the training diverged; lower --lr`);
    }
    this.#step = step;
    this.#position = nextPosition;
    return { step, loss, tokensPerSecond: Math.round((10 * tokens) / seconds) / 10 };
  }

  /** Everything that going on from here takes. */
  async checkpoint(settings: TrainingCheckpoint["settings"]): Promise<TrainingCheckpoint> {
    const { key, draws } = currentEngine().generator;
    const { examplesPerEpoch } = this.#task.training;
    const position = {
      epoch: Math.floor(this.#position / examplesPerEpoch),
      example: this.#position % examplesPerEpoch,
    };
    const parts = await captureTraining({ model: this.#task.model, optimizer: this.#optimizer });
    return { step: this.#step, position, random: { key, draws }, settings, ...parts };
  }

  /**
   * Goes on from a checkpoint of a training with the same settings.
   * @throws FileFormatError or StateDictError for one that does not fit; nothing has changed then.
   */
  restore(checkpoint: TrainingCheckpoint): void {
    const { step, position, random } = checkpoint;
    const { generator } = currentEngine();
    const { examplesPerEpoch } = this.#task.training;
    const problem =
      step > this.#schedule.steps
        ? `${step} steps were taken, of ${this.#schedule.steps}`
        : position.example >= examplesPerEpoch
          ? `example ${position.example} is none of the ${examplesPerEpoch}`
          : random.key.some((word, i) => word !== generator.key[i])
            ? "its random numbers are those of another seed"
            : undefined;
    if (problem !== undefined)
      throw new FileFormatError(`checkpoint: it does not fit this training: ${problem}`);
    restoreTraining({ model: this.#task.model, optimizer: this.#optimizer }, checkpoint);
    generator.draws = random.draws;
    this.#step = step;
    this.#position = position.epoch * examplesPerEpoch + position.example;
  }
}

/** Shows how a training goes on. */
export interface Progress {
  update(result: StepResult): void;
  /** Leaves the terminal as it was found; may be called twice. */
  stop(): void;
}

/**
 * Takes the steps that are left; `save` is asked after each, and once more when it is interrupted.
 * @throws InterruptedError at Ctrl-C; UsageError when the loss is no longer a number.
 */
export async function takeSteps(
  trainer: Trainer,
  progress: Progress,
  signal: AbortSignal,
  save?: (when: "step" | "end") => Promise<void>,
): Promise<void> {
  try {
    while (!trainer.isDone) {
      await breathe(signal);
      progress.update(await trainer.advance());
      await save?.(trainer.isDone ? "end" : "step");
    }
  } catch (error) {
    if (error instanceof InterruptedError) await save?.("end");
    throw error;
  } finally {
    progress.stop();
  }
}

/** Lets timers and signals through: awaiting results that are ready does not. @throws InterruptedError at Ctrl-C. */
export async function breathe(signal: AbortSignal): Promise<void> {
  await setImmediate();
  if (signal.aborted) throw new InterruptedError("interrupted");
}

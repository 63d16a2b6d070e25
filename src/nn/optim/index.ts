/** Optimizers, learning-rate schedules, gradient clipping. */
export { Adadelta, type AdadeltaOptions, type AdadeltaSettings } from "./adadelta.ts";
export { Adafactor, type AdafactorOptions, type AdafactorSettings } from "./adafactor.ts";
export { Adagrad, type AdagradOptions, type AdagradSettings } from "./adagrad.ts";
export { Adam, type AdamOptions, type AdamSettings } from "./adam.ts";
export { Adamax, type AdamaxOptions, type AdamaxSettings } from "./adamax.ts";
export { AdamW, type AdamWOptions, type AdamWSettings } from "./adamw.ts";
export { clipGradNorm, clipGradValue } from "./clip.ts";
export { LAMB, type LAMBOptions, type LAMBSettings } from "./lamb.ts";
export { LARS, type LARSOptions, type LARSSettings } from "./lars.ts";
export { NAdam, type NAdamOptions, type NAdamSettings } from "./nadam.ts";
export {
  type GroupOptions,
  type LearningRate,
  type Moment,
  Optimizer,
  type OptimizerGroup,
  type OptimizerState,
  type ParameterGroup,
  type Parameters,
  type Settings,
  type StepSettings,
} from "./optimizer.ts";
export { type PlateauOptions, type PlateauState, ReduceOnPlateau } from "./plateau.ts";
export { RAdam, type RAdamOptions, type RAdamSettings } from "./radam.ts";
export { RMSprop, type RMSpropOptions, type RMSpropSettings } from "./rmsprop.ts";
export {
  bertSchedule,
  constant,
  constantWithWarmup,
  cosine,
  cosineHardRestarts,
  linearWarmupDecay,
  noam,
  polynomial,
  type Schedule,
  type WarmupOptions,
} from "./schedule.ts";
export { SGD, type SGDOptions, type SGDSettings } from "./sgd.ts";
export {
  constantFactor,
  cosineAnnealing,
  cosineWarmRestarts,
  exponential,
  lambda,
  linear,
  multiStep,
  type OneCycleOptions,
  oneCycle,
  stepDecay,
} from "./torchSchedules.ts";
export { TransformersAdamW } from "./transformersAdamw.ts";

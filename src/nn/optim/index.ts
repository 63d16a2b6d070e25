/** Optimizers, learning-rate schedules, gradient clipping. */
export { AdamW, type AdamWOptions } from "./adamw.ts";
export { clipGradNorm } from "./clip.ts";
export {
  type GroupOptions,
  type LearningRate,
  Optimizer,
  type OptimizerGroup,
  type OptimizerState,
  type ParameterGroup,
} from "./optimizer.ts";
export {
  bertSchedule,
  constant,
  cosine,
  linearWarmupDecay,
  noam,
  type Schedule,
  type WarmupOptions,
} from "./schedule.ts";
export { SGD, type SGDOptions } from "./sgd.ts";

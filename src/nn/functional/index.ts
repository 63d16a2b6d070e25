/** Functions of tensors alone: what the modules compute, with PyTorch's names and meanings. */
export { type ActivationName, activations, gelu, logSoftmax, relu, silu, softmax } from "./activation.ts";
export {
  type AttentionResult,
  attentionProbabilities,
  maskedSoftmax,
  type ScaledDotProductOptions,
  type ScoreFunction,
  type ScoreOptions,
  type ScorePosition,
  scaledDotProductAttention,
} from "./attention.ts";
export { dropout, embedding, layerNorm, linear } from "./basic.ts";
export { type SmoothedCrossEntropy, smoothedCrossEntropy } from "./labelSmoothing.ts";
export {
  binaryCrossEntropyWithLogits,
  type CrossEntropyOptions,
  crossEntropy,
  mseLoss,
  type Reduction,
} from "./loss.ts";

/** Functions of tensors alone: what the modules compute, with PyTorch's names and meanings. */
export {
  type ActivationName,
  activations,
  celu,
  elu,
  gelu,
  hardshrink,
  hardsigmoid,
  hardswish,
  hardtanh,
  leakyRelu,
  logSigmoid,
  logSoftmax,
  mish,
  relu,
  relu6,
  selu,
  silu,
  softmax,
  softmin,
  softplus,
  softshrink,
  softsign,
  tanhshrink,
  threshold,
} from "./activation.ts";
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
export { dropout, embedding, layerNorm, linear, oneHot } from "./basic.ts";
export {
  type ConvolutionOptions,
  type ConvolutionTransposeOptions,
  conv1d,
  conv2d,
  conv3d,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
} from "./convolution.ts";
export { type CrossEntropyOptions, crossEntropy, type NllLossOptions, nllLoss } from "./crossEntropy.ts";
export {
  type GatedFeedForwardWeights,
  type GateName,
  gatedFeedForward,
  gates,
  glu,
  prelu,
} from "./gated.ts";
export {
  type InterpolateOptions,
  type InterpolationMode,
  interpolate,
  interpolationModes,
  pixelShuffle,
  pixelUnshuffle,
} from "./interpolate.ts";
export { eluPlusOne, type LinearAttentionOptions, linearAttention } from "./linearAttention.ts";
export {
  type BinaryCrossEntropyOptions,
  type BinaryCrossEntropyWithLogitsOptions,
  binaryCrossEntropy,
  binaryCrossEntropyWithLogits,
  cosineEmbeddingLoss,
  hingeEmbeddingLoss,
  huberLoss,
  type KlDivOptions,
  klDiv,
  l1Loss,
  marginRankingLoss,
  mseLoss,
  smoothL1Loss,
  type TripletMarginOptions,
  tripletMarginLoss,
} from "./loss.ts";
export {
  type MultiHeadOptions,
  type MultiHeadResult,
  type MultiHeadWeights,
  multiHeadAttentionForward,
} from "./multiHeadAttention.ts";
export {
  type BatchNormOptions,
  batchNorm,
  type ChannelAffine,
  fixNorm,
  type GroupNormOptions,
  groupNorm,
  type InstanceNormOptions,
  instanceNorm,
  localResponseNorm,
  type RmsNormOptions,
  rmsNorm,
  scaleNorm,
  unitLength,
} from "./normalization.ts";
export {
  type AvgPoolOptions,
  adaptiveAvgPool,
  adaptiveMaxPool,
  adaptiveMaxPoolWithIndices,
  avgPool1d,
  avgPool2d,
  avgPool3d,
  type MaxPoolOptions,
  type MaxPoolResult,
  maxPool1d,
  maxPool2d,
  maxPool3d,
  maxPoolWithIndices,
  type OutputSize,
} from "./pooling.ts";
export {
  type CellWeights,
  gru,
  gruCell,
  type LstmState,
  type LstmWeights,
  lstm,
  lstmCell,
  type RecurrentOptions,
  type RecurrentResult,
  rnn,
  rnnCell,
} from "./recurrent.ts";
export type { LossOptions, Reduction } from "./reduction.ts";
export { cosineSimilarity, type NormalizeOptions, normalize, pairwiseDistance } from "./similarity.ts";
export { fold, type UnfoldOptions, unfold } from "./unfold.ts";
export type { PaddingMode, PerDim } from "./windows.ts";

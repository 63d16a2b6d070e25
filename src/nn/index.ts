/** Modules, and what they are made of. */
export {
  AdaptiveEmbedding,
  AdaptiveLogSoftmax,
  type AdaptiveOptions,
  type AdaptiveTies,
} from "./adaptiveSoftmax.ts";
export {
  type AttendOptions,
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
} from "./attention.ts";
export {
  Conv1d,
  Conv2d,
  Conv3d,
  type ConvolutionOptions,
  type ConvolutionTransposeOptions,
  ConvTranspose1d,
  ConvTranspose2d,
  ConvTranspose3d,
} from "./convolution.ts";
export { Dropout } from "./dropout.ts";
export { Embedding, type EmbeddingOptions } from "./embedding.ts";
export * as functional from "./functional/index.ts";
export { GatedFeedForward, type GatedFeedForwardOptions, PReLU } from "./gatedFeedForward.ts";
export type { ForwardHook, ForwardPreHook, HookHandle } from "./hooks.ts";
export * as init from "./init.ts";
export { LayerNorm, type LayerNormOptions } from "./layerNorm.ts";
export { Linear, type LinearOptions } from "./linear.ts";
export { allOf, causalMask, paddingMask } from "./masks.ts";
export { Module } from "./module.ts";
export {
  BatchNorm1d,
  BatchNorm2d,
  BatchNorm3d,
  type ChannelNormOptions,
  GroupNorm,
  InstanceNorm1d,
  InstanceNorm2d,
  InstanceNorm3d,
  LocalResponseNorm,
  RMSNorm,
  type RMSNormOptions,
  type RunningNormOptions,
  ScaleNorm,
} from "./normalization.ts";
export {
  AdaptiveAvgPool1d,
  AdaptiveAvgPool2d,
  AdaptiveAvgPool3d,
  AdaptiveMaxPool1d,
  AdaptiveMaxPool2d,
  AdaptiveMaxPool3d,
  AvgPool1d,
  AvgPool2d,
  AvgPool3d,
  MaxPool1d,
  MaxPool2d,
  MaxPool3d,
} from "./pooling.ts";
export {
  type CellOptions,
  GRU,
  GRUCell,
  LSTM,
  LSTMCell,
  type RecurrentOptions,
  RNN,
  RNNCell,
} from "./recurrent.ts";
export { type Layer, Sequential } from "./sequential.ts";
export type { HostArray, StateEntry } from "./state.ts";

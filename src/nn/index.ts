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
export { Dropout } from "./dropout.ts";
export { Embedding, type EmbeddingOptions } from "./embedding.ts";
export * as functional from "./functional/index.ts";
export * as init from "./init.ts";
export { LayerNorm, type LayerNormOptions } from "./layerNorm.ts";
export { Linear, type LinearOptions } from "./linear.ts";
export { allOf, causalMask, paddingMask } from "./masks.ts";
export { Module } from "./module.ts";
export { type Layer, Sequential } from "./sequential.ts";
export type { HostArray, StateEntry } from "./state.ts";

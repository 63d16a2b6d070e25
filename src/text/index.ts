/**
 * Text: tokenizers and their training, masking objectives, batches. Strings and objects in, strings, objects
 * and typed arrays out; nothing here reads files or needs a device.
 */
export type { AddedToken } from "./addedTokens.ts";
export {
  type Examples,
  type HeldOutRule,
  type HeldOutSplit,
  MaskedBatches,
  type MaskedBatchesOptions,
  type PackOptions,
  packExamples,
  splitHeldOut,
  splitLines,
  splitSentences,
} from "./batches.ts";
export type {
  Decoder,
  JsonObject,
  Normalizer,
  PostProcessor,
  PreTokenizer,
  ProcessedIds,
  TokenModel,
} from "./components.ts";
export { hashRandom, permutation, type RandomStream, shuffle } from "./hashRandom.ts";
export {
  type ExampleRows,
  IGNORED_LABEL,
  type MaskedBatch,
  type MaskedExample,
  type MaskingOptions,
  maskBatch,
  maskExample,
  predictionCount,
} from "./masking.ts";
export { BertNormalizer, type BertNormalizerOptions } from "./normalize.ts";
export { BertPreTokenizer } from "./preTokenize.ts";
export { BERT_SPECIAL_TOKENS } from "./specialTokens.ts";
export { bertTemplate, type TemplatePiece, TemplateProcessing, type TemplateToken } from "./template.ts";
export { type BertTokenizerOptions, type EncodeOptions, type Encoding, Tokenizer } from "./tokenizer.ts";
export type { TokenizerParts } from "./tokenizerJson.ts";
export { countWords, type MergeScore, type TrainWordPieceOptions, trainWordPiece } from "./trainWordPiece.ts";
export type { Truncation, TruncationStrategy } from "./truncation.ts";
export { countTokens, unigramLoss } from "./unigram.ts";
export { WordPiece, WordPieceDecoder, type WordPieceOptions } from "./wordPiece.ts";

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
export { Bpe, type BpeOptions, type Merge } from "./bpe.ts";
export {
  BYTE_CHARACTERS,
  ByteLevelDecoder,
  type ByteLevelOptions,
  ByteLevelPostProcessor,
  ByteLevelPreTokenizer,
} from "./byteLevel.ts";
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
  type BucketBatch,
  LengthBuckets,
  type LengthBucketsOptions,
  type PositionedBatch,
} from "./lengthBuckets.ts";
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
export type { MaskSelection } from "./maskSelection.ts";
export {
  MetaspaceDecoder,
  type MetaspaceOptions,
  MetaspacePreTokenizer,
  type PrependScheme,
} from "./metaspace.ts";
export { BertNormalizer, type BertNormalizerOptions } from "./normalize.ts";
export {
  type AlbertNormalizerOptions,
  albertNormalizer,
  Lowercase,
  NormalizerSequence,
  Replace,
  type ReplacePattern,
  StripAccents,
  type UnicodeForm,
  UnicodeNormalizer,
} from "./normalizers.ts";
export { type PackSentencesOptions, packSentences } from "./packSentences.ts";
export type { MergeScore } from "./pairTable.ts";
export {
  joinPermutationMasks,
  type PermutationParts,
  permutationMask,
  permutationOrder,
  type SpanOptions,
  sampleSpans,
} from "./permutation.ts";
export {
  type PermutationBatch,
  PermutationBatches,
  type PermutationBatchesOptions,
} from "./permutationBatches.ts";
export type { AlbertTokenizerOptions, BertTokenizerOptions, RobertaTokenizerOptions } from "./presets.ts";
export { BertPreTokenizer } from "./preTokenize.ts";
export {
  electraMasking,
  type ReplacedBatch,
  type ReplacementKeys,
  replaceTokens,
  sampleReplacements,
} from "./replacedTokens.ts";
export { RobertaProcessing, type RobertaProcessingOptions } from "./roberta.ts";
export {
  buildSentencePairs,
  type Document,
  type SentencePairOptions,
  type SentencePairs,
} from "./sentencePairs.ts";
export { ALBERT_SPECIAL_TOKENS, BERT_SPECIAL_TOKENS, ROBERTA_SPECIAL_TOKENS } from "./specialTokens.ts";
export {
  type StreamSegment,
  segmentCount,
  streamSegment,
  type TokenStreams,
  type TokenStreamsOptions,
  tokenStreams,
} from "./streams.ts";
export { bertTemplate, type TemplatePiece, TemplateProcessing, type TemplateToken } from "./template.ts";
export { type EncodeOptions, type Encoding, type SubwordSampling, Tokenizer } from "./tokenizer.ts";
export type { TokenizerParts } from "./tokenizerParts.ts";
export { type TrainBpeOptions, type TrainedBpe, trainBpe } from "./trainBpe.ts";
export { type TrainUnigramOptions, trainUnigram } from "./trainUnigram.ts";
export { countWords, type TrainWordPieceOptions, trainWordPiece } from "./trainWordPiece.ts";
export type { Truncation, TruncationStrategy } from "./truncation.ts";
export { countTokens, unigramLoss } from "./unigram.ts";
export { type ScoredPiece, Unigram } from "./unigramModel.ts";
export { WordPiece, WordPieceDecoder, type WordPieceOptions } from "./wordPiece.ts";

/** Models, each in one file that reads like its paper. */
export {
  AlbertConfig,
  AlbertForMaskedLM,
  AlbertForMultipleChoice,
  AlbertForPreTraining,
  AlbertForQuestionAnswering,
  AlbertForSequenceClassification,
  AlbertForTokenClassification,
  AlbertModel,
  type AlbertPreTrainingInputs,
  type AlbertPreTrainingOutput,
  albertCheckpoint,
} from "./albert.ts";
export {
  BertForMaskedLM,
  BertForMultipleChoice,
  BertForNextSentencePrediction,
  BertForPreTraining,
  BertForQuestionAnswering,
  BertForSequenceClassification,
  BertForTokenClassification,
  BertLMHeadModel,
  BertModel,
  type BertPreTrainingInputs,
  type BertPreTrainingOutput,
  bertCheckpoint,
} from "./bert.ts";
export { BertConfig } from "./bertConfig.ts";
export { type CheckpointRules, loadCheckpoint } from "./checkpoint.ts";
export {
  DistilBertConfig,
  DistilBertForMaskedLM,
  DistilBertForMultipleChoice,
  DistilBertForQuestionAnswering,
  DistilBertForSequenceClassification,
  DistilBertForTokenClassification,
  DistilBertModel,
  distilBertCheckpoint,
} from "./distilbert.ts";
export {
  type DistillationInputs,
  distillationLoss,
  type MaskedPrediction,
  studentOf,
} from "./distillation.ts";
export {
  DynamicConvolution,
  DynamicConvolutionConfig,
  DynamicConvolutionForMaskedLM,
  DynamicConvolutionModel,
  type DynamicConvolutionOptions,
  dynamicConvolutionCheckpoint,
} from "./dynamicConvolution.ts";
export {
  ElectraConfig,
  ElectraForCausalLM,
  ElectraForMaskedLM,
  ElectraForMultipleChoice,
  ElectraForPreTraining,
  ElectraForQuestionAnswering,
  ElectraForSequenceClassification,
  ElectraForTokenClassification,
  ElectraModel,
  electraCheckpoint,
} from "./electra.ts";
export {
  type Corruption,
  corrupt,
  ElectraTraining,
  type ElectraTrainingInputs,
  type ElectraTrainingOutput,
} from "./electraTraining.ts";
export { type EmbeddingTables, type EncoderInputs, EncoderModel, type EncoderOutput } from "./encoder.ts";
export type { EncoderConfig, ProblemType } from "./encoderConfig.ts";
export { beamSearch, type GenerateOptions, generateTokens, type NextLogits } from "./generate.ts";
export type { LabelledInputs, MaskedLMInputs, SpanInputs, SpanOutput, TaskOutput } from "./headModels.ts";
export * from "./inspect/index.ts";
export {
  type FromPretrainedOptions,
  fromPretrained,
  type Pretrained,
  type SavedModel,
  savePretrained,
} from "./pretrained.ts";
export { type ModelClass, modelClasses, modelFor, type PretrainedModel } from "./registry.ts";
export {
  RobertaConfig,
  RobertaForCausalLM,
  RobertaForMaskedLM,
  RobertaForMultipleChoice,
  RobertaForQuestionAnswering,
  RobertaForSequenceClassification,
  RobertaForTokenClassification,
  RobertaModel,
  robertaCheckpoint,
} from "./roberta.ts";
export {
  cosine,
  type MaskedLanguageModel,
  MaskedScorer,
  type ScoringOptions,
  type Sentence,
  type TokenScores,
  TtaScorer,
} from "./scoring.ts";
export {
  SynthesizerConfig,
  type SynthesizerFields,
  SynthesizerForMaskedLM,
  SynthesizerLMHeadModel,
  SynthesizerModel,
  synthesizerAttention,
  synthesizerCheckpoint,
} from "./synthesizer.ts";
export {
  SynthesizerAttention,
  type SynthesizerComponent,
  type SynthesizerOptions,
  synthesizerComponents,
} from "./synthesizerAttention.ts";
export {
  SynthesizerForConditionalGeneration,
  SynthesizerTransformerConfig,
} from "./synthesizerTransformer.ts";
export {
  type SelfAttentionFactories,
  type SelfAttentionFactory,
  type SourceInputs,
  TransformerForConditionalGeneration,
  type TransformerInputs,
  type TransformerOutput,
  transformerCheckpoint,
} from "./transformer.ts";
export { TransformerConfig } from "./transformerConfig.ts";
export {
  type TransfoXLInputs,
  TransfoXLModel,
  type TransfoXLOutput,
  transfoXLCheckpoint,
} from "./transformerXl.ts";
export { TransfoXLConfig } from "./transformerXlConfig.ts";
export {
  type TransfoXLClassOutput,
  TransfoXLForSequenceClassification,
  type TransfoXLLabelledInputs,
  TransfoXLLMHeadModel,
  type TransfoXLLMInputs,
  type TransfoXLLMOutput,
} from "./transformerXlTasks.ts";
export {
  TtaConfig,
  TtaForLanguageAutoencoding,
  type TtaInputs,
  type TtaLabelledInputs,
  type TtaLanguageAutoencodingOutput,
  TtaModel,
  type TtaOutput,
  ttaCheckpoint,
} from "./tta.ts";
export {
  UnofficialDense,
  UnofficialFactorizedDense,
  UnofficialFactorizedRandom,
  UnofficialMixture,
  UnofficialRandom,
  UnofficialSynthesizerConfig,
  UnofficialTransformer,
  unofficialSynthesizerCheckpoint,
} from "./unofficialSynthesizer.ts";
export {
  type XLNetAttention,
  XLNetModel,
  type XLNetOutput,
  xlnetAttention,
  xlnetCheckpoint,
} from "./xlnet.ts";
export {
  type XLNetAnswerInputs,
  type XLNetAnswerOutput,
  XLNetForQuestionAnswering,
} from "./xlnetAnswers.ts";
export { XLNetConfig } from "./xlnetConfig.ts";
export type { XLNetInputs } from "./xlnetInputs.ts";
export {
  XLNetForMultipleChoice,
  XLNetForQuestionAnsweringSimple,
  XLNetForSequenceClassification,
  XLNetForTokenClassification,
  type XLNetLabelledInputs,
  XLNetLMHeadModel,
  type XLNetSpanInputs,
  type XLNetSpanOutput,
  type XLNetTaskOutput,
} from "./xlnetTasks.ts";

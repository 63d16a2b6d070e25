/** Models, each in one file that reads like its paper. */
export {
  BertForMaskedLM,
  BertForPreTraining,
  type BertInputs,
  type BertMaskedLMInputs,
  BertModel,
  type BertOutput,
  type BertPreTrainingInputs,
  type BertPreTrainingOutput,
  bertCheckpoint,
} from "./bert.ts";
export { BertConfig } from "./bertConfig.ts";
export { type CheckpointRules, loadCheckpoint } from "./checkpoint.ts";

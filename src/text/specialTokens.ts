/** Special tokens of BERT's vocabularies, in the order in which the trainer places them. */
export const BERT_SPECIAL_TOKENS: readonly string[] = Object.freeze([
  "[PAD]",
  "[UNK]",
  "[CLS]",
  "[SEP]",
  "[MASK]",
]);

/** Special tokens of RoBERTa's vocabularies; its own has `<mask>` at the end instead. */
export const ROBERTA_SPECIAL_TOKENS: readonly string[] = Object.freeze([
  "<s>",
  "<pad>",
  "</s>",
  "<unk>",
  "<mask>",
]);

/** Special tokens of ALBERT's vocabularies, in their order. */
export const ALBERT_SPECIAL_TOKENS: readonly string[] = Object.freeze([
  "<pad>",
  "<unk>",
  "[CLS]",
  "[SEP]",
  "[MASK]",
]);

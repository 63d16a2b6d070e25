/** Special tokens of BERT's vocabularies, in the order in which the trainer places them. */
export const BERT_SPECIAL_TOKENS: readonly string[] = Object.freeze([
  "[PAD]",
  "[UNK]",
  "[CLS]",
  "[SEP]",
  "[MASK]",
]);

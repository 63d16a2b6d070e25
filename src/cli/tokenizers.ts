import { ArgumentError } from "../graph/errors.ts";
import { Tokenizer, trainBpe, trainUnigram, trainWordPiece } from "../text/index.ts";
import { UsageError } from "./errors.ts";

/** Kinds of tokenizers that can be trained: BERT's, RoBERTa's (on bytes) and ALBERT's, each with its special tokens. */
export const tokenizerKinds = ["wordpiece", "bpe", "unigram"] as const;

export type TokenizerKind = (typeof tokenizerKinds)[number];

function trained(kind: TokenizerKind, lines: readonly string[], vocabSize: number): Tokenizer {
  switch (kind) {
    case "wordpiece":
      return Tokenizer.bert(trainWordPiece(lines, { vocabSize }));
    case "bpe":
      // With a space before each text, as it was trained, so that a word is the same wherever it stands.
      return Tokenizer.roberta(trainBpe(lines, { vocabSize }), { addPrefixSpace: true });
    case "unigram":
      return Tokenizer.albert(trainUnigram(lines, { vocabSize }));
  }
}

/**
 * Trains a tokenizer on lines of text. `name` is the text's, for messages; `option` is the one that sets `vocabSize`.
 * @throws UsageError for a vocabulary that the text's characters alone fill.
 */
export function trainTokenizer(
  kind: TokenizerKind,
  lines: readonly string[],
  { name, vocabSize, option }: { readonly name: string; readonly vocabSize: number; readonly option: string },
): Tokenizer {
  try {
    return trained(kind, lines, vocabSize);
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    const message = `${name}: its characters alone fill a vocabulary of ${vocabSize}; raise ${option}`;
    throw new UsageError(message, { cause: error });
  }
}

/** The special tokens that every objective needs, by their ids. */
export interface SpecialIds {
  readonly cls: number;
  readonly sep: number;
  readonly pad: number;
  readonly mask: number;
}

/** The first of these texts that a tokenizer has: BERT's and ALBERT's, or RoBERTa's. */
const specialTexts = {
  cls: ["[CLS]", "<s>"],
  sep: ["[SEP]", "</s>"],
  pad: ["[PAD]", "<pad>"],
  mask: ["[MASK]", "<mask>"],
} as const;

/** @throws UsageError naming a special token that the tokenizer lacks. */
export function specialIds(tokenizer: Tokenizer): SpecialIds {
  const idOf = (texts: readonly string[]): number => {
    for (const text of texts) {
      const id = tokenizer.tokenToId(text);
      if (id !== undefined) return id;
    }
    throw new UsageError(
      `the tokenizer has no ${texts.join(" or ")}; use one that was made for a masked language model`,
    );
  };
  const { cls, sep, pad, mask } = specialTexts;
  return { cls: idOf(cls), sep: idOf(sep), pad: idOf(pad), mask: idOf(mask) };
}

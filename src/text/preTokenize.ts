import type { JsonObject, PreTokenizer } from "./components.ts";

// BERT counts every ASCII symbol as punctuation, also those ($ + < = > ^ ` | ~) that Unicode files under
// symbols.
const WORD_OR_PUNCTUATION = /[\p{P}!-/:-@[-`{-~]|[^\p{White_Space}\p{P}!-/:-@[-`{-~]+/gu;

/**
 * BERT's pre-tokenization, equal to Hugging Face's `BertPreTokenizer`: cut at white space, and make every
 * punctuation character a word of its own. Normalize first; nothing is changed here but the cuts.
 *
 * Source: Devlin et al., BERT (1810.04805), `BasicTokenizer`; Hugging Face tokenizers,
 * `pre_tokenizers/bert.rs`.
 */
export class BertPreTokenizer implements PreTokenizer {
  preTokenize(text: string): string[] {
    return text.match(WORD_OR_PUNCTUATION) ?? [];
  }

  toJSON(): JsonObject {
    return { type: "BertPreTokenizer" };
  }
}

import type { JsonObject, Normalizer } from "./components.ts";

/** Settings of {@link BertNormalizer}; the defaults are those of uncased BERT. */
export interface BertNormalizerOptions {
  /** Remove control characters and U+FFFD, turn every white space into a space. Default true. */
  readonly cleanText?: boolean;
  /** Put spaces around CJK ideographs, so that each becomes a word. Default true. */
  readonly handleChineseChars?: boolean;
  /** Decompose (NFD) and drop nonspacing marks. null, the default, follows `lowercase`. */
  readonly stripAccents?: boolean | null;
  /** Default true. */
  readonly lowercase?: boolean;
}

// Tab, line feed and carriage return are white space here, though Unicode files them under control
// characters.
const REMOVED = /(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}\p{Cs}\uFFFD]/gu;
const WHITE_SPACE = /\p{White_Space}/gu;
const NONSPACING_MARK = /\p{Mn}/gu;
// The blocks of BERT's own list. Hugging Face starts the fourth extension at U+2B920, not U+2B820; so do we.
const CJK_IDEOGRAPH = new RegExp(
  "[\\u{4E00}-\\u{9FFF}\\u{3400}-\\u{4DBF}\\u{20000}-\\u{2A6DF}\\u{2A700}-\\u{2B73F}\\u{2B740}-\\u{2B81F}" +
    "\\u{2B920}-\\u{2CEAF}\\u{F900}-\\u{FAFF}\\u{2F800}-\\u{2FA1F}]",
  "gu",
);

/**
 * BERT's basic normalization, equal to Hugging Face's `BertNormalizer`: clean, pad CJK, strip accents,
 * lowercase, in that order. Lowercasing is per character: a final capital sigma becomes σ, not ς.
 *
 * Character classes are those of the JavaScript engine's Unicode version. Hugging Face's tables are older, so
 * a mark, format or punctuation character added to Unicode since 2015 may be treated as such here and as a
 * letter there.
 *
 * Source: Devlin et al., BERT (1810.04805), `BasicTokenizer`; Hugging Face tokenizers, `normalizers/bert.rs`.
 */
export class BertNormalizer implements Normalizer {
  readonly cleanText: boolean;
  readonly handleChineseChars: boolean;
  readonly stripAccents: boolean | null;
  readonly lowercase: boolean;

  constructor(options: BertNormalizerOptions = {}) {
    this.cleanText = options.cleanText ?? true;
    this.handleChineseChars = options.handleChineseChars ?? true;
    this.stripAccents = options.stripAccents ?? null;
    this.lowercase = options.lowercase ?? true;
  }

  normalize(text: string): string {
    let result = text;
    if (this.cleanText) result = result.replace(REMOVED, "").replace(WHITE_SPACE, " ");
    if (this.handleChineseChars) result = result.replace(CJK_IDEOGRAPH, " $& ");
    if (this.stripAccents ?? this.lowercase) result = result.normalize("NFD").replace(NONSPACING_MARK, "");
    // Sigma is the one character whose lowercase form, in JavaScript, depends on its neighbours.
    if (this.lowercase) result = result.replaceAll("Σ", "σ").toLowerCase();
    return result;
  }

  toJSON(): JsonObject {
    return {
      type: "BertNormalizer",
      clean_text: this.cleanText,
      handle_chinese_chars: this.handleChineseChars,
      strip_accents: this.stripAccents,
      lowercase: this.lowercase,
    };
  }
}

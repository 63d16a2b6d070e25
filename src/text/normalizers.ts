import { ArgumentError } from "../graph/errors.ts";
import type { JsonObject, Normalizer } from "./components.ts";

/** Unicode's normalization forms. */
export type UnicodeForm = "NFC" | "NFD" | "NFKC" | "NFKD";

/**
 * One of Unicode's normalization forms, by the engine's tables; Hugging Face's `NFC`, `NFD`, `NFKC`, `NFKD`.
 */
export class UnicodeNormalizer implements Normalizer {
  readonly form: UnicodeForm;

  constructor(form: UnicodeForm) {
    this.form = form;
  }

  normalize(text: string): string {
    return text.normalize(this.form);
  }

  toJSON(): JsonObject {
    return { type: this.form };
  }
}

/** Lowercase, character by character: a final capital sigma becomes σ. Hugging Face's `Lowercase`. */
export class Lowercase implements Normalizer {
  normalize(text: string): string {
    // Sigma is the one character whose lowercase form, in JavaScript, depends on its neighbours.
    return text.replaceAll("Σ", "σ").toLowerCase();
  }

  toJSON(): JsonObject {
    return { type: "Lowercase" };
  }
}

/** Drops combining marks; decompose first (NFD or NFKD). Hugging Face's `StripAccents`. */
export class StripAccents implements Normalizer {
  normalize(text: string): string {
    return text.replace(/\p{M}/gu, "");
  }

  toJSON(): JsonObject {
    return { type: "StripAccents" };
  }
}

/** What {@link Replace} looks for: a text as it stands, or a regular expression. */
export type ReplacePattern =
  | { readonly kind: "string"; readonly text: string }
  | { readonly kind: "regex"; readonly source: string };

/**
 * Replaces every occurrence of a pattern by a text, taken as it stands. Hugging Face's `Replace`.
 *
 * A regular expression is read as JavaScript's, in Unicode mode. Hugging Face's dialect agrees with it on
 * literals, classes of properties such as `\p{White_Space}`, groups and quantifiers; not on `\s` and `\w`.
 */
export class Replace implements Normalizer {
  readonly pattern: ReplacePattern;
  readonly content: string;
  readonly #expression: RegExp | null;

  /** @throws ArgumentError for an empty text to look for, or a malformed regular expression. */
  constructor(pattern: ReplacePattern, content: string) {
    this.pattern = pattern;
    this.content = content;
    switch (pattern.kind) {
      case "string":
        if (pattern.text === "") throw new ArgumentError("Replace: there is no text to look for");
        this.#expression = null;
        break;
      case "regex":
        try {
          this.#expression = new RegExp(pattern.source, "gu");
        } catch (cause) {
          throw new ArgumentError(`Replace: ${JSON.stringify(pattern.source)} is no regular expression`, {
            cause,
          });
        }
        break;
    }
  }

  normalize(text: string): string {
    // A function, so that "$" in the content means itself.
    switch (this.pattern.kind) {
      case "string":
        return text.replaceAll(this.pattern.text, () => this.content);
      case "regex":
        return this.#expression === null ? text : text.replace(this.#expression, () => this.content);
    }
  }

  toJSON(): JsonObject {
    const pattern =
      this.pattern.kind === "string" ? { String: this.pattern.text } : { Regex: this.pattern.source };
    return { type: "Replace", pattern, content: this.content };
  }
}

/** Several normalizers, one after the other. Hugging Face's `Sequence`. */
export class NormalizerSequence implements Normalizer {
  readonly normalizers: readonly Normalizer[];

  constructor(normalizers: readonly Normalizer[]) {
    this.normalizers = [...normalizers];
  }

  normalize(text: string): string {
    return this.normalizers.reduce((result, normalizer) => normalizer.normalize(result), text);
  }

  toJSON(): JsonObject {
    return { type: "Sequence", normalizers: this.normalizers.map((normalizer) => normalizer.toJSON()) };
  }
}

/** Settings of {@link albertNormalizer}. */
export interface AlbertNormalizerOptions {
  /** Default true. */
  readonly lowercase?: boolean;
  /** Drop combining marks. Default: as `lowercase`. */
  readonly stripAccents?: boolean;
}

/**
 * The normalization of ALBERT's and XLNet's tokenizers: quotation marks of TeX become `"`, compatibility
 * forms are resolved (NFKD and no marks, or NFKC), letters lowercased, runs of white space become a space.
 */
export function albertNormalizer(options: AlbertNormalizerOptions = {}): NormalizerSequence {
  const lowercase = options.lowercase ?? true;
  const stripAccents = options.stripAccents ?? lowercase;
  return new NormalizerSequence([
    new Replace({ kind: "string", text: "``" }, '"'),
    new Replace({ kind: "string", text: "''" }, '"'),
    ...(stripAccents ? [new UnicodeNormalizer("NFKD"), new StripAccents()] : [new UnicodeNormalizer("NFKC")]),
    ...(lowercase ? [new Lowercase()] : []),
    new Replace({ kind: "regex", source: "\\p{White_Space}+" }, " "),
  ]);
}

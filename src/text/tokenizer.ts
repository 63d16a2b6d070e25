import { ArgumentError, IndexOutOfRangeError } from "../graph/errors.ts";
import { type AddedToken, AddedTokens } from "./addedTokens.ts";
import type {
  Decoder,
  JsonObject,
  Normalizer,
  PostProcessor,
  PreTokenizer,
  TokenModel,
} from "./components.ts";
import { BertNormalizer, type BertNormalizerOptions } from "./normalize.ts";
import { BertPreTokenizer } from "./preTokenize.ts";
import { BERT_SPECIAL_TOKENS } from "./specialTokens.ts";
import { bertTemplate } from "./template.ts";
import { asFormatError, parseTokenizerJson, type TokenizerParts } from "./tokenizerJson.ts";
import { type Truncation, type TruncationStrategy, truncatedLengths } from "./truncation.ts";
import { WordPiece, WordPieceDecoder, type WordPieceOptions } from "./wordPiece.ts";

/** Settings of {@link Tokenizer.encode}. */
export interface EncodeOptions {
  /** Put the template's special tokens around the text. Default true. */
  readonly addSpecialTokens?: boolean;
  /** Most tokens in the result, special tokens included; `Infinity` for no limit. */
  readonly maxLength?: number;
  /** Which text of a pair is cut. Default "longestFirst". */
  readonly truncation?: TruncationStrategy;
}

/** Result of {@link Tokenizer.encode}: four arrays of one length. */
export interface Encoding {
  readonly ids: number[];
  /** 0 for the first text, 1 for the second, as the template says. */
  readonly typeIds: number[];
  /** The vocabulary's entry for each id. */
  readonly tokens: string[];
  /** 1 where the template added the token; a `[MASK]` written in the text has 0. */
  readonly specialTokensMask: number[];
}

/** Settings of {@link Tokenizer.bert}. */
export interface BertTokenizerOptions extends BertNormalizerOptions, WordPieceOptions {
  /**
   * Tokens recognised in raw text and left out by `decode` with `skipSpecialTokens`.
   * Default [PAD], [UNK], [CLS], [SEP] and [MASK]. `[CLS]` and `[SEP]` are needed for the template.
   */
  readonly specialTokens?: readonly string[];
}

const LONE_SURROGATE = /\p{Cs}/gu;

/**
 * Text to token ids and back: added tokens are cut out first, the rest is normalized, cut into words, and
 * each word cut into pieces by the model; a template then puts special tokens around. Immutable.
 *
 * Reads and writes Hugging Face's `tokenizer.json`, and gives the same ids.
 *
 * ```ts
 * const tokenizer = Tokenizer.bert(trainWordPiece(lines, { vocabSize: 4096 }));
 * const { ids } = tokenizer.encode("Call me [MASK].");
 * tokenizer.decode(ids);  // "[CLS] call me [MASK]. [SEP]"
 * ```
 */
export class Tokenizer {
  readonly normalizer: Normalizer | null;
  readonly preTokenizer: PreTokenizer | null;
  readonly model: TokenModel;
  readonly postProcessor: PostProcessor | null;
  readonly decoder: Decoder | null;
  readonly truncation: Truncation | null;
  readonly padding: JsonObject | null;
  readonly #added: AddedTokens;
  readonly #vocabSize: number;

  /**
   * @throws ArgumentError for an added token whose id is not the model's id of it, nor one of those that
   * follow the model's without a gap.
   */
  constructor(parts: TokenizerParts) {
    this.normalizer = parts.normalizer;
    this.preTokenizer = parts.preTokenizer;
    this.model = parts.model;
    this.postProcessor = parts.postProcessor;
    this.decoder = parts.decoder;
    this.truncation = parts.truncation;
    this.padding = parts.padding;
    this.#added = new AddedTokens(parts.addedTokens, parts.normalizer);
    let next = this.model.vocabSize;
    for (const { content, id } of this.#added.list) {
      const expected = this.model.tokenToId(content) ?? next;
      if (id !== expected) {
        throw new ArgumentError(
          `added token "${content}": id ${id} does not fit, the vocabulary asks for ${expected}`,
        );
      }
      if (expected === next) next++;
    }
    this.#vocabSize = next;
  }

  /**
   * A BERT tokenizer over a WordPiece vocabulary (the pieces in the order of their ids).
   * @throws ArgumentError when a special token is not in the vocabulary.
   */
  static bert(vocabulary: readonly string[], options: BertTokenizerOptions = {}): Tokenizer {
    const normalizer = new BertNormalizer(options);
    const model = new WordPiece(vocabulary, options);
    const idOf = (token: string): number => {
      const id = model.tokenToId(token);
      if (id === undefined) throw new ArgumentError(`Tokenizer.bert: "${token}" is not in the vocabulary`);
      return id;
    };
    const specials = options.specialTokens ?? BERT_SPECIAL_TOKENS;
    return new Tokenizer({
      normalizer,
      preTokenizer: new BertPreTokenizer(),
      model,
      postProcessor: bertTemplate(["[CLS]", idOf("[CLS]")], ["[SEP]", idOf("[SEP]")]),
      decoder: new WordPieceDecoder({ prefix: model.continuingSubwordPrefix }),
      addedTokens: specials.map((content) => ({
        id: idOf(content),
        content,
        special: true,
        normalized: false,
        singleWord: false,
        lstrip: false,
        rstrip: false,
      })),
      truncation: null,
      padding: null,
    });
  }

  /**
   * A tokenizer from the parsed content of a `tokenizer.json` (version 1.0).
   * @throws FileFormatError naming the field that is missing, malformed or of a type that is not supported.
   */
  static fromJSON(json: unknown): Tokenizer {
    const parts = parseTokenizerJson(json);
    return asFormatError("added_tokens", () => new Tokenizer(parts));
  }

  /** Number of ids: the model's pieces and the added tokens that follow them. */
  get vocabSize(): number {
    return this.#vocabSize;
  }

  /** The added tokens, in the order of their ids. */
  get addedTokens(): readonly AddedToken[] {
    return this.#added.list;
  }

  /** Ids of the added tokens that are special: never selected by a masking objective. */
  get specialTokenIds(): readonly number[] {
    return this.#added.list.filter((token) => token.special).map((token) => token.id);
  }

  tokenToId(token: string): number | undefined {
    return this.#added.byContent(token)?.id ?? this.model.tokenToId(token);
  }

  idToToken(id: number): string | undefined {
    return this.#added.byId(id)?.content ?? this.model.idToToken(id);
  }

  /**
   * Token ids of a text, or of a pair of texts.
   *
   * An unpaired surrogate is read as U+FFFD, as any conversion to UTF-8 reads it (and as BERT's normalizer
   * removes it).
   * @throws ArgumentError when `maxLength` leaves no room, or the strategy may not cut enough.
   */
  encode(text: string, pair: string | null = null, options: EncodeOptions = {}): Encoding {
    const addSpecialTokens = options.addSpecialTokens ?? true;
    let a = this.#idsOf(text);
    let b = pair === null ? null : this.#idsOf(pair);
    const limit = options.maxLength ?? this.truncation?.maxLength ?? Number.POSITIVE_INFINITY;
    const added = addSpecialTokens ? (this.postProcessor?.addedCount(b !== null) ?? 0) : 0;
    const strategy = options.truncation ?? this.truncation?.strategy ?? "longestFirst";
    const [lengthA, lengthB] = truncatedLengths(a.length, b?.length ?? null, limit, added, strategy);
    if (lengthA < a.length) a = a.slice(0, lengthA);
    if (b !== null && lengthB < b.length) b = b.slice(0, lengthB);
    const processed = this.postProcessor?.process(a, b, addSpecialTokens) ?? {
      ids: [...a, ...(b ?? [])],
      typeIds: [...a.map(() => 0), ...(b ?? []).map(() => 1)],
      specialTokensMask: [...a, ...(b ?? [])].map(() => 0),
    };
    return { ...processed, tokens: processed.ids.map((id) => this.#tokenOf(id)) };
  }

  /**
   * Text of token ids.
   * @throws IndexOutOfRangeError for an id outside the vocabulary.
   */
  decode(ids: ArrayLike<number>, options: { readonly skipSpecialTokens?: boolean } = {}): string {
    const tokens: string[] = [];
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] ?? -1;
      if (options.skipSpecialTokens && this.#added.byId(id)?.special) continue;
      tokens.push(this.#tokenOf(id));
    }
    return this.decoder === null ? tokens.join(" ") : this.decoder.decode(tokens);
  }

  /** The content of a `tokenizer.json` that {@link Tokenizer.fromJSON} and Hugging Face read. */
  toJSON(): JsonObject {
    return {
      version: "1.0",
      truncation:
        this.truncation === null
          ? null
          : {
              direction: "Right",
              max_length: this.truncation.maxLength,
              strategy: this.truncation.strategy.replace(/^./, (first) => first.toUpperCase()),
              stride: 0,
            },
      padding: this.padding,
      added_tokens: this.#added.list.map((token) => ({
        id: token.id,
        content: token.content,
        single_word: token.singleWord,
        lstrip: token.lstrip,
        rstrip: token.rstrip,
        normalized: token.normalized,
        special: token.special,
      })),
      normalizer: this.normalizer?.toJSON() ?? null,
      pre_tokenizer: this.preTokenizer?.toJSON() ?? null,
      post_processor: this.postProcessor?.toJSON() ?? null,
      decoder: this.decoder?.toJSON() ?? null,
      model: this.model.toJSON(),
    };
  }

  #tokenOf(id: number): string {
    const token = this.idToToken(id);
    if (token === undefined) {
      throw new IndexOutOfRangeError(
        `Tokenizer: id ${id} is not in the vocabulary of ${this.#vocabSize} tokens`,
      );
    }
    return token;
  }

  #idsOf(text: string): number[] {
    const ids: number[] = [];
    // Words repeat: within one call, each is cut once.
    const known = new Map<string, readonly number[]>();
    for (const part of this.#added.split(text.replace(LONE_SURROGATE, "\uFFFD"))) {
      if (typeof part === "number") {
        ids.push(part);
        continue;
      }
      for (const word of this.preTokenizer?.preTokenize(part) ?? [part]) {
        let pieces = known.get(word);
        if (pieces === undefined) {
          pieces = this.model.tokenizeWord(word);
          known.set(word, pieces);
        }
        for (const id of pieces) ids.push(id);
      }
    }
    return ids;
  }
}

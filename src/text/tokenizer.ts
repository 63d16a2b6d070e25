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
import { hashRandom, type RandomStream } from "./hashRandom.ts";
import { asFormatError } from "./jsonSection.ts";
import {
  type AlbertTokenizerOptions,
  albertParts,
  type BertTokenizerOptions,
  bertParts,
  type RobertaTokenizerOptions,
  robertaParts,
} from "./presets.ts";
import { parseTokenizerJson } from "./tokenizerJson.ts";
import type { TokenizerParts } from "./tokenizerParts.ts";
import type { TrainedBpe } from "./trainBpe.ts";
import { type Truncation, type TruncationStrategy, truncatedLengths } from "./truncation.ts";
import type { ScoredPiece } from "./unigramModel.ts";

/** Settings of {@link Tokenizer.encode}. */
export interface EncodeOptions {
  /** Put the template's special tokens around the text. Default true. */
  readonly addSpecialTokens?: boolean;
  /** Most tokens in the result, special tokens included; `Infinity` for no limit. */
  readonly maxLength?: number;
  /** Which text of a pair is cut. Default "longestFirst". */
  readonly truncation?: TruncationStrategy;
  /** Subword regularization: draw how words are cut instead of taking the best way. */
  readonly sampling?: SubwordSampling;
}

/**
 * How words are cut at random: each in one of its ways, with probability proportional to P^alpha. The same
 * text, alpha and key always give the same cuts.
 *
 * Source: Kudo, Subword Regularization (1804.10959).
 */
export interface SubwordSampling {
  /** 0 draws all cuts alike; the larger, the surer is the best one. The paper uses 0.1 to 0.5. */
  readonly alpha: number;
  /** Integers, such as (seed, example, visit). */
  readonly key: readonly number[];
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
    return new Tokenizer(bertParts(vocabulary, options));
  }

  /**
   * A RoBERTa tokenizer: byte-level BPE and the template `<s> A </s></s> B </s>`.
   * @param trained Vocabulary and merges, as `trainBpe` gives them.
   * @throws ArgumentError when a special token is not in the vocabulary, or a merge does not fit it.
   */
  static roberta(trained: TrainedBpe, options: RobertaTokenizerOptions = {}): Tokenizer {
    return new Tokenizer(robertaParts(trained, options));
  }

  /**
   * An ALBERT tokenizer: a unigram language model and the template `[CLS] A [SEP] B [SEP]`.
   * @param vocabulary The pieces with their log-probabilities, as `trainUnigram` gives them.
   * @throws ArgumentError when a special token is not in the vocabulary.
   */
  static albert(vocabulary: readonly ScoredPiece[], options: AlbertTokenizerOptions = {}): Tokenizer {
    return new Tokenizer(albertParts(vocabulary, options));
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
   * @throws ArgumentError when `maxLength` leaves no room, the strategy may not cut enough, or the model
   * cannot sample and `sampling` asks for it.
   */
  encode(text: string, pair: string | null = null, options: EncodeOptions = {}): Encoding {
    const addSpecialTokens = options.addSpecialTokens ?? true;
    const cut = this.#cutter(options.sampling);
    let a = this.#idsOf(text, cut);
    let b = pair === null ? null : this.#idsOf(pair, cut);
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

  /** What cuts a word into pieces: the model's best way, or a draw. */
  #cutter(sampling: SubwordSampling | undefined): (word: string) => readonly number[] {
    if (sampling !== undefined) {
      const random: RandomStream = hashRandom(...sampling.key);
      const { model } = this;
      return (word) => {
        if (model.sampleWord === undefined) {
          throw new ArgumentError("Tokenizer.encode: this model cannot sample; leave out `sampling`");
        }
        return model.sampleWord(word, sampling.alpha, random);
      };
    }
    // Words repeat: within one call, each is cut once.
    const known = new Map<string, readonly number[]>();
    return (word) => {
      let pieces = known.get(word);
      if (pieces === undefined) {
        pieces = this.model.tokenizeWord(word);
        known.set(word, pieces);
      }
      return pieces;
    };
  }

  #idsOf(text: string, cut: (word: string) => readonly number[]): number[] {
    const ids: number[] = [];
    for (const [i, part] of this.#added.split(text.replace(LONE_SURROGATE, "\uFFFD")).entries()) {
      if (typeof part === "number") {
        ids.push(part);
        continue;
      }
      for (const word of this.preTokenizer?.preTokenize(part, i === 0) ?? [part]) {
        for (const id of cut(word)) ids.push(id);
      }
    }
    return ids;
  }
}

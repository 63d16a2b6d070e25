import { ArgumentError } from "../graph/errors.ts";
import type { AddedToken } from "./addedTokens.ts";
import { Bpe } from "./bpe.ts";
import { ByteLevelDecoder, ByteLevelPreTokenizer } from "./byteLevel.ts";
import type { TokenModel } from "./components.ts";
import { MetaspaceDecoder, MetaspacePreTokenizer } from "./metaspace.ts";
import { BertNormalizer, type BertNormalizerOptions } from "./normalize.ts";
import { type AlbertNormalizerOptions, albertNormalizer } from "./normalizers.ts";
import { BertPreTokenizer } from "./preTokenize.ts";
import { RobertaProcessing } from "./roberta.ts";
import { ALBERT_SPECIAL_TOKENS, BERT_SPECIAL_TOKENS, ROBERTA_SPECIAL_TOKENS } from "./specialTokens.ts";
import { bertTemplate } from "./template.ts";
import type { TokenizerParts } from "./tokenizerParts.ts";
import type { TrainedBpe } from "./trainBpe.ts";
import { type ScoredPiece, Unigram } from "./unigramModel.ts";
import { WordPiece, WordPieceDecoder, type WordPieceOptions } from "./wordPiece.ts";

/** Settings of `Tokenizer.bert`. */
export interface BertTokenizerOptions extends BertNormalizerOptions, WordPieceOptions {
  /**
   * Tokens recognised in raw text and left out by `decode` with `skipSpecialTokens`.
   * Default [PAD], [UNK], [CLS], [SEP] and [MASK]. `[CLS]` and `[SEP]` are needed for the template.
   */
  readonly specialTokens?: readonly string[];
}

/** Settings of `Tokenizer.roberta`. */
export interface RobertaTokenizerOptions {
  /** Put a space before the text, so that its first word is like any other. Default false, as in RoBERTa. */
  readonly addPrefixSpace?: boolean;
  /**
   * Tokens recognised in raw text. Default <s>, <pad>, </s>, <unk> and <mask>. `<s>` and `</s>` are needed
   * for the template; `<mask>` takes the space on its left along.
   */
  readonly specialTokens?: readonly string[];
}

/** Settings of `Tokenizer.albert`. */
export interface AlbertTokenizerOptions extends AlbertNormalizerOptions {
  /**
   * Tokens recognised in raw text. Default <pad>, <unk>, [CLS], [SEP] and [MASK]. `[CLS]` and `[SEP]` are
   * needed for the template, `<unk>` for the model.
   */
  readonly specialTokens?: readonly string[];
}

type IdOf = (token: string) => number;

function idsIn(model: TokenModel, caller: string): IdOf {
  return (token) => {
    const id = model.tokenToId(token);
    if (id === undefined) throw new ArgumentError(`${caller}: "${token}" is not in the vocabulary`);
    return id;
  };
}

function specialToken(content: string, idOf: IdOf, lstrip = false): AddedToken {
  return {
    id: idOf(content),
    content,
    special: true,
    normalized: false,
    singleWord: false,
    lstrip,
    rstrip: false,
  };
}

/** The parts of `Tokenizer.bert`. @throws ArgumentError when a special token is not in the vocabulary. */
export function bertParts(vocabulary: readonly string[], options: BertTokenizerOptions): TokenizerParts {
  const model = new WordPiece(vocabulary, options);
  const idOf = idsIn(model, "Tokenizer.bert");
  const specials = options.specialTokens ?? BERT_SPECIAL_TOKENS;
  return {
    normalizer: new BertNormalizer(options),
    preTokenizer: new BertPreTokenizer(),
    model,
    postProcessor: bertTemplate(["[CLS]", idOf("[CLS]")], ["[SEP]", idOf("[SEP]")]),
    decoder: new WordPieceDecoder({ prefix: model.continuingSubwordPrefix }),
    addedTokens: specials.map((content) => specialToken(content, idOf)),
    truncation: null,
    padding: null,
  };
}

/** The parts of `Tokenizer.roberta`. @throws ArgumentError when a special token is not in the vocabulary. */
export function robertaParts(trained: TrainedBpe, options: RobertaTokenizerOptions): TokenizerParts {
  const model = new Bpe(trained.vocabulary, trained.merges);
  const idOf = idsIn(model, "Tokenizer.roberta");
  const specials = options.specialTokens ?? ROBERTA_SPECIAL_TOKENS;
  const addPrefixSpace = options.addPrefixSpace ?? false;
  return {
    normalizer: null,
    preTokenizer: new ByteLevelPreTokenizer({ addPrefixSpace }),
    model,
    postProcessor: new RobertaProcessing(["<s>", idOf("<s>")], ["</s>", idOf("</s>")], { addPrefixSpace }),
    decoder: new ByteLevelDecoder(),
    addedTokens: specials.map((content) => specialToken(content, idOf, content === "<mask>")),
    truncation: null,
    padding: null,
  };
}

/** The parts of `Tokenizer.albert`. @throws ArgumentError when a special token is not in the vocabulary. */
export function albertParts(
  vocabulary: readonly ScoredPiece[],
  options: AlbertTokenizerOptions,
): TokenizerParts {
  const unkId = vocabulary.findIndex(([piece]) => piece === "<unk>");
  const model = new Unigram(vocabulary, unkId === -1 ? null : unkId);
  const idOf = idsIn(model, "Tokenizer.albert");
  idOf("<unk>");
  const specials = options.specialTokens ?? ALBERT_SPECIAL_TOKENS;
  return {
    normalizer: albertNormalizer(options),
    preTokenizer: new MetaspacePreTokenizer(),
    model,
    postProcessor: bertTemplate(["[CLS]", idOf("[CLS]")], ["[SEP]", idOf("[SEP]")]),
    decoder: new MetaspaceDecoder(),
    addedTokens: specials.map((content) => specialToken(content, idOf, content === "[MASK]")),
    truncation: null,
    padding: null,
  };
}

import { type HiddenActivation, hiddenActivationNames } from "./activation.ts";
import type { ConfigReader } from "./config.ts";

/** How the loss of sequence classification is computed. */
export const problemTypes = [
  "regression",
  "single_label_classification",
  "multi_label_classification",
] as const;

export type ProblemType = (typeof problemTypes)[number];

/**
 * How a model knows where tokens stand: from a table of positions, or of distances that attention looks up, for queries
 * or for both queries and keys.
 */
export const positionEmbeddingTypes = ["absolute", "relative_key", "relative_key_query"] as const;

export type PositionEmbeddingType = (typeof positionEmbeddingTypes)[number];

/** What `config.json` says of an encoder of BERT's line, under its own names. */
export interface EncoderConfig {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly intermediate_size: number;
  readonly hidden_act: HiddenActivation;
  readonly hidden_dropout_prob: number;
  readonly attention_probs_dropout_prob: number;
  readonly max_position_embeddings: number;
  readonly position_embedding_type: PositionEmbeddingType;
  /** Rows of the segment table; 0 for a model without segments. */
  readonly type_vocab_size: number;
  readonly initializer_range: number;
  readonly layer_norm_eps: number;
  /** The row of the token table that lookups do not train; null for none. */
  readonly pad_token_id: number | null;
  /** Whether the language-model head decodes with the token table. */
  readonly tie_word_embeddings: boolean;
  /** Whether each token sees only those before it. */
  readonly is_decoder: boolean;
  /** The classes of a classifier, by number. */
  readonly id2label: Readonly<Record<string, string>>;
  /** The loss of sequence classification; null where the labels decide. */
  readonly problem_type: ProblemType | null;
  /** Dropout before a classifier; null for `hidden_dropout_prob`. */
  readonly classifier_dropout: number | null;
}

/** What a family leaves out of its files. */
type Defaults = Pick<
  EncoderConfig,
  "vocab_size" | "hidden_size" | "num_attention_heads" | "intermediate_size" | "pad_token_id"
> &
  Partial<EncoderConfig>;

/**
 * Reads the fields that all families share.
 * @throws ArgumentError naming the field that is wrong, or that asks for what these models do not have.
 */
export function readEncoderConfig(reader: ConfigReader, defaults: Defaults): EncoderConfig {
  if (reader.boolean("add_cross_attention", false)) {
    reader.fail("add_cross_attention", "false: these models have no cross-attention");
  }
  const config: EncoderConfig = {
    vocab_size: reader.integer("vocab_size", defaults.vocab_size),
    hidden_size: reader.integer("hidden_size", defaults.hidden_size),
    num_hidden_layers: reader.integer("num_hidden_layers", defaults.num_hidden_layers ?? 12, 0),
    num_attention_heads: reader.integer("num_attention_heads", defaults.num_attention_heads),
    intermediate_size: reader.integer("intermediate_size", defaults.intermediate_size),
    hidden_act: reader.choice("hidden_act", hiddenActivationNames, defaults.hidden_act ?? "gelu"),
    hidden_dropout_prob: reader.probability("hidden_dropout_prob", defaults.hidden_dropout_prob ?? 0.1),
    attention_probs_dropout_prob: reader.probability(
      "attention_probs_dropout_prob",
      defaults.attention_probs_dropout_prob ?? 0.1,
    ),
    max_position_embeddings: reader.integer(
      "max_position_embeddings",
      defaults.max_position_embeddings ?? 512,
    ),
    position_embedding_type: reader.choice("position_embedding_type", positionEmbeddingTypes, "absolute"),
    type_vocab_size: reader.integer("type_vocab_size", defaults.type_vocab_size ?? 2, 0),
    initializer_range: reader.number("initializer_range", 0.02),
    layer_norm_eps: reader.number("layer_norm_eps", defaults.layer_norm_eps ?? 1e-12),
    pad_token_id: reader.optionalInteger("pad_token_id", defaults.pad_token_id),
    tie_word_embeddings: reader.boolean("tie_word_embeddings", true),
    is_decoder: reader.boolean("is_decoder", false),
    id2label: reader.labels(),
    problem_type: reader.optionalChoice("problem_type", problemTypes),
    classifier_dropout: reader.optionalProbability("classifier_dropout"),
  };
  checkEncoderConfig(reader, config);
  return config;
}

/** @throws ArgumentError where the heads do not divide the width, or the padding token is none of the tokens. */
export function checkEncoderConfig(
  reader: ConfigReader,
  config: EncoderConfig,
  names: { readonly width: string; readonly heads: string } = {
    width: "hidden_size",
    heads: "num_attention_heads",
  },
): void {
  if (config.hidden_size % config.num_attention_heads !== 0) {
    reader.fail(names.heads, `a divisor of ${names.width} ${config.hidden_size}`);
  }
  if (config.pad_token_id !== null && config.pad_token_id >= config.vocab_size) {
    reader.fail("pad_token_id", `a token of the ${config.vocab_size}`);
  }
}

/** Classes of a classifier. */
export function labelCount({ id2label }: Pick<EncoderConfig, "id2label">): number {
  return Object.keys(id2label).length;
}

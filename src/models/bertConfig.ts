import { type ActivationName, activations } from "../nn/functional/activation.ts";
import { ConfigReader } from "./config.ts";

/** What `config.json` says of a BERT, under its own names. */
export interface BertConfig {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly intermediate_size: number;
  readonly hidden_act: ActivationName;
  readonly hidden_dropout_prob: number;
  readonly attention_probs_dropout_prob: number;
  readonly max_position_embeddings: number;
  readonly type_vocab_size: number;
  readonly initializer_range: number;
  readonly layer_norm_eps: number;
  /** The row of the token table that lookups do not train; null for none. */
  readonly pad_token_id: number | null;
  /** Whether the masked-language-model head decodes with the token table. */
  readonly tie_word_embeddings: boolean;
}

/**
 * Reads a configuration; what is missing is BERT-base's.
 * @throws ArgumentError naming the field that is wrong, or that asks for what this model does not have.
 */
function from(json: unknown): BertConfig {
  const reader = new ConfigReader("BertConfig", json);
  reader.choice("position_embedding_type", ["absolute"], "absolute");
  if (reader.boolean("is_decoder", false)) reader.fail("is_decoder", "false: this BERT is an encoder");
  const config: BertConfig = {
    vocab_size: reader.integer("vocab_size", 30522),
    hidden_size: reader.integer("hidden_size", 768),
    num_hidden_layers: reader.integer("num_hidden_layers", 12, 0),
    num_attention_heads: reader.integer("num_attention_heads", 12),
    intermediate_size: reader.integer("intermediate_size", 3072),
    hidden_act: reader.choice("hidden_act", Object.keys(activations) as ActivationName[], "gelu"),
    hidden_dropout_prob: reader.probability("hidden_dropout_prob", 0.1),
    attention_probs_dropout_prob: reader.probability("attention_probs_dropout_prob", 0.1),
    max_position_embeddings: reader.integer("max_position_embeddings", 512),
    type_vocab_size: reader.integer("type_vocab_size", 2),
    initializer_range: reader.number("initializer_range", 0.02),
    layer_norm_eps: reader.number("layer_norm_eps", 1e-12),
    pad_token_id: reader.optionalInteger("pad_token_id", 0),
    tie_word_embeddings: reader.boolean("tie_word_embeddings", true),
  };
  if (config.hidden_size % config.num_attention_heads !== 0) {
    reader.fail("num_attention_heads", `a divisor of hidden_size ${config.hidden_size}`);
  }
  if (config.pad_token_id !== null && config.pad_token_id >= config.vocab_size) {
    reader.fail("pad_token_id", `a token of the ${config.vocab_size}`);
  }
  return config;
}

export const BertConfig = {
  from,
  /** 12 layers of width 768. */
  base: from({}),
  /** 24 layers of width 1024. */
  large: from({ hidden_size: 1024, num_hidden_layers: 24, num_attention_heads: 16, intermediate_size: 4096 }),
};

import { type HiddenActivation, hiddenActivationNames } from "./activation.ts";
import { ConfigReader } from "./config.ts";

/** What `config.json` says of an encoder-decoder Transformer, under its own names. */
export interface TransformerConfig {
  readonly vocab_size: number;
  readonly d_model: number;
  readonly d_ff: number;
  readonly encoder_layers: number;
  readonly decoder_layers: number;
  readonly num_attention_heads: number;
  readonly activation: HiddenActivation;
  /** Of every sublayer's output and of the embeddings. */
  readonly dropout: number;
  readonly layer_norm_eps: number;
  /** Whether norms stand before the sublayers, with one more at the end of each stack. */
  readonly norm_first: boolean;
  /** Whether embeddings are multiplied by the square root of the width. */
  readonly scale_embedding: boolean;
  /** Whether the output has the tokens' table. */
  readonly tie_word_embeddings: boolean;
  /** The share of the target's probability that is spread: over all classes, or over all others (Tensor2Tensor's form). */
  readonly label_smoothing: number;
  readonly label_smoothing_form: "uniform" | "t2t";
  readonly decoder_start_token_id: number;
  readonly pad_token_id: number;
  readonly positions: "sinusoidal_interleaved";
}

/** Reads a configuration; what is missing is the paper's base model's. @throws ArgumentError naming the field that is wrong. */
function from(json: unknown): TransformerConfig {
  const reader = new ConfigReader("TransformerConfig", json);
  const config: TransformerConfig = {
    vocab_size: reader.integer("vocab_size", 37000),
    d_model: reader.integer("d_model", 512),
    d_ff: reader.integer("d_ff", 2048),
    encoder_layers: reader.integer("encoder_layers", 6, 0),
    decoder_layers: reader.integer("decoder_layers", 6, 0),
    num_attention_heads: reader.integer("num_attention_heads", 8),
    activation: reader.choice("activation", hiddenActivationNames, "relu"),
    dropout: reader.probability("dropout", 0.1),
    layer_norm_eps: reader.number("layer_norm_eps", 1e-6),
    norm_first: reader.boolean("norm_first", false),
    scale_embedding: reader.boolean("scale_embedding", true),
    tie_word_embeddings: reader.boolean("tie_word_embeddings", true),
    label_smoothing: reader.probability("label_smoothing", 0.1),
    label_smoothing_form: reader.choice("label_smoothing_form", ["uniform", "t2t"], "uniform"),
    decoder_start_token_id: reader.integer("decoder_start_token_id", 1, 0),
    pad_token_id: reader.integer("pad_token_id", 0, 0),
    positions: reader.choice("positions", ["sinusoidal_interleaved"], "sinusoidal_interleaved"),
  };
  if (config.d_model % config.num_attention_heads !== 0) {
    reader.fail("num_attention_heads", `a divisor of d_model ${config.d_model}`);
  }
  for (const name of ["decoder_start_token_id", "pad_token_id"] as const) {
    if (config[name] >= config.vocab_size) reader.fail(name, `a token of the ${config.vocab_size}`);
  }
  return config;
}

export const TransformerConfig = {
  from,
  /** 6 + 6 layers of width 512. */
  base: from({}),
  /** 6 + 6 layers of width 1024. */
  big: from({ d_model: 1024, d_ff: 4096, num_attention_heads: 16, dropout: 0.3 }),
};

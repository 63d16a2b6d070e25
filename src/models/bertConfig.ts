import { ConfigReader } from "./config.ts";
import { type EncoderConfig, readEncoderConfig } from "./encoderConfig.ts";

/** What `config.json` says of a BERT, under its own names. */
export type BertConfig = EncoderConfig;

/**
 * Reads a configuration; what is missing is BERT-base's.
 * @throws ArgumentError naming the field that is wrong, or that asks for what this model does not have.
 */
function from(json: unknown): BertConfig {
  return readEncoderConfig(new ConfigReader("BertConfig", json), {
    vocab_size: 30522,
    hidden_size: 768,
    num_attention_heads: 12,
    intermediate_size: 3072,
    pad_token_id: 0,
  });
}

export const BertConfig = {
  from,
  /** 12 layers of width 768. */
  base: from({}),
  /** 24 layers of width 1024. */
  large: from({ hidden_size: 1024, num_hidden_layers: 24, num_attention_heads: 16, intermediate_size: 4096 }),
};

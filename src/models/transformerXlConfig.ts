import { ConfigReader } from "./config.ts";
import { type EncoderConfig, problemTypes } from "./encoderConfig.ts";

/** What `config.json` says of a Transformer-XL, under its own names. */
export interface TransfoXLConfig {
  readonly vocab_size: number;
  /** The first ids of the second and later clusters of the vocabulary, which is sorted by frequency. */
  readonly cutoffs: readonly number[];
  readonly d_model: number;
  readonly d_embed: number;
  readonly n_head: number;
  readonly d_head: number;
  readonly d_inner: number;
  /** How many times narrower each cluster's vectors are than the last one's. */
  readonly div_val: number;
  /** Norms before attention and feed-forward network, not after the residuals. */
  readonly pre_lnorm: boolean;
  readonly n_layer: number;
  /** Positions in a memory. */
  readonly mem_len: number;
  /** Greater distances count as this one; 0 or less for none. */
  readonly clamp_len: number;
  /** Each query sees equally many keys. */
  readonly same_length: boolean;
  /** Which clusters are decoded with the projection of their embedding. */
  readonly tie_projs: readonly boolean[];
  /** Whether u and v are each layer's own. */
  readonly untie_r: boolean;
  readonly dropout: number;
  /** Of attention probabilities. */
  readonly dropatt: number;
  /** How weights start: normal with `init_std`, or uniform within `init_range`. */
  readonly init: "normal" | "uniform";
  readonly init_range: number;
  readonly init_std: number;
  readonly proj_init_std: number;
  readonly layer_norm_epsilon: number;
  readonly tie_word_embeddings: boolean;
  readonly pad_token_id: number | null;
  readonly id2label: EncoderConfig["id2label"];
  readonly problem_type: EncoderConfig["problem_type"];
}

/**
 * Reads a configuration; what is missing is the one of WikiText-103.
 * @throws ArgumentError naming the field that is wrong, or that asks for what this model does not have.
 */
function from(json: unknown): TransfoXLConfig {
  const reader = new ConfigReader("TransfoXLConfig", json);
  const width = reader.integer("d_model", 1024);
  if (width % 2 !== 0) reader.fail("d_model", "an even number");
  if (reader.integer("attn_type", 0, 0) !== 0) {
    reader.fail("attn_type", "0: the other ways to know positions are not here");
  }
  if (reader.integer("sample_softmax", -1, -1) > 0) reader.fail("sample_softmax", "-1: no sampling");
  const isInteger = (value: unknown): value is number => Number.isSafeInteger(value);
  const cutoffs = reader.list("cutoffs", [20000, 40000, 200000], isInteger, "integers");
  const share = reader.boolean("proj_share_all_but_first", true);
  const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";
  const tied = [false, ...cutoffs.map(() => share)];
  return {
    vocab_size: reader.integer("vocab_size", 267735),
    cutoffs,
    d_model: width,
    d_embed: reader.integer("d_embed", 1024),
    n_head: reader.integer("n_head", 16),
    d_head: reader.integer("d_head", 64),
    d_inner: reader.integer("d_inner", 4096),
    div_val: reader.integer("div_val", 4),
    pre_lnorm: reader.boolean("pre_lnorm", false),
    n_layer: reader.integer("n_layer", 18, 0),
    mem_len: reader.integer("mem_len", 1600, 0),
    clamp_len: reader.integer("clamp_len", 1000, -1),
    same_length: reader.boolean("same_length", true),
    tie_projs: reader.list("tie_projs", tied, isBoolean, "true or false for each cluster"),
    untie_r: reader.boolean("untie_r", true),
    dropout: reader.probability("dropout", 0.1),
    dropatt: reader.probability("dropatt", 0),
    init: reader.choice("init", ["normal", "uniform"], "normal"),
    init_range: reader.number("init_range", 0.01),
    init_std: reader.number("init_std", 0.02),
    proj_init_std: reader.number("proj_init_std", 0.01),
    layer_norm_epsilon: reader.number("layer_norm_epsilon", 1e-5),
    tie_word_embeddings: reader.boolean("tie_word_embeddings", true),
    pad_token_id: reader.optionalInteger("pad_token_id", null),
    id2label: reader.labels(),
    problem_type: reader.optionalChoice("problem_type", problemTypes),
  };
}

export const TransfoXLConfig = {
  from,
  /** The 18 layers of WikiText-103, large. */
  large: from({}),
};

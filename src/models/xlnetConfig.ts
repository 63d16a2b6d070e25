import { type HiddenActivation, hiddenActivationNames } from "./activation.ts";
import { ConfigReader } from "./config.ts";
import { type EncoderConfig, problemTypes } from "./encoderConfig.ts";
import { type EmptyRow, emptyRows } from "./transformerXlAttention.ts";

/** What `config.json` says of an XLNet, under its own names. */
export interface XLNetConfig {
  readonly vocab_size: number;
  readonly d_model: number;
  readonly n_layer: number;
  readonly n_head: number;
  readonly d_head: number;
  readonly d_inner: number;
  readonly ff_activation: HiddenActivation;
  /** "bi": tokens see both sides, as far as the permutation allows; "uni": what stands before them. */
  readonly attn_type: "bi" | "uni";
  readonly initializer_range: number;
  readonly layer_norm_eps: number;
  readonly dropout: number;
  /** Positions in a memory; null or 0 for all. */
  readonly mem_len: number | null;
  /** How much of each segment, from its start, goes into the memory; null for all. */
  readonly reuse_len: number | null;
  /** Whether a memory is returned in evaluation and in training mode, unless the call says. */
  readonly use_mems_eval: boolean;
  readonly use_mems_train: boolean;
  /** The second half of each batch is reversed text, whose distances are mirrored. */
  readonly bi_data: boolean;
  /** Greater distances count as this one; 0 or less for none. */
  readonly clamp_len: number;
  /** With "uni": each query sees equally many keys. */
  readonly same_length: boolean;
  /** Of which positions the summary of a sequence is made. */
  readonly summary_type: "last" | "first" | "mean" | "cls_index";
  /** Whether the summary goes through a dense layer. */
  readonly summary_use_proj: boolean;
  /** Its activation; null for none. */
  readonly summary_activation: HiddenActivation | null;
  readonly summary_first_dropout: number;
  readonly summary_last_dropout: number;
  /** Candidates of answers' starts and of ends. */
  readonly start_n_top: number;
  readonly end_n_top: number;
  readonly tie_word_embeddings: boolean;
  /**
   * What a token gets that may attend nothing, the first of a permutation without context: "uniform", as in the release, is
   * an even mixture of all tokens, its own included, which gives away what is to be predicted; "zero" gives nothing away.
   */
  readonly empty_row: EmptyRow;
  readonly id2label: EncoderConfig["id2label"];
  readonly problem_type: EncoderConfig["problem_type"];
}

/**
 * Reads a configuration; what is missing is XLNet-large's. Each layer has biases of its own, whatever `untie_r` says.
 * @throws ArgumentError naming the field that is wrong, or that asks for what this model does not have.
 */
function from(json: unknown): XLNetConfig {
  const reader = new ConfigReader("XLNetConfig", json);
  const width = reader.integer("d_model", 1024);
  const heads = reader.integer("n_head", 16);
  if (width % heads !== 0) reader.fail("n_head", `a divisor of d_model ${width}`);
  if (width % 2 !== 0) reader.fail("d_model", "an even number");
  const headWidth = reader.integer("d_head", width / heads);
  if (headWidth !== width / heads) reader.fail("d_head", `d_model / n_head = ${width / heads}`);
  return {
    vocab_size: reader.integer("vocab_size", 32000),
    d_model: width,
    n_layer: reader.integer("n_layer", 24, 0),
    n_head: heads,
    d_head: headWidth,
    d_inner: reader.integer("d_inner", 4096),
    ff_activation: reader.choice("ff_activation", hiddenActivationNames, "gelu"),
    attn_type: reader.choice("attn_type", ["bi", "uni"], "bi"),
    initializer_range: reader.number("initializer_range", 0.02),
    layer_norm_eps: reader.number("layer_norm_eps", 1e-12),
    dropout: reader.probability("dropout", 0.1),
    mem_len: reader.optionalInteger("mem_len", 512),
    reuse_len: reader.optionalInteger("reuse_len", null),
    use_mems_eval: reader.boolean("use_mems_eval", true),
    use_mems_train: reader.boolean("use_mems_train", false),
    bi_data: reader.boolean("bi_data", false),
    clamp_len: reader.integer("clamp_len", -1, -1),
    same_length: reader.boolean("same_length", false),
    summary_type: reader.choice("summary_type", ["last", "first", "mean", "cls_index"], "last"),
    summary_use_proj: reader.boolean("summary_use_proj", true),
    summary_activation: reader.optionalChoice("summary_activation", hiddenActivationNames, "tanh"),
    summary_first_dropout: reader.probability("summary_first_dropout", 0),
    summary_last_dropout: reader.probability("summary_last_dropout", 0.1),
    start_n_top: reader.integer("start_n_top", 5),
    end_n_top: reader.integer("end_n_top", 5),
    tie_word_embeddings: reader.boolean("tie_word_embeddings", true),
    empty_row: reader.choice("empty_row", emptyRows, "uniform"),
    id2label: reader.labels(),
    problem_type: reader.optionalChoice("problem_type", problemTypes),
  };
}

export const XLNetConfig = {
  from,
  /** 12 layers of width 768. */
  base: from({ d_model: 768, n_layer: 12, n_head: 12, d_inner: 3072 }),
  /** 24 layers of width 1024. */
  large: from({}),
};

import { truncatedNormal } from "../nn/init.ts";
import type { CreateOptions } from "../tensor/create.ts";
import { bertLayerNames, predictionNames } from "./bert.ts";
import type { CheckpointRules } from "./checkpoint.ts";
import { ConfigReader } from "./config.ts";
import { EncoderModel, type EncoderSpec, type Names } from "./encoder.ts";
import { type EncoderConfig, readEncoderConfig } from "./encoderConfig.ts";
import { CausalLM, MaskedLM } from "./headModels.ts";
import { LanguageModelHead } from "./heads.ts";
import {
  SynthesizerAttention,
  type SynthesizerComponent,
  type SynthesizerOptions,
  synthesizerComponents,
} from "./synthesizerAttention.ts";

// Tay, Bahri, Metzler, Juan, Zhao and Zheng, Synthesizer: Rethinking Self-Attention for Transformer Models (2020): BERT's
// encoder and heads, with synthetic attention in every layer. The unofficial form is in `unofficialSynthesizer.ts`.

/** How files of Synthesizers differ from the names here. */
export const synthesizerCheckpoint: CheckpointRules = {
  base: "synthesizer",
  ignored: [/embeddings\.position_ids$/],
  tied: [
    ["cls.predictions.decoder.weight", "synthesizer.embeddings.word_embeddings.weight"],
    ["cls.predictions.decoder.bias", "cls.predictions.bias"],
  ],
};

/** What `config.json` says of synthetic scores. */
export interface SynthesizerFields {
  /** What scores are made of; several are a mixture. */
  readonly synthesizer_components: readonly SynthesizerComponent[];
  /** N, the longest sequence. */
  readonly synthesizer_max_length: number;
  /** Whether random scores are trained, or stay as they were drawn. */
  readonly random_trainable: boolean;
  /** [a, b] with a b = N: factorised dense scores. */
  readonly factor_dims: readonly [a: number, b: number];
  /** k: factorised random scores. */
  readonly factor_rank: number;
}

/** An encoder's fields, and those of its scores. */
export interface SynthesizerConfig extends EncoderConfig, SynthesizerFields {}

/** Reads those fields; `longest` is N where the configuration does not say. @throws ArgumentError naming a wrong one. */
export function readSynthesizerFields(reader: ConfigReader, longest: number): SynthesizerFields {
  const length = reader.integer("synthesizer_max_length", longest);
  const [a, b] = reader.integers("factor_dims", squarest(length));
  if (a * b !== length) reader.fail("factor_dims", `two factors of synthesizer_max_length ${length}`);
  return {
    synthesizer_components: reader.choices("synthesizer_components", synthesizerComponents, ["dense"]),
    synthesizer_max_length: length,
    random_trainable: reader.boolean("random_trainable", true),
    factor_dims: [a, b],
    factor_rank: reader.integer("factor_rank", 8),
  };
}

/** @throws ArgumentError naming the field that is wrong. */
function from(json: unknown): SynthesizerConfig {
  const reader = new ConfigReader("SynthesizerConfig", json);
  const encoder = readEncoderConfig(reader, {
    vocab_size: 30522,
    hidden_size: 512,
    num_hidden_layers: 6,
    num_attention_heads: 8,
    intermediate_size: 2048,
    pad_token_id: 0,
  });
  return { ...encoder, ...readSynthesizerFields(reader, encoder.max_position_embeddings) };
}

/** The two factors of a length that are nearest to each other, the smaller first. */
function squarest(length: number): [number, number] {
  let a = Math.floor(Math.sqrt(length));
  while (length % a !== 0) a--;
  return [a, length / a];
}

export const SynthesizerConfig = { from };

const layerNames: Names = {
  ...bertLayerNames,
  "attention.vanilla.query": "attention.self.query",
  "attention.vanilla.key": "attention.self.key",
  "attention.dense.hidden": "attention.self.dense_hidden",
  "attention.dense.out.weight": "attention.self.dense_out_weight",
  "attention.dense.out.bias": "attention.self.dense_out_bias",
  "attention.random.scores": "attention.self.random_scores",
  "attention.factorizedDense.hidden": "attention.self.factor_hidden",
  "attention.factorizedDense.a.weight": "attention.self.factor_a_weight",
  "attention.factorizedDense.a.bias": "attention.self.factor_a_bias",
  "attention.factorizedDense.b.weight": "attention.self.factor_b_weight",
  "attention.factorizedDense.b.bias": "attention.self.factor_b_bias",
  "attention.factorizedRandom.left": "attention.self.factor_left",
  "attention.factorizedRandom.right": "attention.self.factor_right",
  "attention.mixture": "attention.self.mixture_logits",
};

/** The attention that scores ask for. */
export function synthesizerAttentionOf(
  fields: SynthesizerFields,
  rest: Pick<SynthesizerOptions, "width" | "heads" | "dropout" | "weightInit" | keyof CreateOptions>,
): SynthesizerAttention {
  return new SynthesizerAttention({
    components: fields.synthesizer_components,
    maxLength: fields.synthesizer_max_length,
    trainable: fields.random_trainable,
    factorDims: fields.factor_dims,
    factorRank: fields.factor_rank,
    ...rest,
  });
}

/** The synthetic attention that a configuration asks for. */
export function synthesizerAttention(
  config: SynthesizerConfig,
  options: CreateOptions,
): SynthesizerAttention {
  return synthesizerAttentionOf(config, {
    width: config.hidden_size,
    heads: config.num_attention_heads,
    dropout: config.attention_probs_dropout_prob,
    weightInit: truncatedNormal(config.initializer_range),
    ...options,
  });
}

/** The encoder; with `is_decoder`, each token sees only those before it. */
export class SynthesizerModel extends EncoderModel<SynthesizerConfig> {
  /** Nothing is computed yet: parameters take their initial values when they are first used. */
  constructor(config: SynthesizerConfig, options: CreateOptions = {}) {
    const spec: EncoderSpec = {
      prefix: "synthesizer",
      names: { layers: "encoder.layer" },
      layerNames,
      pooler: false,
      attention: (create) => synthesizerAttention(config, create),
    };
    // Lookups train the padding token's row as any other.
    super(config, { ...config, pad_token_id: null }, spec, options);
  }
}

/** Predicts masked tokens, as BERT does. */
export class SynthesizerForMaskedLM extends MaskedLM<SynthesizerModel> {
  constructor(config: SynthesizerConfig, options: CreateOptions = {}) {
    super(new SynthesizerModel(config, options), new LanguageModelHead(config, options), predictionNames);
  }
}

/** Predicts each next token, with `is_decoder`. */
export class SynthesizerLMHeadModel extends CausalLM<SynthesizerModel> {
  constructor(config: SynthesizerConfig, options: CreateOptions = {}) {
    super(new SynthesizerModel(config, options), new LanguageModelHead(config, options), predictionNames);
  }
}

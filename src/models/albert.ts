import type { CreateOptions } from "../tensor/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { CheckpointRules } from "./checkpoint.ts";
import { ConfigReader } from "./config.ts";
import { EncoderModel, type EncoderOutput, type EncoderSpec, type Names } from "./encoder.ts";
import { type EncoderConfig, labelCount, readEncoderConfig } from "./encoderConfig.ts";
import {
  MaskedLM,
  type MaskedLMInputs,
  MultipleChoiceModel,
  PreTrainingModel,
  QuestionAnswerer,
  SequenceClassifier,
  TokenClassifier,
} from "./headModels.ts";
import { Classifier, LanguageModelHead } from "./heads.ts";

// Lan et al., ALBERT: A Lite BERT for Self-supervised Learning of Language Representations (2019): the token table is
// factorised, all layers share their parameters, and sentence order takes the place of next-sentence prediction.

/** What `config.json` says of an ALBERT, under its own names. */
export interface AlbertConfig extends EncoderConfig {
  /** E, the width of the tables. */
  readonly embedding_size: number;
  /** Groups of layers, each with parameters of its own; they take equal parts of the depth. */
  readonly num_hidden_groups: number;
  /** Layers in a group. */
  readonly inner_group_num: number;
  readonly classifier_dropout_prob: number;
}

/**
 * Reads a configuration; what is missing is ALBERT-xxlarge's.
 * @throws ArgumentError naming the field that is wrong, or that asks for what this model does not have.
 */
function from(json: unknown): AlbertConfig {
  const reader = new ConfigReader("AlbertConfig", json);
  const shared = readEncoderConfig(reader, {
    vocab_size: 30000,
    hidden_size: 4096,
    num_attention_heads: 64,
    intermediate_size: 16384,
    pad_token_id: 0,
    hidden_act: "gelu_new",
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0,
  });
  if (shared.is_decoder) reader.fail("is_decoder", "false: ALBERT is an encoder");
  const config: AlbertConfig = {
    ...shared,
    embedding_size: reader.integer("embedding_size", 128),
    num_hidden_groups: reader.integer("num_hidden_groups", 1),
    inner_group_num: reader.integer("inner_group_num", 1),
    classifier_dropout_prob: reader.probability("classifier_dropout_prob", 0.1),
  };
  if (config.num_hidden_groups > Math.max(1, config.num_hidden_layers)) {
    reader.fail("num_hidden_groups", `at most num_hidden_layers ${config.num_hidden_layers}`);
  }
  return config;
}

/** Table 1 of the paper: width, heads and depth; F = 4 width. */
function size(width: number, heads: number, layers: number): AlbertConfig {
  return from({
    hidden_size: width,
    num_attention_heads: heads,
    num_hidden_layers: layers,
    intermediate_size: 4 * width,
  });
}

export const AlbertConfig = {
  from,
  base: size(768, 12, 12),
  large: size(1024, 16, 24),
  xlarge: size(2048, 16, 24),
  xxlarge: size(4096, 64, 12),
};

/** How files of ALBERT differ from the names here. */
export const albertCheckpoint: CheckpointRules = {
  base: "albert",
  ignored: [/embeddings\.position_ids$/],
  tied: [
    ["predictions.decoder.weight", "albert.embeddings.word_embeddings.weight"],
    ["predictions.decoder.bias", "predictions.bias"],
  ],
};

function specOf(config: AlbertConfig): EncoderSpec {
  return {
    prefix: "albert",
    names: {
      projection: "encoder.embedding_hidden_mapping_in",
      layers: "encoder.albert_layer_groups",
      pooler: "pooler",
    },
    layerNames: {
      "attention.distance": "attention.distance_embedding",
      "attention.output": "attention.dense",
      attentionNorm: "attention.LayerNorm",
      up: "ffn",
      down: "ffn_output",
      outputNorm: "full_layer_layer_norm",
    },
    embeddingWidth: config.embedding_size,
    shared: {
      groups: config.num_hidden_groups,
      layers: config.inner_group_num,
      names: { layers: "albert_layers" },
    },
    pooler: true,
  };
}

/** The encoder that all ALBERTs share; section 3.1. */
export class AlbertModel extends EncoderModel<AlbertConfig> {
  constructor(config: AlbertConfig, options: CreateOptions & { readonly pooler?: boolean } = {}) {
    super(config, config, specOf(config), options);
  }
}

const predictionNames: Names = {
  "head.dense": "predictions.dense",
  "head.norm": "predictions.LayerNorm",
  "head.bias": "predictions.bias",
  "head.decoder": "predictions.decoder.weight",
};

/** BERT's head, back to the tables' width. */
function predictionHead(config: AlbertConfig, options: CreateOptions): LanguageModelHead {
  return new LanguageModelHead(config, options, { width: config.embedding_size });
}

function classifier(config: AlbertConfig, classes: number, options: CreateOptions): Classifier {
  return new Classifier(config, classes, { ...options, dropout: config.classifier_dropout_prob });
}

export class AlbertForMaskedLM extends MaskedLM<AlbertModel> {
  constructor(config: AlbertConfig, options: CreateOptions = {}) {
    const base = new AlbertModel(config, { ...options, pooler: false });
    super(base, predictionHead(config, options), predictionNames);
  }
}

export interface AlbertPreTrainingInputs extends MaskedLMInputs {
  /** [B]: 0 where the segments are in their order, 1 where they were swapped. */
  readonly sentenceOrderLabel?: Tensor;
}

export interface AlbertPreTrainingOutput extends EncoderOutput {
  /** Sum of the two losses; undefined unless both labels were given. */
  readonly loss: Tensor | undefined;
  readonly predictionLogits: Tensor;
  /** [B, classes] */
  readonly sopLogits: Tensor;
}

/** ALBERT with both heads it is pre-trained with: masked language model and sentence-order prediction; section 3.1. */
export class AlbertForPreTraining extends PreTrainingModel<AlbertModel> {
  constructor(config: AlbertConfig, options: CreateOptions = {}) {
    const base = new AlbertModel(config, options);
    const head = predictionHead(config, options);
    const names = { ...predictionNames, "pairs.output": "sop_classifier.classifier" };
    super(base, head, classifier(config, labelCount(config), options), names);
  }

  forward(inputIds: Tensor, inputs: AlbertPreTrainingInputs = {}): AlbertPreTrainingOutput {
    const predicted = this.predict(inputIds, inputs, inputs.sentenceOrderLabel);
    const { output, loss, predictionLogits, pairLogits } = predicted;
    return { ...output, loss, predictionLogits, sopLogits: pairLogits };
  }
}

export class AlbertForSequenceClassification extends SequenceClassifier<AlbertModel> {
  constructor(config: AlbertConfig, options: CreateOptions = {}) {
    const base = new AlbertModel(config, options);
    super(base, classifier(config, labelCount(config), options), { "head.output": "classifier" });
  }
}

export class AlbertForTokenClassification extends TokenClassifier<AlbertModel> {
  constructor(config: AlbertConfig, options: CreateOptions = {}) {
    const base = new AlbertModel(config, { ...options, pooler: false });
    super(base, classifier(config, labelCount(config), options), { "head.output": "classifier" });
  }
}

export class AlbertForQuestionAnswering extends QuestionAnswerer<AlbertModel> {
  constructor(config: AlbertConfig, options: CreateOptions = {}) {
    const base = new AlbertModel(config, { ...options, pooler: false });
    super(base, new Classifier(config, 2, options), { "head.output": "qa_outputs" });
  }
}

export class AlbertForMultipleChoice extends MultipleChoiceModel<AlbertModel> {
  constructor(config: AlbertConfig, options: CreateOptions = {}) {
    const base = new AlbertModel(config, options);
    super(base, classifier(config, 1, options), { "head.output": "classifier" });
  }
}

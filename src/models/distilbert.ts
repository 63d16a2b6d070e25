import type { CreateOptions } from "../tensor/create.ts";
import { type HiddenActivation, hiddenActivationNames } from "./activation.ts";
import type { CheckpointRules } from "./checkpoint.ts";
import { ConfigReader } from "./config.ts";
import { EncoderModel, type EncoderSpec, type Names } from "./encoder.ts";
import { checkEncoderConfig, type EncoderConfig, labelCount, problemTypes } from "./encoderConfig.ts";
import {
  MaskedLM,
  MultipleChoiceModel,
  QuestionAnswerer,
  SequenceClassifier,
  TokenClassifier,
} from "./headModels.ts";
import { Classifier, LanguageModelHead } from "./heads.ts";

// Sanh, Debut, Chaumond and Wolf, DistilBERT, a distilled version of BERT (2019): half of BERT's layers, without segments
// and pooler.

/** What `config.json` says of a DistilBERT, under its own names. */
export interface DistilBertConfig {
  readonly vocab_size: number;
  readonly max_position_embeddings: number;
  readonly n_layers: number;
  readonly n_heads: number;
  readonly dim: number;
  readonly hidden_dim: number;
  readonly dropout: number;
  readonly attention_dropout: number;
  readonly activation: HiddenActivation;
  readonly initializer_range: number;
  /** Whether positions are those of the Transformer, and not trained. */
  readonly sinusoidal_pos_embds: boolean;
  readonly qa_dropout: number;
  readonly seq_classif_dropout: number;
  readonly pad_token_id: number | null;
  readonly tie_word_embeddings: boolean;
  readonly id2label: EncoderConfig["id2label"];
  readonly problem_type: EncoderConfig["problem_type"];
}

/**
 * Reads a configuration; what is missing is DistilBERT-base's.
 * @throws ArgumentError naming the field that is wrong, or that asks for what this model does not have.
 */
function from(json: unknown): DistilBertConfig {
  const reader = new ConfigReader("DistilBertConfig", json);
  const config: DistilBertConfig = {
    vocab_size: reader.integer("vocab_size", 30522),
    max_position_embeddings: reader.integer("max_position_embeddings", 512),
    n_layers: reader.integer("n_layers", 6, 0),
    n_heads: reader.integer("n_heads", 12),
    dim: reader.integer("dim", 768),
    hidden_dim: reader.integer("hidden_dim", 3072),
    dropout: reader.probability("dropout", 0.1),
    attention_dropout: reader.probability("attention_dropout", 0.1),
    activation: reader.choice("activation", hiddenActivationNames, "gelu"),
    initializer_range: reader.number("initializer_range", 0.02),
    sinusoidal_pos_embds: reader.boolean("sinusoidal_pos_embds", false),
    qa_dropout: reader.probability("qa_dropout", 0.1),
    seq_classif_dropout: reader.probability("seq_classif_dropout", 0.2),
    pad_token_id: reader.optionalInteger("pad_token_id", 0),
    tie_word_embeddings: reader.boolean("tie_word_embeddings", true),
    id2label: reader.labels(),
    problem_type: reader.optionalChoice("problem_type", problemTypes),
  };
  checkEncoderConfig(reader, encoderOf(config), { width: "dim", heads: "n_heads" });
  return config;
}

/** The same in the words of BERT's configuration. */
function encoderOf(config: DistilBertConfig): EncoderConfig {
  return {
    vocab_size: config.vocab_size,
    hidden_size: config.dim,
    num_hidden_layers: config.n_layers,
    num_attention_heads: config.n_heads,
    intermediate_size: config.hidden_dim,
    hidden_act: config.activation,
    hidden_dropout_prob: config.dropout,
    attention_probs_dropout_prob: config.attention_dropout,
    max_position_embeddings: config.max_position_embeddings,
    position_embedding_type: "absolute",
    type_vocab_size: 0,
    initializer_range: config.initializer_range,
    layer_norm_eps: 1e-12,
    pad_token_id: config.pad_token_id,
    tie_word_embeddings: config.tie_word_embeddings,
    is_decoder: false,
    id2label: config.id2label,
    problem_type: config.problem_type,
    classifier_dropout: null,
  };
}

export const DistilBertConfig = {
  from,
  /** 6 layers of width 768. */
  base: from({}),
};

/** How files of DistilBERT differ from the names here. */
export const distilBertCheckpoint: CheckpointRules = {
  base: "distilbert",
  ignored: [/embeddings\.position_ids$/],
  tied: [["vocab_projector.weight", "distilbert.embeddings.word_embeddings.weight"]],
};

const learntSpec: EncoderSpec = {
  prefix: "distilbert",
  names: { layers: "transformer.layer" },
  layerNames: {
    "attention.query": "attention.q_lin",
    "attention.key": "attention.k_lin",
    "attention.value": "attention.v_lin",
    "attention.output": "attention.out_lin",
    attentionNorm: "sa_layer_norm",
    up: "ffn.lin1",
    down: "ffn.lin2",
    outputNorm: "output_layer_norm",
  },
  pooler: false,
};

/** The encoder that all DistilBERTs share. */
export class DistilBertModel extends EncoderModel<DistilBertConfig> {
  constructor(config: DistilBertConfig, options: CreateOptions = {}) {
    const spec = { ...learntSpec, sinusoidalPositions: config.sinusoidal_pos_embds };
    super(config, encoderOf(config), spec, options);
  }
}

const predictionNames: Names = {
  "head.dense": "vocab_transform",
  "head.norm": "vocab_layer_norm",
  "head.bias": "vocab_projector.bias",
  "head.decoder": "vocab_projector.weight",
};

export class DistilBertForMaskedLM extends MaskedLM<DistilBertModel> {
  constructor(config: DistilBertConfig, options: CreateOptions = {}) {
    const base = new DistilBertModel(config, options);
    super(base, new LanguageModelHead(base.encoder, options), predictionNames);
  }
}

const classifierNames: Names = { "head.dense": "pre_classifier", "head.output": "classifier" };

/** A dense layer with ReLU and a linear layer, for scores of whole sequences. */
function sequenceHead(config: DistilBertConfig, classes: number, options: CreateOptions): Classifier {
  const { seq_classif_dropout: dropout } = config;
  return new Classifier(encoderOf(config), classes, { ...options, dropout, dense: "relu", dropInput: false });
}

export class DistilBertForSequenceClassification extends SequenceClassifier<DistilBertModel> {
  constructor(config: DistilBertConfig, options: CreateOptions = {}) {
    const base = new DistilBertModel(config, options);
    super(base, sequenceHead(config, labelCount(config), options), classifierNames);
  }
}

export class DistilBertForMultipleChoice extends MultipleChoiceModel<DistilBertModel> {
  constructor(config: DistilBertConfig, options: CreateOptions = {}) {
    super(new DistilBertModel(config, options), sequenceHead(config, 1, options), classifierNames);
  }
}

export class DistilBertForTokenClassification extends TokenClassifier<DistilBertModel> {
  constructor(config: DistilBertConfig, options: CreateOptions = {}) {
    const base = new DistilBertModel(config, options);
    const { dropout } = config;
    const head = new Classifier(base.encoder, labelCount(config), { ...options, dropout });
    super(base, head, { "head.output": "classifier" });
  }
}

export class DistilBertForQuestionAnswering extends QuestionAnswerer<DistilBertModel> {
  constructor(config: DistilBertConfig, options: CreateOptions = {}) {
    const base = new DistilBertModel(config, options);
    const head = new Classifier(base.encoder, 2, { ...options, dropout: config.qa_dropout });
    super(base, head, { "head.output": "qa_outputs" });
  }
}

import type { CreateOptions } from "../tensor/create.ts";
import { bertLayerNames, classifierDropout } from "./bert.ts";
import type { CheckpointRules } from "./checkpoint.ts";
import { ConfigReader } from "./config.ts";
import { EncoderModel, type EncoderSpec, type Names } from "./encoder.ts";
import { type EncoderConfig, labelCount, readEncoderConfig } from "./encoderConfig.ts";
import {
  CausalLM,
  MaskedLM,
  MultipleChoiceModel,
  QuestionAnswerer,
  SequenceClassifier,
  TokenClassifier,
} from "./headModels.ts";
import { Classifier, LanguageModelHead } from "./heads.ts";

// Liu et al., RoBERTa: A Robustly Optimized BERT Pretraining Approach (2019): BERT without segments and next-sentence
// prediction, trained longer. In its code, fairseq, positions count from behind the padding token.

/** What `config.json` says of a RoBERTa, under its own names. */
export type RobertaConfig = EncoderConfig;

function robertaFrom(json: unknown): RobertaConfig {
  const reader = new ConfigReader("RobertaConfig", json);
  const config = readEncoderConfig(reader, {
    vocab_size: 50265,
    hidden_size: 768,
    num_attention_heads: 12,
    intermediate_size: 3072,
    pad_token_id: 1,
  });
  if (config.pad_token_id === null) reader.fail("pad_token_id", "a token: positions are counted from it");
  return config;
}

export const RobertaConfig = {
  /**
   * Reads a configuration; what is missing is as Hugging Face's library has it.
   * @throws ArgumentError naming the field that is wrong, or that asks for what this model does not have.
   */
  from: robertaFrom,
  /** 12 layers of width 768; 512 positions behind padding token 1. */
  base: robertaFrom({ max_position_embeddings: 514, type_vocab_size: 1, layer_norm_eps: 1e-5 }),
  /** 24 layers of width 1024. */
  large: robertaFrom({
    hidden_size: 1024,
    num_hidden_layers: 24,
    num_attention_heads: 16,
    intermediate_size: 4096,
    max_position_embeddings: 514,
    type_vocab_size: 1,
    layer_norm_eps: 1e-5,
  }),
};

/** How files of RoBERTa differ from the names here. */
export const robertaCheckpoint: CheckpointRules = {
  base: "roberta",
  ignored: [/embeddings\.position_ids$/],
  tied: [
    ["lm_head.decoder.weight", "roberta.embeddings.word_embeddings.weight"],
    ["lm_head.decoder.bias", "lm_head.bias"],
  ],
};

const spec: EncoderSpec = {
  prefix: "roberta",
  names: { layers: "encoder.layer", pooler: "pooler.dense" },
  layerNames: bertLayerNames,
  positionsAfterPadding: true,
  pooler: true,
};

/** The encoder that all RoBERTas share: BERT's, but for the positions. */
export class RobertaModel extends EncoderModel<RobertaConfig> {
  constructor(config: RobertaConfig, options: CreateOptions & { readonly pooler?: boolean } = {}) {
    super(config, config, spec, options);
  }
}

const predictionNames: Names = {
  "head.dense": "lm_head.dense",
  "head.norm": "lm_head.layer_norm",
  "head.bias": "lm_head.bias",
  "head.decoder": "lm_head.decoder.weight",
};

/** BERT's head, with a GELU whatever the layers have. */
function predictionHead(config: RobertaConfig, options: CreateOptions): LanguageModelHead {
  return new LanguageModelHead(config, options, { activation: "gelu" });
}

/** RoBERTa with the head it is pre-trained with, the masked language model; section 3. */
export class RobertaForMaskedLM extends MaskedLM<RobertaModel> {
  constructor(config: RobertaConfig, options: CreateOptions = {}) {
    const base = new RobertaModel(config, { ...options, pooler: false });
    super(base, predictionHead(config, options), predictionNames);
  }
}

/** RoBERTa as a language model: with `is_decoder`, each token sees those before it and predicts the next. */
export class RobertaForCausalLM extends CausalLM<RobertaModel> {
  constructor(config: RobertaConfig, options: CreateOptions = {}) {
    const base = new RobertaModel(config, { ...options, pooler: false });
    super(base, predictionHead(config, options), predictionNames);
  }
}

/** Classes of sequences: a dense layer with tanh and a linear layer on the first token. */
export class RobertaForSequenceClassification extends SequenceClassifier<RobertaModel> {
  constructor(config: RobertaConfig, options: CreateOptions = {}) {
    const base = new RobertaModel(config, { ...options, pooler: false });
    const dropout = classifierDropout(config);
    const head = new Classifier(config, labelCount(config), { ...options, dropout, dense: "tanh" });
    super(base, head, { "head.dense": "classifier.dense", "head.output": "classifier.out_proj" });
  }
}

export class RobertaForTokenClassification extends TokenClassifier<RobertaModel> {
  constructor(config: RobertaConfig, options: CreateOptions = {}) {
    const base = new RobertaModel(config, { ...options, pooler: false });
    const dropout = classifierDropout(config);
    const head = new Classifier(config, labelCount(config), { ...options, dropout });
    super(base, head, { "head.output": "classifier" });
  }
}

export class RobertaForQuestionAnswering extends QuestionAnswerer<RobertaModel> {
  constructor(config: RobertaConfig, options: CreateOptions = {}) {
    const base = new RobertaModel(config, { ...options, pooler: false });
    super(base, new Classifier(config, 2, options), { "head.output": "qa_outputs" });
  }
}

export class RobertaForMultipleChoice extends MultipleChoiceModel<RobertaModel> {
  constructor(config: RobertaConfig, options: CreateOptions = {}) {
    const base = new RobertaModel(config, options);
    // Not the classifier's dropout: so Hugging Face's model.
    const head = new Classifier(config, 1, { ...options, dropout: config.hidden_dropout_prob });
    super(base, head, { "head.output": "classifier" });
  }
}

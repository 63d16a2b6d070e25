import type { CreateOptions } from "../tensor/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { BertConfig } from "./bertConfig.ts";
import type { CheckpointRules } from "./checkpoint.ts";
import { EncoderModel, type EncoderOutput, type EncoderSpec, type Names } from "./encoder.ts";
import { labelCount } from "./encoderConfig.ts";
import {
  CausalLM,
  MaskedLM,
  type MaskedLMInputs,
  MultipleChoiceModel,
  PairClassifier,
  PreTrainingModel,
  QuestionAnswerer,
  SequenceClassifier,
  TokenClassifier,
} from "./headModels.ts";
import { Classifier, LanguageModelHead } from "./heads.ts";

// Devlin, Chang, Lee and Toutanova, BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding
// (2018). Comments give the paper's names and those of its code, google-research/bert. Names in files are Hugging Face's.

/** How files of BERT differ from the names here. */
export const bertCheckpoint: CheckpointRules = {
  base: "bert",
  ignored: [/embeddings\.position_ids$/],
  tied: [
    ["cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"],
    ["cls.predictions.decoder.bias", "cls.predictions.bias"],
  ],
};

/** Names of a layer's fields in the files of BERT, RoBERTa and ELECTRA. */
export const bertLayerNames: Names = {
  "attention.query": "attention.self.query",
  "attention.key": "attention.self.key",
  "attention.value": "attention.self.value",
  "attention.distance": "attention.self.distance_embedding",
  "attention.output": "attention.output.dense",
  attentionNorm: "attention.output.LayerNorm",
  up: "intermediate.dense",
  down: "output.dense",
  outputNorm: "output.LayerNorm",
};

const spec: EncoderSpec = {
  prefix: "bert",
  names: { layers: "encoder.layer", pooler: "pooler.dense" },
  layerNames: bertLayerNames,
  pooler: true,
};

/** The encoder that all BERTs share. */
export class BertModel extends EncoderModel<BertConfig> {
  /** Nothing is computed yet: parameters take their initial values when they are first used. */
  constructor(config: BertConfig, options: CreateOptions & { readonly pooler?: boolean } = {}) {
    super(config, config, spec, options);
  }
}

/** Names of the language-model head's fields in files. */
export const predictionNames: Names = {
  "head.dense": "cls.predictions.transform.dense",
  "head.norm": "cls.predictions.transform.LayerNorm",
  "head.bias": "cls.predictions.bias",
  "head.decoder": "cls.predictions.decoder.weight",
};

/** Dropout before a classifier. */
export function classifierDropout(config: BertConfig): number {
  return config.classifier_dropout ?? config.hidden_dropout_prob;
}

/** BERT with the masked-language-model head; section 3.1, task 1. */
export class BertForMaskedLM extends MaskedLM<BertModel> {
  constructor(config: BertConfig, options: CreateOptions = {}) {
    const base = new BertModel(config, { ...options, pooler: false });
    super(base, new LanguageModelHead(config, options), predictionNames);
  }

  /** The encoder. */
  get bert(): BertModel {
    return this.base;
  }
}

/** BERT as a language model: with `is_decoder`, each token sees those before it and predicts the next. */
export class BertLMHeadModel extends CausalLM<BertModel> {
  constructor(config: BertConfig, options: CreateOptions = {}) {
    const base = new BertModel(config, { ...options, pooler: false });
    super(base, new LanguageModelHead(config, options), predictionNames);
  }
}

export interface BertPreTrainingInputs extends MaskedLMInputs {
  /** [B]: 0 where segment B follows A, 1 where it is from elsewhere. */
  readonly nextSentenceLabel?: Tensor;
}

export interface BertPreTrainingOutput extends EncoderOutput {
  /** Sum of the two losses; undefined unless both labels were given. */
  readonly loss: Tensor | undefined;
  readonly predictionLogits: Tensor;
  /** [B, 2] */
  readonly seqRelationshipLogits: Tensor;
}

/** BERT with both heads it is pre-trained with: masked language model and next-sentence prediction; section 3.1. */
export class BertForPreTraining extends PreTrainingModel<BertModel> {
  constructor(config: BertConfig, options: CreateOptions = {}) {
    const base = new BertModel(config, options);
    const head = new LanguageModelHead(config, options);
    const names = { ...predictionNames, "pairs.output": "cls.seq_relationship" };
    super(base, head, new Classifier(config, 2, options), names);
  }

  /** The encoder. */
  get bert(): BertModel {
    return this.base;
  }

  forward(inputIds: Tensor, inputs: BertPreTrainingInputs = {}): BertPreTrainingOutput {
    const predicted = this.predict(inputIds, inputs, inputs.nextSentenceLabel);
    const { output, loss, predictionLogits, pairLogits } = predicted;
    return { ...output, loss, predictionLogits, seqRelationshipLogits: pairLogits };
  }
}

/** Whether segment B follows A (class 0) or is from elsewhere (1); section 3.1, task 2. */
export class BertForNextSentencePrediction extends PairClassifier<BertModel> {
  constructor(config: BertConfig, options: CreateOptions = {}) {
    const base = new BertModel(config, options);
    super(base, new Classifier(config, 2, options), { "head.output": "cls.seq_relationship" });
  }
}

/** Classes of sequences and pairs, from C; section 4.1. */
export class BertForSequenceClassification extends SequenceClassifier<BertModel> {
  constructor(config: BertConfig, options: CreateOptions = {}) {
    const base = new BertModel(config, options);
    const dropout = classifierDropout(config);
    const head = new Classifier(config, labelCount(config), { ...options, dropout });
    super(base, head, { "head.output": "classifier" });
  }
}

/** Classes of tokens, from T_i; section 5.3. */
export class BertForTokenClassification extends TokenClassifier<BertModel> {
  constructor(config: BertConfig, options: CreateOptions = {}) {
    const base = new BertModel(config, { ...options, pooler: false });
    const dropout = classifierDropout(config);
    const head = new Classifier(config, labelCount(config), { ...options, dropout });
    super(base, head, { "head.output": "classifier" });
  }
}

/** The answer's first and last token, from the dot products S T_i and E T_i; section 4.2. */
export class BertForQuestionAnswering extends QuestionAnswerer<BertModel> {
  constructor(config: BertConfig, options: CreateOptions = {}) {
    const base = new BertModel(config, { ...options, pooler: false });
    super(base, new Classifier(config, 2, options), { "head.output": "qa_outputs" });
  }
}

/** The likeliest continuation, by a score from C; section 4.4. */
export class BertForMultipleChoice extends MultipleChoiceModel<BertModel> {
  constructor(config: BertConfig, options: CreateOptions = {}) {
    const base = new BertModel(config, options);
    const head = new Classifier(config, 1, { ...options, dropout: classifierDropout(config) });
    super(base, head, { "head.output": "classifier" });
  }
}

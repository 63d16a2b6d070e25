import { binaryCrossEntropyWithLogits } from "../nn/functional/index.ts";
import type { CreateOptions } from "../tensor/create.ts";
import { type Tensor, where } from "../tensor/tensor.ts";
import { type HiddenActivation, hiddenActivationNames } from "./activation.ts";
import { bertLayerNames, classifierDropout } from "./bert.ts";
import type { CheckpointRules } from "./checkpoint.ts";
import { ConfigReader } from "./config.ts";
import { type EmbeddingTables, EncoderModel, type EncoderSpec, type Names } from "./encoder.ts";
import { type EncoderConfig, labelCount, readEncoderConfig } from "./encoderConfig.ts";
import {
  CausalLM,
  HeadModel,
  type LabelledInputs,
  MaskedLM,
  MultipleChoiceModel,
  QuestionAnswerer,
  SequenceClassifier,
  type TaskOutput,
  TokenClassifier,
} from "./headModels.ts";
import { Classifier, LanguageModelHead } from "./heads.ts";

// Clark, Luong, Le and Manning, ELECTRA: Pre-training Text Encoders as Discriminators Rather Than Generators (2020).
// A small generator fills masks; the discriminator, which is kept, finds the tokens that it replaced.

/** What `config.json` says of an ELECTRA, generator or discriminator, under its own names. */
export interface ElectraConfig extends EncoderConfig {
  /** Width of the tables, which generator and discriminator share. */
  readonly embedding_size: number;
  /** Of the summary that scores a continuation. */
  readonly summary_activation: HiddenActivation;
  readonly summary_last_dropout: number;
}

/**
 * Reads a configuration; what is missing is ELECTRA-small's.
 * @throws ArgumentError naming the field that is wrong, or that asks for what this model does not have.
 */
function from(json: unknown): ElectraConfig {
  const reader = new ConfigReader("ElectraConfig", json);
  const shared = readEncoderConfig(reader, {
    vocab_size: 30522,
    hidden_size: 256,
    num_attention_heads: 4,
    intermediate_size: 1024,
    pad_token_id: 0,
  });
  reader.choice("summary_type", ["first"], "first");
  return {
    ...shared,
    embedding_size: reader.integer("embedding_size", 128),
    summary_activation: reader.choice("summary_activation", hiddenActivationNames, "gelu"),
    summary_last_dropout: reader.probability("summary_last_dropout", 0.1),
  };
}

export const ElectraConfig = {
  from,
  /** The small discriminator: 12 layers of width 256. */
  small: from({}),
  /** Of BERT-base's size. */
  base: from({ hidden_size: 768, num_attention_heads: 12, intermediate_size: 3072, embedding_size: 768 }),
};

/** How files of ELECTRA differ from the names here. */
export const electraCheckpoint: CheckpointRules = {
  base: "electra",
  ignored: [/embeddings\.position_ids$/],
  tied: [["generator_lm_head.weight", "electra.embeddings.word_embeddings.weight"]],
};

function specOf({ embedding_size, hidden_size }: ElectraConfig): EncoderSpec {
  return {
    prefix: "electra",
    names: { projection: "embeddings_project", layers: "encoder.layer" },
    layerNames: bertLayerNames,
    embeddingWidth: embedding_size === hidden_size ? undefined : embedding_size,
    pooler: false,
  };
}

/** The encoder of generators and discriminators: BERT's without pooler, with tables of another width. */
export class ElectraModel extends EncoderModel<ElectraConfig> {
  constructor(config: ElectraConfig, options: CreateOptions & { readonly tables?: EmbeddingTables } = {}) {
    super(config, config, specOf(config), options);
  }
}

const generatorNames: Names = {
  "head.dense": "generator_predictions.dense",
  "head.norm": "generator_predictions.LayerNorm",
  "head.bias": "generator_lm_head.bias",
  "head.decoder": "generator_lm_head.weight",
};

/** BERT's head, back to the tables' width, with a GELU whatever the layers have. */
function generatorHead(config: ElectraConfig, options: CreateOptions): LanguageModelHead {
  return new LanguageModelHead(config, options, { width: config.embedding_size, activation: "gelu" });
}

/** The generator, p_G; section 2. */
export class ElectraForMaskedLM extends MaskedLM<ElectraModel> {
  /** `tables` are those of the discriminator, where the two are trained together. */
  constructor(config: ElectraConfig, options: CreateOptions & { readonly tables?: EmbeddingTables } = {}) {
    const { tables, ...create } = options;
    super(new ElectraModel(config, { ...create, tables }), generatorHead(config, create), generatorNames);
  }
}

/** The generator as a language model: with `is_decoder`, each token sees those before it and predicts the next. */
export class ElectraForCausalLM extends CausalLM<ElectraModel> {
  constructor(config: ElectraConfig, options: CreateOptions = {}) {
    super(new ElectraModel(config, options), generatorHead(config, options), generatorNames);
  }
}

/** The discriminator, D: whether each token is the original (0) or was replaced (1); section 2. */
export class ElectraForPreTraining extends HeadModel<ElectraModel, Classifier> {
  constructor(config: ElectraConfig, options: CreateOptions = {}) {
    const head = new Classifier(config, 1, { ...options, dense: config.hidden_act });
    super(new ElectraModel(config, options), head, {
      "head.dense": "discriminator_predictions.dense",
      "head.output": "discriminator_predictions.dense_prediction",
    });
  }

  /** logits are [B, T], of D's sigmoid; the loss of labels [B, T] is the mean over what the attention mask holds. */
  forward(inputIds: Tensor, inputs: LabelledInputs = {}): TaskOutput {
    const output = this.base.forward(inputIds, inputs);
    const logits = this.head.forward(output.lastHiddenState).squeeze(2);
    const { labels, attentionMask } = inputs;
    if (labels === undefined) return { ...output, logits, loss: undefined };
    const target = labels.to(logits.dtype);
    if (attentionMask === undefined) {
      return { ...output, logits, loss: binaryCrossEntropyWithLogits(logits, target) };
    }
    const losses = binaryCrossEntropyWithLogits(logits, target, { reduction: "none" });
    const counted = attentionMask.to(logits.dtype).eq(1);
    const loss = where(counted, losses, 0).sum().div(counted.to(logits.dtype).sum());
    return { ...output, logits, loss };
  }
}

/** Classes of sequences: a dense layer with GELU and a linear layer on the first token. */
export class ElectraForSequenceClassification extends SequenceClassifier<ElectraModel> {
  constructor(config: ElectraConfig, options: CreateOptions = {}) {
    const base = new ElectraModel(config, options);
    const dropout = classifierDropout(config);
    const head = new Classifier(config, labelCount(config), { ...options, dropout, dense: "gelu" });
    super(base, head, { "head.dense": "classifier.dense", "head.output": "classifier.out_proj" });
  }
}

export class ElectraForTokenClassification extends TokenClassifier<ElectraModel> {
  constructor(config: ElectraConfig, options: CreateOptions = {}) {
    const base = new ElectraModel(config, options);
    const dropout = classifierDropout(config);
    super(base, new Classifier(config, labelCount(config), { ...options, dropout }), {
      "head.output": "classifier",
    });
  }
}

/** The likeliest continuation, by a score of its first token's summary. */
export class ElectraForMultipleChoice extends MultipleChoiceModel<ElectraModel> {
  constructor(config: ElectraConfig, options: CreateOptions = {}) {
    const base = new ElectraModel(config, options);
    const head = new Classifier(config, 1, {
      ...options,
      dense: config.summary_activation,
      dropout: config.summary_last_dropout,
      dropInput: false,
    });
    super(base, head, { "head.dense": "sequence_summary.summary", "head.output": "classifier" });
  }
}

export class ElectraForQuestionAnswering extends QuestionAnswerer<ElectraModel> {
  constructor(config: ElectraConfig, options: CreateOptions = {}) {
    const base = new ElectraModel(config, options);
    super(base, new Classifier(config, 2, options), { "head.output": "qa_outputs" });
  }
}

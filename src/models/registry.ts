import { ArgumentError } from "../graph/errors.ts";
import type { Module } from "../nn/module.ts";
import type { CreateOptions } from "../tensor/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import * as albert from "./albert.ts";
import * as bert from "./bert.ts";
import { BertConfig } from "./bertConfig.ts";
import type { CheckpointRules } from "./checkpoint.ts";
import * as distilbert from "./distilbert.ts";
import * as dynamicConvolution from "./dynamicConvolution.ts";
import * as electra from "./electra.ts";
import type { GenerateOptions } from "./generate.ts";
import * as roberta from "./roberta.ts";
import * as synthesizer from "./synthesizer.ts";
import {
  SynthesizerForConditionalGeneration,
  SynthesizerTransformerConfig,
} from "./synthesizerTransformer.ts";
import * as transformer from "./transformer.ts";
import { TransformerConfig } from "./transformerConfig.ts";
import * as transformerXl from "./transformerXl.ts";
import { TransfoXLConfig } from "./transformerXlConfig.ts";
import * as transformerXlTasks from "./transformerXlTasks.ts";
import * as tta from "./tta.ts";
import * as unofficial from "./unofficialSynthesizer.ts";
import * as xlnet from "./xlnet.ts";
import { XLNetForQuestionAnswering } from "./xlnetAnswers.ts";
import { XLNetConfig } from "./xlnetConfig.ts";
import * as xlnetTasks from "./xlnetTasks.ts";

// Models by the names of Hugging Face's classes, which configurations give under `architectures`.

/** A model with a configuration: its main input (token ids, mostly), then everything else by name. */
export interface PretrainedModel extends Module {
  /** What `config.json` says, under its own names. */
  readonly config: object;
  forward(main: Tensor, inputs?: object): object;
  /** Of models that give one token after the other: the likeliest outputs that a search finds. */
  generate?(main: Tensor, inputs: object, options: GenerateOptions): Promise<number[][]>;
}

/** A class of models, and how its files are read. */
export interface ModelClass {
  /** Hugging Face's name of the class: "BertForMaskedLM". */
  readonly name: string;
  /** `model_type` of its configurations: "bert". */
  readonly modelType: string;
  readonly rules: CheckpointRules;
  /** Makes a model with initial values from what `config.json` holds. @throws ArgumentError naming a wrong field. */
  readonly create: (config: unknown, options?: CreateOptions) => PretrainedModel;
  /** Whether a model is of this class itself. */
  readonly isClassOf: (model: Module) => boolean;
}

interface Family<Config> {
  readonly modelType: string;
  readonly config: { readonly from: (json: unknown) => Config };
  readonly rules: CheckpointRules;
  /** Constructors by the names of Hugging Face's classes. */
  readonly classes: Readonly<
    Record<string, new (config: Config, options?: CreateOptions) => PretrainedModel>
  >;
}

function classesOf<Config>({ modelType, config, rules, classes }: Family<Config>): ModelClass[] {
  return Object.entries(classes).map(([name, Class]) => ({
    name,
    modelType,
    rules,
    create: (json, options) => new Class(config.from(json), options),
    isClassOf: (model) => model.constructor === Class,
  }));
}

/** Every class of models there is. */
export const modelClasses: readonly ModelClass[] = [
  ...classesOf({
    modelType: "bert",
    config: BertConfig,
    rules: bert.bertCheckpoint,
    classes: {
      BertModel: bert.BertModel,
      BertForPreTraining: bert.BertForPreTraining,
      BertForMaskedLM: bert.BertForMaskedLM,
      BertLMHeadModel: bert.BertLMHeadModel,
      BertForNextSentencePrediction: bert.BertForNextSentencePrediction,
      BertForSequenceClassification: bert.BertForSequenceClassification,
      BertForTokenClassification: bert.BertForTokenClassification,
      BertForQuestionAnswering: bert.BertForQuestionAnswering,
      BertForMultipleChoice: bert.BertForMultipleChoice,
    },
  }),
  ...classesOf({
    modelType: "roberta",
    config: roberta.RobertaConfig,
    rules: roberta.robertaCheckpoint,
    classes: {
      RobertaModel: roberta.RobertaModel,
      RobertaForMaskedLM: roberta.RobertaForMaskedLM,
      RobertaForCausalLM: roberta.RobertaForCausalLM,
      RobertaForSequenceClassification: roberta.RobertaForSequenceClassification,
      RobertaForTokenClassification: roberta.RobertaForTokenClassification,
      RobertaForQuestionAnswering: roberta.RobertaForQuestionAnswering,
      RobertaForMultipleChoice: roberta.RobertaForMultipleChoice,
    },
  }),
  ...classesOf({
    modelType: "albert",
    config: albert.AlbertConfig,
    rules: albert.albertCheckpoint,
    classes: {
      AlbertModel: albert.AlbertModel,
      AlbertForPreTraining: albert.AlbertForPreTraining,
      AlbertForMaskedLM: albert.AlbertForMaskedLM,
      AlbertForSequenceClassification: albert.AlbertForSequenceClassification,
      AlbertForTokenClassification: albert.AlbertForTokenClassification,
      AlbertForQuestionAnswering: albert.AlbertForQuestionAnswering,
      AlbertForMultipleChoice: albert.AlbertForMultipleChoice,
    },
  }),
  ...classesOf({
    modelType: "electra",
    config: electra.ElectraConfig,
    rules: electra.electraCheckpoint,
    classes: {
      ElectraModel: electra.ElectraModel,
      ElectraForPreTraining: electra.ElectraForPreTraining,
      ElectraForMaskedLM: electra.ElectraForMaskedLM,
      ElectraForCausalLM: electra.ElectraForCausalLM,
      ElectraForSequenceClassification: electra.ElectraForSequenceClassification,
      ElectraForTokenClassification: electra.ElectraForTokenClassification,
      ElectraForQuestionAnswering: electra.ElectraForQuestionAnswering,
      ElectraForMultipleChoice: electra.ElectraForMultipleChoice,
    },
  }),
  ...classesOf({
    modelType: "distilbert",
    config: distilbert.DistilBertConfig,
    rules: distilbert.distilBertCheckpoint,
    classes: {
      DistilBertModel: distilbert.DistilBertModel,
      DistilBertForMaskedLM: distilbert.DistilBertForMaskedLM,
      DistilBertForSequenceClassification: distilbert.DistilBertForSequenceClassification,
      DistilBertForTokenClassification: distilbert.DistilBertForTokenClassification,
      DistilBertForQuestionAnswering: distilbert.DistilBertForQuestionAnswering,
      DistilBertForMultipleChoice: distilbert.DistilBertForMultipleChoice,
    },
  }),
  ...classesOf({
    modelType: "synthesizer",
    config: synthesizer.SynthesizerConfig,
    rules: synthesizer.synthesizerCheckpoint,
    classes: {
      SynthesizerModel: synthesizer.SynthesizerModel,
      SynthesizerForMaskedLM: synthesizer.SynthesizerForMaskedLM,
      SynthesizerLMHeadModel: synthesizer.SynthesizerLMHeadModel,
    },
  }),
  ...classesOf({
    modelType: "dynamic_convolution",
    config: dynamicConvolution.DynamicConvolutionConfig,
    rules: dynamicConvolution.dynamicConvolutionCheckpoint,
    classes: {
      DynamicConvolutionModel: dynamicConvolution.DynamicConvolutionModel,
      DynamicConvolutionForMaskedLM: dynamicConvolution.DynamicConvolutionForMaskedLM,
    },
  }),
  ...classesOf({
    modelType: "synthesizer-unofficial",
    config: unofficial.UnofficialSynthesizerConfig,
    rules: unofficial.unofficialSynthesizerCheckpoint,
    classes: {
      Transformer: unofficial.UnofficialTransformer,
      SynthesizerDense: unofficial.UnofficialDense,
      SynthesizerRandom: unofficial.UnofficialRandom,
      FactorizedSynthesizerDense: unofficial.UnofficialFactorizedDense,
      FactorizedSynthesizerRandom: unofficial.UnofficialFactorizedRandom,
      MixtureSynthesizers: unofficial.UnofficialMixture,
    },
  }),
  ...classesOf({
    modelType: "transformer_encdec",
    config: TransformerConfig,
    rules: transformer.transformerCheckpoint,
    classes: { TransformerForConditionalGeneration: transformer.TransformerForConditionalGeneration },
  }),
  ...classesOf({
    modelType: "synthesizer_encdec",
    config: SynthesizerTransformerConfig,
    rules: transformer.transformerCheckpoint,
    classes: { SynthesizerForConditionalGeneration },
  }),
  ...classesOf({
    modelType: "tta",
    config: tta.TtaConfig,
    rules: tta.ttaCheckpoint,
    classes: {
      TtaModel: tta.TtaModel,
      TtaForLanguageAutoencoding: tta.TtaForLanguageAutoencoding,
    },
  }),
  ...classesOf({
    modelType: "transfo-xl",
    config: TransfoXLConfig,
    rules: transformerXl.transfoXLCheckpoint,
    classes: {
      TransfoXLModel: transformerXl.TransfoXLModel,
      TransfoXLLMHeadModel: transformerXlTasks.TransfoXLLMHeadModel,
      TransfoXLForSequenceClassification: transformerXlTasks.TransfoXLForSequenceClassification,
    },
  }),
  ...classesOf({
    modelType: "xlnet",
    config: XLNetConfig,
    rules: xlnet.xlnetCheckpoint,
    classes: {
      XLNetModel: xlnet.XLNetModel,
      XLNetLMHeadModel: xlnetTasks.XLNetLMHeadModel,
      XLNetForSequenceClassification: xlnetTasks.XLNetForSequenceClassification,
      XLNetForTokenClassification: xlnetTasks.XLNetForTokenClassification,
      XLNetForQuestionAnsweringSimple: xlnetTasks.XLNetForQuestionAnsweringSimple,
      XLNetForQuestionAnswering,
      XLNetForMultipleChoice: xlnetTasks.XLNetForMultipleChoice,
    },
  }),
];

/** The class that a configuration names first under `architectures`, or undefined where it names none. */
export function architectureOf(config: object): string | undefined {
  const { architectures } = config as { readonly architectures?: unknown };
  const [first]: unknown[] = Array.isArray(architectures) ? architectures : [];
  return typeof first === "string" ? first : undefined;
}

/**
 * The class of models of that name, or the one that a configuration names first.
 * @throws ArgumentError when there is no such class, or the configuration names none.
 */
export function modelFor(nameOrConfig: string | object): ModelClass {
  const name = typeof nameOrConfig === "string" ? nameOrConfig : architectureOf(nameOrConfig);
  const known = modelClasses.find((entry) => entry.name === name);
  if (known) return known;
  const problem = name === undefined ? "the configuration has no architectures" : `there is no class ${name}`;
  throw new ArgumentError(
    `modelFor: ${problem}; name one of ${modelClasses.map((entry) => entry.name).join(", ")}`,
  );
}

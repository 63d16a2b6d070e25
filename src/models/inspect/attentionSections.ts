import { ArgumentError } from "../../graph/errors.ts";
import { tensor } from "../../tensor/create.ts";
import { noGrad } from "../../tensor/grad.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { hashRandom, permutationMask, permutationOrder } from "../../text/index.ts";
import type { PretrainedModel } from "../registry.ts";
import { SynthesizerForMaskedLM, SynthesizerLMHeadModel, SynthesizerModel } from "../synthesizer.ts";
import { SynthesizerAttention } from "../synthesizerAttention.ts";
import { TransformerForConditionalGeneration } from "../transformer.ts";
import { XLNetModel, xlnetAttention } from "../xlnet.ts";
import { XLNetHeadModel } from "../xlnetTasks.ts";
import { attentionMaps } from "./attentionMaps.ts";
import type { LabelledMatrix } from "./heatmap.ts";
import type { HeatmapSection } from "./heatmapPage.ts";

/** One text, as a model reads it. */
export interface AttentionText {
  /** T token ids. */
  readonly ids: readonly number[];
  /** What to call each of them. */
  readonly labels: readonly string[];
  /** Ids that stand for no text: XLNet's order is one of all others. */
  readonly specialIds: readonly number[];
  /** Seeds XLNet's order; 0 by default. */
  readonly seed?: number;
}

/** Pictures that belong together. */
export interface AttentionSection extends HeatmapSection {
  /** The layer whose heads these are, one matrix each; undefined for masks, which all layers share. */
  readonly layer: number | undefined;
}

/**
 * What a model attends to in a text: the probabilities of each layer's heads. A Synthesizer also gives the scores that it
 * makes up; XLNet, in an order drawn by `seed`, both streams and what the order lets them see; an encoder-decoder those of
 * its encoder. Puts the model into evaluation mode.
 * @throws ArgumentError for a model that gives no attention probabilities, and where ids and labels do not fit.
 */
export async function attentionSections(
  model: PretrainedModel,
  text: AttentionText,
): Promise<readonly AttentionSection[]> {
  const { ids, labels } = text;
  if (ids.length !== labels.length) {
    throw new ArgumentError(`attentionSections: ${ids.length} ids and ${labels.length} labels`);
  }
  model.eval();
  const inputIds = tensor(Int32Array.from(ids), { shape: [1, ids.length] });
  const xlnet = model instanceof XLNetHeadModel ? model.transformer : model;
  if (xlnet instanceof XLNetModel) return twoStreams(xlnet, inputIds, text);
  const output = noGrad(() =>
    model instanceof TransformerForConditionalGeneration
      ? model.encode(inputIds)
      : model.forward(inputIds, { outputAttentions: true, outputHiddenStates: true }),
  );
  const probabilities = tensorsOf(output, "attentions");
  if (probabilities === undefined) {
    throw new ArgumentError(`a ${model.constructor.name} gives no attention probabilities`);
  }
  const attended = await layerSections(probabilities, labels);
  const synthesized = await layerSections(
    synthesizedScores(model, tensorsOf(output, "hiddenStates") ?? []),
    labels,
    {
      suffix: ", synthesized scores",
    },
  );
  return [...attended.keys()].flatMap((i) => [...synthesized.slice(i, i + 1), attended[i]]);
}

/** A field of what a model gave, if it is a list of tensors. */
function tensorsOf(output: object, field: string): readonly Tensor[] | undefined {
  const value: unknown = Reflect.get(output, field);
  return Array.isArray(value) && value.every((item) => item instanceof Tensor) ? value : undefined;
}

/** Of a Synthesizer, S of each layer [1, heads, T, T], before mask and softmax; nothing of others. */
function synthesizedScores(model: PretrainedModel, hiddenStates: readonly Tensor[]): readonly Tensor[] {
  const whole = model instanceof SynthesizerForMaskedLM || model instanceof SynthesizerLMHeadModel;
  const base = whole ? model.base : model;
  if (!(base instanceof SynthesizerModel)) return [];
  return base.layers.flatMap((layer, i) => {
    const attention = "attention" in layer ? layer.attention : undefined;
    return attention instanceof SynthesizerAttention ? [noGrad(() => attention.scores(hiddenStates[i]))] : [];
  });
}

async function layerSections(
  layers: readonly Tensor[],
  labels: readonly string[],
  { suffix = "" }: { readonly suffix?: string } = {},
): Promise<AttentionSection[]> {
  const sections = await attentionMaps(layers, { queries: labels });
  return sections.map(({ title, matrices }, layer) => ({
    title: title + suffix,
    layer,
    matrices: matrices.map((matrix) => ({ ...matrix, title: matrix.title + suffix })),
  }));
}

/** All tokens but special ones are predicted, in one order, so that every pair of them is one of before and after. */
async function twoStreams(
  model: XLNetModel,
  inputIds: Tensor,
  { ids, labels, specialIds, seed = 0 }: AttentionText,
): Promise<readonly AttentionSection[]> {
  const length = ids.length;
  const isSpecial = ids.map((id) => Number(specialIds.includes(id)));
  const isTarget = isSpecial.map((special) => 1 - special);
  const order = permutationOrder(length, length, hashRandom(seed));
  const looked = noGrad(() =>
    xlnetAttention(model, inputIds, {
      permMask: tensor(permutationMask({ order, isTarget, isSpecial }), { shape: [1, length, length] }),
      targetMapping: tensor(identity(length), { shape: [1, length, length] }),
    }),
  );
  const mask = async (stream: string, allowed: Tensor | undefined): Promise<LabelledMatrix[]> => {
    if (allowed === undefined) return [];
    const values = (await allowed.to("f32").squeeze(0).array()) as number[][];
    return [{ title: `what the ${stream} stream may see`, values, rowLabels: labels, columnLabels: labels }];
  };
  const content = await layerSections(looked.content, labels, { suffix: ", content stream" });
  const query = await layerSections(looked.query ?? [], labels, { suffix: ", query stream" });
  const predicted = [...ids.keys()].filter((i) => isTarget[i] === 1).sort((i, j) => order[i] - order[j]);
  return [
    {
      title: `Order of prediction: ${predicted.map((i) => labels[i]).join(" ")}`,
      layer: undefined,
      matrices: [...(await mask("content", looked.contentMask)), ...(await mask("query", looked.queryMask))],
    },
    ...content.flatMap((section, i) => [section, ...query.slice(i, i + 1)]),
  ];
}

function identity(length: number): Uint8Array {
  return Uint8Array.from({ length: length * length }, (_, i) => Number(i % (length + 1) === 0));
}

import { ArgumentError } from "../../graph/errors.ts";
import type { PretrainedModel } from "../../models/index.ts";
import { compile } from "../../tensor/compile.ts";
import { tensor } from "../../tensor/create.ts";
import { noGrad } from "../../tensor/grad.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { type Examples, IGNORED_LABEL, LengthBuckets, type Tokenizer } from "../../text/index.ts";
import { specialIds } from "../tokenizers.ts";
import type { Batch, Batches, Task } from "../train/recipe.ts";
import type { LabelledText } from "./labelled.ts";

/** A model that classifies sequences, with its tokenizer and the names of its classes. */
export interface Classifier {
  readonly model: PretrainedModel;
  readonly tokenizer: Tokenizer;
  readonly classes: readonly string[];
  /** T, special tokens included: longer texts are cut. */
  readonly length: number;
}

/** The tensors of a batch: B texts of T tokens. */
export type ClassifierInputs = {
  readonly inputIds: Tensor;
  readonly attentionMask: Tensor;
  /** [B]; -100 in rows that only fill the batch up. */
  readonly labels: Tensor;
};

/** No token has so many characters: what lies behind could only be cut off. */
const charactersPerToken = 16;

/** Texts as token ids, cut to the classifier's length. */
export function encodeTexts(
  texts: readonly string[],
  { tokenizer, length }: Pick<Classifier, "tokenizer" | "length">,
): Examples {
  const { pad, sep } = specialIds(tokenizer);
  const ids = new Int32Array(texts.length * length).fill(pad);
  const lengths = Int32Array.from(texts, (text, i) => {
    const all = tokenizer.encode(text.slice(0, length * charactersPerToken)).ids;
    const kept = all.length <= length ? all : [...all.slice(0, length - 1), sep];
    ids.set(kept, i * length);
    return kept.length;
  });
  return { count: texts.length, sequenceLength: length, ids, lengths };
}

/** Batches of texts of similar length, each filled up to one shape a length. */
class TextBatches implements Batches<ClassifierInputs> {
  readonly #buckets: LengthBuckets;
  readonly #classes: Int32Array;
  readonly #batchSize: number;
  readonly #pad: number;

  constructor(
    texts: readonly LabelledText[],
    classifier: Classifier,
    options: { readonly batchSize: number; readonly seed: number; readonly shuffle: boolean },
  ) {
    const { classes, length, tokenizer } = classifier;
    this.#classes = Int32Array.from(texts, ({ label }) => classes.indexOf(label));
    this.#batchSize = options.batchSize;
    this.#pad = specialIds(tokenizer).pad;
    this.#buckets = new LengthBuckets(
      encodeTexts(
        texts.map(({ text }) => text),
        classifier,
      ),
      {
        lengths: [...new Set([Math.ceil(length / 2), length])],
        size: { kind: "rows", rows: options.batchSize },
        seed: options.seed,
        shuffle: options.shuffle,
      },
    );
  }

  get examplesPerEpoch(): number {
    return this.#buckets.examplesPerEpoch;
  }

  get stepsPerEpoch(): number {
    return this.#buckets.stepsPerEpoch;
  }

  batchFrom(position: number): Batch<ClassifierInputs> {
    const { batch, nextPosition } = this.#buckets.batchFrom(position);
    const labels = new Int32Array(this.#batchSize).fill(IGNORED_LABEL);
    labels.set(batch.indices.map((index) => this.#classes[index]));
    return {
      inputs: { ...filledUp(batch, this.#batchSize, this.#pad), labels: tensor(labels) },
      tokens: batch.lengths.reduce((total, tokens) => total + tokens, 0),
      labels,
      nextPosition,
    };
  }
}

/** Examples as the rows of a batch, which empty rows fill up. */
function filledUp(
  { ids, lengths, sequenceLength: length }: Pick<Examples, "ids" | "lengths" | "sequenceLength">,
  rows: number,
  pad: number,
): Omit<ClassifierInputs, "labels"> {
  const all = new Int32Array(rows * length).fill(pad);
  all.set(ids);
  // An empty row still looks at something.
  const tokensOf = (row: number): number => lengths[row] ?? 1;
  const mask = all.map((_, i) => (i % length < tokensOf(Math.floor(i / length)) ? 1 : 0));
  const shape = [rows, length];
  return { inputIds: tensor(all, { shape }), attentionMask: tensor(mask, { shape }) };
}

/** Fine-tuning as a task for the trainer; both parts hold at least one text. */
export function classifierTask(
  classifier: Classifier,
  texts: { readonly training: readonly LabelledText[]; readonly heldOut: readonly LabelledText[] },
  { batchSize, seed }: { readonly batchSize: number; readonly seed: number },
): Task<ClassifierInputs> {
  const { model } = classifier;
  const outputs = ({ inputIds, ...inputs }: ClassifierInputs) => {
    const output = model.forward(inputIds, inputs);
    return { logits: tensorIn(output, "logits"), loss: tensorIn(output, "loss") };
  };
  return {
    model,
    training: new TextBatches(texts.training, classifier, { batchSize, seed, shuffle: true }),
    heldOut: new TextBatches(texts.heldOut, classifier, { batchSize, seed, shuffle: false }),
    loss: (inputs) => outputs(inputs).loss,
    measure: (inputs) => {
      const { loss, logits } = outputs(inputs);
      const counted = inputs.labels.ne(IGNORED_LABEL);
      return {
        classes: { loss, count: counted.sum(), right: logits.argmax(-1).eq(inputs.labels).sum() },
      };
    },
    saved: { "": model },
  };
}

function tensorIn(output: object, name: string): Tensor {
  const found: unknown = Reflect.get(output, name);
  if (found instanceof Tensor) return found;
  throw new ArgumentError(`classify: the model gives no ${name}; it needs a sequence classifier's head`);
}

/** The class of a text, and how probable it is by the model. */
export interface Prediction {
  readonly label: string;
  readonly probability: number;
}

/** Classifies texts, `batchSize` at once. Leaves the model in evaluation mode. */
export async function classify(
  texts: readonly string[],
  classifier: Classifier,
  batchSize: number,
): Promise<Prediction[]> {
  const { model, classes } = classifier;
  model.eval();
  const { pad } = specialIds(classifier.tokenizer);
  const pass = compile(({ inputIds, attentionMask }: Omit<ClassifierInputs, "labels">) =>
    noGrad(() => tensorIn(model.forward(inputIds, { attentionMask }), "logits").softmax(-1)),
  );
  const predictions: Prediction[] = [];
  for (let start = 0; start < texts.length; start += batchSize) {
    const some = texts.slice(start, start + batchSize);
    const found = await pass(filledUp(encodeTexts(some, classifier), batchSize, pad)).data();
    for (const row of some.keys()) {
      const probabilities = [...found.subarray(row * classes.length, (row + 1) * classes.length)];
      const probability = Math.max(...probabilities);
      predictions.push({ label: classes[probabilities.indexOf(probability)], probability });
    }
  }
  return predictions;
}

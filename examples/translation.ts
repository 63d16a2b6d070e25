import { compile, optim, type Tensor, tensor } from "../src/index.ts";
import { TransformerConfig, TransformerForConditionalGeneration } from "../src/models/index.ts";
import { type SentencePair, sentencePair, words } from "./language.ts";

// The encoder-decoder of Attention Is All You Need (2017) learns to translate between two made-up languages, and is then
// asked for sentences that it never saw. `npm run example:translation` takes a few minutes.

const [pad, start, end] = [0, 1, 2];
const vocabulary = ["", "", "", ...words];
const idOf = new Map(words.map((word, i) => [word, i + 3]));

/** The longest sentences: S of the source, T of the target with its start or end token. */
const [sourceLength, targetLength] = [10, 18];

const ids = (sentence: readonly string[]): number[] => sentence.map((word) => idOf.get(word) ?? Number.NaN);

/** [B, length] i32, each row filled up. */
function matrix(rows: readonly (readonly number[])[], length: number, fill: number): Tensor {
  const values = rows.flatMap((row) => [...row, ...Array<number>(length - row.length).fill(fill)]);
  return tensor(Int32Array.from(values), { shape: [rows.length, length] });
}

/** What the model is told of source sentences. */
function sourceOf(sentences: readonly (readonly string[])[]) {
  const rows = sentences.map(ids);
  return {
    inputIds: matrix(rows, sourceLength, pad),
    attentionMask: matrix(
      rows.map((row) => row.map(() => 1)),
      sourceLength,
      0,
    ),
  };
}

/** A batch of pairs: the decoder reads the target behind a start token, and says it with an end token. */
function batchOf(pairs: readonly SentencePair[]) {
  const targets = pairs.map(({ target }) => ids(target));
  return {
    ...sourceOf(pairs.map(({ source }) => source)),
    decoderInputIds: matrix(
      targets.map((row) => [start, ...row]),
      targetLength,
      pad,
    ),
    // -100 counts for nothing.
    labels: matrix(
      targets.map((row) => [...row, end]),
      targetLength,
      -100,
    ),
  };
}

export interface Translator {
  /** The model's translations of sentences, by beam search. */
  readonly translate: (sentences: readonly (readonly string[])[]) => Promise<readonly string[][]>;
}

export interface TrainingOptions {
  readonly steps: number;
  readonly width: number;
  readonly batchSize: number;
  readonly learningRate: number;
  /** Is told the loss after each step, in nats a token, without label smoothing. */
  readonly onStep?: (step: number, loss: number) => void;
}

/** Sentences to train on have even numbers; odd ones are for testing. */
export function testPairs(count: number): SentencePair[] {
  return Array.from({ length: count }, (_, i) => sentencePair(2 * i + 1));
}

/** Trains an encoder-decoder of 2 + 2 layers, each step on sentences of its own. */
export async function trainTranslator(options: TrainingOptions): Promise<Translator> {
  const { steps, width, batchSize, learningRate, onStep } = options;
  const model = new TransformerForConditionalGeneration(
    TransformerConfig.from({
      vocab_size: vocabulary.length,
      d_model: width,
      d_ff: 4 * width,
      encoder_layers: 2,
      decoder_layers: 2,
      num_attention_heads: 4,
      dropout: 0,
      norm_first: true,
      pad_token_id: pad,
      decoder_start_token_id: start,
    }),
  );
  const schedule = optim.linearWarmupDecay({ peak: learningRate, warmup: steps / 10, total: steps + 1 });
  const adam = new optim.AdamW(model.parameters(), { lr: (step) => schedule(step + 1), weightDecay: 0 });
  const step = compile(({ inputIds, ...inputs }: ReturnType<typeof batchOf>) => {
    adam.zeroGrad();
    const { loss, nllLoss } = model.forward(inputIds, inputs);
    if (loss === undefined || nllLoss === undefined) throw new TypeError("labels were given");
    loss.backward();
    optim.clipGradNorm(model.parameters(), 1);
    adam.step();
    return nllLoss;
  });
  for (let i = 0; i < steps; i++) {
    const pairs = Array.from({ length: batchSize }, (_, row) => sentencePair(2 * (i * batchSize + row)));
    onStep?.(i + 1, await step(batchOf(pairs)).item());
  }
  model.eval();
  return {
    translate: async (sentences) => {
      const { inputIds, attentionMask } = sourceOf(sentences);
      const search = { maxLength: targetLength + 1, beams: 4, endToken: end };
      const found = await model.generate(inputIds, { attentionMask }, search);
      return found.map((tokens) => tokens.filter((token) => token > end).map((token) => vocabulary[token]));
    },
  };
}

/** The share of sentences that are translated without any mistake. */
export async function exactMatches(
  { translate }: Translator,
  pairs: readonly SentencePair[],
): Promise<number> {
  const found = await translate(pairs.map(({ source }) => source));
  return pairs.filter(({ target }, i) => found[i].join(" ") === target.join(" ")).length / pairs.length;
}

/** "ketu -i -ta" is "ketuita". */
export function written(sentence: readonly string[]): string {
  return sentence.join(" ").replaceAll(" -", "");
}
